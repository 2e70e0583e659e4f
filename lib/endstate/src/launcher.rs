//! The launcher: what stands between the kubelet and the application in every member pod.
//!
//! A member pod restarts its container in place, which is right as long as the data directory is still there. When it
//! is gone (a wiped volume, a mistaken `rm`), an application started with the pod's own arguments may come up as a
//! *new*, empty member under an identity that the cluster already trusts. So the first start leaves a marker outside
//! the data directory, and a start that finds the marker but no data is refused; the operator then replaces the member
//! under a new name, or restores it.
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
//! A refusal is [`Evidence`]: an exit code that no application ends with, together with a message that begins with a
//! marker line. The application takes this process over, so what it writes, to its log or even to the message file,
//! ends with an exit code of its own.
//!
//! Invariants: the application is executed only after the marker is on disk; a blank directory with any mark is never
//! started; the file that permits a first start is never made on any other start; [`decide`] is pure, everything else
//! is file I/O of this one process, and there is no waiting and no network.

mod arguments;
mod ask;
mod files;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use endstate_core::{Evidence, Question, Seed};

pub use arguments::{command, parse};
pub use files::Pattern;

/// The subcommand by which the executable is the launcher.
pub const SUBCOMMAND: &str = "launch";

/// The name of the launcher's executable inside the directory it is installed to.
pub const EXECUTABLE: &str = "endstate";

/// The volume of a member's pod that the launcher and its marker are on.
pub const VOLUME: &str = "launcher";

/// The environment variable that holds the pod's mark; empty or absent until the member has answered.
pub const STARTED_VARIABLE: &str = "ENDSTATE_STARTED";

/// The environment variable in which Java looks for its class path.
const CLASS_PATH: &str = "CLASSPATH";

/// The exit code for a command line that makes no sense.
const EXIT_USAGE: u8 = 2;

/// One start of a member, as given on the command line.
///
/// ```
/// use endstate::launcher::{Marker, Request, parse};
/// let words = "--data-dir /data --present log/*.log --marker /pod/started -- /bin/server --port 1";
/// let Ok(Request::Launch(launch)) = parse(words.split(' ').map(Into::into)) else { panic!() };
/// assert_eq!((launch.command.len(), launch.record), (3, Marker::Absent));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Launch {
    /// The application's data directory.
    pub data_dir: PathBuf,
    /// The data is there if a file matches one of these.
    pub present: Vec<Pattern>,
    /// The file that says "the application was started in this pod before"; never inside `data_dir`.
    pub marker: PathBuf,
    /// What the pod itself says, beside the file.
    pub pod: Marker,
    /// What the operator's record says: the member has data, whatever this pod has done.
    pub record: Marker,
    /// Files to make before the application starts.
    pub seeds: Vec<Seed>,
    /// An empty file that permits the application to start empty, made on a first start only.
    pub first_start_file: Option<PathBuf>,
    /// The folder whose jars are the class path of an application in Java.
    pub class_path: Option<PathBuf>,
    /// The file that takes the reason when the launcher refuses.
    pub termination_log: PathBuf,
    /// The program to execute, and its arguments.
    pub command: Vec<OsString>,
}

/// What the arguments ask for.
///
/// ```
/// use endstate::launcher::{Request, parse};
/// let request = parse(["--install", "/shared"].map(Into::into)).unwrap();
/// assert_eq!(request, Request::Install("/shared".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Copy this executable into a directory that the member's main container shares.
    Install(PathBuf),
    /// Ask the application in this pod.
    Ask(Question),
    /// Decide, and become the application.
    Launch(Launch),
}

/// What a data directory holds.
///
/// ```
/// assert_ne!(endstate::launcher::Data::Blank, endstate::launcher::Data::Present);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// No file that matches: the application would start as a new member.
    Blank,
    /// The application would start as the member it was.
    Present,
}

/// Whether the member was started before, by one witness.
///
/// ```
/// assert_ne!(endstate::launcher::Marker::Absent, endstate::launcher::Marker::Present);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// Never, as far as it knows.
    Absent,
    /// At least once.
    Present,
}

