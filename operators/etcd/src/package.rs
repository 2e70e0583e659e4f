//! etcd as a package: what is installed and run under its name.

use endstate::Engine;
use endstate::operator::{Health, add};
use endstate::package::Package;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::crd;
use crate::operand::EtcdOperand;

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
        crd::crds()
    }

    fn operate(&self, engine: &mut Engine, image: &str) -> Vec<Health> {
        let new = EtcdOperand::<crd::EtcdCluster>::new(image);
        let historical = EtcdOperand::<crd::historical::EtcdCluster>::new(image);
        vec![add(engine, "etcdclusters", new), add(engine, "etcdclusters.v1beta2", historical)]
    }
}

#[cfg(test)]
mod tests {
    use endstate::package::{installed_name, manifests};

    use super::*;

    /// What is installed already keeps its names, and etcd needs no secret.
    #[test]
    fn an_installation_has_the_names_it_had_and_reads_no_secret() {
        assert_eq!(installed_name(&EtcdPackage), "endstate-etcd");
        let objects = manifests(&EtcdPackage, "endstate:0.1.0");
        assert!(!serde_json::to_string(&objects).unwrap().contains("\"secrets\""));
    }
}
