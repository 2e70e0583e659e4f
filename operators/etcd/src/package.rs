//! etcd as a package: what is installed and run under its name.

use endstate::Engine;
use endstate::crd::{of_agent, of_beside, of_cluster, of_operation, without_rust};
use endstate::operator::{Health, add};
use endstate::package::{Monitoring, Package, managed};
use endstate::status::Summary;
use endstate_core::Record;
use etcd_plan::{CLIENT_PORT, EtcdClusterSpec};
use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::DynamicObject;
use kube::{CustomResourceExt, Resource};
use serde::Deserialize;

use crate::backup::{Backups, HistoricalBackups};
use crate::operand::EtcdOperand;
use crate::{crd, monitoring};

/// Both definitions, ready to apply.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![of_cluster(crd::EtcdCluster::crd()), without_rust(crd::historical::EtcdCluster::crd())]
}

/// The definitions of what is declared beside a cluster.
#[must_use]
pub fn crds_beside() -> Vec<CustomResourceDefinition> {
    let task = of_operation(crd::EtcdTask::crd());
    let dates = [
        ("Full", ".status.full.taken"),
        ("Delta", ".status.delta.taken"),
        ("Trial", ".status.trial.at"),
    ];
    let backup = of_agent(crd::EtcdBackup::crd(), &dates);
    let historical = [crd::historical::EtcdBackup::crd(), crd::historical::EtcdRestore::crd()];
    let own = [of_beside(crd::EtcdRole::crd()), of_beside(crd::EtcdUser::crd()), task, backup];
    own.into_iter().chain(historical.map(without_rust)).collect()
}

/// The etcd operator, for a catalogue.
#[derive(Clone, Copy, Debug)]
pub struct EtcdPackage;

impl Package for EtcdPackage {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn about(&self) -> &'static str {
        "etcd clusters: etcd.endstate.dev/v1 and the historical etcd.database.coreos.com/v1beta2"
    }

    fn crds(&self) -> Vec<CustomResourceDefinition> {
        crds()
    }

    fn beside(&self) -> Vec<CustomResourceDefinition> {
        crds_beside()
    }

    fn rules(&self) -> Vec<PolicyRule> {
        let own = ["persistentvolumeclaims", "secrets", "configmaps"].map(|it| managed("", it));
        // For owner references that block the deletion of a backup.
        let groups = [crd::EtcdBackup::group(&()), crd::historical::EtcdBackup::group(&())];
        let held = PolicyRule {
            api_groups: Some(groups.map(String::from).into()),
            resources: Some(vec!["etcdbackups/finalizers".to_owned()]),
            verbs: vec!["update".to_owned()],
            ..PolicyRule::default()
        };
        let requests = managed("cert-manager.io", "certificates");
        own.into_iter().chain([requests, held]).collect()
    }

    fn summary(&self, object: &DynamicObject) -> Summary {
        let mut summary = Summary::of(object);
        let group = crd::historical::EtcdCluster::group(&());
        if object.types.as_ref().is_some_and(|it| it.api_version.starts_with(&*group)) {
            summary.status = summary.status["endstate"].take();
        }
        let record = Record::<EtcdClusterSpec>::deserialize(&summary.status["record"]).ok();
        let spec = record.as_ref().and_then(Record::in_force);
        let scheme =
            if spec.is_some_and(|it| it.tls.client().is_on()) { "https://" } else { "http://" };
        let mut summary = summary.served(object, scheme, CLIENT_PORT);
        if summary.version.is_empty() {
            crd::historical::DEFAULT_VERSION.clone_into(&mut summary.version);
        }
        summary
    }

    fn monitoring(&self) -> Monitoring {
        monitoring::monitoring()
    }

    fn rescue(&self) -> &'static str {
        "first save the data of the remaining pods, by `etcdctl snapshot save` or a copy of their data directories; \
         an EtcdTask with `restore` has the cluster begin anew with a backup and keeps the volumes that are there, or \
         a new cluster can be declared beside this one, under another name"
    }

    fn operate(&self, engine: &mut Engine, image: &str) -> Vec<Health> {
        let new = EtcdOperand::<crd::EtcdCluster>::default();
        let historical = EtcdOperand::<crd::historical::EtcdCluster>::default();
        endstate::agents::add(engine, "etcdbackups", Backups, image);
        endstate::agents::add(engine, "etcdbackups.v1beta2", HistoricalBackups, image);
        vec![
            add(engine, "etcdclusters", new, image),
            add(engine, "etcdclusters.v1beta2", historical, image),
        ]
    }
}

#[cfg(test)]
mod tests {
    use endstate::package::{installed_name, manifests};

    use serde_json::json;

    use super::*;

    /// What is installed already keeps its names; certificates are in secrets.
    #[test]
    fn an_installation_has_the_names_it_had_and_keeps_secrets() {
        assert_eq!(installed_name(&EtcdPackage), "endstate-etcd");
        let objects = manifests(&EtcdPackage, "endstate:0.1.0");
        assert!(serde_json::to_string(&objects).unwrap().contains("\"secrets\""));
    }

    /// It looks, applies and prunes; it says nothing in cert-manager's name, and signs nothing.
    #[test]
    fn of_cert_manager_the_operator_may_ask_for_certificates_and_no_more() {
        let objects = manifests(&EtcdPackage, "endstate:0.1.0");
        let rules = objects.iter().filter_map(|it| it.data["rules"].as_array()).flatten();
        let speaks = |it: &&serde_json::Value| {
            let groups = it["apiGroups"].as_array().unwrap().iter().filter_map(|it| it.as_str());
            groups.into_iter().any(|it| it == "*" || it.ends_with("cert-manager.io"))
        };
        let about: Vec<_> = rules.filter(speaks).collect();
        let verbs = json!(["get", "list", "watch", "create", "patch", "delete"]);
        let only = json!({
            "apiGroups": ["cert-manager.io"], "resources": ["certificates"], "verbs": verbs,
        });
        assert_eq!(about, [&only]);
    }

    #[test]
    fn both_kinds_give_one_summary() {
        let status = json!({ "phase": "Running" });
        let object = |api_version: &str, spec, status| -> DynamicObject {
            let metadata = json!({ "name": "demo", "namespace": "default" });
            let object = json!({ "apiVersion": api_version, "kind": "EtcdCluster",
                "metadata": metadata, "spec": spec, "status": status });
            serde_json::from_value(object).unwrap()
        };
        let spec = json!({ "size": 3, "version": "3.5.16" });
        let new = EtcdPackage.summary(&object("etcd.endstate.dev/v1", spec, status.clone()));
        let inner = json!({ "phase": "Running", "endstate": status });
        let old = object("etcd.database.coreos.com/v1beta2", json!({ "size": 3 }), inner);
        assert_eq!(EtcdPackage.summary(&old), new);
        assert_eq!(new.endpoint.as_deref(), Some("http://demo-client.default.svc:2379"));
    }
}