/// Every witness of an earlier start.
///
/// ```
/// use endstate::launcher::{Data, Decision, Marker, Marks, decide};
/// let marks = Marks { file: Marker::Absent, pod: Marker::Present, record: Marker::Absent };
/// assert_eq!(decide(Data::Blank, marks), Decision::Refuse);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// The marker file in the pod's own directory.
    pub file: Marker,
    /// The operator's mark on the pod.
    pub pod: Marker,
    /// The operator's record.
    pub record: Marker,
}

/// What to do with one start.
///
/// ```
/// assert_ne!(endstate::launcher::Decision::Start, endstate::launcher::Decision::Refuse);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Write the marker and the file that permits it, then execute.
    FirstStart,
    /// Write the marker, then execute.
    MarkAndStart,
    /// Execute.
    Start,
    /// Say that the data is lost, and end.
    Refuse,
}

/// Why a start did not become the application.
///
/// ```
/// use endstate::launcher::parse;
/// assert!(parse([]).unwrap_err().to_string().contains("usage: launch"));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The command line makes no sense.
    #[error("{0}; {usage}", usage = arguments::USAGE)]
    Usage(String),
    /// The application did not answer as expected.
    #[error("unexpected answer: {0}")]
    Answer(String),
    /// The refusal this module exists for.
    #[error(
        "data lost, refusing to start blank: {} holds nothing that matches {patterns}, but this member was started before; `endstate status` says what the operator does about it",
        .data_dir.display()
    )]
    DataLost {
        /// The directory.
        data_dir: PathBuf,
        /// What it should hold.
        patterns: String,
    },
    /// A file operation failed.
    #[error("cannot {what} {}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

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
        Ok(Request::Launch(request)) => match launch(&Launch { pod: pod_marker(), ..request }) {
            Err(error) => Err(error),
            Ok(never) => match never {},
        },
        Err(error) => Err(error),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprint!("{SUBCOMMAND}: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        eprint!(": {error}");
        cause = error.source();
    }
    eprintln!();
    match error {
        LaunchError::Usage(_) => ExitCode::from(EXIT_USAGE),
        LaunchError::DataLost { .. } => ExitCode::from(Evidence::DataLost.exit_code()),
        LaunchError::Io { .. } | LaunchError::Answer(_) => ExitCode::FAILURE,
    }
}

/// The rule, as a table: by the data and every witness of an earlier start.
///
/// ```
/// use endstate::launcher::{Data, Decision, Marker::Absent, Marks, decide};
/// let never = Marks { file: Absent, pod: Absent, record: Absent };
/// assert_eq!(decide(Data::Blank, never), Decision::FirstStart);
/// ```
#[must_use]
pub fn decide(data: Data, marks: Marks) -> Decision {
    use Marker::{Absent, Present};
    match (data, marks) {
        (Data::Blank, Marks { file: Absent, pod: Absent, record: Absent }) => Decision::FirstStart,
        (Data::Blank, _) => Decision::Refuse,
        (Data::Present, Marks { file: Absent, .. }) => Decision::MarkAndStart,
        (Data::Present, Marks { file: Present, .. }) => Decision::Start,
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
    let data = files::observe(&request.data_dir, &request.present)?;
    let file = files::observe_marker(&request.marker)?;
    let decision = decide(data, Marks { file, pod: request.pod, record: request.record });
    if decision == Decision::Refuse {
        return Err(refuse(request));
    }
    // Before the marker: a start that fails here has not happened.
    let class_path = request.class_path.as_deref().map(files::class_path).transpose()?;
    files::make_all(&request.seeds)?;
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

fn refuse(request: &Launch) -> LaunchError {
    let patterns: Vec<_> = request.present.iter().map(ToString::to_string).collect();
    let error = LaunchError::DataLost {
        data_dir: request.data_dir.clone(),
        patterns: patterns.join(" or "),
    };
    // Without a file to write to there is no evidence, and the member is one that crashes.
    let message = Evidence::DataLost.message(&error.to_string());
    let _ = fs::write(&request.termination_log, message);
    error
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

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LaunchError {
    let path = path.to_owned();
    move |source| LaunchError::Io { what, path, source }
}

#[cfg(test)]
mod tests;
