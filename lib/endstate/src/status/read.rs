//! The objects of a cluster, read from the API.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};

use super::{Seen, StatusError, Tree, tree};
use crate::Object;
use crate::package::Package;

/// Reads a cluster of any of a package's kinds, its pods and their claims.
///
/// ```no_run
/// # use endstate::{package::Package, status::{StatusError, Tree, fetch}};
/// async fn demo(package: &dyn Package, client: &kube::Client) -> Result<Tree, StatusError> {
///     fetch(package, client, "default", "demo").await
/// }
/// ```
pub async fn fetch(
    package: &dyn Package,
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Tree, StatusError> {
    let kinds = kinds(package);
    let mut found = None;
    for kind in &kinds {
        if found.is_none() {
            found = read(client, kind, namespace, name).await?;
        }
    }
    let Some(object) = found else {
        let kind = kinds.first();
        return Err(StatusError::NotFound {
            kind: kind.map(|it| it.kind.clone()).unwrap_or_default(),
            plural: kind.map(|it| it.plural.clone()).unwrap_or_default(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        });
    };
    let pods = list::<Pod>(client, namespace, "the pods").await?;
    let mounts_claims = |pod: &Pod| {
        let volumes = pod.spec.iter().flat_map(|it| it.volumes.iter().flatten());
        volumes.into_iter().any(|it| it.persistent_volume_claim.is_some())
    };
    let claims = match pods.iter().any(mounts_claims) {
        true => list::<PersistentVolumeClaim>(client, namespace, "the volume claims").await?,
        false => vec![],
    };
    tree(package, &Seen { object: &object, pods: &pods, claims: &claims })
}

/// The kinds that declare a package's clusters, in its own order.
pub(crate) fn kinds(package: &dyn Package) -> Vec<ApiResource> {
    package.crds().iter().filter_map(kind).collect()
}

fn kind(crd: &CustomResourceDefinition) -> Option<ApiResource> {
    let version = &crd.spec.versions.iter().find(|it| it.storage)?.name;
    Some(ApiResource {
        group: crd.spec.group.clone(),
        version: version.clone(),
        api_version: format!("{}/{version}", crd.spec.group),
        kind: crd.spec.names.kind.clone(),
        plural: crd.spec.names.plural.clone(),
    })
}

/// One object of a kind that may not be installed.
async fn read(
    client: &Client,
    kind: &ApiResource,
    namespace: &str,
    name: &str,
) -> Result<Option<DynamicObject>, StatusError> {
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, kind);
    match api.get_opt(name).await {
        // A path that is not served is no status of the API's, only a text.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        found => found.map_err(|source| StatusError::Api {
            what: format!("the {} {namespace}/{name}", kind.kind),
            source: Box::new(source),
        }),
    }
}

async fn list<K>(client: &Client, namespace: &str, what: &str) -> Result<Vec<K>, StatusError>
where
    K: Object<DynamicType = ()> + Resource<Scope = NamespaceResourceScope>,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let listed = api.list(&ListParams::default()).await.map_err(|source| StatusError::Api {
        what: format!("{what} of the namespace {namespace}"),
        source: Box::new(source),
    })?;
    Ok(listed.items)
}
