//! Workloads that keep pods: deployments, replica sets, stateful sets, daemon sets, revisions, pod templates.

use machinery::error::FieldError;
use machinery::selector::LabelSelector;
use serde_json::{Value, json};

use super::policy::count_or_percent;
use super::{Errors, immutable, not_negative, one_of, pod};
use crate::kind::{DeleteResponse, Strategy};
use crate::value::{at, at_mut, child, default, default_text, int, items_mut, map, remove, text};

pub(crate) const DEPLOYMENT: Strategy = Strategy {
    defaults: deployment_defaults,
    validate: |object, errors| {
        workload(object, "deployment", errors);
        deployment(object, errors);
    },
    validate_update: same_selector,
    ..Strategy::SPEC_AND_STATUS
};

pub(crate) const REPLICA_SET: Strategy = Strategy {
    fields: &[("status.replicas", "0")],
    defaults: |object| {
        pod::template_defaults(object);
        spec_defaults(object, &[("replicas", json!(1))]);
    },
    validate: |object, errors| workload(object, "replicaset", errors),
    validate_update: same_selector,
    ..Strategy::SPEC_AND_STATUS
};

pub(crate) const REPLICATION_CONTROLLER: Strategy = Strategy {
    fields: &[("status.replicas", "0")],
    defaults: replication_controller_defaults,
    validate: |object, errors| {
        if let Some(template) = at(object, "spec.template") {
            pod::validate_template(template, "spec.template", errors);
        }
    },
    ..Strategy::SPEC_AND_STATUS
};

pub(crate) const STATEFUL_SET: Strategy = Strategy {
    defaults: stateful_set_defaults,
    validate: |object, errors| {
        workload(object, "statefulset", errors);
        if let Some(spec) = object.get("spec") {
            one_of(spec, "spec", "podManagementPolicy", &["OrderedReady", "Parallel"], errors);
            let strategies = ["OnDelete", "RollingUpdate"];
            if let Some(update) = spec.get("updateStrategy") {
                one_of(update, "spec.updateStrategy", "type", &strategies, errors);
            }
        }
    },
    validate_update: stateful_set_update,
    ..Strategy::SPEC_AND_STATUS
};

pub(crate) const DAEMON_SET: Strategy = Strategy {
    defaults: daemon_set_defaults,
    validate: |object, errors| workload(object, "daemonset", errors),
    validate_update: same_selector,
    ..Strategy::SPEC_AND_STATUS
};

pub(crate) const CONTROLLER_REVISION: Strategy = Strategy {
    validate: |object, errors| not_negative(object, "", "revision", errors),
    validate_update: |object, old, errors| immutable(object, old, "data", errors),
    ..Strategy::PLAIN
};

pub(crate) const POD_TEMPLATE: Strategy = Strategy {
    generation: true,
    delete_response: DeleteResponse::Object,
    validate: |object, errors| {
        if let Some(template) = object.get("template") {
            pod::validate_template(template, "template", errors);
        }
    },
    ..Strategy::PLAIN
};

pub(crate) const AUTOSCALER: Strategy = Strategy {
    generation: false,
    defaults: |object| spec_defaults(object, &[("minReplicas", json!(1))]),
    validate: |object, errors| {
        let Some(spec) = object.get("spec") else { return };
        let (least, most) =
            (int(spec, "minReplicas").unwrap_or(1), int(spec, "maxReplicas").unwrap_or(0));
        if most < 1 {
            let why = "must be greater than 0";
            errors.push(FieldError::invalid("spec.maxReplicas", most, why));
        } else if most < least {
            let why = "must be greater than or equal to `minReplicas`";
            errors.push(FieldError::invalid("spec.maxReplicas", most, why));
        }
    },
    ..Strategy::SPEC_AND_STATUS
};

fn spec_defaults(object: &mut Value, values: &[(&str, Value)]) {
    if let Some(spec) = child(object, "spec") {
        for (key, value) in values {
            default(spec, key, value.clone());
        }
    }
}

fn deployment_defaults(object: &mut Value) {
    pod::template_defaults(object);
    spec_defaults(
        object,
        &[
            ("replicas", json!(1)),
            ("revisionHistoryLimit", json!(10)),
            ("progressDeadlineSeconds", json!(600)),
        ],
    );
    let Some(strategy) = at_mut(object, "spec").and_then(|spec| child(spec, "strategy")) else {
        return;
    };
    default_text(strategy, "type", "RollingUpdate");
    rolling(strategy, &[("maxUnavailable", json!("25%")), ("maxSurge", json!("25%"))]);
}

/// Defaults of `rollingUpdate`, where that is the type.
fn rolling(strategy: &mut Value, values: &[(&str, Value)]) {
    if text(strategy, "type") == Some("RollingUpdate")
        && let Some(rolling) = child(strategy, "rollingUpdate")
    {
        for (key, value) in values {
            default(rolling, key, value.clone());
        }
    }
}

