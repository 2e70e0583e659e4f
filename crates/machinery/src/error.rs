//! The failures an API server answers with: the Kubernetes `Status` object and its parts.
//!
//! Clients switch on `reason` and `code` and show `message`, so the texts here are those of a real API server.
//! A [`FieldError`] is one rejected field; [`ApiError::invalid`] joins many of them into one failure.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value, json};

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

/// One machine-readable cause of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

impl Cause {
    pub fn new(
        reason: impl Into<String>,
        message: impl Into<String>,
        field: impl Into<String>,
    ) -> Self {
        Self { reason: reason.into(), message: message.into(), field: field.into() }
    }

    fn to_value(&self) -> Value {
        let mut out = Map::new();
        put_text(&mut out, "reason", &self.reason);
        put_text(&mut out, "message", &self.message);
        put_text(&mut out, "field", &self.field);
        Value::Object(out)
    }
}

/// What the failure is about. `kind` holds the plural resource, or the kind for [`Reason::Invalid`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    pub name: String,
    pub group: String,
    pub kind: String,
    pub uid: String,
    pub causes: Vec<Cause>,
    pub retry_after_seconds: u32,
}

impl Details {
    fn to_value(&self) -> Value {
        let mut out = Map::new();
        put_text(&mut out, "name", &self.name);
        put_text(&mut out, "group", &self.group);
        put_text(&mut out, "kind", &self.kind);
        put_text(&mut out, "uid", &self.uid);
        if !self.causes.is_empty() {
            let causes = self.causes.iter().map(Cause::to_value).collect();
            out.insert("causes".into(), Value::Array(causes));
        }
        if self.retry_after_seconds > 0 {
            out.insert("retryAfterSeconds".into(), self.retry_after_seconds.into());
        }
        Value::Object(out)
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
        let message = format!("{what} {} is invalid: {}", quote(name), join(&errors));
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

/// The `Status` object of a success, as a delete answers it.
pub fn success(group: &str, resource: &str, name: &str, uid: &str) -> Value {
    let details = Details {
        name: name.into(),
        group: group.into(),
        kind: resource.into(),
        uid: uid.into(),
        ..Details::default()
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details.to_value(),
    })
}

/// The sort of a rejected field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldErrorKind {
    NotFound,
    Required,
    Duplicate,
    Invalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    TypeInvalid,
    Internal,
}

impl FieldErrorKind {
    /// The cause's reason on the wire.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }

    fn shows_value(self) -> bool {
        !matches!(self, Self::Required | Self::Forbidden | Self::TooLong | Self::Internal)
    }
}

/// One field that was rejected, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    pub kind: FieldErrorKind,
    /// The path, for example `spec.containers[0].name`.
    pub field: String,
    /// The rejected value; shown for kinds that have one.
    pub value: Value,
    pub detail: String,
}

impl FieldError {
    pub fn new(
        kind: FieldErrorKind,
        field: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self { kind, field: field.into(), value: value.into(), detail: detail.into() }
    }

    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Required, field, Value::Null, detail)
    }

    pub fn invalid(
        field: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(FieldErrorKind::Invalid, field, value, detail)
    }

    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Forbidden, field, Value::Null, detail)
    }

    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(FieldErrorKind::Duplicate, field, value, "")
    }

    pub fn not_found(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(FieldErrorKind::NotFound, field, value, "")
    }

    /// A value outside a closed set; lists what is supported.
    pub fn not_supported(
        field: impl Into<String>,
        value: impl Into<Value>,
        supported: &[&str],
    ) -> Self {
        let list: Vec<String> = supported.iter().map(|one| quote(one)).collect();
        let detail = if list.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", list.join(", "))
        };
        Self::new(FieldErrorKind::NotSupported, field, value, detail)
    }

    pub fn too_long(field: impl Into<String>, bytes_max: u64) -> Self {
        let unit = if bytes_max == 1 { "byte" } else { "bytes" };
        let detail = format!("may not be more than {bytes_max} {unit}");
        Self::new(FieldErrorKind::TooLong, field, Value::Null, detail)
    }

    pub fn too_many(field: impl Into<String>, count: usize, count_max: u64) -> Self {
        let unit = if count_max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {count_max} {unit}");
        Self::new(FieldErrorKind::TooMany, field, count, detail)
    }

    /// The text without the field.
    pub fn body(&self) -> String {
        let mut out = self.kind.title().to_owned();
        if self.kind.shows_value() {
            out.push_str(": ");
            out.push_str(&render(&self.value));
        }
        if !self.detail.is_empty() {
            out.push_str(": ");
            out.push_str(&self.detail);
        }
        out
    }

    fn to_cause(&self) -> Cause {
        Cause::new(self.kind.reason(), self.body(), self.field.clone())
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// `resource.group`, or the resource alone in the core group.
pub fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

/// Several field errors as one text: repeated ones once, more than one in brackets.
fn join(errors: &[FieldError]) -> String {
    let mut seen = BTreeSet::new();
    let mut texts = Vec::new();
    for text in errors.iter().map(FieldError::to_string) {
        if seen.insert(text.clone()) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [one] => one.clone(),
        _ => format!("[{}]", texts.join(", ")),
    }
}

/// A text in double quotes with the escapes of a JSON string, `<` and `>` left as they are.
pub fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("a string always encodes")
}

