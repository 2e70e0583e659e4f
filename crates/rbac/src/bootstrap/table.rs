//! The text form of the defaults.

use serde_json::{Map, Value, json};

use super::Default;
use crate::Rule;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Reads roles: paragraphs of a head and its rules.
pub(super) fn roles(text: &str) -> Vec<Default> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut roles: Vec<(Vec<&str>, Vec<Value>)> = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.trim_start().split("  ").collect();
        match (line.starts_with(' '), roles.last_mut()) {
            (true, Some((_, rules))) => rules.push(rule(&fields).to_value()),
            _ => roles.push((fields, Vec::new())),
        }
    }
    roles.into_iter().map(|(head, rules)| role(&head, rules)).collect()
}

fn role(head: &[&str], rules: Vec<Value>) -> Default {
    let (name, marks) = head.split_first().unwrap_or((&"", &[]));
    let place = Place::of(name);
    let label = |to: &str| format!("{GROUP}/aggregate-to-{to}");
    let mut object = place.object(if place.is_in_namespace() { "Role" } else { "ClusterRole" });
    let sources: Vec<Value> = marks
        .iter()
        .filter_map(|mark| {
            Some(json!({"matchLabels": {label(mark.strip_prefix("from=")?): "true"}}))
        })
        .collect();
    if !sources.is_empty() {
        object["aggregationRule"] = json!({"clusterRoleSelectors": sources});
    }
    for to in marks.iter().filter_map(|mark| mark.strip_prefix("to=")) {
        object["metadata"]["labels"][label(to)] = "true".into();
    }
    object["rules"] = rules.into();
    place.finish(if place.is_in_namespace() { "roles" } else { "clusterroles" }, object)
}

fn rule(fields: &[&str]) -> Rule {
    let words = |text: &str| -> Vec<String> {
        text.split(',').map(|it| if it == "core" { "" } else { it }.to_owned()).collect()
    };
    match fields {
        [verbs, paths] => Rule {
            verbs: words(verbs),
            non_resource_urls: paths.split(' ').map(str::to_owned).collect(),
            ..Rule::default()
        },
        [verbs, groups, resources, names @ ..] => Rule {
            verbs: words(verbs),
            api_groups: words(groups),
            resources: words(resources),
            resource_names: names.first().map(|it| words(it)).unwrap_or_default(),
            ..Rule::default()
        },
        _ => Rule::default(),
    }
}

/// Reads bindings, a line each.
pub(super) fn bindings(text: &str) -> Vec<Default> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| binding(&line.split("  ").collect::<Vec<_>>())).collect()
}

fn binding(fields: &[&str]) -> Default {
    let field = |index: usize| fields.get(index).copied().unwrap_or("");
    let place = Place::of(field(0));
    let is_in_namespace = place.is_in_namespace();
    let mut object =
        place.object(if is_in_namespace { "RoleBinding" } else { "ClusterRoleBinding" });
    let (kind, name) = field(1).split_once('/').unwrap_or(("", ""));
    object["roleRef"] = json!({"apiGroup": GROUP, "kind": kind, "name": name});
    let subjects: Vec<Value> =
        field(2).split(' ').filter(|it| !it.is_empty()).map(subject).collect();
    if !subjects.is_empty() {
        object["subjects"] = subjects.into();
    }
    place.finish(if is_in_namespace { "rolebindings" } else { "clusterrolebindings" }, object)
}

fn subject(text: &str) -> Value {
    match text.split('/').collect::<Vec<_>>()[..] {
        [kind @ "ServiceAccount", namespace, name] => {
            json!({"kind": kind, "namespace": namespace, "name": name})
        }
        [kind, name] => json!({"apiGroup": GROUP, "kind": kind, "name": name}),
        _ => Value::Null,
    }
}

/// Where an object is.
struct Place<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Place<'a> {
    /// Reads `NAME` or `NAMESPACE/NAME`.
    fn of(text: &'a str) -> Self {
        let (namespace, name) = text.split_once('/').unwrap_or(("", text));
        Place { namespace, name }
    }

    fn is_in_namespace(&self) -> bool {
        !self.namespace.is_empty()
    }

    fn object(&self, kind: &str) -> Value {
        let mut metadata = Map::new();
        metadata.insert("name".into(), self.name.into());
        if self.is_in_namespace() {
            metadata.insert("namespace".into(), self.namespace.into());
        }
        metadata.insert("labels".into(), json!({"kubernetes.io/bootstrapping": "rbac-defaults"}));
        let annotations = json!({super::reconcile::AUTOUPDATE: "true"});
        metadata.insert("annotations".into(), annotations);
        json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": metadata})
    }

    fn finish(&self, plural: &'static str, object: Value) -> Default {
        let (namespace, name) = (self.namespace.to_owned(), self.name.to_owned());
        Default { plural, namespace, name, object }
    }
}
