//! Custom resource definitions that an API server accepts without warnings, and the parts that all specs share.

mod archive;
mod backup;
mod bootstrap;
mod claim;
mod stores;
mod tls;
mod types;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceSubresourceScale,
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

pub use archive::{
    ARCHIVE, Addressing, Archive, Azure, Encryption, Gcs, IDENTITY, KEYS, Oss, S3, VolumeArchive,
};
pub use backup::{Backup, BackupStatus, Compression, Keep, Schedule};
pub use bootstrap::{Bootstrap, Restore};
pub use claim::{ClaimRequests, ClaimResources, ClaimSpec};
use kube::core::Rule;
pub use stores::{AbsPath, GcsPath, OssPath, S3Path, StorageType, Stores, one_store};
pub use tls::{ClientTls, Mode, PeerTls, Tls};
pub use types::{
    BesideCondition, BesideStatus, EmptyDir, EnvVar, MoveLeader, OnMembers, Opaque, Operation,
    OperationStatus, PodPolicy, Reclaim, ReplaceMember, Resources, Retention, Status, Storage,
    Volume, published,
};

/// Removes the formats that only Rust has (`uint32`, `usize`-like): a server warns of each. The bounds that come with
/// them stay, so the schema accepts no more than before. Removes examples from descriptions, too: those of Rust's
/// types are code.
///
/// ```
/// # use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
/// # fn show(crd: CustomResourceDefinition) -> CustomResourceDefinition {
/// endstate::crd::without_rust(crd)
/// # }
/// ```
#[must_use]
pub fn without_rust(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut().and_then(|it| it.open_api_v3_schema.as_mut());
        schema.into_iter().for_each(strip);
    }
    crd
}

/// The definition of a kind that declares a cluster by `spec.size` and `spec.version`, and whose status is
/// [`Status`]: with the rule for its name, the usual columns, and `kubectl scale`.
///
/// ```
/// # use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
/// # fn show(crd: CustomResourceDefinition) -> CustomResourceDefinition {
/// endstate::crd::of_cluster(crd)
/// # }
/// ```
#[must_use]
pub fn of_cluster(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns());
        let scale = CustomResourceSubresourceScale {
            spec_replicas_path: ".spec.size".to_owned(),
            status_replicas_path: ".status.size".to_owned(),
            label_selector_path: Some(".status.selector".to_owned()),
        };
        version.subresources.get_or_insert_default().scale = Some(scale);
        let schema = version.schema.as_mut().and_then(|it| it.open_api_v3_schema.as_mut());
        let rules = schema.map(|it| it.x_kubernetes_validations.get_or_insert_default());
        rules.into_iter().for_each(|it| it.push(name_rule()));
    }
    without_rust(crd)
}

/// The definition of a kind whose objects belong to a cluster by `spec.cluster`, and whose status is [`BesideStatus`]:
/// with columns, and rules that keep the cluster and the name there (`spec.name`) as they are.
///
/// ```
/// # use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
/// # fn show(crd: CustomResourceDefinition) -> CustomResourceDefinition {
/// endstate::crd::of_beside(crd)
/// # }
/// ```
#[must_use]
pub fn of_beside(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let condition = |it: &str| format!(".status.conditions[?(@.type==\"Ready\")].{it}");
    let columns = [
        column("Cluster", ".spec.cluster"),
        column("Ready", &condition("status")),
        column("Reason", &condition("reason")),
    ];
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns.to_vec());
        let schema = version.schema.as_mut().and_then(|it| it.open_api_v3_schema.as_mut());
        let spec = schema.and_then(|it| it.properties.as_mut()?.get_mut("spec"));
        let Some(spec) = spec else { continue };
        let name =
            "has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name)";
        let rules = spec.x_kubernetes_validations.get_or_insert_default();
        let another = "cannot be changed: declare another object";
        rules.push(fixed("self.cluster == oldSelf.cluster", &format!("the cluster {another}")));
        rules.push(fixed(name, &format!("the name {another}")));
    }
    without_rust(crd)
}

/// The definition of a kind whose objects ask for one operation of a cluster ([`Operation`] and an application's own),
/// and whose status is [`OperationStatus`]: with columns, and the rules that there is one operation, and that the spec
/// stays as it is.
///
/// ```
/// # use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
/// # fn show(crd: CustomResourceDefinition) -> CustomResourceDefinition {
/// endstate::crd::of_operation(crd)
/// # }
/// ```
#[must_use]
pub fn of_operation(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let age = date("Age", ".metadata.creationTimestamp");
    let message = CustomResourceColumnDefinition {
        priority: Some(1),
        ..column("Message", ".status.conditions[?(@.type==\"Complete\")].message")
    };
    let columns = [
        column("Cluster", ".spec.cluster"),
        column("Operation", ".status.operation"),
        column("State", ".status.state"),
        message,
        age,
    ];
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns.to_vec());
        let schema = version.schema.as_mut().and_then(|it| it.open_api_v3_schema.as_mut());
        let spec = schema.and_then(|it| it.properties.as_mut()?.get_mut("spec"));
        let Some(spec) = spec else { continue };
        let fields = spec.properties.iter().flat_map(|it| it.keys());
        let fields: Vec<_> = fields.filter(|it| *it != "cluster").cloned().collect();
        let given: Vec<_> = fields.iter().map(|it| format!("has(self.{it})")).collect();
        let one = format!("[{}].filter(it, it).size() == 1", given.join(", "));
        let rules = spec.x_kubernetes_validations.get_or_insert_default();
        rules.push(fixed(&one, &format!("name one operation: {}", fields.join(", "))));
        let another =
            "an operation is carried out once and cannot be changed: declare another object";
        rules.push(fixed("self == oldSelf", another));
    }
    without_rust(crd)
}

