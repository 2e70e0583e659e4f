//! What can go wrong around a reconcile.

use std::time::Duration;

/// Why a step of a reconcile failed. The engine backs the key off and looks again; nothing is retried in place.
///
/// ```
/// # use endstate::{Context, Error};
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # async fn create(ctx: &Context, map: &ConfigMap) -> Result<(), Error> {
/// match ctx.create(map).await {
///     // Another writer was faster, which is as good.
///     Err(error) if error.is_already_exists() => Ok(()),
///     created => created.map(drop),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API refused, or could not be reached.
    #[error("{verb} {target} failed")]
    Request {
        /// What was asked: `create`, `apply`, ...
        verb: &'static str,
        /// The kind and key of the object.
        target: String,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API did not answer in time. Whether the write happened is unknown: the next observation tells.
    #[error("{verb} {target} was not answered within {after:?}")]
    Deadline {
        /// What was asked.
        verb: &'static str,
        /// The kind and key of the object.
        target: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// An object could not be encoded.
    #[error("{target} cannot be encoded")]
    Encode {
        /// The kind and key of the object.
        target: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Another replica leads, or will: nothing was sent.
    #[error("{verb} {target} was not sent, because this replica is not the leader")]
    NotLeading {
        /// What was to be asked.
        verb: &'static str,
        /// The kind and key of the object.
        target: String,
    },
    /// A failure of the application's own.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps a failure of the application's own.
    ///
    /// ```
    /// assert_eq!(endstate::Error::other("no quorum").to_string(), "no quorum");
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// What the API answered, where it is the API that refused.
    fn refusal(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Request { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            _ => None,
        }
    }

    /// The HTTP status code of a refusal.
    pub fn code(&self) -> Option<u16> {
        self.refusal().map(|it| it.code)
    }

    /// The machine-readable reason of a refusal: `NotFound`, `Conflict`, `AlreadyExists`, ...
    pub fn reason(&self) -> Option<&str> {
        self.refusal().map(|it| &*it.reason)
    }

    /// The object changed since it was observed.
    pub fn is_conflict(&self) -> bool {
        self.reason() == Some("Conflict")
    }

    /// The object is gone.
    pub fn is_not_found(&self) -> bool {
        self.reason() == Some("NotFound")
    }

    /// An object of that name exists already.
    pub fn is_already_exists(&self) -> bool {
        self.reason() == Some("AlreadyExists")
    }

    /// What the API said, where it is the API that refused; otherwise the error and its causes.
    pub fn answer(&self) -> String {
        self.refusal().map_or_else(|| self.chain(), |it| it.message.clone())
    }

    /// The error and its causes in one line. Of an answer of the API its message, which says all that its other fields
    /// do.
    ///
    /// ```
    /// # use endstate::Error;
    /// let status = kube::core::Status::failure("pods \"a\" not found", "NotFound");
    /// let source = Box::new(kube::Error::Api(Box::new(status)));
    /// let error = Error::Request { verb: "update", target: "Pod default/a".into(), source };
    /// assert_eq!(error.chain(), "update Pod default/a failed: pods \"a\" not found");
    /// ```
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        if let Some(status) = self.refusal() {
            return format!("{text}: {}", status.message);
        }
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// How a reconcile failed.
///
/// ```
/// let failure = endstate::Failure::Panic("index out of bounds".into());
/// assert_eq!(failure.message(), "the reconcile panicked: index out of bounds");
/// ```
#[derive(Debug)]
pub enum Failure {
    /// It returned an error.
    Error(Error),
    /// It panicked: a bug. The process and every other key go on.
    Panic(String),
    /// It took longer than [`Options::reconcile_deadline`](crate::Options::reconcile_deadline).
    Deadline(Duration),
}

impl Failure {
    /// The failure as text for people.
    pub fn message(&self) -> String {
        match self {
            Self::Error(error) => error.chain(),
            Self::Panic(message) => format!("the reconcile panicked: {message}"),
            Self::Deadline(after) => format!("the reconcile did not end within {after:?}"),
        }
    }
}
