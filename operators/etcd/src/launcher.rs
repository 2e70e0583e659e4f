//! The launcher: what stands between the kubelet and etcd in every member pod.
//!
//! A member pod restarts its container in place, which is right as long as the data directory is still there. When it
//! is gone (a wiped volume, a mistaken `rm`), an etcd started with the pod's own flags would come up as a *new*, empty
//! member under an identity that the cluster already trusts: with `--initial-cluster-state=new` even as a healthy
//! one-member cluster. So the first start leaves a marker outside the data directory, and a start that finds the
//! marker but no data refuses; the operator then replaces the member under a new name.
//!
//! The marker is in a directory of the pod's too, so a node that loses its state loses both while the pod goes on. Against
//! that the operator marks the pod itself once the member has answered ([`endstate::operator::STARTED_ANNOTATION`]), and
//! the container gets that mark in its environment, which is made anew for each start.
//!
//! What remains: between a member's first start and the operator's mark, a node that loses both starts the member blank
//! once more. While a cluster forms that costs nothing, since the operator records that a cluster exists, and lets clients
//! in, only once a quorum of its pods has the mark; so no loss ever starts an *empty cluster* in the place of one that was
//! written to. A first member that is late and loses both within seconds of its first start is left to etcd's own check,
//! which asks the other members whether it was there before.
//!
//! A refusal is [`Evidence`]: an exit code that etcd never ends with, together with a message that begins with a marker line.
//! etcd takes this process over, so what it writes, to its log or even to the message file, ends with an exit code of its own.
//!
//! Invariants: etcd is executed only after the marker is on disk; a blank directory with either mark is never started;
//! [`decide`] is pure, everything else is file I/O of this one process, and there is no waiting and no network.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use endstate_core::Evidence;

/// The name of the launcher's executable inside the directory it is installed to.
pub const EXECUTABLE: &str = "endstate";

/// Where Kubernetes reads a container's termination message from.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// The exit code for a command line that makes no sense.
const EXIT_USAGE: u8 = 2;

/// The environment variable that holds the pod's mark; empty or absent until the member has answered.
pub const STARTED_VARIABLE: &str = "ENDSTATE_STARTED";

/// One start of a member, as given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// etcd's data directory.
    pub data_dir: PathBuf,
    /// The file that says "etcd was started in this pod before"; never inside `data_dir`.
    pub marker: PathBuf,
    /// What the pod itself says, beside the file.
    pub pod: Marker,
    /// The file that takes the reason when the launcher refuses.
    pub termination_log: PathBuf,
    /// The program to execute, and its arguments.
    pub command: Vec<OsString>,
}

/// What the arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Copy this executable into a directory that the member's main container shares.
    Install(PathBuf),
    /// Decide, and become etcd.
    Launch(Launch),
}

/// What a data directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// No write-ahead log: etcd would start as a new member.
    Blank,
    /// A write-ahead log: etcd would start as the member it was.
    Present,
}

/// Whether etcd was started in this pod before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// Never.
    Absent,
    /// At least once.
    Present,
}

/// What to do with one start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Write the marker, then execute.
    MarkAndStart,
    /// Execute.
    Start,
    /// Say that the data is lost, and end.
    Refuse,
}

/// Why a start did not become etcd.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The command line makes no sense.
    #[error(
        "{0}; usage: etcd-launch --install DIR | etcd-launch --data-dir DIR --marker FILE -- COMMAND [ARG...]"
    )]
    Usage(String),
    /// The refusal this module exists for.
    #[error(
        "data lost, refusing to start blank: {} holds no write-ahead log, but this pod has started etcd before; the operator replaces the member", .0.display()
    )]
    DataLost(PathBuf),
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

/// Parses the arguments after `etcd-launch`.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, LaunchError> {
    let mut args = args.into_iter();
    let (mut data_dir, mut marker) = (None, None);
    let mut termination_log = PathBuf::from(TERMINATION_LOG);
    while let Some(flag) = args.next() {
        if flag == "--" {
            break;
        }
        let Some(value) = args.next().map(PathBuf::from) else {
            return Err(LaunchError::Usage(format!("{} needs a value", flag.display())));
        };
        match flag.to_str() {
            Some("--install") => return Ok(Request::Install(value)),
            Some("--data-dir") => data_dir = Some(value),
            Some("--marker") => marker = Some(value),
            Some("--termination-log") => termination_log = value,
            _ => return Err(LaunchError::Usage(format!("unknown flag {}", flag.display()))),
        }
    }
    let missing = |what: &str| LaunchError::Usage(format!("{what} is missing"));
    let command: Vec<OsString> = args.collect();
    if command.is_empty() {
        return Err(missing("the command"));
    }
    Ok(Request::Launch(Launch {
        data_dir: data_dir.ok_or_else(|| missing("--data-dir"))?,
        marker: marker.ok_or_else(|| missing("--marker"))?,
        pod: Marker::Absent,
        termination_log,
        command,
    }))
}

