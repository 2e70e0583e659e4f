//! ZooKeeper as a package: what is installed and run under its name.

use endstate::Engine;
use endstate::crd::of_cluster;
use endstate::operator::{Health, add};
use endstate::package::{Package, managed};
use endstate::status::Summary;
use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use kube::api::DynamicObject;
use zookeeper_plan::CLIENT_PORT;

use crate::crd::ZookeeperCluster;
use crate::operand::ZooKeeperOperand;

/// The ZooKeeper operator, for a catalogue.
#[derive(Clone, Copy, Debug)]
pub struct ZooKeeperPackage;

impl Package for ZooKeeperPackage {
    fn name(&self) -> &'static str {
        "zookeeper"
    }

    fn about(&self) -> &'static str {
        "ZooKeeper ensembles: zookeeper.endstate.dev/v1"
    }

    fn crds(&self) -> Vec<CustomResourceDefinition> {
        vec![of_cluster(ZookeeperCluster::crd())]
    }

    fn rules(&self) -> Vec<PolicyRule> {
        vec![managed("", "persistentvolumeclaims"), managed("", "secrets")]
    }

    fn summary(&self, object: &DynamicObject) -> Summary {
        Summary::of(object).served(object, "", CLIENT_PORT)
    }

    fn rescue(&self) -> &'static str {
        "first back up the volumes of the remaining claims `data-MEMBER`. The annotation `endstate.dev/consent` \
         with `recover-from MEMBER` lets the ensemble go on with what that member has, if nobody is known to have had more"
    }

    fn operate(&self, engine: &mut Engine, image: &str) -> Vec<Health> {
        vec![add(engine, "zookeeperclusters", ZooKeeperOperand, image)]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
        visit(path, schema);
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            walk(inner, &format!("{path}.{name}"), visit);
        }
    }

    #[test]
    fn every_field_that_a_user_writes_is_documented_typed_and_known() {
        let crd = json!(ZooKeeperPackage.crds()[0]);
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(&schema["properties"]["spec"], "spec", &mut |path, it| {
            assert!(it["type"].is_string() || it["x-kubernetes-int-or-string"] == true, "{path}");
            assert!(it["description"].as_str().is_some_and(|it| it.len() > 3), "{path}");
            assert!(it["x-kubernetes-preserve-unknown-fields"].is_null(), "{path}");
            let format = it["format"].as_str().unwrap_or("int32");
            assert!(["int32", "int64"].contains(&format), "{path}: {format}");
        });
    }

    #[test]
    fn a_spec_of_two_fields_is_the_planners_default() {
        let spec: crate::crd::ZookeeperClusterSpec =
            serde_json::from_value(json!({"size": 3, "version": "3.9.5"})).unwrap();
        let spec = zookeeper_plan::ZookeeperClusterSpec::from(spec);
        assert_eq!(spec, zookeeper_plan::ZookeeperClusterSpec::new(3, "3.9.5"));
    }
}
