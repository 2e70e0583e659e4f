//! Columns of jobs and cron jobs.

use jiff::Timestamp;
use machinery::duration;
use serde_json::Value;

use super::{
    AGE, NAME, age, condition, containers, name, or_blank, or_none, or_zero, selector, since,
};
use crate::kind::{Printer, column, wide};
use crate::value::{flag, int, list, text};

pub(crate) const JOB: Printer = Printer {
    columns: &[
        NAME,
        column("Status", "string"),
        column("Completions", "string"),
        column("Duration", "string"),
        AGE,
        wide("Containers", "string"),
        wide("Images", "string"),
        wide("Selector", "string"),
    ],
    cells: |object, now| {
        let [names, images] = containers(object, "spec.template.spec");
        vec![
            name(object),
            status(object).into(),
            completions(object).into(),
            lasted(object, now).into(),
            age(object, now),
            names,
            images,
            selector(object, "spec.selector").into(),
        ]
    },
};

pub(crate) const CRON_JOB: Printer = Printer {
    columns: &[
        NAME,
        column("Schedule", "string"),
        column("Timezone", "string"),
        column("Suspend", "boolean"),
        column("Active", "integer"),
        column("Last Schedule", "string"),
        AGE,
        wide("Containers", "string"),
        wide("Images", "string"),
        wide("Selector", "string"),
    ],
    cells: |object, now| {
        let last = match text(object, "status.lastScheduleTime") {
            Some(last) => since(Some(last), now),
            None => "<none>".to_owned(),
        };
        let [names, images] = containers(object, "spec.jobTemplate.spec.template.spec");
        let suspend = if flag(object, "spec.suspend") { "True" } else { "False" };
        vec![
            name(object),
            or_blank(object, "spec.schedule"),
            or_none(object, "spec.timeZone"),
            suspend.into(),
            list(object, "status.active").len().into(),
            last.into(),
            age(object, now),
            names,
            images,
            selector(object, "spec.jobTemplate.spec.selector").into(),
        ]
    },
};

fn status(job: &Value) -> &'static str {
    let holds = |kind: &str| {
        condition(job, kind).is_some_and(|condition| text(condition, "status") == Some("True"))
    };
    if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if text(job, "metadata.deletionTimestamp").is_some() {
        "Terminating"
    } else if holds("Suspended") {
        "Suspended"
    } else if holds("FailureTarget") {
        "FailureTarget"
    } else if holds("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(job: &Value) -> String {
    let done = or_zero(job, "status.succeeded");
    match (int(job, "spec.completions"), or_zero(job, "spec.parallelism")) {
        (Some(wanted), _) => format!("{done}/{wanted}"),
        (None, parallel) if parallel > 1 => format!("{done}/1 of {parallel}"),
        (None, _) => format!("{done}/1"),
    }
}

/// How long the job ran, or has been running.
fn lasted(job: &Value, now: Timestamp) -> String {
    let time = |path| text(job, path).and_then(|time| time.parse::<Timestamp>().ok());
    let failed = condition(job, "Failed")
        .and_then(|condition| text(condition, "lastTransitionTime"))
        .and_then(|time| time.parse().ok());
    match (time("status.startTime"), time("status.completionTime").or(failed)) {
        (Some(start), Some(end)) => duration::human(end.as_second() - start.as_second()),
        (Some(start), None) => duration::human(now.as_second() - start.as_second()),
        (None, _) => String::new(),
    }
}
