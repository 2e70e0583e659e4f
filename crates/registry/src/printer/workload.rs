//! Columns of workloads.

use serde_json::Value;

use super::{AGE, NAME, age, containers, labels, name, or_zero, selector};
use crate::kind::{Column, Printer, column, wide};
use crate::value::{flag, int, list, map, text};

pub(crate) const DEPLOYMENT: Printer = Printer {
    columns: &[
        NAME,
        column("Ready", "string"),
        column("Up-to-date", "string"),
        column("Available", "string"),
        AGE,
        wide("Containers", "string"),
        wide("Images", "string"),
        wide("Selector", "string"),
    ],
    cells: |object, now| {
        let [names, images] = containers(object, "spec.template.spec");
        vec![
            name(object),
            ready(object).into(),
            or_zero(object, "status.updatedReplicas").into(),
            or_zero(object, "status.availableReplicas").into(),
            age(object, now),
            names,
            images,
            selector(object, "spec.selector").into(),
        ]
    },
};

const REPLICA_COLUMNS: &[Column] = &[
    NAME,
    column("Desired", "integer"),
    column("Current", "integer"),
    column("Ready", "integer"),
    AGE,
    wide("Containers", "string"),
    wide("Images", "string"),
    wide("Selector", "string"),
];

pub(crate) const REPLICA_SET: Printer = Printer {
    columns: REPLICA_COLUMNS,
    cells: |object, now| {
        let [names, images] = containers(object, "spec.template.spec");
        let [desired, current, ready] = replicas(object);
        let selector = selector(object, "spec.selector").into();
        vec![name(object), desired, current, ready, age(object, now), names, images, selector]
    },
};

pub(crate) const REPLICATION_CONTROLLER: Printer = Printer {
    columns: REPLICA_COLUMNS,
    cells: |object, now| {
        let [names, images] = containers(object, "spec.template.spec");
        let [desired, current, ready] = replicas(object);
        let selector = labels(object, "spec.selector").into();
        vec![name(object), desired, current, ready, age(object, now), names, images, selector]
    },
};

pub(crate) const STATEFUL_SET: Printer = Printer {
    columns: &[
        NAME,
        column("Ready", "string"),
        AGE,
        wide("Containers", "string"),
        wide("Images", "string"),
    ],
    cells: |object, now| {
        let [names, images] = containers(object, "spec.template.spec");
        vec![name(object), ready(object).into(), age(object, now), names, images]
    },
};

pub(crate) const DAEMON_SET: Printer = Printer {
    columns: &[
        NAME,
        column("Desired", "integer"),
        column("Current", "integer"),
        column("Ready", "integer"),
        column("Up-to-date", "integer"),
        column("Available", "integer"),
        column("Node Selector", "string"),
        AGE,
        wide("Containers", "string"),
        wide("Images", "string"),
        wide("Selector", "string"),
    ],
    cells: |object, now| {
        let [names, images] = containers(object, "spec.template.spec");
        let count = |key: &str| or_zero(object, &format!("status.{key}")).into();
        vec![
            name(object),
            count("desiredNumberScheduled"),
            count("currentNumberScheduled"),
            count("numberReady"),
            count("updatedNumberScheduled"),
            count("numberAvailable"),
            labels(object, "spec.template.spec.nodeSelector").into(),
            age(object, now),
            names,
            images,
            selector(object, "spec.selector").into(),
        ]
    },
};

pub(crate) const CONTROLLER_REVISION: Printer = Printer {
    columns: &[NAME, column("Controller", "string"), column("Revision", "string"), AGE],
    cells: |object, now| {
        let owner =
            list(object, "metadata.ownerReferences").iter().find(|one| flag(one, "controller"));
        let owner = owner.map_or_else(|| "<none>".to_owned(), controller);
        vec![name(object), owner.into(), or_zero(object, "revision").into(), age(object, now)]
    },
};

pub(crate) const AUTOSCALER: Printer = Printer {
    columns: &[
        NAME,
        column("Reference", "string"),
        column("Targets", "string"),
        column("MinPods", "string"),
        column("MaxPods", "string"),
        column("Replicas", "string"),
        AGE,
    ],
    cells: |object, now| {
        let part =
            |key: &str| text(object, &format!("spec.scaleTargetRef.{key}")).unwrap_or_default();
        let least = int(object, "spec.minReplicas");
        vec![
            name(object),
            format!("{}/{}", part("kind"), part("name")).into(),
            targets(object).into(),
            least.map_or_else(|| "<unset>".into(), Value::from),
            or_zero(object, "spec.maxReplicas").into(),
            or_zero(object, "status.currentReplicas").into(),
            age(object, now),
        ]
    },
};

fn ready(object: &Value) -> String {
    format!("{}/{}", or_zero(object, "status.readyReplicas"), or_zero(object, "spec.replicas"))
}

fn replicas(object: &Value) -> [Value; 3] {
    ["spec.replicas", "status.replicas", "status.readyReplicas"]
        .map(|path| or_zero(object, path).into())
}

/// `statefulset.apps/web`.
fn controller(owner: &Value) -> String {
    let kind = text(owner, "kind").unwrap_or_default().to_lowercase();
    let name = text(owner, "name").unwrap_or_default();
    match text(owner, "apiVersion").and_then(|version| version.split_once('/')) {
        Some((group, _)) => format!("{kind}.{group}/{name}"),
        None => format!("{kind}/{name}"),
    }
}

/// `cpu: 10%/80%`, as far as metrics are of resources; others are named only.
fn targets(autoscaler: &Value) -> String {
    let shown: Vec<String> = list(autoscaler, "spec.metrics")
        .iter()
        .filter_map(|metric| map(metric, "resource"))
        .map(|resource| {
            let resource = Value::Object(resource.clone());
            let name = text(&resource, "name").unwrap_or_default();
            let goal = int(&resource, "target.averageUtilization");
            let current = list(autoscaler, "status.currentMetrics")
                .iter()
                .find(|metric| text(metric, "resource.name") == Some(name))
                .and_then(|metric| int(metric, "resource.current.averageUtilization"));
            let percent = |number: Option<i64>, absent: &str| {
                number.map_or_else(|| absent.to_owned(), |number| format!("{number}%"))
            };
            format!("{name}: {}/{}", percent(current, "<unknown>"), percent(goal, "<auto>"))
        })
        .collect();
    if shown.is_empty() { "<none>".to_owned() } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn workloads_count_their_pods() {
        let object = json!({"metadata": {"name": "w", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "a"}},
                "template": {"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j"}]}}},
            "status": {"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2}});
        let now = Timestamp::from_second(90).unwrap();
        assert_eq!(
            Value::from((DEPLOYMENT.cells)(&object, now)),
            json!(["w", "1/3", 2, 0, "90s", "c,d", "i,j", "app=a"])
        );
        assert_eq!(
            Value::from((REPLICA_SET.cells)(&object, now)),
            json!(["w", 3, 2, 1, "90s", "c,d", "i,j", "app=a"])
        );
    }

    #[test]
    fn revisions_name_their_controller() {
        let object = json!({"metadata": {"name": "r", "ownerReferences": [
            {"controller": true, "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"}]}, "revision": 2});
        let cells = (CONTROLLER_REVISION.cells)(&object, Timestamp::UNIX_EPOCH);
        assert_eq!(cells[1], "statefulset.apps/web");
    }
}
