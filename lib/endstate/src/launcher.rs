//! The launcher: what stands between the kubelet and the application in every member pod.
//!
//! A member pod restarts its container in place, which is right as long as the data directory is still there. When it
//! is gone (a wiped volume, a mistaken `rm`), an application started with the pod's own arguments may come up as a
//! *new*, empty member under an identity that the cluster already trusts. So the first start leaves a marker outside
//! the data directory, and a start that finds the marker but no data is refused; the operator then replaces the member
//! under a new name, or restores it.
//!
//! Where the data is to come from elsewhere, a backup say, a program of the operator's makes it before the first start,
//! and leaves all of it or nothing. Until it has, there was no start. That may be all that a pod is for: it says so
//! when the data is whole, and another pod of the member starts on it. Where data is there, a program of the operator's
//! may have to change it before the application uses it.
//!
//! The marker is in a directory of the pod's too, so a node that loses its state loses both while the pod goes on.
//! Against that the operator marks the pod itself once the member has answered
//! ([`crate::operator::STARTED_ANNOTATION`]), and the container gets that mark in its environment, which is made anew
//! for each start. A pod that is made for a member that has data by the operator's record says so by `--resume`.
//!
//! What remains: between a member's first start and the operator's mark, a node that loses both starts the member blank
//! once more. While a cluster forms that costs nothing, since the operator records that a cluster exists, and lets
//! clients in, only once a quorum of its pods has the mark; so no loss ever starts an *empty cluster* in the place of
//! one that was written to. A first member that is late and loses both within seconds of its first start is left to the
//! application's own check.
//!
//! An application may have data in several directories. It is there only if it is in all of them: with one of them
//! blank the application would start as a new member beside what the others hold, so such a start is refused, whoever
//! has or has not started it before.
//!
//! Before each start the data is surveyed: whether it is there, whether it can be read, and whose it is. The last is
//! told by a mark that the launcher leaves in each data directory itself, so that it goes where the data goes: a member
//! that finds the data of another would be that other one for the application, which may run elsewhere. Whether the
//! application can use what it finds only the application tells.
//!
//! A refusal is [`Evidence`](endstate_core::Evidence): an exit code that no application ends with, together with a
//! message that begins with a marker line. The application takes this process over, so what it writes, to its log or
//! even to the message file, ends with an exit code of its own.
//!
//! Invariants: the application is executed only after the marker is on disk; a blank directory with any mark is never
//! started; the file that permits a first start is never made on any other start; [`decide`] is pure, everything else
//! is file I/O of this one process, and there is no waiting and no network but those of what makes the data.

mod arguments;
mod ask;
mod decision;
mod error;
mod files;
mod prepare;
mod request;
mod survey;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

pub use arguments::{command, parse};
pub(crate) use arguments::{resumes, surveys};
pub use decision::{Data, Decision, Marker, Marks, decide};
pub use error::LaunchError;
use error::io_error;
pub use files::Pattern;
pub use request::{DataDir, EXECUTABLE, Launch, Request, SUBCOMMAND};
use survey::Survey;

/// The volume of a member's pod that the launcher and its marker are on.
pub const VOLUME: &str = "launcher";

/// The environment variable that holds the pod's mark; empty or absent until the member has answered.
pub const STARTED_VARIABLE: &str = "ENDSTATE_STARTED";

/// The environment variable in which Java looks for its class path.
const CLASS_PATH: &str = "CLASSPATH";

/// The exit code for a command line that makes no sense.
const EXIT_USAGE: u8 = 2;

