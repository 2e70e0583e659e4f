//! Kinds as users name them: plural, singular, short name, kind, each with or without the group.

use anyhow::{Context, Result, bail};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::discovery::v2::{APIGroupDiscoveryList, APIResourceDiscovery};

/// One served kind.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) api: ApiResource,
    pub(crate) namespaced: bool,
    singular: String,
    short_names: Vec<String>,
    categories: Vec<String>,
}

impl Resource {
    /// All objects of the kind in a namespace, or in all of them.
    pub(crate) fn scope(&self, client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) if self.namespaced => {
                Api::namespaced_with(client.clone(), namespace, &self.api)
            }
            _ => Api::all_with(client.clone(), &self.api),
        }
    }

    /// `pod`, `etcdcluster.etcd.endstate.dev`: how messages name the kind.
    pub(crate) fn display(&self) -> String {
        match self.api.group.as_str() {
            "" => self.singular.clone(),
            group => format!("{}.{group}", self.singular),
        }
    }

    fn answers_to(&self, name: &str) -> bool {
        let plain = [&self.api.plural, &self.singular].into_iter().chain(&self.short_names);
        let kind = self.api.kind.to_lowercase();
        plain.chain([&kind]).any(|own| {
            own == name
                || name.strip_prefix(own.as_str()).and_then(|rest| rest.strip_prefix('.'))
                    == Some(self.api.group.as_str())
        })
    }
}

/// Every kind that the cluster serves, in the server's order of preference.
pub(crate) struct Resources(Vec<Resource>);

impl Resources {
    pub(crate) async fn discover(client: &Client) -> Result<Self> {
        let unreachable = "cannot read the kinds that the cluster serves";
        let core = client.list_core_api_versions_aggregated().await.context(unreachable)?;
        let groups = client.list_api_groups_aggregated().await.context(unreachable)?;
        Ok(Self([core, groups].into_iter().flat_map(from_discovery).collect()))
    }

    /// The kinds that a user's word means: one, or all of a category.
    pub(crate) fn named(&self, name: &str) -> Result<Vec<Resource>> {
        let name = name.to_lowercase();
        if let Some(found) = self.0.iter().find(|it| it.answers_to(&name)) {
            return Ok(vec![found.clone()]);
        }
        let members = self.0.iter().filter(|it| it.categories.contains(&name));
        let members: Vec<_> = members.cloned().collect();
        if members.is_empty() {
            bail!(
                "the cluster has no kind {name:?}; its operator may not be installed (`endstate install`)"
            );
        }
        Ok(members)
    }

    /// The kind that a manifest means.
    pub(crate) fn of_manifest(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        self.0.iter().find(|it| it.api.api_version == api_version && it.api.kind == kind)
    }
}

fn from_discovery(list: APIGroupDiscoveryList) -> Vec<Resource> {
    let mut resources = Vec::new();
    for group in list.items {
        let name = group.metadata.and_then(|it| it.name).unwrap_or_default();
        for version in group.versions {
            let Some(version_name) = version.version else { continue };
            let of = |it| from_resource(&name, &version_name, it);
            resources.extend(version.resources.into_iter().filter_map(of));
        }
    }
    resources
}

fn from_resource(group: &str, version: &str, it: APIResourceDiscovery) -> Option<Resource> {
    let api_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let kind = it.response_kind?.kind?;
    Some(Resource {
        namespaced: it.scope.as_deref() == Some("Namespaced"),
        singular: it.singular_resource.unwrap_or_else(|| kind.to_lowercase()),
        short_names: it.short_names,
        categories: it.categories,
        api: ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind,
            plural: it.resource?,
        },
    })
}

/// What `KIND/NAME...`, `KIND NAME...` and `KIND` mean.
pub(crate) struct Target {
    pub(crate) resource: Resource,
    /// `None` for all objects of the kind.
    pub(crate) name: Option<String>,
}

impl Resources {
    pub(crate) fn targets(&self, words: &[String]) -> Result<Vec<Target>> {
        if let [first, ..] = words
            && first.contains('/')
        {
            return words.iter().map(|word| self.kind_and_name(word)).collect();
        }
        let (kinds, names) = words.split_first().context("name a kind")?;
        let mut targets = Vec::new();
        for resource in kinds.split(',').map(|kind| self.named(kind)) {
            for resource in resource? {
                let name = |name| Target { resource: resource.clone(), name };
                match names {
                    [] => targets.push(name(None)),
                    names => targets.extend(names.iter().cloned().map(Some).map(name)),
                }
            }
        }
        Ok(targets)
    }

    fn kind_and_name(&self, word: &str) -> Result<Target> {
        match word.split_once('/') {
            Some((kind, name)) if !name.is_empty() => {
                let resource = self.named(kind)?.swap_remove(0);
                Ok(Target { resource, name: Some(name.to_owned()) })
            }
            _ => bail!("{word:?} is not KIND/NAME; write KIND/NAME for each, or KIND NAME..."),
        }
    }
}
