//! Why a start did not become the application.

use std::io;
use std::path::{Path, PathBuf};

const USAGE: &str = "usage: launch --install DIR | launch --ask PORT=WORD=TEXT | launch --data-dir DIR --present FOLDER/NAME* ... --marker FILE [--resume] [--seed FROM=TO] [--seed-always FROM=TO] [--write-once TO=TEXT] [--write TO=TEXT [--keep PREFIX]] [--first-start-file FILE] [--class-path FOLDER] [--termination-log FILE] -- COMMAND [ARG...]";

/// Why a start did not become the application.
///
/// ```
/// use endstate::launcher::parse;
/// assert!(parse([]).unwrap_err().to_string().contains("usage: launch"));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The command line makes no sense.
    #[error("{0}; {usage}", usage = USAGE)]
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

pub(super) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LaunchError {
    let path = path.to_owned();
    move |source| LaunchError::Io { what, path, source }
}
