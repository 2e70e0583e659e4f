//! A way for clients to the members of one etcd: each connection gets to another that is ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::Up;

const CLIENT_PORT: u16 = 2379;

/// A local address that forwards connections, until it is dropped.
pub struct Line {
    /// Where clients connect.
    pub address: String,
    accepts: JoinHandle<()>,
}

struct Members {
    pods: Api<Pod>,
    labels: String,
    turn: AtomicUsize,
}

impl Line {
    /// To the members of this cluster.
    pub async fn to(up: &Up, cluster: &str) -> Result<Self> {
        let labels = format!("endstate.dev/cluster={cluster},endstate.dev/role");
        let pods = Api::default_namespaced(up.client().await?);
        let members = Arc::new(Members { pods, labels, turn: AtomicUsize::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let accepts = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let members = Arc::clone(&members);
                // Who connects sees that it ended, and tries again.
                tokio::spawn(async move { members.carry(stream).await.ok() });
            }
        });
        Ok(Self { address, accepts })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

impl Members {
    async fn carry(&self, mut stream: TcpStream) -> Result<()> {
        let found = self.pods.list(&ListParams::default().labels(&self.labels)).await?;
        let mut ready: Vec<_> = found.iter().filter(|it| is_ready(it)).collect();
        ready.sort_by_key(|it| it.name_any());
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let pod = ready.get(turn % ready.len().max(1)).context("nobody is ready")?;
        let mut forward = self.pods.portforward(&pod.name_any(), &[CLIENT_PORT]).await?;
        let mut member = forward.take_stream(CLIENT_PORT).context("the port was asked for")?;
        tokio::io::copy_bidirectional(&mut stream, &mut member).await?;
        Ok(())
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_ref());
    conditions.into_iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True")
}
