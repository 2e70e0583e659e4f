use serde_json::json;

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
    assert_eq!(FieldError::too_many("x", 5, 3).body(), "Too many: 5: must have at most 3 items");
    assert_eq!(FieldError::duplicate("x[1]", "a").body(), "Duplicate value: \"a\"");
}
