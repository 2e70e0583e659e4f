//! How an operation begins, and when it is over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Beside, EtcdCluster, Up};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use super::dice::Dice;
use super::kinds::Operation;
use super::strike::healed;

/// How long anything may take with all that happens meanwhile.
pub(super) const OVER_MAX: Duration = Duration::from_secs(300);
/// Sizes of a cluster.
pub(super) const SIZES: [u32; 2] = [3, 5];
/// Where backups are kept, in a claim of each cluster.
const FOLDER: &str = "etcd";
/// Of whom the operator makes certificates.
const CERTIFICATES: [&str; 3] = ["server", "peer", "client"];
/// How often certificates are looked for.
const LOOK: Duration = Duration::from_millis(200);
/// What a restored cluster has, with the number of the backup.
const MARKER: &str = "marker";

/// How the object of a cluster is now.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) size: u32,
    /// Two, and which of them.
    pub(super) versions: [&'static str; 2],
    pub(super) version: usize,
    pub(super) authority: u32,
    /// How often members were rolled.
    pub(super) rolled: u32,
    /// How many objects were declared beside it.
    pub(super) declared: u32,
}

impl Wanted {
    pub(super) fn spec(&self) -> Value {
        let retention = json!({"whenDeleted": "Delete", "whenScaled": "Delete"});
        json!({"size": self.size, "version": self.versions[self.version], "pod": self.pod(),
            "storage": {"volume": {"size": "1Gi", "retention": retention}}})
    }

    fn pod(&self) -> Value {
        let env = |name: &str, value: String| json!({"name": name, "value": value});
        json!({"etcdEnv": [
            env("ETCD_AUTO_COMPACTION_MODE", "revision".to_owned()),
            env("ETCD_AUTO_COMPACTION_RETENTION", "20000".to_owned()),
            env("ETCD_SNAPSHOT_COUNT", (2_000 + self.rolled).to_string()),
        ]})
    }

    pub(super) fn may(&self, operation: Operation) -> bool {
        match operation {
            Operation::Grow => self.size < SIZES[1],
            Operation::Shrink => self.size > SIZES[0],
            Operation::Upgrade => self.version == 0,
            Operation::Downgrade => self.version == 1,
            _ => true,
        }
    }
}

/// Where operations are asked for.
pub(super) struct Operator<'a> {
    pub(super) up: &'a Up,
    pub(super) cluster: &'a EtcdCluster,
    pub(super) tasks: Beside,
    pub(super) backups: Beside,
}

/// One that was begun.
pub(super) struct Begun {
    pub(super) operation: Operation,
    since: Instant,
    /// The object beside the cluster that asks for it.
    object: Option<String>,
    /// The certificates that were there before, by their secrets' uids.
    certificates: Vec<String>,
    /// The cluster that is being restored.
    pub(super) restored: Option<EtcdCluster>,
}

