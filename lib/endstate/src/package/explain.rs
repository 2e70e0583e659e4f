//! Asks a running operator what it would do next.

use futures::FutureExt;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ApiResource;
use kube::{Api, Client};
use serde_json::Value;

use super::{DEBUG_PORT, NAMESPACE, Package, installed_name};
use crate::lease::Candidate;
use crate::operator::Explanation;
use crate::status::kinds;

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// No operator acts.
    #[error(
        "no operator acts here: `endstate get pods -n {NAMESPACE}` shows whether one runs, and `endstate install {0}` installs it"
    )]
    NoOperator(&'static str),
    /// The API failed.
    #[error("cannot reach the operator's pod {pod}")]
    Api {
        /// The pod.
        pod: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The operator has no such object.
    #[error(
        "no {name} in namespace {namespace}; `endstate get {plural} -A` lists those that there are"
    )]
    NotFound {
        /// Where it was looked for.
        namespace: String,
        /// The cluster.
        name: String,
        /// The kind's name in lists.
        plural: String,
    },
    /// The operator refuses to say.
    #[error("{0}")]
    Refused(String),
}

/// What the operator that acts would do next with a cluster, and why; by another spec if there is one. Nothing is done,
/// and nothing is written. It needs the right to forward ports of the operator's pods.
///
/// ```no_run
/// # use endstate::package::{ExplainError, Package, explain};
/// async fn next(package: &dyn Package, client: &kube::Client) -> Result<Vec<String>, ExplainError> {
///     Ok(explain(package, client, ("default", "demo"), None).await?.next)
/// }
/// ```
///
/// # Errors
///
/// [`ExplainError`], if no operator acts, cannot be reached, has no such cluster, or cannot read the spec.
pub async fn explain(
    package: &dyn Package,
    client: &Client,
    (namespace, name): (&str, &str),
    spec: Option<&Value>,
) -> Result<Explanation, ExplainError> {
    let pod = acting(package, client).await.ok_or(ExplainError::NoOperator(package.name()))?;
    let kinds = kinds(package);
    for kind in &kinds {
        let path = format!("/explain/{}/{namespace}/{name}", kind.group);
        let (status, body) = ask(client, &pod, &path, spec)
            .await
            .map_err(|source| ExplainError::Api { pod: pod.clone(), source })?;
        match status {
            StatusCode::OK => {
                return serde_json::from_slice(&body)
                    .map_err(|source| ExplainError::Api { pod, source: source.into() });
            }
            StatusCode::NOT_FOUND => {}
            _ => return Err(ExplainError::Refused(String::from_utf8_lossy(&body).into_owned())),
        }
    }
    let plural = |it: &ApiResource| format!("{}.{}", it.plural, it.group);
    Err(ExplainError::NotFound {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        plural: kinds.first().map(plural).unwrap_or_default(),
    })
}

/// The pod that holds the operator's lease.
async fn acting(package: &dyn Package, client: &Client) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    let lease = leases.get_opt(&installed_name(package)).await.ok()??;
    match Candidate::parse(&lease.spec?.holder_identity?)? {
        Candidate::Pod { name, .. } => Some(name),
        Candidate::Other(_) => None,
    }
}

async fn ask(
    client: &Client,
    pod: &str,
    path: &str,
    spec: Option<&Value>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let mut forward = pods.portforward(pod, &[DEBUG_PORT]).await?;
    let stream = forward.take_stream(DEBUG_PORT).ok_or("the server opened no stream")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let body = spec.map(ToString::to_string).unwrap_or_default();
    let request =
        Request::post(path).header("host", "operator").body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, hyper::Error>((status, body))
    };
    // The connection ends with the exchange, or fails with it.
    let answer = futures::future::select(Box::pin(exchange), connection.map(|_| ()).boxed()).await;
    match answer {
        futures::future::Either::Left((answer, _)) => Ok(answer?),
        futures::future::Either::Right(((), exchange)) => Ok(exchange.await?),
    }
}
