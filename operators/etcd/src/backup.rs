//! The agents that keep backups: what each is told, and what becomes of what it says.

use endstate::agents::{Agency, Agent, Seen};
use endstate_core::tls::Holder;
use endstate_core::{Identity, SecretFiles, Status, Told, Verdict, client_service};
use etcd_plan::{APPLICATION, CLIENT_PORT, EtcdClusterSpec, Report};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::crd::{Compression, EtcdBackup, EtcdBackupSpec, EtcdCluster};

/// Where an agent finds root's password.
const ROOT: &str = "/cluster-root";

/// Backups of the clusters of the kind `EtcdCluster`.
#[derive(Clone, Copy, Debug)]
pub struct Backups;

impl Agency for Backups {
    type Kind = EtcdBackup;
    type Cluster = EtcdCluster;

    const NAME: &'static str = "etcd-backup";

    fn agent(
        &self,
        object: &Identity,
        (spec, known): (&Value, &Value),
        seen: &Seen<'_>,
    ) -> Result<Agent, Verdict> {
        let spec = EtcdBackupSpec::deserialize(spec)
            .map_err(|it| Verdict::waits("SpecUnreadable", it.to_string()))?;
        let status = Status::<EtcdClusterSpec>::deserialize(seen.status).unwrap_or_default();
        let formed = status.record.cluster_id.is_some();
        let running = status.record.in_force().filter(|_| formed);
        let Some(running) = running else {
            let why = format!("the cluster {} is not formed yet", spec.cluster);
            return Err(Verdict::waits("ClusterNotReady", why));
        };
        let link = running.tls.client();
        let files = link.files(APPLICATION, seen.object, Holder::Operator);
        let files = files.filter(|_| link.is_on());
        let mounted = files.as_ref().map(|it| it.mounted(APPLICATION, Holder::Operator));
        let root = running.auth.as_ref().map(|it| it.secret(seen.object));
        let scheme = if files.is_some() { "https" } else { "http" };
        let host = format!("{}.{}.svc", client_service(&seen.object.name), seen.object.namespace);
        let task = json!({
            "to": spec.to.place(),
            "of": format!("{}.{}", seen.object.namespace, seen.object.name),
            "by": object.uid,
            "endpoint": format!("{scheme}://{host}:{CLIENT_PORT}"),
            "tls": files.zip(mounted.as_ref()).map(|(files, mounted)| {
                let names = [files.certificate, files.key, files.authorities];
                names.map(|it| format!("{}/{it}", mounted.path))
            }),
            "password": root.as_ref().map(|_| format!("{ROOT}/password")),
            "version": running.version,
            "encrypted": spec.encryption.is_some(),
            "compression": compression(spec.compression),
            "when": spec.when(),
        });
        let arguments = ["agent", APPLICATION, "keep"].map(str::to_owned);
        let arguments = arguments.into_iter().chain([task.to_string()]);
        let secrets = [
            spec.to.secret(),
            spec.encryption.as_ref().map(|it| it.files()),
            mounted,
            root.map(|it| SecretFiles::new("cluster-root", it, ROOT)),
        ];
        let agent = Agent::new(running.image(), arguments);
        // What came of the last trial nobody else remembers.
        let tried = known.get("trial").filter(|it| it.is_object()).map(Value::to_string);
        Ok(agent.secrets(secrets.into_iter().flatten()).claim(spec.to.claim()).hint(tried))
    }

    fn told(&self, object: &Identity, report: &Value) -> Option<Told> {
        let report = Report::deserialize(report).ok().filter(|it| it.by == *object.uid)?;
        Some(report.told())
    }

    fn shown(&self, report: &Value) -> Value {
        let shown = ["lineage", "full", "delta", "trial", "entries", "storedBytes"];
        shown.into_iter().map(|it| (it.to_owned(), report[it].clone())).collect()
    }
}

fn compression(it: Compression) -> Value {
    match it {
        Compression::Zstd => json!({"zstd": {"level": 1}}),
        Compression::None => json!("none"),
    }
}
