//! An operator that runs, from outside.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{Up, operator_process};

/// Where operators serve their metrics.
const HEALTH_PORT: u16 = 8081;

/// The pod of an operator.
pub struct Operator {
    pods: Api<Pod>,
    pod: String,
    /// Its process.
    pub process: u32,
}

impl Operator {
    /// The operator of this name, of which one replica runs.
    pub async fn find(up: &Up, name: &str) -> Result<Self> {
        let pods: Api<Pod> = Api::namespaced(up.client().await?, "endstate-system");
        let labels = format!("app.kubernetes.io/name=endstate-{name}");
        let found = pods.list(&ListParams::default().labels(&labels)).await?;
        let pod = found.iter().next().context("no operator runs")?;
        let process = operator_process(&pod.uid().context("it has a uid")?)?;
        Ok(Self { pod: pod.name_any(), pods, process })
    }

    /// Its metrics, in the OpenMetrics text format.
    pub async fn metrics(&self) -> Result<String> {
        let mut forward = self.pods.portforward(&self.pod, &[HEALTH_PORT]).await?;
        let mut stream = forward.take_stream(HEALTH_PORT).context("the port was asked for")?;
        let request = "GET /metrics HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "no metrics but {answer}");
        Ok(answer)
    }
}