impl Operator<'_> {
    pub(super) async fn begin(
        &self,
        operation: Operation,
        wanted: &mut Wanted,
        dice: &mut Dice,
    ) -> Result<Begun> {
        let mut begun = Begun {
            operation,
            since: Instant::now(),
            object: None,
            certificates: vec![],
            restored: None,
        };
        match operation {
            Operation::Grow => {
                self.resize(wanted, SIZES[1].min(wanted.size + 1 + u32::try_from(dice.roll(2))?))
                    .await?
            }
            Operation::Shrink => self.resize(wanted, SIZES[0].max(wanted.size - 1)).await?,
            Operation::Roll => {
                wanted.rolled += 1;
                self.patch(json!({"pod": wanted.pod()})).await?;
            }
            Operation::Upgrade | Operation::Downgrade => {
                wanted.version = 1 - wanted.version;
                self.patch(json!({"version": wanted.versions[wanted.version]})).await?;
            }
            Operation::RotateAuthority => {
                wanted.authority += 1;
                let of = json!({"mode": "Managed", "authority": wanted.authority});
                self.patch(json!({"tls": {"client": of, "peer": of}})).await?;
            }
            Operation::RenewCertificates => {
                begun.certificates = self.certificates(&wanted.name).await?;
                self.forget_certificates(&wanted.name).await?;
            }
            Operation::Backup => begun.object = Some(self.backup(wanted).await?),
            Operation::Restore => begun.restored = Some(Box::pin(self.restore(wanted)).await?),
            Operation::Defragment => {
                begun.object = Some(self.task(wanted, json!({"defragment": {}})).await?)
            }
            Operation::MoveLead => {
                begun.object = Some(self.task(wanted, json!({"moveLeader": {}})).await?)
            }
            Operation::ReplaceMember => {
                let member = dice.roll(wanted.size as usize);
                let member = self.cluster.members().await?.get(member).cloned();
                let member = member.context("no such member")?;
                let task = json!({"replaceMember": {"member": member}});
                begun.object = Some(self.task(wanted, task).await?);
            }
        }
        Ok(begun)
    }

    /// Whether nothing is left to be done.
    pub(super) async fn is_over(&self, begun: &Begun) -> Result<bool> {
        let certificates = self.certificates(&self.cluster.name).await?;
        let is_new = |it: &String| !begun.certificates.contains(it);
        if certificates.len() < CERTIFICATES.len() || !certificates.iter().all(is_new) {
            return Ok(false);
        }
        match (&begun.object, &begun.restored) {
            (Some(name), _) => Ok(is_over(&self.beside(begun.operation).status(name).await?)),
            (None, Some(restored)) => restored.is_settled().await,
            (None, None) => self.cluster.is_settled().await,
        }
    }

    /// Waits until it is over and all members work. Gives how long it took, and why it was refused if it was.
    pub(super) async fn finish(
        &self,
        begun: &Begun,
        wanted: &Wanted,
    ) -> Result<(Duration, Option<String>)> {
        let refused = match (&begun.object, &begun.restored) {
            (Some(name), _) => self.finished(begun.operation, name).await?,
            (None, Some(restored)) => {
                healed(restored, SIZES[0], OVER_MAX).await?;
                self.same(restored, wanted).await?;
                None
            }
            (None, None) => {
                let end = Instant::now() + OVER_MAX;
                while !self.is_over(begun).await? {
                    ensure!(Instant::now() < end, "it is not over");
                    tokio::time::sleep(LOOK).await;
                }
                self.cluster.observed().await?;
                healed(self.cluster, wanted.size, OVER_MAX).await?;
                self.is_as_wanted(begun.operation, wanted).await?;
                None
            }
        };
        let took = begun.since.elapsed();
        if let Some(restored) = &begun.restored {
            self.remove(restored).await?;
        }
        Ok((took, refused))
    }

    /// Why it failed, if it did; its object is deleted.
    async fn finished(&self, operation: Operation, name: &str) -> Result<Option<String>> {
        let beside = self.beside(operation);
        let status = beside.within(OVER_MAX, name, "over", is_over).await?;
        // One that stays does no harm.
        let _ = beside.delete(name).await;
        let refused = status["state"] != "Complete";
        Ok(refused.then(|| status["conditions"].to_string()))
    }

    async fn is_as_wanted(&self, operation: Operation, wanted: &Wanted) -> Result<()> {
        let status = self.cluster.object().await?.data["status"].take();
        let members = status["members"].as_array().cloned().unwrap_or_default();
        let version = wanted.versions[wanted.version];
        ensure!(members.iter().all(|it| it["version"] == version), "{operation:?}: {status:#}");
        Ok(())
    }

    fn beside(&self, operation: Operation) -> &Beside {
        if operation == Operation::Backup { &self.backups } else { &self.tasks }
    }

    async fn patch(&self, spec: Value) -> Result<()> {
        self.cluster.patch(json!({"spec": spec})).await
    }

    async fn resize(&self, wanted: &mut Wanted, size: u32) -> Result<()> {
        wanted.size = size;
        self.cluster.resize(size).await
    }

    async fn forget_certificates(&self, cluster: &str) -> Result<()> {
        let secrets: Api<Secret> = Api::default_namespaced(self.up.client().await?);
        for of in CERTIFICATES {
            secrets.delete(&format!("{cluster}-{of}-tls"), &DeleteParams::default()).await?;
        }
        Ok(())
    }

    /// The uids of the certificates' secrets that are there.
    async fn certificates(&self, cluster: &str) -> Result<Vec<String>> {
        let secrets: Api<Secret> = Api::default_namespaced(self.up.client().await?);
        let mut uids = vec![];
        for of in CERTIFICATES {
            let secret = secrets.get_opt(&format!("{cluster}-{of}-tls")).await?;
            uids.extend(secret.and_then(|it| it.metadata.uid));
        }
        Ok(uids)
    }

    async fn task(&self, wanted: &mut Wanted, mut spec: Value) -> Result<String> {
        wanted.declared += 1;
        let name = format!("{}-{}", wanted.name, wanted.declared);
        spec["cluster"] = wanted.name.clone().into();
        self.tasks.declare(self.up, &name, &spec).await?;
        Ok(name)
    }

    async fn backup(&self, wanted: &mut Wanted) -> Result<String> {
        wanted.declared += 1;
        let name = format!("{}-{}", wanted.name, wanted.declared);
        let member = self.cluster.members().await?.remove(0);
        self.etcdctl(&member, &["put", MARKER, &name]).await?;
        let to = place(self.up, &wanted.name).await?;
        let spec = json!({"cluster": wanted.name, "to": to});
        self.backups.declare(self.up, &name, &spec).await?;
        Ok(name)
    }

    /// Another cluster of a backup of this one, which is made before.
    async fn restore(&self, wanted: &mut Wanted) -> Result<EtcdCluster> {
        let backup = self.backup(wanted).await?;
        let refused = self.finished(Operation::Backup, &backup).await?;
        ensure!(refused.is_none(), "no backup to restore: {refused:?}");
        let mut spec = wanted.spec();
        spec["size"] = SIZES[0].into();
        spec["bootstrap"] = json!({"restore": {"from": place(self.up, &wanted.name).await?}});
        let name = format!("{}-r{}", wanted.name, wanted.declared);
        Ok(EtcdCluster::etcd(self.up, &name, spec).await?.patient(OVER_MAX))
    }

    /// Whether a cluster has what was there when its backup was made.
    async fn same(&self, restored: &EtcdCluster, wanted: &Wanted) -> Result<()> {
        let member = restored.members().await?.remove(0);
        let found = self.etcdctl(&member, &["get", MARKER, "--print-value-only"]).await?;
        let marker = format!("{}-{}", wanted.name, wanted.declared);
        ensure!(found.trim() == marker, "it was restored with {found} for {marker}");
        Ok(())
    }

    async fn etcdctl(&self, member: &str, command: &[&str]) -> Result<String> {
        let exec = ["exec", member, "-c", "etcd", "--", "etcdctl"];
        self.up.endstate(&[&exec, command].concat()).await
    }

    /// Deletes a cluster, and waits until its pods are gone.
    pub(super) async fn remove(&self, cluster: &EtcdCluster) -> Result<()> {
        let object = format!("etcdclusters.etcd.endstate.dev/{}", cluster.name);
        self.up.endstate(&["delete", &object, "--wait"]).await?;
        let pods: Api<Pod> = Api::default_namespaced(self.up.client().await?);
        let labels = format!("endstate.dev/cluster={}", cluster.name);
        for pod in pods.list(&ListParams::default().labels(&labels)).await? {
            let name = pod.metadata.name.context("a pod has a name")?;
            let gone = await_condition(pods.clone(), &name, |it: Option<&Pod>| it.is_none());
            tokio::time::timeout(OVER_MAX, gone).await.context("a pod stays")??;
        }
        Ok(())
    }
}

fn is_over(status: &Value) -> bool {
    status["state"] == "Complete" || status["state"] == "Failed"
}

/// A claim for backups, and the place that it is.
async fn place(up: &Up, cluster: &str) -> Result<Value> {
    let claim = format!("kept-{cluster}");
    let spec =
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let object = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim}, "spec": spec});
    up.apply(&object.to_string()).await?;
    Ok(json!({"volume": {"claim": claim, "path": FOLDER}}))
}
