//! What every cluster has, and the forgetting of old history.

mod roles;

use std::collections::VecDeque;
use std::time::Duration;

use machinery::error::ApiError;
use rbac::bootstrap::Verdict;
use serde_json::{Value, json};
use store::{ListOptions, Prefix, Revision, Write};

use crate::ApiServer;
use crate::write::Endpoint;
use crate::{errors, fields, own};

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// The address of the service `kubernetes`.
pub(crate) const KUBERNETES_ADDRESS: &str = "10.96.0.1";
/// How often the objects that every cluster has are looked at again because others changed them.
const CONFLICTS_MAX: usize = 10;
/// How long history is kept at least.
const FORGET_EVERY: Duration = Duration::from_secs(300);
/// How many of these periods events are kept: an hour.
const EVENT_PERIODS: usize = 12;

/// Makes what is not there yet, and mends the rules that every cluster has, all in one commit.
pub(crate) async fn run(server: &ApiServer) -> Result<(), ApiError> {
    for _ in 0..CONFLICTS_MAX {
        let mut writes = Vec::new();
        for (plural, object) in objects() {
            writes.extend(missing(server, plural, object).await?);
        }
        for wanted in roles::everything() {
            writes.extend(mended(server, &wanted).await?);
        }
        if writes.is_empty() {
            return Ok(());
        }
        use store::Error::{Conflict, Exists, NotFound};
        match server.store().commit(writes).await {
            // Another server on the same store was faster.
            Err(Exists(_) | Conflict { .. } | NotFound(_)) => {}
            result => return result.map(drop).map_err(errors::store),
        }
    }
    Err(ApiError::internal("the objects that every cluster has change all the time"))
}

/// The objects that only have to be there, with the plurals of their kinds.
fn objects() -> impl Iterator<Item = (&'static str, Value)> {
    let namespaces = NAMESPACES.iter().map(|name| {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        ("namespaces", object)
    });
    let accounts = NAMESPACES.iter().map(|name| ("serviceaccounts", own::default_account(name)));
    let kubernetes = [
        ("services", kubernetes_service()),
        ("endpoints", kubernetes_endpoints()),
        ("endpointslices", kubernetes_slice()),
    ];
    namespaces.chain(accounts).chain(kubernetes)
}

async fn missing(
    server: &ApiServer,
    plural: &str,
    object: Value,
) -> Result<Option<Write>, ApiError> {
    let call = own::call(server, plural, &object)?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match server.store().get(&call.key(name)?).await.map_err(errors::store)? {
        Some(_) => Ok(None),
        None => own::create(&call, object).await.map(Some),
    }
}

/// What it takes for a role or binding to be as it should.
async fn mended(
    server: &ApiServer,
    wanted: &rbac::bootstrap::Default,
) -> Result<Option<Write>, ApiError> {
    let call = own::call(server, wanted.plural, &wanted.object)?;
    let key = call.key(&wanted.name)?;
    let live = server.store().get(&key).await.map_err(errors::store)?;
    let old = live.as_deref().map(|live| call.parse(live)).transpose()?;
    let verdict = rbac::bootstrap::reconciled(wanted, old.as_ref());
    let (Some(live), Some(stored)) = (&live, &old) else {
        return own::create(&call, wanted.object.clone()).await.map(Some);
    };
    let mut new = match verdict {
        Verdict::Leave | Verdict::Create => return Ok(None),
        Verdict::Update(new) => new,
        // Clients have to delete such a binding and make it anew; here that is one step.
        Verdict::Replace => {
            let mut new = stored.clone();
            for key in ["roleRef", "subjects"] {
                new[key] = wanted.object[key].clone();
            }
            new
        }
    };
    fields::track(&call, old.as_ref(), &mut new, Endpoint::Main)?;
    Ok(Some(Write::Update { key, draft: call.draft(&new), expected: live.revision() }))
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
    use std::sync::Arc;

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
        own::make(&server, "events", event("old")).await.unwrap();
        let since = server.store().revision();
        own::make(&server, "events", event("new")).await.unwrap();
        forget_events(&server, since).await.unwrap();
        let prefix = Prefix::new(&["core", "events"]).unwrap();
        let page = server.store().list(&prefix, ListOptions::default()).await.unwrap();
        let names: Vec<_> = page.objects.iter().map(|it| it.key().to_string()).collect();
        assert_eq!(names, ["/core/events/default/new"]);
    }
}