/// Does what the arguments after `launch` say. A launch that goes well never returns: the process is the application
/// then.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     endstate::launcher::main(std::env::args().skip(2).collect())
/// }
/// ```
#[must_use]
#[expect(clippy::print_stderr, reason = "this is a process of its own, and stderr is its log")]
pub fn main(args: Vec<String>) -> ExitCode {
    let result = match parse(args.into_iter().map(OsString::from)) {
        Ok(Request::Install(dir)) => install(&dir),
        Ok(Request::Ask(question)) => ask::ask(&question),
        Ok(Request::Launch(request)) => {
            let Err(error) = launch(&Launch { pod: pod_marker(), ..request });
            Err(error)
        }
        Err(error) => Err(error),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("{SUBCOMMAND}: {}", error.in_full());
    match (&error, error.evidence()) {
        (LaunchError::Usage(_), _) => ExitCode::from(EXIT_USAGE),
        (_, Some(evidence)) => ExitCode::from(evidence.exit_code()),
        (_, None) => ExitCode::FAILURE,
    }
}

/// Copies this executable to `dir/endstate`, atomically, so that a container of any image can run it.
///
/// ```no_run
/// endstate::launcher::install("/shared".as_ref()).unwrap();
/// ```
pub fn install(dir: &Path) -> Result<(), LaunchError> {
    let (target, partial) = (dir.join(EXECUTABLE), dir.join(".endstate.partial"));
    fs::create_dir_all(dir).map_err(io_error("create", dir))?;
    fs::copy("/proc/self/exe", &partial).map_err(io_error("write", &partial))?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))
        .map_err(io_error("make executable", &partial))?;
    fs::rename(&partial, &target).map_err(io_error("put in place", &target))
}

/// Becomes the launch's command, or says why not.
///
/// ```no_run
/// # let launch: endstate::launcher::Launch = todo!();
/// let error = endstate::launcher::launch(&launch).unwrap_err();
/// println!("{error}");
/// ```
pub fn launch(request: &Launch) -> Result<Infallible, LaunchError> {
    let Err(error) = start(request);
    leave_evidence(request, &error);
    Err(error)
}

fn start(request: &Launch) -> Result<Infallible, LaunchError> {
    let found = survey::survey(request)?;
    let file = files::observe_marker(&request.marker)?;
    let decision = decide(found.data, Marks { file, pod: request.pod, record: request.record });
    if let Decision::Refuse(_) = decision {
        return Err(refusal(found));
    }
    // Before the marker: a start that fails here has not happened.
    let program = match decision {
        Decision::FirstStart => &request.prepare,
        _ => &request.mend,
    };
    if !program.is_empty() {
        prepare::run(request, program)?;
    }
    if request.only_prepare {
        survey::note_owner(request);
        return Err(LaunchError::Prepared);
    }
    let class_path = request.class_path.as_deref().map(files::class_path).transpose()?;
    files::make_all(&request.seeds)?;
    survey::note_owner(request);
    if decision != Decision::Start {
        files::write_marker(&request.marker)?;
    }
    if decision == Decision::FirstStart
        && let Some(path) = &request.first_start_file
    {
        files::create_empty(path)?;
    }
    Err(execute(request, class_path, file))
}

fn refusal(Survey { directory, owner, .. }: Survey<'_>) -> LaunchError {
    let data_dir = directory.path.clone();
    if let Some(owner) = owner {
        return LaunchError::DataForeign { data_dir, owner };
    }
    let patterns: Vec<_> = directory.present.iter().map(ToString::to_string).collect();
    LaunchError::DataLost { data_dir, patterns: patterns.join(" or ") }
}

/// Where Kubernetes takes it from. Without a file to write to there is no evidence, and the member is one that crashes.
fn leave_evidence(request: &Launch, error: &LaunchError) {
    if let Some(evidence) = error.evidence() {
        let _ = fs::write(&request.termination_log, evidence.message(&error.in_full()));
    }
}

/// What the operator wrote on the pod, as the kubelet hands it in at each start.
fn pod_marker() -> Marker {
    match std::env::var_os(STARTED_VARIABLE) {
        Some(member) if !member.is_empty() => Marker::Present,
        Some(_) | None => Marker::Absent,
    }
}

/// Replaces this process; returns only when that failed.
fn execute(request: &Launch, class_path: Option<OsString>, before: Marker) -> LaunchError {
    let program = &request.command[0];
    let mut command = Command::new(program);
    command.args(&request.command[1..]).envs(class_path.map(|it| (CLASS_PATH, it)));
    let error = command.exec();
    if before == Marker::Absent {
        // The application never ran, so the next start is still the first one.
        let _ = fs::remove_file(&request.marker);
    }
    io_error("execute", Path::new(program))(error)
}

#[cfg(test)]
mod tests;
