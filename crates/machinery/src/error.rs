//! The failures an API server answers with: the Kubernetes `Status` object and its parts.
//!
//! Clients switch on `reason` and `code` and show `message`, so the texts here are those of a real API server.
//! An [`ApiError`] is one failure, its [`Details`] say what it is about; a [`FieldError`] is one rejected field, and
//! [`ApiError::invalid`] joins many of them into one failure.

mod details;
mod field;

use std::fmt;

use serde_json::{Map, Value};

pub use details::{Cause, Details, success};
pub use field::{FieldError, FieldErrorKind};

/// The text of a conflict on a stale resourceVersion.
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// Why a request failed, as a word clients compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    Unknown,
    Unauthorized,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    Gone,
    Invalid,
    ServerTimeout,
    Timeout,
    TooManyRequests,
    BadRequest,
    MethodNotAllowed,
    NotAcceptable,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    InternalError,
    Expired,
    ServiceUnavailable,
}

impl Reason {
    /// The word on the wire; empty for an unknown reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Invalid => "Invalid",
            Self::ServerTimeout => "ServerTimeout",
            Self::Timeout => "Timeout",
            Self::TooManyRequests => "TooManyRequests",
            Self::BadRequest => "BadRequest",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::InternalError => "InternalError",
            Self::Expired => "Expired",
            Self::ServiceUnavailable => "ServiceUnavailable",
        }
    }
}

/// A failure as the API answers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub code: u16,
    pub reason: Reason,
    pub message: String,
    pub details: Option<Box<Details>>,
    /// A fresh token to continue an expired list with; rendered as `metadata.continue`.
    pub continue_token: Option<String>,
}

impl ApiError {
    /// A failure without details.
    pub fn new(code: u16, reason: Reason, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, continue_token: None }
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        let details = self.details_mut();
        details.group = group.into();
        details.kind = kind.into();
        details.name = name.into();
        self
    }

    /// The details, created when absent.
    pub fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    /// Adds causes to the details.
    #[must_use]
    pub fn with_causes(mut self, causes: impl IntoIterator<Item = Cause>) -> Self {
        self.details_mut().causes.extend(causes);
        self
    }

    /// The causes, empty when there are no details.
    pub fn causes(&self) -> &[Cause] {
        self.details.as_ref().map_or(&[], |details| &details.causes)
    }

    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {} not found", qualified(group, resource), quote(name));
        Self::new(404, Reason::NotFound, message).about(group, resource, name)
    }

    /// The answer for a path that no resource serves, as an object (the HTTP layer may prefer plain text).
    pub fn no_such_resource() -> Self {
        let mut error =
            Self::new(404, Reason::NotFound, "the server could not find the requested resource");
        error.details_mut();
        error
    }

    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {} already exists", qualified(group, resource), quote(name));
        Self::new(409, Reason::AlreadyExists, message).about(group, resource, name)
    }

    /// A write that lost against another; use [`MODIFIED`] as `why` for a stale resourceVersion.
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let what = qualified(group, resource);
        let message = format!("Operation cannot be fulfilled on {what} {}: {why}", quote(name));
        Self::new(409, Reason::Conflict, message).about(group, resource, name)
    }

    /// An object that breaks validation. `kind` is the Kind, not the resource.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: Vec<FieldError>) -> Self {
        let what = qualified(group, kind);
        let message = format!("{what} {} is invalid: {}", quote(name), field::join(&errors));
        let causes = errors.iter().map(FieldError::to_cause);
        Self::new(422, Reason::Invalid, message).about(group, kind, name).with_causes(causes)
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, Reason::BadRequest, message)
    }

    /// A well-formed request that cannot be carried out (a failed `test` of a JSON patch).
    pub fn unprocessable(message: impl Into<String>) -> Self {
        let mut error = Self::new(422, Reason::Invalid, message);
        error.details_mut();
        error
    }

    pub fn unauthorized() -> Self {
        Self::new(401, Reason::Unauthorized, "Unauthorized")
    }

    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let what = qualified(group, resource);
        let message = match (what.as_str(), name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{what} is forbidden: {why}"),
            _ => format!("{what} {} is forbidden: {why}", quote(name)),
        };
        Self::new(403, Reason::Forbidden, message).about(group, resource, name)
    }

    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, Reason::Expired, message)
    }

    pub fn timeout(message: impl fmt::Display) -> Self {
        let mut error = Self::new(504, Reason::Timeout, format!("Timeout: {message}"));
        error.details_mut();
        error
    }

    /// A read at a revision the store has not reached.
    pub fn timeout_future_revision(requested: u64, current: u64) -> Self {
        let mut error = Self::timeout(format_args!(
            "Too large resource version: {requested}, current: {current}"
        ));
        let details = error.details_mut();
        details.retry_after_seconds = 1;
        let text = "Too large resource version";
        details.causes.push(Cause::new("ResourceVersionTooLarge", text, ""));
        error
    }

    pub fn server_timeout(group: &str, resource: &str, action: &str) -> Self {
        let what = qualified(group, resource);
        let message = format!(
            "The {action} operation against {what} could not be completed at this time, please try again."
        );
        let mut error = Self::new(500, Reason::ServerTimeout, message).about(group, resource, "");
        error.details_mut().retry_after_seconds = 1;
        error
    }

    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        let mut error = Self::new(429, Reason::TooManyRequests, message);
        error.details_mut().retry_after_seconds = retry_after_seconds;
        error
    }

    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::new(503, Reason::ServiceUnavailable, message)
    }

    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let list = accepted.join(", ");
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {list}"
        );
        Self::new(415, Reason::UnsupportedMediaType, message)
    }

    pub fn not_acceptable(accepted: &[&str]) -> Self {
        let list = accepted.join(", ");
        let message = format!("only the following media types are accepted: {list}");
        Self::new(406, Reason::NotAcceptable, message)
    }

    pub fn too_large(message: impl fmt::Display) -> Self {
        let message = format!("Request entity too large: {message}");
        Self::new(413, Reason::RequestEntityTooLarge, message)
    }

    pub fn method_not_allowed(group: &str, resource: &str, action: &str) -> Self {
        let what = qualified(group, resource);
        let message = format!("{action} is not supported on resources of kind \"{what}\"");
        Self::new(405, Reason::MethodNotAllowed, message).about(group, resource, "")
    }

    pub fn internal(message: impl fmt::Display) -> Self {
        let text = message.to_string();
        Self::new(500, Reason::InternalError, format!("Internal error occurred: {text}"))
            .with_causes([Cause::new("", text, "")])
    }

    /// The `Status` object of this failure.
    pub fn to_status(&self) -> Value {
        let mut metadata = Map::new();
        put_text(&mut metadata, "continue", self.continue_token.as_deref().unwrap_or(""));
        let mut out = Map::new();
        out.insert("kind".into(), "Status".into());
        out.insert("apiVersion".into(), "v1".into());
        out.insert("metadata".into(), Value::Object(metadata));
        out.insert("status".into(), "Failure".into());
        put_text(&mut out, "message", &self.message);
        put_text(&mut out, "reason", self.reason.as_str());
        if let Some(details) = &self.details {
            out.insert("details".into(), details.to_value());
        }
        out.insert("code".into(), self.code.into());
        Value::Object(out)
    }
}

/// `resource.group`, or the resource alone in the core group.
pub fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

/// A text in double quotes with the escapes of a JSON string, `<` and `>` left as they are.
pub fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("a string always encodes")
}

fn put_text(out: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        out.insert(key.into(), text.into());
    }
}

#[cfg(test)]
mod tests;
