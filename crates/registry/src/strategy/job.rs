//! Jobs and cron jobs.

use machinery::error::FieldError;
use serde_json::Value;

use super::{Errors, immutable, not_negative, one_of, pod};
use crate::kind::Strategy;
use crate::value::{at, at_mut, child, default, default_text, flag, items_mut, map, text};

pub(crate) const JOB: Strategy = Strategy {
    fields: &[("status.successful", "0")],
    defaults: job_defaults,
    prepare_create: own_selector,
    validate: |object, errors| {
        if let Some(spec) = object.get("spec") {
            job_spec(spec, "spec", errors);
            if spec.get("selector").is_none() {
                errors.push(FieldError::required("spec.selector", ""));
            }
        }
    },
    validate_update: job_update,
    ..Strategy::SPEC_AND_STATUS
};

pub(crate) const CRON_JOB: Strategy =
    Strategy { defaults: cron_job_defaults, validate: cron_job, ..Strategy::SPEC_AND_STATUS };

/// Labels that tie a pod to its job; the short ones are the older names.
const UID_LABELS: [&str; 2] = ["batch.kubernetes.io/controller-uid", "controller-uid"];
const NAME_LABELS: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];

fn job_defaults(object: &mut Value) {
    pod::template_defaults(object);
    let labels = map(object, "spec.template.metadata.labels").cloned();
    if let (Some(labels), Some(metadata)) = (labels, at_mut(object, "metadata")) {
        default(metadata, "labels", labels);
    }
    let Some(spec) = child(object, "spec") else { return };
    if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
        default(spec, "completions", 1);
    }
    default(spec, "parallelism", 1);
    let per_index = spec.get("backoffLimitPerIndex").is_some();
    default(spec, "backoffLimit", if per_index { i32::MAX } else { 6 });
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    default(spec, "manualSelector", false);
    let has_failure_policy = spec.get("podFailurePolicy").is_some();
    let replacement = if has_failure_policy { "Failed" } else { "TerminatingOrFailed" };
    default(spec, "podReplacementPolicy", replacement);
    for rule in items_mut(spec, "podFailurePolicy.rules") {
        for condition in items_mut(rule, "onPodConditions") {
            default_text(condition, "status", "True");
        }
    }
}

/// Unless the user manages the selector, a job selects its own pods by its uid.
fn own_selector(object: &mut Value) {
    if flag(object, "spec.manualSelector") {
        return;
    }
    let uid = text(object, "metadata.uid").unwrap_or_default().to_owned();
    let name = text(object, "metadata.name").unwrap_or_default().to_owned();
    let Some(spec) = at_mut(object, "spec") else { return };
    if let Some(template) = child(spec, "template")
        && let Some(metadata) = child(template, "metadata")
        && let Some(labels) = child(metadata, "labels")
    {
        for label in UID_LABELS {
            labels[label] = uid.clone().into();
        }
        for label in NAME_LABELS {
            labels[label] = name.clone().into();
        }
    }
    if let Some(selector) = child(spec, "selector")
        && let Some(labels) = child(selector, "matchLabels")
    {
        labels[UID_LABELS[0]] = uid.into();
    }
}

fn cron_job_defaults(object: &mut Value) {
    if let Some(template) = at_mut(object, "spec.jobTemplate") {
        pod::template_defaults(template);
    }
    let Some(spec) = child(object, "spec") else { return };
    default_text(spec, "concurrencyPolicy", "Allow");
    default(spec, "suspend", false);
    default(spec, "successfulJobsHistoryLimit", 3);
    default(spec, "failedJobsHistoryLimit", 1);
}

fn job_spec(spec: &Value, base: &str, errors: &mut Errors) {
    for key in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
        "ttlSecondsAfterFinished",
    ] {
        not_negative(spec, base, key, errors);
    }
    one_of(spec, base, "completionMode", &["Indexed", "NonIndexed"], errors);
    if text(spec, "completionMode") == Some("Indexed") && spec.get("completions").is_none() {
        let why = "when completion mode is Indexed";
        errors.push(FieldError::required(format!("{base}.completions"), why));
    }
    let Some(template) = spec.get("template") else { return };
    let base = format!("{base}.template");
    pod::validate_template(template, &base, errors);
    if text(template, "spec.restartPolicy") == Some("Always") {
        // Always is what a template has that says nothing, so the text asks for a value.
        let field = format!("{base}.spec.restartPolicy");
        errors.push(FieldError::required(field, "valid values: \"OnFailure\", \"Never\""));
    }
}

