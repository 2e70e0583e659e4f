//! What every cluster has, and the forgetting of old history.

use std::sync::Arc;
use std::time::Duration;

use machinery::error::{ApiError, Reason};
use registry::Resource;
use serde_json::{Value, json};

use crate::ApiServer;
use crate::authn::Identity;
use crate::call::{Call, Parts};
use crate::negotiate::{Form, Format, Shape};
use crate::query::Query;
use crate::receive::Received;
use crate::request::{Target, Verb};
use crate::write::{self, Tracked};

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// The address of the service `kubernetes`.
pub(crate) const KUBERNETES_ADDRESS: &str = "10.96.0.1";
/// How long history is kept at least.
const COMPACT_EVERY: Duration = Duration::from_secs(300);

/// Makes what is not there yet.
pub(crate) async fn run(server: &ApiServer) -> Result<(), ApiError> {
    for name in NAMESPACES {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        ensure(server, "namespaces", namespace).await?;
    }
    ensure(server, "services", kubernetes_service()).await?;
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

async fn ensure(server: &ApiServer, plural: &str, object: Value) -> Result<(), ApiError> {
    let resource =
        server.registry().resource("", "v1", plural).ok_or_else(ApiError::no_such_resource)?;
    let target = Target {
        version: "v1".to_owned(),
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
    }))
}

/// Forgets history that is older than one period, as long as the server runs.
pub(crate) async fn compact(server: ApiServer) {
    let mut old = server.store().revision();
    loop {
        tokio::select! {
            () = tokio::time::sleep(COMPACT_EVERY) => {}
            () = server.shutdown_token().cancelled() => return,
        }
        if let Err(error) = server.store().compact(old).await {
            tracing::warn!(%error, revision = %old, "history cannot be compacted");
        }
        old = server.store().revision();
    }
}