fn render(value: &Value) -> String {
    match value {
        Value::Null => "\"null\"".to_owned(),
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

fn put_text(out: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        out.insert(key.into(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_already_exists() {
        let status = ApiError::already_exists("ex.com", "widgets", "a").to_status();
        assert_eq!(
            status,
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "widgets.ex.com \"a\" already exists", "reason": "AlreadyExists",
                "details": {"name": "a", "group": "ex.com", "kind": "widgets"}, "code": 409
            })
        );
    }

    #[test]
    fn recorded_invalid_with_two_causes() {
        let errors = vec![
            FieldError::required("metadata.name", "name or generateName is required"),
            FieldError::invalid(
                "<nil>",
                Value::Null,
                "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
            ),
        ];
        let status = ApiError::invalid("ex.com", "Widget", "", errors).to_status();
        assert_eq!(
            status["message"],
            "Widget.ex.com \"\" is invalid: [metadata.name: Required value: name or generateName is required, <nil>: Invalid value: \"null\": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]"
        );
        assert_eq!(
            status["details"]["causes"][0],
            json!({"reason": "FieldValueRequired", "message": "Required value: name or generateName is required", "field": "metadata.name"})
        );
        assert_eq!(status["details"].get("name"), None);
        assert_eq!(status["code"], 422);
    }

    #[test]
    fn recorded_repeated_cause_is_shown_once() {
        let text = "no new finalizers can be added if the object is being deleted, found new finalizers []string{\"ex.com/g\"}";
        let errors = vec![FieldError::forbidden("metadata.finalizers", text); 2];
        let error = ApiError::invalid("ex.com", "Widget", "a", errors);
        assert_eq!(
            error.message,
            format!("Widget.ex.com \"a\" is invalid: metadata.finalizers: Forbidden: {text}")
        );
        assert_eq!(error.causes().len(), 2);
    }

    #[test]
    fn recorded_conflict_not_found_and_media_types() {
        assert_eq!(
            ApiError::conflict("ex.com", "widgets", "a", MODIFIED).message,
            "Operation cannot be fulfilled on widgets.ex.com \"a\": the object has been modified; please apply your changes to the latest version and try again"
        );
        assert_eq!(ApiError::not_found("", "pods", "zz").message, "pods \"zz\" not found");
        assert_eq!(
            ApiError::unsupported_media_type(&[
                "application/json-patch+json",
                "application/merge-patch+json"
            ])
            .message,
            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json"
        );
        let future = ApiError::timeout_future_revision(99_999_999, 22011);
        assert_eq!(future.message, "Timeout: Too large resource version: 99999999, current: 22011");
        assert_eq!(future.to_status()["details"]["retryAfterSeconds"], 1);
    }

    #[test]
    fn values_are_shown_by_kind() {
        let error = FieldError::not_supported("spec.mode", "c", &["a", "b"]);
        assert_eq!(
            error.to_string(),
            "spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\""
        );
        assert_eq!(
            FieldError::too_many("x", 5, 3).body(),
            "Too many: 5: must have at most 3 items"
        );
        assert_eq!(FieldError::duplicate("x[1]", "a").body(), "Duplicate value: \"a\"");
    }
}
