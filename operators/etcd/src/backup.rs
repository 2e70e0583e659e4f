//! The agents that keep backups: what each is told, and what becomes of what it says.

use endstate::agents::{Agency, Agent, Seen, cluster_at};
use endstate::crd::Backup;
use endstate_core::tls::Holder;
use endstate_core::{Identity, SecretFiles, Status, Verdict};
use etcd_plan::{APPLICATION, CLIENT_PORT, EtcdClusterSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::crd::{EtcdBackup, EtcdBackupSpec, EtcdCluster, historical};
use crate::operand::ClusterKind;

/// What the pods of agents are called in labels.
const NAME: &str = "etcd-backup";

/// Where an agent finds root's password.
const ROOT: &str = "/cluster-root";

/// Backups of the clusters of the kind `EtcdCluster`.
#[derive(Clone, Copy, Debug)]
pub struct Backups;

impl Agency for Backups {
    type Kind = EtcdBackup;
    type Cluster = EtcdCluster;

    const NAME: &'static str = NAME;

    fn agent(
        &self,
        object: &Identity,
        (spec, known): (&Value, &Value),
        seen: &Seen<'_>,
    ) -> Result<Agent, Verdict> {
        let spec = EtcdBackupSpec::deserialize(spec)
            .map_err(|it| Verdict::waits("SpecUnreadable", it.to_string()))?;
        let asked = Asked { backup: spec.common, limit: None, client: None };
        agent::<EtcdCluster>(object, (&asked, known), seen)
    }
}

/// Backups of clusters that are declared as for the first etcd operator.
#[derive(Clone, Copy, Debug)]
pub struct HistoricalBackups;

impl Agency for HistoricalBackups {
    type Kind = historical::EtcdBackup;
    type Cluster = historical::EtcdCluster;

    const NAME: &'static str = NAME;

    fn cluster(namespace: &str, spec: &Value) -> Result<String, Verdict> {
        let endpoints = Vec::<String>::deserialize(&spec["etcdEndpoints"]).unwrap_or_default();
        cluster_at(namespace, &endpoints, CLIENT_PORT).map_err(|it| Verdict::waits("NoCluster", it))
    }

    fn read(status: &Value) -> &Value {
        &status["endstate"]
    }

    fn publish(status: Value) -> Value {
        json!(historical::backup_status(&status))
    }

    fn agent(
        &self,
        object: &Identity,
        (spec, known): (&Value, &Value),
        seen: &Seen<'_>,
    ) -> Result<Agent, Verdict> {
        let spec = historical::EtcdBackupSpec::deserialize(spec)
            .map_err(|it| Verdict::waits("SpecUnreadable", it.to_string()))?;
        let limit = spec.backup_policy.as_ref().map(|it| it.timeout_in_second);
        let client = Some(spec.client_tls_secret.clone()).filter(|it| !it.is_empty());
        let backup = spec.asked(seen.object.name.clone());
        let backup = backup.map_err(|it| Verdict::waits("SpecRefused", it))?;
        let asked = Asked { backup, limit: limit.filter(|it| *it > 0), client };
        agent::<historical::EtcdCluster>(object, (&asked, known), seen)
    }
}

/// What an object asks for.
struct Asked {
    backup: Backup,
    /// How long a step may take, in seconds.
    limit: Option<u64>,
    /// The secret by which the cluster is asked, if it is not the operator's.
    client: Option<String>,
}

/// The agent of an object, of a cluster of the kind `K`.
fn agent<K: ClusterKind>(
    object: &Identity,
    (asked, known): (&Asked, &Value),
    seen: &Seen<'_>,
) -> Result<Agent, Verdict> {
    let Asked { backup, limit, client } = asked;
    let status = Status::<EtcdClusterSpec>::deserialize(K::read(seen.status)).unwrap_or_default();
    let formed = status.record.cluster_id.is_some();
    let Some(running) = status.record.in_force().filter(|_| formed) else {
        let why = format!("the cluster {} is not formed yet", backup.cluster);
        return Err(Verdict::waits("ClusterNotReady", why));
    };
    let files = seen.asked_with(APPLICATION, running.tls.client(), client.as_deref())?;
    let mounted = files.as_ref().map(|it| it.mounted(APPLICATION, Holder::Operator));
    let root = running.auth.as_ref().map(|it| it.secret(seen.object));
    let scheme = if files.is_some() { "https" } else { "http" };
    let mut task = backup.task();
    task["of"] = json!(format!("{}.{}", seen.object.namespace, seen.object.name));
    task["by"] = json!(object.uid);
    task["endpoint"] = json!(format!("{scheme}://{}:{CLIENT_PORT}", seen.service()));
    task["tls"] = json!(files.zip(mounted.as_ref()).map(|(files, mounted)| {
        let names = [files.certificate, files.key, files.authorities];
        names.map(|it| format!("{}/{it}", mounted.path))
    }));
    task["password"] = json!(root.as_ref().map(|_| format!("{ROOT}/password")));
    task["version"] = json!(running.version);
    task["limit"] = json!(limit);
    let arguments = ["agent", APPLICATION, "keep", &task.to_string()].map(str::to_owned);
    let root = root.map(|it| SecretFiles::new("cluster-root", it, ROOT));
    let secrets = backup.secrets().chain(mounted).chain(root);
    let agent = Agent::new(running.image(), arguments);
    // What came of the last trial nobody else remembers.
    let tried = known.get("trial").filter(|it| it.is_object()).map(Value::to_string);
    Ok(agent.secrets(secrets).claim(backup.to.claim()).hint(tried))
}
