//! Schemas of built-in kinds: k8s-openapi's types, overlaid with the facts it lacks.
//!
//! A type is compiled once per process, when a kind that holds it is first asked for its schema, and shared by all
//! kinds that hold it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use machinery::schema::{self, Schema};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::facts;
use crate::kind::Kind;

/// Where references point, as in OpenAPI v3 documents.
pub(crate) const DEFINITIONS: &str = "#/components/schemas/";

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
/// Types that are one of several shapes, or that hold themselves; what they hold is checked elsewhere.
const OPAQUE: &[&str] = &[
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray",
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
];

static COMPILED: LazyLock<Mutex<BTreeMap<String, Arc<Schema>>>> = LazyLock::new(Mutex::default);

/// A JSON schema and every definition it refers to.
pub(crate) struct Described {
    /// The name of the root type, `io.k8s.api.core.v1.Pod`.
    pub(crate) name: String,
    pub(crate) definitions: Map<String, Value>,
}

/// What k8s-openapi says of a type, with our facts.
pub(crate) fn describe(
    schema_of: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
) -> Described {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let root = schema_of(&mut generator);
    let name = reference(root.as_value()).unwrap_or_default().to_owned();
    let mut definitions = generator.take_definitions(false);
    for (name, definition) in &mut definitions {
        facts::overlay(name, definition);
    }
    Described { name, definitions }
}

/// The definitions of `ObjectMeta` and what it holds.
pub(crate) fn object_meta_definitions() -> Map<String, Value> {
    describe(crate::kind::schema_of::<meta::ObjectMeta>).definitions
}

/// The type that a `$ref` names.
pub(crate) fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(DEFINITIONS)
}

/// The compiled schema of a built-in kind.
pub(crate) fn built_in(kind: &Kind) -> Schema {
    let described = describe(kind.schema);
    let mut compiled = COMPILED.lock().expect("compiling does not panic with the lock held");
    let mut compiler =
        Compiler { definitions: &described.definitions, compiled: &mut compiled, open: Vec::new() };
    let root = compiler.compile(&described.name);
    root.map_or_else(Schema::anything, |root| Schema::clone(&root))
}

struct Compiler<'a> {
    definitions: &'a Map<String, Value>,
    compiled: &'a mut BTreeMap<String, Arc<Schema>>,
    /// Types that are being compiled: a type that holds itself is cut there.
    open: Vec<String>,
}

impl Compiler<'_> {
    fn compile(&mut self, name: &str) -> Option<Arc<Schema>> {
        if let Some(done) = self.compiled.get(name) {
            return Some(Arc::clone(done));
        }
        if self.open.iter().any(|open| open == name) {
            return None;
        }
        let definitions = self.definitions;
        let definition = definitions.get(name)?;
        self.open.push(name.to_owned());
        let schema = match name {
            OBJECT_META => schema::object_meta(),
            QUANTITY => Arc::new(Schema::quantity()),
            _ if OPAQUE.contains(&name) => Arc::new(Schema::anything()),
            _ => {
                let mut definition = definition.clone();
                require_less(name, &mut definition);
                let mut schema = Schema::from_builtin(&definition, &mut |target| {
                    self.compile(target.strip_prefix(DEFINITIONS)?)
                });
                schema.type_name = Some(short_name(name).into());
                Arc::new(schema)
            }
        };
        self.open.pop();
        self.compiled.insert(name.to_owned(), Arc::clone(&schema));
        Some(schema)
    }
}

/// The last two words of a type's name, `v1.PodSpec`: what Go programs call it.
fn short_name(name: &str) -> &str {
    let dot = name.rmatch_indices('.').nth(1).map_or(0, |(dot, _)| dot + 1);
    &name[dot..]
}

/// What the description of a type calls required, the API server requires only where its own validation does: an
/// absent number, boolean or list is zero. Statuses are written in parts, so nothing is required there. Texts and
/// members without which an object makes no sense stay.
fn require_less(name: &str, definition: &mut Value) {
    let reported =
        ["Status", "Condition", "NodeSystemInfo", "DaemonEndpoint", "LinuxContainerUser"]
            .iter()
            .any(|end| name.ends_with(end))
            || name.contains("ContainerState");
    let properties = definition.get("properties").cloned().unwrap_or_default();
    let Some(required) = definition.get_mut("required").and_then(Value::as_array_mut) else {
        return;
    };
    required.retain(|key| {
        let property = key.as_str().and_then(|key| properties.get(key));
        let kind = property.and_then(|property| property.get("type")).and_then(Value::as_str);
        !reported && matches!(kind, None | Some("string"))
    });
}

