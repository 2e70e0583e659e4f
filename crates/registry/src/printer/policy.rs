//! Columns of policies, priorities, leases, webhooks and definitions.

use serde_json::Value;

use super::{AGE, NAME, age, name, or_blank, or_none, or_zero};
use crate::kind::{Printer, column};
use crate::value::{at, flag, int, list, map, text};

pub(crate) const DISRUPTION_BUDGET: Printer = Printer {
    columns: &[
        NAME,
        column("Min Available", "string"),
        column("Max Unavailable", "string"),
        column("Allowed Disruptions", "integer"),
        AGE,
    ],
    cells: |object, now| {
        vec![
            name(object),
            int_or_string(object, "spec.minAvailable").into(),
            int_or_string(object, "spec.maxUnavailable").into(),
            or_zero(object, "status.disruptionsAllowed").into(),
            age(object, now),
        ]
    },
};

pub(crate) const PRIORITY_CLASS: Printer = Printer {
    columns: &[
        NAME,
        column("Value", "integer"),
        column("Global-Default", "boolean"),
        AGE,
        column("PreemptionPolicy", "string"),
    ],
    cells: |object, now| {
        vec![
            name(object),
            or_zero(object, "value").into(),
            flag(object, "globalDefault").into(),
            age(object, now),
            or_blank(object, "preemptionPolicy"),
        ]
    },
};

pub(crate) const LEASE: Printer = Printer {
    columns: &[NAME, column("Holder", "string"), AGE],
    cells: |object, now| {
        vec![name(object), or_blank(object, "spec.holderIdentity"), age(object, now)]
    },
};

pub(crate) const RUNTIME_CLASS: Printer = Printer {
    columns: &[NAME, column("Handler", "string"), AGE],
    cells: |object, now| vec![name(object), or_blank(object, "handler"), age(object, now)],
};

pub(crate) const FLOW_SCHEMA: Printer = Printer {
    columns: &[
        NAME,
        column("PriorityLevel", "string"),
        column("MatchingPrecedence", "string"),
        column("DistinguisherMethod", "string"),
        AGE,
        column("MissingPL", "string"),
    ],
    cells: |object, now| {
        let dangling = super::condition(object, "Dangling").and_then(|one| text(one, "status"));
        vec![
            name(object),
            or_blank(object, "spec.priorityLevelConfiguration.name"),
            or_zero(object, "spec.matchingPrecedence").into(),
            or_none(object, "spec.distinguisherMethod.type"),
            age(object, now),
            dangling.unwrap_or("?").into(),
        ]
    },
};

pub(crate) const PRIORITY_LEVEL: Printer = Printer {
    columns: &[
        NAME,
        column("Type", "string"),
        column("NominalConcurrencyShares", "string"),
        column("Queues", "string"),
        column("HandSize", "string"),
        column("QueueLengthLimit", "string"),
        AGE,
    ],
    cells: |object, now| {
        let number = |path: &str| -> Value {
            int(object, path).map_or_else(|| "<none>".into(), Value::from)
        };
        vec![
            name(object),
            or_blank(object, "spec.type"),
            number("spec.limited.nominalConcurrencyShares"),
            number("spec.limited.limitResponse.queuing.queues"),
            number("spec.limited.limitResponse.queuing.handSize"),
            number("spec.limited.limitResponse.queuing.queueLengthLimit"),
            age(object, now),
        ]
    },
};

pub(crate) const SIGNING_REQUEST: Printer = Printer {
    columns: &[
        NAME,
        AGE,
        column("SignerName", "string"),
        column("Requestor", "string"),
        column("RequestedDuration", "string"),
        column("Condition", "string"),
    ],
    cells: |object, now| {
        let seconds = int(object, "spec.expirationSeconds");
        let lasts = seconds.map_or_else(|| "<none>".to_owned(), machinery::duration::human);
        vec![
            name(object),
            age(object, now),
            or_none(object, "spec.signerName"),
            or_blank(object, "spec.username"),
            lasts.into(),
            signing_state(object).into(),
        ]
    },
};

pub(crate) const WEBHOOKS: Printer = Printer {
    columns: &[NAME, column("Webhooks", "integer"), AGE],
    cells: |object, now| {
        vec![name(object), list(object, "webhooks").len().into(), age(object, now)]
    },
};

pub(crate) const ADMISSION_POLICY: Printer = Printer {
    columns: &[NAME, column("Validations", "integer"), column("ParamKind", "string"), AGE],
    cells: |object, now| {
        let part = |key: &str| text(object, &format!("spec.paramKind.{key}")).unwrap_or_default();
        let kind = match map(object, "spec.paramKind") {
            Some(_) => format!("{}/{}", part("apiVersion"), part("kind")),
            None => "<unset>".to_owned(),
        };
        vec![
            name(object),
            list(object, "spec.validations").len().into(),
            kind.into(),
            age(object, now),
        ]
    },
};

pub(crate) const ADMISSION_BINDING: Printer = Printer {
    columns: &[NAME, column("PolicyName", "string"), column("ParamRef", "string"), AGE],
    cells: |object, now| {
        let reference = match text(object, "spec.paramRef.name") {
            Some(name) => match text(object, "spec.paramRef.namespace") {
                Some(namespace) => format!("{namespace}/{name}"),
                None => format!("*/{name}"),
            },
            None => "<unset>".to_owned(),
        };
        vec![name(object), or_blank(object, "spec.policyName"), reference.into(), age(object, now)]
    },
};

pub(crate) const CUSTOM_RESOURCE_DEFINITION: Printer = super::PLAIN;

fn int_or_string(object: &Value, path: &str) -> String {
    match at(object, path) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "N/A".to_owned(),
    }
}

fn signing_state(request: &Value) -> String {
    let has = |kind: &str| super::condition(request, kind).is_some();
    let mut state = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied".to_owned(),
        (false, true) => "Approved".to_owned(),
        (false, false) => "Pending".to_owned(),
    };
    if has("Failed") {
        state.push_str(",Failed");
    }
    if text(request, "status.certificate").is_some_and(|text| !text.is_empty()) {
        state.push_str(",Issued");
    }
    state
}