/// The definition of a kind whose objects have agents ([`crate::agents`]), with columns of its own: the name of each,
/// and the path of a date in the status.
///
/// ```
/// # use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
/// # fn show(crd: CustomResourceDefinition) -> CustomResourceDefinition {
/// endstate::crd::of_agent(crd, &[("Full", ".status.full.taken")])
/// # }
/// ```
#[must_use]
pub fn of_agent(
    mut crd: CustomResourceDefinition,
    dates: &[(&str, &str)],
) -> CustomResourceDefinition {
    let condition = |it: &str| format!(".status.conditions[?(@.type==\"Ready\")].{it}");
    let mut columns = vec![
        column("Cluster", ".spec.cluster"),
        column("State", ".status.state"),
        column("Ready", &condition("status")),
        column("Reason", &condition("reason")),
    ];
    let age = [("Age", ".metadata.creationTimestamp")];
    columns.extend(dates.iter().chain(&age).map(|(name, path)| date(name, path)));
    let message = column("Message", &condition("message"));
    columns.push(CustomResourceColumnDefinition { priority: Some(1), ..message });
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns.clone());
    }
    without_rust(crd)
}

fn date(name: &str, path: &str) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition { type_: "date".to_owned(), ..column(name, path) }
}

fn column(name: &str, path: &str) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: "string".to_owned(),
        json_path: path.to_owned(),
        ..Default::default()
    }
}

fn fixed(rule: &str, message: &str) -> ValidationRule {
    ValidationRule {
        rule: rule.to_owned(),
        message: Some(message.to_owned()),
        ..Default::default()
    }
}

fn name_rule() -> ValidationRule {
    let rule = "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 50";
    let message = "the name becomes part of service and host names: use at most 50 characters of a-z, 0-9 and -, beginning with a letter";
    ValidationRule {
        rule: rule.to_owned(),
        message: Some(message.to_owned()),
        ..ValidationRule::default()
    }
}

fn columns() -> Vec<CustomResourceColumnDefinition> {
    let progress = r#".status.conditions[?(@.type=="Progressing")].message"#;
    let columns = [
        ("Size", "integer", ".spec.size", Some("Voting members wanted")),
        ("Ready", "integer", ".status.ready", Some("Voting members that are healthy")),
        ("Version", "string", ".status.currentVersion", Some("The version that every member runs")),
        ("Status", "string", ".status.phase", None),
        ("Progress", "string", progress, None),
        ("Age", "date", ".metadata.creationTimestamp", None),
    ];
    let column = |(name, type_, path, description): (&str, &str, &str, Option<&str>)| {
        CustomResourceColumnDefinition {
            name: name.to_owned(),
            type_: type_.to_owned(),
            json_path: path.to_owned(),
            description: description.map(str::to_owned),
            priority: (path == progress).then_some(1),
            format: None,
        }
    };
    columns.map(column).into()
}

/// The rule that a map has no keys but these. What else could be set in the place where the map ends up is the
/// operator's.
///
/// ```
/// assert_eq!(endstate::crd::only_keys(&["a", "b"]).rule, "self.all(it, it in ['a', 'b'])");
/// ```
#[must_use]
pub fn only_keys(keys: &[&str]) -> Rule {
    let message =
        format!("the operator sets whatever is not one of these: remove it: {}", keys.join(", "));
    Rule::new(format!("self.all(it, it in ['{}'])", keys.join("', '"))).message(message.as_str())
}

/// A number, as the default of a field.
///
/// ```
/// # use serde::Deserialize;
/// #[derive(Deserialize)]
/// struct Spec {
///     #[serde(default = "endstate::crd::number::<512>")]
///     heap_mib: u32,
/// }
/// # let spec: Spec = serde_json::from_str("{}").unwrap();
/// # assert_eq!(spec.heap_mib, 512);
/// ```
#[must_use]
pub fn number<const N: u32>() -> u32 {
    N
}

fn strip(schema: &mut JSONSchemaProps) {
    if let Some(text) = &mut schema.description
        && let Some(start) = text.find("\n```\n")
    {
        text.truncate(text[..start].trim_end().len());
    }
    schema.format.take_if(|it| it.starts_with("uint") || it.starts_with("int8") || it == "int16");
    let maps = [&mut schema.properties, &mut schema.pattern_properties, &mut schema.definitions];
    maps.into_iter().flatten().flat_map(|it| it.values_mut()).for_each(strip);
    let lists = [&mut schema.all_of, &mut schema.any_of, &mut schema.one_of];
    lists.into_iter().flatten().flatten().for_each(strip);
    schema.not.iter_mut().for_each(|it| strip(it));
    for other in [&mut schema.additional_properties, &mut schema.additional_items] {
        if let Some(JSONSchemaPropsOrBool::Schema(it)) = other {
            strip(it);
        }
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(it)) => strip(it),
        Some(JSONSchemaPropsOrArray::Schemas(list)) => list.iter_mut().for_each(strip),
        None => {}
    }
}
