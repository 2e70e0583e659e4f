//! How what a workload consists of happens, and when it is over.

use anyhow::{Context, Result};
use harness::{Beside, EtcdCluster, Up, kill_and_wipe};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, DeleteParams};
use serde_json::Value;

use super::workloads::Event;

/// The cluster, of which there is one at a time.
pub(super) const CLUSTER: &str = "point";
/// Whatever is declared beside clusters.
pub(super) const BESIDE: &str = "etcdtasks,etcdusers,etcdroles";
/// What stands for a follower.
const FOLLOWER: &str = "\"FOLLOWER\"";

/// What tells that all is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// It serves as declared.
    Settled,
    /// It has no member that runs.
    Hibernates,
}

impl Event {
    pub(super) fn over(&self) -> Over {
        match self {
            Self::Spec(spec) if spec["size"] == 0 => Over::Hibernates,
            _ => Over::Settled,
        }
    }

    /// Makes it happen.
    pub(super) async fn happens(&self, up: &Up) -> Result<()> {
        if let Self::Spec(spec) = self {
            return EtcdCluster::etcd(up, CLUSTER, spec.clone()).await.map(drop);
        }
        let cluster = EtcdCluster::existing(up, CLUSTER).await?;
        let followers = cluster.followers().await?;
        let members = cluster.members().await?;
        let follower = followers.first().or(members.first()).context("it has no members")?;
        let client = up.client().await?;
        let now = DeleteParams::default().grace_period(0);
        match self {
            Self::Spec(_) => {}
            Self::Wipe(count) => {
                for member in &followers[..*count] {
                    kill_and_wipe(up, member, &[]).await?;
                }
            }
            Self::DeletePods(count) => {
                let pods: Api<Pod> = Api::default_namespaced(client);
                let leaders = members.iter().filter(|it| !followers.contains(it));
                for member in followers.iter().chain(leaders).take(*count) {
                    pods.delete(member, &now).await?;
                }
            }
            Self::DeleteClaim => {
                let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(client.clone());
                claims.delete(&format!("data-{follower}"), &DeleteParams::default()).await?;
                Api::<Pod>::default_namespaced(client).delete(follower, &now).await?;
            }
            Self::Cordon => {
                let pod = Api::<Pod>::default_namespaced(client).get(follower).await?;
                let node = pod.spec.and_then(|it| it.node_name).context("it is on a node")?;
                up.kubectl(&["cordon", &node]).await?;
            }
            Self::Beside(objects) => {
                for (number, (kind, spec)) in objects.iter().enumerate() {
                    declare(up, (kind, number), spec, follower).await?;
                }
            }
        }
        Ok(())
    }
}

async fn declare(
    up: &Up,
    (kind, number): (&str, usize),
    spec: &Value,
    follower: &str,
) -> Result<()> {
    let named = spec.to_string().replace(FOLLOWER, &format!("\"{follower}\""));
    let mut spec: Value = serde_json::from_str(&named)?;
    spec["cluster"] = CLUSTER.into();
    Beside::of(up, kind).await?.declare(up, &format!("beside-{number}"), &spec).await
}

/// What became of the objects beside it: a line each.
pub(super) async fn beside(up: &Up) -> Result<Vec<String>> {
    let told = up.kubectl(&["get", BESIDE, "-o", "json"]).await?;
    let list: Value = serde_json::from_str(&told)?;
    let line = |it: &Value| {
        let (status, condition) = (&it["status"], &it["status"]["conditions"][0]);
        let words = [&it["kind"], &it["metadata"]["name"], &status["state"], &condition["status"]];
        words.map(ToString::to_string).join(" ")
    };
    Ok(list["items"].as_array().into_iter().flatten().map(line).collect())
}

/// Whether nothing beside it is still to be done.
pub(super) async fn is_done_beside(up: &Up) -> Result<bool> {
    let told = up.kubectl(&["get", BESIDE, "-o", "json"]).await?;
    let list: Value = serde_json::from_str(&told)?;
    let is_done = |it: &Value| {
        let status = &it["status"];
        match it["kind"] == "EtcdTask" {
            true => status["completionTime"].is_string(),
            false => status["conditions"][0]["status"] == "True",
        }
    };
    Ok(list["items"].as_array().into_iter().flatten().all(is_done))
}