fn job_update(object: &Value, old: &Value, errors: &mut Errors) {
    immutable(object, old, "spec.selector", errors);
    immutable(object, old, "spec.completionMode", errors);
    immutable(object, old, "spec.podFailurePolicy", errors);
    immutable(object, old, "spec.backoffLimitPerIndex", errors);
    if text(object, "spec.completionMode") != Some("Indexed") {
        immutable(object, old, "spec.completions", errors);
    }
    // The template of a job that has not started may still be directed to nodes.
    let waits = flag(old, "spec.suspend") && at(old, "status.startTime").is_none();
    if !waits {
        immutable(object, old, "spec.template", errors);
    }
}

const SCHEDULE_FIELDS: usize = 5;

fn cron_job(object: &Value, errors: &mut Errors) {
    let Some(spec) = object.get("spec") else { return };
    let field = "spec.schedule";
    match text(spec, "schedule").unwrap_or_default() {
        "" => errors.push(FieldError::required(field, "")),
        schedule if schedule.contains("TZ") => {
            let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            errors.push(FieldError::invalid(field, schedule, why));
        }
        schedule => {
            let count = schedule.split_whitespace().count();
            if !schedule.starts_with('@') && count != SCHEDULE_FIELDS {
                let why = format!(
                    "expected exactly {SCHEDULE_FIELDS} fields, found {count}: [{}]",
                    schedule.split_whitespace().collect::<Vec<_>>().join(" ")
                );
                errors.push(FieldError::invalid(field, schedule, why));
            }
        }
    }
    for key in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        not_negative(spec, "spec", key, errors);
    }
    one_of(spec, "spec", "concurrencyPolicy", &["Allow", "Forbid", "Replace"], errors);
    if let Some(job) = at(spec, "jobTemplate.spec") {
        job_spec(job, "spec.jobTemplate.spec", errors);
    }
    if text(object, "metadata.name").is_some_and(|name| name.len() > 52) {
        let why = "must be no more than 52 characters";
        let name = text(object, "metadata.name").unwrap_or_default();
        errors.push(FieldError::invalid("metadata.name", name, why));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::texts;
    use super::*;

    fn job() -> Value {
        json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}}}})
    }

    #[test]
    fn a_job_selects_its_own_pods() {
        let mut job = job();
        job_defaults(&mut job);
        own_selector(&mut job);
        assert_eq!(
            job["spec"]["selector"],
            json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}})
        );
        assert_eq!(job["spec"]["template"]["metadata"]["labels"]["job-name"], "j");
        assert_eq!(
            (job["spec"]["completions"].as_i64(), job["spec"]["backoffLimit"].as_i64()),
            (Some(1), Some(6))
        );
        let mut errors = Errors::new();
        (JOB.validate)(&job, &mut errors);
        assert_eq!(texts(&errors), [] as [String; 0]);
        let mut new = job.clone();
        new["spec"]["template"]["spec"]["containers"][0]["image"] = json!("other");
        job_update(&new, &job, &mut errors);
        assert_eq!(errors[0].field, "spec.template");
    }

    #[test]
    fn a_job_must_end() {
        let mut job = job();
        job["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
        own_selector(&mut job);
        let mut errors = Errors::new();
        (JOB.validate)(&job, &mut errors);
        assert_eq!(
            texts(&errors),
            [
                "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""
            ]
        );
    }

    #[test]
    fn cron_schedules_have_five_fields() {
        let mut errors = Errors::new();
        cron_job(&json!({"metadata": {"name": "c"}, "spec": {"schedule": "* * *"}}), &mut errors);
        assert!(texts(&errors)[0].contains("expected exactly 5 fields, found 3: [* * *]"));
        errors.clear();
        cron_job(&json!({"metadata": {"name": "c"}, "spec": {"schedule": "@hourly"}}), &mut errors);
        assert_eq!(errors, []);
    }
}
