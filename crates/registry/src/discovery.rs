//! Discovery documents: what is served, in the legacy form and in the aggregated form (v2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::crd::compare_versions;
use crate::registry::Registry;
use crate::resource::{Resource, Subresource, api_version};

/// Built-in groups in the order of their priority: clients that know a name only take the first group that has it.
const GROUP_ORDER: &[&str] = &[
    "",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

/// `GET /api`.
pub fn api_versions() -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [],
    })
}

/// `GET /apis`.
pub fn api_group_list(registry: &Registry) -> Value {
    let groups: Vec<Value> = ordered_groups(registry)
        .into_iter()
        .map(|(group, versions)| group_entry(group, &versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `GET /apis/GROUP`.
pub fn group(registry: &Registry, group: &str) -> Option<Value> {
    let groups = registry.groups();
    let versions = groups.get(group).filter(|_| !group.is_empty())?;
    let mut entry = group_entry(group, versions);
    entry["kind"] = "APIGroup".into();
    entry["apiVersion"] = "v1".into();
    Some(entry)
}

/// `GET /apis/GROUP/VERSION`, or `/api/VERSION` with an empty group.
pub fn resource_list(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let resources: Vec<Value> = registry
        .group_version(group, version)
        .flat_map(|resource| legacy_entries(resource))
        .collect();
    if resources.is_empty() {
        return None;
    }
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": api_version(group, version), "resources": resources}))
}

/// `GET /api` in the aggregated form.
pub fn aggregated_core(registry: &Registry) -> Value {
    aggregated(vec![aggregated_group(registry, "", &["v1"])])
}

/// `GET /apis` in the aggregated form.
pub fn aggregated_groups(registry: &Registry) -> Value {
    let groups = ordered_groups(registry);
    aggregated(
        groups
            .iter()
            .map(|(group, versions)| aggregated_group(registry, group, versions))
            .collect(),
    )
}

/// Named groups, the built-in ones first.
fn ordered_groups(registry: &Registry) -> Vec<(&str, Vec<&str>)> {
    let place = |group: &str| {
        GROUP_ORDER.iter().position(|known| *known == group).unwrap_or(GROUP_ORDER.len())
    };
    let mut groups: Vec<_> =
        registry.groups().into_iter().filter(|(group, _)| !group.is_empty()).collect();
    groups.sort_by_key(|(group, _)| (place(group), *group));
    groups
}

fn group_entry(group: &str, versions: &[&str]) -> Value {
    let entry =
        |version: &str| json!({"groupVersion": api_version(group, version), "version": version});
    let all: Vec<Value> = versions.iter().map(|version| entry(version)).collect();
    json!({"name": group, "versions": all,
        "preferredVersion": versions.first().map(|version| entry(version))})
}

/// A resource and its subresources as entries of a legacy document.
fn legacy_entries(resource: &Resource) -> Vec<Value> {
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| drop(entry.insert(key.to_owned(), value));
    put("name", resource.plural.as_str().into());
    put("singularName", resource.singular.as_str().into());
    put("namespaced", resource.namespaced.into());
    put("kind", resource.kind.as_str().into());
    put("verbs", Value::from(resource.verbs.clone()));
    if !resource.short_names.is_empty() {
        put("shortNames", Value::from(resource.short_names.clone()));
    }
    if !resource.categories.is_empty() {
        put("categories", Value::from(resource.categories.clone()));
    }
    if resource.stored {
        put("storageVersionHash", storage_version_hash(resource).into());
    }
    let subresources = resource.subresources.iter().map(|one| legacy_subresource(resource, one));
    std::iter::once(Value::Object(entry)).chain(subresources).collect()
}

fn legacy_subresource(resource: &Resource, subresource: &Subresource) -> Value {
    let (group, version, kind) = response_kind(resource, subresource);
    let mut entry = json!({
        "name": format!("{}/{}", resource.plural, subresource.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": subresource.verbs,
    });
    if (group, version) != (&resource.group, &resource.version) {
        entry["group"] = group.into();
        entry["version"] = version.into();
    }
    entry
}

/// The kind that a subresource takes and answers.
fn response_kind<'a>(
    resource: &'a Resource,
    subresource: &'a Subresource,
) -> (&'a str, &'a str, &'a str) {
    subresource.kind.unwrap_or((&resource.group, &resource.version, &resource.kind))
}

/// Tells clients whether the stored form of a resource changed.
fn storage_version_hash(resource: &Resource) -> String {
    let text = format!("{}/{}/{}", resource.storage_group, resource.storage_version, resource.kind);
    STANDARD.encode(&Sha256::digest(text.as_bytes())[..8])
}

fn aggregated(items: Vec<Value>) -> Value {
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": items})
}

fn aggregated_group(registry: &Registry, group: &str, versions: &[&str]) -> Value {
    debug_assert!(versions.is_sorted_by(|a, b| compare_versions(a, b).is_le()));
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| {
            let resources = registry.group_version(group, version);
            let resources: Vec<Value> =
                resources.map(|resource| aggregated_entry(resource)).collect();
            json!({"version": version, "freshness": "Current", "resources": resources})
        })
        .collect();
    json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
}

fn aggregated_entry(resource: &Resource) -> Value {
    let kind = |(group, version, kind): (&str, &str, &str)| json!({"group": group, "version": version, "kind": kind});
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": kind((&resource.group, &resource.version, &resource.kind)),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = Value::from(resource.short_names.clone());
    }
    if !resource.categories.is_empty() {
        entry["categories"] = Value::from(resource.categories.clone());
    }
    if !resource.subresources.is_empty() {
        let all = resource.subresources.iter().map(|one| {
            json!({"subresource": one.name, "responseKind": kind(response_kind(resource, one)),
                "verbs": one.verbs})
        });
        entry["subresources"] = all.collect();
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(list: &'a Value, name: &str) -> &'a Value {
        let all = list["resources"].as_array().unwrap();
        all.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn legacy_documents_name_resources_and_subresources() {
        let registry = Registry::new([]);
        let core = resource_list(&registry, "", "v1").unwrap();
        assert_eq!(core["groupVersion"], "v1");
        let pods = entry(&core, "pods");
        assert_eq!(pods["singularName"], "pod");
        assert_eq!(pods["shortNames"], json!(["po"]));
        assert_eq!(pods["categories"], json!(["all"]));
        // Known from real clusters.
        assert_eq!(pods["storageVersionHash"], "xPOwRZ+Yhw8=");
        assert_eq!(entry(&core, "pods/log")["verbs"], json!(["get"]));
        assert_eq!(entry(&core, "pods/eviction")["group"], "policy");
        assert_eq!(entry(&core, "serviceaccounts/token")["kind"], "TokenRequest");
        let apps = resource_list(&registry, "apps", "v1").unwrap();
        assert_eq!(entry(&apps, "deployments")["storageVersionHash"], "8aSe+NMegvE=");
        assert_eq!(entry(&apps, "deployments/scale")["group"], "autoscaling");
        assert!(entry(&apps, "deployments/status").get("group").is_none());
        assert!(resource_list(&registry, "apps", "v9").is_none());
    }

    #[test]
    fn every_resource_has_a_singular_name_and_verbs() {
        let registry = Registry::new([]);
        for (group, versions) in registry.groups() {
            for version in versions {
                let list = resource_list(&registry, group, version).unwrap();
                for entry in list["resources"].as_array().unwrap() {
                    let name = entry["name"].as_str().unwrap();
                    assert!(!entry["verbs"].as_array().unwrap().is_empty(), "{name}");
                    assert!(name.contains('/') || entry["singularName"] != "", "{name}");
                }
            }
        }
    }

    #[test]
    fn groups_have_a_preferred_version() {
        let registry = Registry::new([]);
        let list = api_group_list(&registry);
        assert_eq!(list["groups"][0]["name"], "apps");
        let apps = group(&registry, "apps").unwrap();
        assert_eq!(
            apps,
            json!({"kind": "APIGroup", "apiVersion": "v1", "name": "apps",
                "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}})
        );
        assert!(group(&registry, "").is_none() && group(&registry, "no.such").is_none());
    }

    #[test]
    fn the_aggregated_form_says_the_same() {
        let registry = Registry::new([]);
        let core = aggregated_core(&registry);
        let resources = core["items"][0]["versions"][0]["resources"].as_array().unwrap();
        let pods = resources.iter().find(|entry| entry["resource"] == "pods").unwrap();
        assert_eq!(pods["scope"], "Namespaced");
        assert_eq!(pods["responseKind"], json!({"group": "", "version": "v1", "kind": "Pod"}));
        assert_eq!(pods["subresources"][0]["subresource"], "attach");
        let groups = aggregated_groups(&registry);
        let names: Vec<&str> = groups["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap())
            .collect();
        assert!(names.contains(&"coordination.k8s.io") && !names.contains(&""));
    }
}
