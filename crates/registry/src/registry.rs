//! The immutable view of everything that is served.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::resource::Resource;
use crate::{crd, kinds};

/// All resources that are served: the built-in table and the established CRDs. It never changes; who adds a CRD
/// builds the next one.
pub struct Registry {
    /// By group, version and plural name.
    resources: BTreeMap<(String, String, String), Arc<Resource>>,
}

/// Built-in resources never differ, so all registries share them and what they compiled.
static BUILT_IN: LazyLock<Vec<Arc<Resource>>> =
    LazyLock::new(|| kinds::all().map(Resource::built_in).map(Arc::new).collect());

impl Registry {
    /// The built-in kinds, and every served version of the CRDs that are established.
    pub fn new<'a>(crds: impl IntoIterator<Item = &'a Value>) -> Self {
        let built_in = BUILT_IN.iter().cloned();
        let custom = crds.into_iter().flat_map(crd::resources).map(Arc::new);
        let resources = built_in.chain(custom).map(|resource| (resource.key(), resource)).collect();
        Self { resources }
    }

    /// The view after a change of CRDs. What did not change is taken over, with all that was compiled for it.
    pub fn next<'a>(&self, crds: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut next = Self::new(crds);
        for (key, resource) in &mut next.resources {
            if let Some(before) = self.resources.get(key)
                && before.is_same(resource)
            {
                *resource = Arc::clone(before);
            }
        }
        next
    }

    /// The resource at a path `/apis/GROUP/VERSION/PLURAL`; the core group is the empty string.
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.resources.get(&key).cloned()
    }

    /// All resources, by group, version and plural name.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// The resource that serves a kind.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Resource>> {
        self.group_version(group, version).find(|resource| resource.kind == kind).cloned()
    }

    /// The resource by which a group's objects of a plural name are stored, whichever version serves them.
    pub fn by_plural(&self, group: &str, plural: &str) -> Option<Arc<Resource>> {
        self.resources()
            .find(|resource| resource.group == group && resource.plural == plural)
            .cloned()
    }

    /// The resources of one group version, by plural name.
    pub fn group_version<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Resource>> {
        let from = (group.to_owned(), version.to_owned(), String::new());
        self.resources
            .range(from..)
            .map(|(_, resource)| resource)
            .take_while(move |resource| resource.group == group && resource.version == version)
    }

    /// The served groups with their versions, the preferred one first.
    pub fn groups(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for resource in self.resources() {
            let versions = groups.entry(&resource.group).or_default();
            if !versions.contains(&resource.version.as_str()) {
                versions.push(&resource.version);
            }
        }
        for versions in groups.values_mut() {
            versions.sort_by(|a, b| crd::compare_versions(a, b));
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_kinds_are_found_by_path_and_by_kind() {
        let registry = Registry::new([]);
        for (group, version, plural, kind) in [
            ("", "v1", "pods", "Pod"),
            ("", "v1", "namespaces", "Namespace"),
            ("apps", "v1", "deployments", "Deployment"),
            ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole"),
            ("events.k8s.io", "v1", "events", "Event"),
            ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"),
        ] {
            assert_eq!(registry.resource(group, version, plural).unwrap().kind, kind);
            assert_eq!(registry.by_kind(group, version, kind).unwrap().plural, plural);
        }
        assert!(registry.resource("", "v1", "widgets").is_none());
        assert!(registry.by_kind("", "v2", "Pod").is_none());
    }

    #[test]
    fn what_did_not_change_is_taken_over() {
        let crd = crate::crd::tests::widgets();
        let first = Registry::new([&crd]);
        let get = |registry: &Registry| registry.resource("ex.com", "v1", "widgets").unwrap();
        let second = first.next([&crd]);
        assert!(Arc::ptr_eq(&get(&first), &get(&second)));
        let mut changed = crd.clone();
        changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "x".into();
        assert!(!Arc::ptr_eq(&get(&first), &get(&first.next([&changed]))));
        assert!(first.next([]).resource("ex.com", "v1", "widgets").is_none());
    }

    #[test]
    fn groups_hold_their_versions() {
        let registry = Registry::new([]);
        let groups = registry.groups();
        assert_eq!(groups[""], ["v1"]);
        assert_eq!(groups["apps"], ["v1"]);
    }
}
