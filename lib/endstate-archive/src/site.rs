//! A place as its errors tell of it: its name, and the secrets that no text may repeat.

use std::error::Error;
use std::io::ErrorKind;

use http::StatusCode;
use object_store::client::{HttpError, HttpErrorKind};

use crate::error::{ArchiveError, Cause, Doing};
use crate::refusal::Refusal;

/// More than this of what a store says is left out.
const CAUSE_CHARS_MAX: usize = 1_000;

pub(crate) struct Site {
    pub(crate) place: String,
    secrets: Vec<String>,
}

impl Site {
    pub(crate) fn new(place: String, secrets: Vec<String>) -> Self {
        Self { place, secrets }
    }

    /// What an error of the store means. `what` is what is missing if it says that something is.
    pub(crate) fn error(
        &self,
        doing: Doing,
        what: Option<&str>,
        error: &object_store::Error,
    ) -> ArchiveError {
        let (place, cause) = (self.place.clone(), self.cause(error));
        match class(error) {
            Class::NotFound => {
                ArchiveError::NotFound { what: what.unwrap_or(&self.place).to_owned(), cause }
            }
            Class::Denied => ArchiveError::Denied { doing, place, cause },
            Class::Unreachable => ArchiveError::Unreachable { doing, place, cause },
            Class::Full => ArchiveError::Full { doing, place, cause },
            Class::Other => ArchiveError::Failed { doing, place, cause },
        }
    }

    /// All that an error and its sources say, once each.
    fn cause(&self, error: &object_store::Error) -> Cause {
        let mut said: Vec<String> = Vec::new();
        for text in chain(error).map(ToString::to_string) {
            if !said.iter().any(|it| it.contains(&text)) {
                said.push(text);
            }
        }
        let text =
            self.secrets.iter().fold(said.join(": "), |text, it| text.replace(it, "[hidden]"));
        Cause::new(text.chars().take(CAUSE_CHARS_MAX).collect())
    }
}

enum Class {
    NotFound,
    Denied,
    Unreachable,
    Full,
    Other,
}

fn class(error: &object_store::Error) -> Class {
    match error {
        object_store::Error::NotFound { .. } => return Class::NotFound,
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => return Class::Denied,
        _ => {}
    }
    if let Some(refusal) = chain(error).find_map(|it| it.downcast_ref::<Refusal>()) {
        return match refusal.status {
            StatusCode::NOT_FOUND => Class::NotFound,
            StatusCode::INSUFFICIENT_STORAGE => Class::Full,
            _ => Class::Denied,
        };
    }
    chain(error).find_map(of_source).unwrap_or(Class::Other)
}

fn of_source(source: &(dyn Error + 'static)) -> Option<Class> {
    if let Some(http) = source.downcast_ref::<HttpError>() {
        return Some(match http.kind() {
            HttpErrorKind::Decode | HttpErrorKind::Unknown => Class::Other,
            _ => Class::Unreachable,
        });
    }
    match source.downcast_ref::<std::io::Error>()?.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Some(Class::Full)
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some(Class::Denied),
        ErrorKind::NotFound => Some(Class::NotFound),
        _ => None,
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&it| it.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_a_store_repeats_is_hidden() {
        let site = Site::new("s3://b".to_owned(), vec!["hu/sh+".to_owned()]);
        let said = format!("x-amz-security-token:hu/sh+ {}", "x".repeat(5_000));
        let error = object_store::Error::Generic { store: "S3", source: said.into() };
        let error = site.error(Doing::List, None, &error);
        let shown = format!("{error:?} {}", error.source().expect("a cause"));
        assert!(shown.contains("[hidden]") && !shown.contains("hu/sh+"), "{shown}");
        assert!(shown.len() < 3_000);
    }

    #[test]
    fn a_full_disk_is_told_from_a_refusal() {
        let site = Site::new("/backups".to_owned(), Vec::new());
        let of = |kind: ErrorKind| {
            let source = Box::new(std::io::Error::from(kind));
            let error = object_store::Error::Generic { store: "file", source };
            site.error(Doing::Write, None, &error)
        };
        assert!(matches!(of(ErrorKind::StorageFull), ArchiveError::Full { .. }));
        assert!(matches!(of(ErrorKind::ReadOnlyFilesystem), ArchiveError::Denied { .. }));
        assert!(matches!(of(ErrorKind::Other), ArchiveError::Failed { .. }));
    }
}
