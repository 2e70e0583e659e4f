//! Why a start did not become the application.

use std::io;
use std::path::{Path, PathBuf};

use endstate_core::{Evidence, Words};

const USAGE: &str = "usage: launch --install DIR | launch --ask PORT=WORD=TEXT | launch --data-dir DIR --present FOLDER/NAME* ... [--data-dir ...] [--member NAME] --marker FILE [--resume] [--seed FROM=TO] [--seed-always FROM=TO] [--write-once TO=TEXT] [--write TO=TEXT [--keep PREFIX]] [--first-start-file FILE] [--class-path FOLDER] [--prepare WORD ...] [--mend WORD ...] [--only-prepare] [--termination-log FILE] -- COMMAND [ARG...]";

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
    /// Another member's data is where this one's should be.
    #[error("{} holds the data of {owner}, refusing to start as that member", .data_dir.display())]
    DataForeign {
        /// The directory.
        data_dir: PathBuf,
        /// Whose data it is.
        owner: String,
    },
    /// The data is there, and not all of it can be read.
    #[error("cannot read {}, which is data of this member", .path.display())]
    DataUnreadable {
        /// The file or the folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The program that makes the data before the first start did not.
    #[error("the data of this member could not be made: {0}")]
    Prepare(Words),
    /// No failure: the data is made, and another pod starts on it.
    #[error("the data of this member is made")]
    Prepared,
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

impl LaunchError {
    /// What the operator is told by it. A command line that makes no sense is a defect, and tells nothing.
    pub(super) fn evidence(&self) -> Option<Evidence> {
        match self {
            Self::Usage(_) | Self::Answer(_) => None,
            Self::DataLost { .. } => Some(Evidence::DataLost),
            Self::DataForeign { .. } => Some(Evidence::DataForeign),
            Self::DataUnreadable { .. } => Some(Evidence::DataUnreadable),
            Self::Prepared => Some(Evidence::Prepared),
            Self::Io { .. } | Self::Prepare(_) => Some(Evidence::NotStarted),
        }
    }

    /// It and what caused it, in one line.
    pub(super) fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// That the data of a member cannot be read.
pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> LaunchError {
    let path = path.to_owned();
    move |source| LaunchError::DataUnreadable { path, source }
}

pub(super) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LaunchError {
    let path = path.to_owned();
    move |source| LaunchError::Io { what, path, source }
}
