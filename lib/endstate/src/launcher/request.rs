//! What the launcher is asked for.

use std::ffi::OsString;
use std::path::PathBuf;

use endstate_core::{Question, Seed};

use super::decision::Marker;
use super::files::Pattern;

/// The subcommand by which the executable is the launcher.
pub const SUBCOMMAND: &str = "launch";

/// The name of the launcher's executable inside the directory it is installed to.
pub const EXECUTABLE: &str = "endstate";

/// A directory in which an application has data.
///
/// ```
/// # use endstate::launcher::DataDir;
/// fn text(directory: &DataDir) -> String {
///     format!("{} with {} patterns", directory.path.display(), directory.present.len())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataDir {
    /// Where it is.
    pub path: PathBuf,
    /// Data is there if a file matches one of these.
    pub present: Vec<Pattern>,
}

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
    /// The application's data directories. The data is there if it is in all of them.
    pub data: Vec<DataDir>,
    /// Whose data it is to be. That is noted in each data directory; without it nobody asks.
    pub member: Option<String>,
    /// The file that says "the application was started in this pod before"; never inside a data directory.
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
    /// The program that makes the data before the first start, and its arguments; empty if it starts without.
    pub prepare: Vec<OsString>,
    /// The program that changes the data that is there before each start, and its arguments; empty if none does.
    pub mend: Vec<OsString>,
    /// Whether only the data is made, for another pod of the member.
    pub only_prepare: bool,
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