fn stateful_set_defaults(object: &mut Value) {
    pod::template_defaults(object);
    spec_defaults(
        object,
        &[
            ("replicas", json!(1)),
            ("revisionHistoryLimit", json!(10)),
            ("podManagementPolicy", json!("OrderedReady")),
        ],
    );
    let Some(spec) = at_mut(object, "spec") else { return };
    if let Some(update) = child(spec, "updateStrategy") {
        default_text(update, "type", "RollingUpdate");
        rolling(update, &[("partition", json!(0))]);
    }
    if let Some(retention) = child(spec, "persistentVolumeClaimRetentionPolicy") {
        default_text(retention, "whenDeleted", "Retain");
        default_text(retention, "whenScaled", "Retain");
    }
    for claim in items_mut(spec, "volumeClaimTemplates") {
        claim["apiVersion"] = json!("v1");
        claim["kind"] = json!("PersistentVolumeClaim");
        super::storage::claim_defaults(claim);
        if let Some(status) = child(claim, "status") {
            default_text(status, "phase", "Pending");
        }
    }
}

fn daemon_set_defaults(object: &mut Value) {
    pod::template_defaults(object);
    spec_defaults(object, &[("revisionHistoryLimit", json!(10))]);
    let update = at_mut(object, "spec").and_then(|spec| child(spec, "updateStrategy"));
    if let Some(update) = update {
        default_text(update, "type", "RollingUpdate");
        rolling(update, &[("maxUnavailable", json!(1)), ("maxSurge", json!(0))]);
    }
}

/// A controller without a selector or labels takes them from its template.
fn replication_controller_defaults(object: &mut Value) {
    pod::template_defaults(object);
    spec_defaults(object, &[("replicas", json!(1))]);
    let Some(labels) = map(object, "spec.template.metadata.labels").cloned() else { return };
    if let Some(spec) = at_mut(object, "spec") {
        default(spec, "selector", labels.clone());
    }
    if let Some(metadata) = at_mut(object, "metadata") {
        default(metadata, "labels", labels);
    }
}

/// Rules of every workload: a selector that is not empty and matches the template, which always restarts.
fn workload(object: &Value, word: &str, errors: &mut Errors) {
    let Some(spec) = object.get("spec") else {
        errors.push(FieldError::required("spec", ""));
        return;
    };
    for key in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        not_negative(spec, "spec", key, errors);
    }
    let selector = selector(spec, word, errors);
    let Some(template) = spec.get("template") else {
        errors.push(FieldError::required("spec.template", ""));
        return;
    };
    if let Some(selector) = selector {
        let labels = map(template, "metadata.labels");
        let get = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        if !selector.matches(get) {
            let value = labels.map_or_else(|| json!({}), |labels| Value::Object(labels.clone()));
            let why = "`selector` does not match template `labels`";
            errors.push(FieldError::invalid("spec.template.metadata.labels", value, why));
        }
    }
    let claims = crate::value::list(spec, "volumeClaimTemplates").iter();
    let claims = claims.filter_map(|claim| text(claim, "metadata.name")).map(str::to_owned);
    pod::validate_template_with(template, "spec.template", claims.collect(), errors);
    pod::restart_policy(template, "spec.template", &["Always"], errors);
}

fn selector(spec: &Value, word: &str, errors: &mut Errors) -> Option<LabelSelector> {
    let Some(selector) = spec.get("selector").filter(|selector| selector.is_object()) else {
        errors.push(FieldError::required("spec.selector", ""));
        return None;
    };
    let empty = map(selector, "matchLabels").is_none_or(|labels| labels.is_empty())
        && crate::value::list(selector, "matchExpressions").is_empty();
    if empty {
        let why = format!("empty selector is invalid for {word}");
        errors.push(FieldError::invalid("spec.selector", selector.clone(), why));
        return None;
    }
    match LabelSelector::from_value(selector) {
        Ok(selector) => Some(selector),
        Err(error) => {
            errors.push(FieldError::invalid("spec.selector", selector.clone(), error.to_string()));
            None
        }
    }
}