#[cfg(test)]
mod tests {
    use machinery::schema::{ListType, Type};

    use super::*;
    use crate::kinds;

    #[test]
    fn every_kind_compiles_to_an_object_with_metadata() {
        for kind in kinds::all() {
            let schema = built_in(kind);
            assert_eq!(schema.type_, Some(Type::Object), "{}", kind.kind);
            assert!(schema.properties.contains_key("metadata"), "{}", kind.kind);
        }
    }

    #[test]
    fn kinds_share_the_types_they_hold() {
        let kind = |name: &str| kinds::all().find(|kind| kind.kind == name).unwrap();
        let member = |schema: &Schema, path: &[&str]| {
            path.iter().fold(schema.clone(), |schema, name| schema.member(name).unwrap().clone())
        };
        let pod = member(&built_in(kind("Pod")), &["spec"]);
        let template = member(&built_in(kind("Deployment")), &["spec", "template", "spec"]);
        assert!(Arc::ptr_eq(&pod.properties["affinity"], &template.properties["affinity"]));
    }

    #[test]
    fn lists_have_their_keys() {
        let pod = built_in(kinds::all().find(|kind| kind.kind == "Pod").unwrap());
        let containers = &pod.properties["spec"].properties["containers"];
        assert_eq!(containers.list_type, ListType::Map);
        assert_eq!(containers.list_map_keys, ["name"]);
        assert_eq!(containers.patch_merge_key.as_deref(), Some("name"));
        assert!(containers.patch_strategy.merge);
        let ports = &containers.items.as_ref().unwrap().properties["ports"];
        assert_eq!(ports.list_map_keys, ["containerPort", "protocol"]);
    }

    /// The texts are those of kube-apiserver, which decodes objects into Go's structs.
    #[test]
    fn wrong_types_are_told_as_go_tells_them() {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        for (kind, object, expected) in [
            (
                "ConfigMap",
                r#"{"data": {"a": 1}}"#,
                "number into Go struct field ConfigMap.data of type string",
            ),
            (
                "ConfigMap",
                r#"{"metadata": {"labels": "x"}}"#,
                "string into Go struct field ObjectMeta.metadata.labels of type map[string]string",
            ),
            (
                "Deployment",
                r#"{"spec": {"replicas": "3"}}"#,
                "string into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                "Deployment",
                r#"{"spec": {"replicas": 2.5}}"#,
                "number 2.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                "Deployment",
                r#"{"spec": {"template": {"spec": {"containers": [{"env": [{"name": "A", "value": true}]}]}}}}"#,
                "bool into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
            ),
            (
                "Pod",
                r#"{"spec": {"containers": {}}}"#,
                "object into Go struct field PodSpec.spec.containers of type []v1.Container",
            ),
            ("Pod", r#"{"spec": []}"#, "array into Go struct field Pod.spec of type v1.PodSpec"),
        ] {
            let schema = built_in(kinds::all().find(|it| it.kind == kind).unwrap());
            let misfit = schema.misfit(&json(object));
            assert_eq!(
                misfit,
                Some(format!("json: cannot unmarshal {expected}")),
                "{kind} {object}"
            );
        }
        for (kind, object, expected) in [
            ("Secret", r#"{"data": {"a": "b!"}}"#, "illegal base64 data at input byte 1"),
            (
                "PersistentVolumeClaim",
                r#"{"spec": {"resources": {"requests": {"storage": "1 GB"}}}}"#,
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            ),
            (
                "Lease",
                r#"{"metadata": {"creationTimestamp": "now"}}"#,
                r#"parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006""#,
            ),
        ] {
            let schema = built_in(kinds::all().find(|it| it.kind == kind).unwrap());
            assert_eq!(schema.misfit(&json(object)).as_deref(), Some(expected), "{kind} {object}");
        }
        let service = built_in(kinds::all().find(|it| it.kind == "Service").unwrap());
        let fits = r#"{"metadata": null, "spec": {"ports": [{"port": 1, "targetPort": "http"}], "selector": null}}"#;
        assert_eq!(service.misfit(&json(fits)), None);
    }
}