/// Does what the arguments after `etcd-launch` say. A launch that goes well never returns: the process is etcd then.
#[must_use]
#[expect(clippy::print_stderr, reason = "this is a process of its own, and stderr is its log")]
pub fn main(args: Vec<String>) -> ExitCode {
    let result = match parse(args.into_iter().map(OsString::from)) {
        Ok(Request::Install(dir)) => install(&dir),
        Ok(Request::Launch(request)) => match launch(&Launch { pod: pod_marker(), ..request }) {
            Err(error) => Err(error),
            Ok(never) => match never {},
        },
        Err(error) => Err(error),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprint!("etcd-launch: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        eprint!(": {error}");
        cause = error.source();
    }
    eprintln!();
    match error {
        LaunchError::Usage(_) => ExitCode::from(EXIT_USAGE),
        LaunchError::DataLost(_) => ExitCode::from(Evidence::DataLost.exit_code()),
        LaunchError::Io { .. } => ExitCode::FAILURE,
    }
}

/// The rule, as a table: by the data, the marker file, and what the pod says.
#[must_use]
pub fn decide(data: Data, file: Marker, pod: Marker) -> Decision {
    match (data, file, pod) {
        (Data::Blank, Marker::Absent, Marker::Absent) => Decision::MarkAndStart,
        (Data::Blank, Marker::Present, _) | (Data::Blank, _, Marker::Present) => Decision::Refuse,
        (Data::Present, Marker::Absent, _) => Decision::MarkAndStart,
        (Data::Present, Marker::Present, _) => Decision::Start,
    }
}

/// Copies this executable to `dir/endstate`, atomically, so that a container of any image can run it.
pub fn install(dir: &Path) -> Result<(), LaunchError> {
    let (target, partial) = (dir.join(EXECUTABLE), dir.join(".endstate.partial"));
    fs::create_dir_all(dir).map_err(io_error("create", dir))?;
    fs::copy("/proc/self/exe", &partial).map_err(io_error("write", &partial))?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))
        .map_err(io_error("make executable", &partial))?;
    fs::rename(&partial, &target).map_err(io_error("put in place", &target))
}

/// Becomes the launch's command, or says why not.
pub fn launch(request: &Launch) -> Result<Infallible, LaunchError> {
    let data = observe_data(&request.data_dir)?;
    let marker = observe_marker(&request.marker)?;
    match decide(data, marker, request.pod) {
        Decision::Refuse => {
            let error = LaunchError::DataLost(request.data_dir.clone());
            // Without a file to write to there is no evidence, and the member is one that crashes.
            let message = Evidence::DataLost.message(&error.to_string());
            let _ = fs::write(&request.termination_log, message);
            return Err(error);
        }
        Decision::MarkAndStart => write_marker(&request.marker)?,
        Decision::Start => {}
    }
    Err(execute(request, marker))
}

/// etcd itself decides between "new member" and "restart" by whether a `.wal` file exists, so this asks the same.
fn observe_data(data_dir: &Path) -> Result<Data, LaunchError> {
    let wal = data_dir.join("member").join("wal");
    let entries = match fs::read_dir(&wal) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Data::Blank),
        Err(error) => return Err(io_error("read", &wal)(error)),
    };
    for entry in entries {
        let name = entry.map_err(io_error("read", &wal))?.file_name();
        if Path::new(&name).extension().is_some_and(|it| it == "wal") {
            return Ok(Data::Present);
        }
    }
    Ok(Data::Blank)
}

fn observe_marker(marker: &Path) -> Result<Marker, LaunchError> {
    match marker.try_exists() {
        Ok(true) => Ok(Marker::Present),
        Ok(false) => Ok(Marker::Absent),
        Err(error) => Err(io_error("look at", marker)(error)),
    }
}

/// What the operator wrote on the pod, as the kubelet hands it in at each start.
fn pod_marker() -> Marker {
    match std::env::var_os(STARTED_VARIABLE) {
        Some(member) if !member.is_empty() => Marker::Present,
        Some(_) | None => Marker::Absent,
    }
}

/// The marker must survive a power loss that the data directory does not.
fn write_marker(marker: &Path) -> Result<(), LaunchError> {
    let dir = marker.parent().unwrap_or(Path::new("/"));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(marker)?;
        file.write_all(b"etcd was started in this pod\n")?;
        file.sync_all()?;
        File::open(dir)?.sync_all()
    };
    write().map_err(io_error("write", marker))
}

/// Replaces this process; returns only when that failed.
fn execute(request: &Launch, before: Marker) -> LaunchError {
    let program = &request.command[0];
    let error = Command::new(program).args(&request.command[1..]).exec();
    if before == Marker::Absent {
        // etcd never ran, so the next start is still the first one.
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