fn deployment(object: &Value, errors: &mut Errors) {
    let base = "spec.strategy";
    let Some(strategy) = at(object, base) else { return };
    one_of(strategy, base, "type", &["Recreate", "RollingUpdate"], errors);
    let rolling = strategy.get("rollingUpdate").filter(|rolling| rolling.is_object());
    if text(strategy, "type") == Some("Recreate") && rolling.is_some() {
        let field = "spec.strategy.rollingUpdate";
        let why = "may not be specified when strategy `type` is 'Recreate'";
        errors.push(FieldError::forbidden(field, why));
    }
    for key in ["maxUnavailable", "maxSurge"] {
        if let Some(value) = rolling.and_then(|rolling| rolling.get(key)) {
            let mut found = Errors::new();
            count_or_percent(value, &format!("{base}.rollingUpdate.{key}"), &mut found);
            // A surge may be above 100%.
            found.retain(|error| key == "maxUnavailable" || !error.detail.contains("100%"));
            errors.extend(found);
        }
    }
    let zero = |key: &str| {
        rolling
            .and_then(|rolling| rolling.get(key))
            .is_some_and(|value| value == &json!(0) || value == "0%")
    };
    if zero("maxUnavailable") && zero("maxSurge") {
        let field = "spec.strategy.rollingUpdate.maxUnavailable";
        let value = rolling.and_then(|rolling| rolling.get("maxUnavailable")).cloned();
        let why = "may not be 0 when `maxSurge` is 0";
        errors.push(FieldError::invalid(field, value.unwrap_or_default(), why));
    }
}

fn same_selector(object: &Value, old: &Value, errors: &mut Errors) {
    immutable(object, old, "spec.selector", errors);
}

const STATEFUL_SET_MUTABLE: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
    "revisionHistoryLimit",
];

fn stateful_set_update(object: &Value, old: &Value, errors: &mut Errors) {
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").cloned().unwrap_or_default();
        for key in STATEFUL_SET_MUTABLE {
            remove(&mut spec, key);
        }
        spec
    };
    if fixed(object) != fixed(old) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        errors.push(FieldError::forbidden("spec", why));
    }
}

#[cfg(test)]
mod tests {
    use super::super::texts;
    use super::*;

    fn deployment_object() -> Value {
        json!({"metadata": {"name": "d"}, "spec": {
            "selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "a"}},
                "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}})
    }

    fn check(strategy: &Strategy, object: &Value, expected: &[&str]) {
        let mut errors = Errors::new();
        (strategy.validate)(object, &mut errors);
        assert_eq!(texts(&errors), expected);
    }

    #[test]
    fn deployment_defaults_are_those_of_the_api_server() {
        let mut object = deployment_object();
        (DEPLOYMENT.defaults)(&mut object);
        let spec = &object["spec"];
        assert_eq!(spec["replicas"], 1);
        assert_eq!(spec["revisionHistoryLimit"], 10);
        assert_eq!(spec["progressDeadlineSeconds"], 600);
        assert_eq!(
            spec["strategy"],
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
        );
        assert_eq!(spec["template"]["spec"]["restartPolicy"], "Always");
        assert!(spec["template"]["spec"].get("enableServiceLinks").is_none());
        check(&DEPLOYMENT, &object, &[]);
    }

    #[test]
    fn selectors_match_templates() {
        let mut object = deployment_object();
        object["spec"]["template"]["metadata"]["labels"] = json!({"app": "b"});
        check(
            &DEPLOYMENT,
            &object,
            &[
                "spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`",
            ],
        );
        object["spec"]["selector"] = json!({});
        check(
            &DEPLOYMENT,
            &object,
            &["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
        );
    }

    #[test]
    fn a_rollout_can_move() {
        let mut object = deployment_object();
        object["spec"]["replicas"] = json!(-1);
        object["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}});
        check(
            &DEPLOYMENT,
            &object,
            &[
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0",
            ],
        );
    }

    #[test]
    fn immutable_fields_stay() {
        let old = deployment_object();
        let mut new = old.clone();
        new["spec"]["selector"] = json!({"matchLabels": {"app": "b"}});
        let mut errors = Errors::new();
        same_selector(&new, &old, &mut errors);
        assert!(texts(&errors)[0].ends_with("field is immutable"));
        errors.clear();
        new["spec"] = old["spec"].clone();
        new["spec"]["serviceName"] = json!("x");
        stateful_set_update(&new, &old, &mut errors);
        assert!(texts(&errors)[0].starts_with("spec: Forbidden: updates to statefulset spec"));
    }

    #[test]
    fn stateful_sets_get_update_and_retention_policies() {
        let mut object = deployment_object();
        object["spec"]["volumeClaimTemplates"] =
            json!([{"metadata": {"name": "data"}, "spec": {}}]);
        (STATEFUL_SET.defaults)(&mut object);
        let spec = &object["spec"];
        assert_eq!(
            spec["updateStrategy"],
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
        );
        assert_eq!(
            spec["persistentVolumeClaimRetentionPolicy"],
            json!({"whenDeleted": "Retain", "whenScaled": "Retain"})
        );
        assert_eq!(spec["volumeClaimTemplates"][0]["spec"]["volumeMode"], "Filesystem");
        assert_eq!(spec["volumeClaimTemplates"][0]["status"]["phase"], "Pending");
    }
}
