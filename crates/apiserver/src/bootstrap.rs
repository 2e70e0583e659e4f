//! What every cluster has, and the forgetting of old history.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use machinery::error::{ApiError, Reason};
use registry::Resource;
use serde_json::{Value, json};
use store::{ListOptions, Prefix, Revision, Write};

use crate::ApiServer;
use crate::authn::Identity;
use crate::call::{Call, Parts};
use crate::negotiate::{Form, Format, Shape};
use crate::outgoing::Outgoing;
use crate::query::Query;
use crate::receive::Received;
use crate::request::{Target, Verb};
use crate::write::{self, Tracked};

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// The address of the service `kubernetes`.
pub(crate) const KUBERNETES_ADDRESS: &str = "10.96.0.1";
/// How long history is kept at least.
const FORGET_EVERY: Duration = Duration::from_secs(300);
/// How many of these periods events are kept: an hour.
const EVENT_PERIODS: usize = 12;

/// Makes what is not there yet.
pub(crate) async fn run(server: &ApiServer) -> Result<(), ApiError> {
    for name in NAMESPACES {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        ensure(server, "namespaces", namespace).await?;
    }
    ensure(server, "services", kubernetes_service()).await?;
    ensure(server, "endpoints", kubernetes_endpoints()).await?;
    ensure(server, "endpointslices", kubernetes_slice()).await?;
    Ok(())
}

fn kubernetes_service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": KUBERNETES_ADDRESS,
            "clusterIPs": [KUBERNETES_ADDRESS],
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
    })
}

/// Where the service leads. Its address and port once more, because that is where pods reach the server: each has a
/// network of its own, which the node alone connects with the server's sockets.
fn kubernetes_endpoints() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [{
            "addresses": [{"ip": KUBERNETES_ADDRESS}],
            "ports": [{"name": "https", "port": 443, "protocol": "TCP"}],
        }],
    })
}

fn kubernetes_slice() -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [KUBERNETES_ADDRESS], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": 443, "protocol": "TCP"}],
    })
}

pub(crate) async fn ensure(
    server: &ApiServer,
    plural: &str,
    object: Value,
) -> Result<(), ApiError> {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let resource = server
        .registry()
        .resource(group, version, plural)
        .ok_or_else(ApiError::no_such_resource)?;
    let target = Target {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        namespace: object["metadata"]["namespace"].as_str().map(str::to_owned),
        ..Target::default()
    };
    let call = internal(server, resource, target)?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if server.store().get(&call.key(name)?).await.map_err(crate::errors::store)?.is_some() {
        return Ok(());
    }
    let received = Received { object, duplicates: Vec::new() };
    match write::insert(&call, received, Tracked::NotYet).await {
        Err(error) if error.reason == Reason::AlreadyExists => Ok(()),
        result => result.map(drop),
    }
}

/// A call of the server on itself.
pub(crate) fn internal(
    server: &ApiServer,
    resource: Arc<Resource>,
    target: Target,
) -> Result<Call, ApiError> {
    let query = Query::parse("fieldManager=kube-apiserver").map_err(ApiError::internal)?;
    Ok(Call::new(Parts {
        server: server.clone(),
        registry: server.registry(),
        resource,
        target,
        verb: Verb::Create,
        identity: Identity::masters("system:apiserver"),
        headers: http::HeaderMap::new(),
        query,
        form: Form { format: Format::Json, shape: Shape::Object },
        outgoing: Outgoing::uncounted(),
    }))
}

/// Forgets history that is older than one period, and events that are older than an hour, as long as the server runs.
pub(crate) async fn forget(server: ApiServer) {
    let mut marks = VecDeque::from([server.store().revision()]);
    loop {
        tokio::select! {
            () = tokio::time::sleep(FORGET_EVERY) => {}
            () = server.shutdown_token().cancelled() => return,
        }
        let old = marks.back().copied().unwrap_or_default();
        if let Err(error) = server.store().compact(old).await {
            tracing::warn!(%error, revision = %old, "history cannot be compacted");
        }
        marks.push_back(server.store().revision());
        if marks.len() > EVENT_PERIODS {
            let old = marks.pop_front().unwrap_or_default();
            if let Err(error) = forget_events(&server, old).await {
                tracing::warn!(%error, "old events cannot be removed");
            }
        }
    }
}

/// Removes events that were not written since a revision.
pub(crate) async fn forget_events(server: &ApiServer, since: Revision) -> Result<(), store::Error> {
    let prefix = Prefix::new(&["core", "events"]).expect("constant segments are valid");
    let page = server.store().list(&prefix, ListOptions::default()).await?;
    for event in page.objects.iter().filter(|event| event.revision() <= since) {
        let write = Write::Delete { key: event.key().clone(), expected: event.revision() };
        match server.store().commit(vec![write]).await {
            // Written again in the meantime: it is not old.
            Ok(_) | Err(store::Error::Conflict { .. } | store::Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use store::MemoryStore;

    use super::*;
    use crate::{Config, Pki, UnixNodeStreams};

    #[tokio::test]
    async fn events_that_are_still_written_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::load_or_create(directory.path(), &[]).unwrap();
        let nodes = UnixNodeStreams::new("/nowhere");
        let config = Config::new(Arc::new(MemoryStore::new()), pki, Arc::new(nodes));
        let server = ApiServer::start(config).await.unwrap();
        let event = |name: &str| {
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"},
                "involvedObject": {"namespace": "default", "name": "x"}})
        };
        ensure(&server, "events", event("old")).await.unwrap();
        let since = server.store().revision();
        ensure(&server, "events", event("new")).await.unwrap();
        forget_events(&server, since).await.unwrap();
        let prefix = Prefix::new(&["core", "events"]).unwrap();
        let page = server.store().list(&prefix, ListOptions::default()).await.unwrap();
        let names: Vec<_> = page.objects.iter().map(|it| it.key().to_string()).collect();
        assert_eq!(names, ["/core/events/default/new"]);
    }
}
