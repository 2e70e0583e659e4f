use std::sync::Arc;

use k8s_openapi::api::discovery::v1::EndpointConditions;
use serde_json::{Value, json};

use super::*;
use crate::plan::{Action, Write};

fn service(more: Value) -> Arc<Service> {
    let mut value = json!({"metadata": {"name": "db", "namespace": "ns", "uid": "db", "labels": {"team": "x"}},
        "spec": {"selector": {"app": "db"}, "ports": [{"name": "client", "port": 80, "targetPort": "main"}]}});
    for (field, to) in more.as_object().unwrap() {
        value["spec"][field] = to.clone();
    }
    Arc::new(serde_json::from_value(value).unwrap())
}

fn pod(name: &str, ip: &str, ready: bool) -> Arc<Pod> {
    let ready = if ready { "True" } else { "False" };
    let value = json!({
        "metadata": {"name": name, "namespace": "ns", "uid": name, "labels": {"app": "db"}},
        "spec": {"nodeName": "n", "hostname": name, "subdomain": "db",
            "containers": [{"name": "c", "ports": [{"name": "main", "containerPort": 2379}]}]},
        "status": {"podIP": ip, "phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}
    });
    Arc::new(serde_json::from_value(value).unwrap())
}

/// The objects, as plans leave them.
#[derive(Default)]
struct Made {
    endpoints: Option<Arc<Endpoints>>,
    slices: Vec<Arc<EndpointSlice>>,
    writes: usize,
}

impl Made {
    fn plan(&self, service: &Arc<Service>, pods: &[Arc<Pod>]) -> Plan {
        plan(&Snapshot { service, pods, endpoints: self.endpoints.as_ref(), slices: &self.slices })
    }

    fn settle(&mut self, service: &Arc<Service>, pods: &[Arc<Pod>]) {
        let plan = self.plan(service, pods);
        let mut reversed = pods.to_vec();
        reversed.reverse();
        assert_eq!(plan, self.plan(service, &reversed), "order matters");
        self.writes = plan.steps.len();
        for step in plan.steps {
            self.apply(step.action);
        }
        assert!(self.plan(service, pods).is_empty(), "the second plan is empty");
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Endpoints(Write::Create(made) | Write::Update { wanted: made, .. }) => {
                self.endpoints = Some(Arc::from(made));
            }
            Action::EndpointSlice(Write::Create(mut made)) => {
                made.metadata.name = Some(format!("db-{}", self.slices.len()));
                self.slices.push(Arc::from(made));
            }
            Action::EndpointSlice(Write::Update { observed, wanted }) => {
                let at = self.slices.iter().position(|it| *it == observed).unwrap();
                self.slices[at] = Arc::from(wanted);
            }
            Action::EndpointSlice(Write::Delete { observed, .. }) => {
                self.slices.retain(|it| *it != observed)
            }
            other => panic!("{other:?}"),
        }
    }

    fn ready(&self) -> Vec<&str> {
        let addresses = self.endpoints.iter().flat_map(|it| it.subsets.iter().flatten());
        addresses.flat_map(|it| it.addresses.iter().flatten()).map(|it| it.ip.as_str()).collect()
    }

    fn sizes(&self) -> Vec<usize> {
        self.slices.iter().map(|it| it.endpoints.len()).collect()
    }
}

#[test]
fn ready_pods_are_addresses_and_the_others_are_known() {
    let mut made = Made::default();
    made.settle(&service(json!({})), &[pod("a", "10.0.0.1", true), pod("b", "10.0.0.2", false)]);
    assert_eq!(made.ready(), ["10.0.0.1"]);
    let subset = &made.endpoints.as_ref().unwrap().subsets.as_ref().unwrap()[0];
    assert_eq!(subset.not_ready_addresses.as_ref().unwrap()[0].ip, "10.0.0.2");
    assert_eq!(subset.ports.as_ref().unwrap()[0].port, 2379, "the pod's number for the named port");
    let [slice] = made.slices.as_slice() else { panic!() };
    assert_eq!(slice.endpoints[0].hostname.as_deref(), Some("a"));
    assert_eq!(
        slice.endpoints[1].conditions,
        Some(EndpointConditions {
            ready: Some(false),
            serving: Some(false),
            terminating: Some(false)
        })
    );
    assert_eq!(crate::owners::controller(&slice.metadata).unwrap().uid, "db");
}

#[test]
fn a_pod_that_leaves_still_serves_but_gets_nothing_new() {
    let mut leaving = Pod::clone(&pod("a", "10.0.0.1", true));
    leaving.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH));
    let mut made = Made::default();
    made.settle(&service(json!({})), &[Arc::new(leaving)]);
    assert!(made.ready().is_empty());
    assert_eq!(
        made.slices[0].endpoints[0].conditions,
        Some(EndpointConditions {
            ready: Some(false),
            serving: Some(true),
            terminating: Some(true)
        })
    );
}

#[test]
fn peers_find_each_other_before_they_are_ready() {
    let mut made = Made::default();
    let headless = service(json!({"clusterIP": "None", "publishNotReadyAddresses": true}));
    made.settle(&headless, &[pod("a", "10.0.0.1", false)]);
    assert_eq!(made.ready(), ["10.0.0.1"]);
    assert_eq!(made.slices[0].endpoints[0].conditions.as_ref().unwrap().ready, Some(true));
    assert!(
        made.slices[0]
            .metadata
            .labels
            .as_ref()
            .unwrap()
            .contains_key("service.kubernetes.io/headless")
    );
}

#[test]
fn without_an_address_or_after_its_end_a_pod_offers_nothing() {
    let mut ended = Pod::clone(&pod("b", "10.0.0.2", true));
    ended.status.as_mut().unwrap().phase = Some("Succeeded".into());
    let mut made = Made::default();
    made.settle(&service(json!({})), &[pod("a", "", true), Arc::new(ended)]);
    assert!(made.ready().is_empty() && made.slices.is_empty());
    assert!(made.endpoints.is_some(), "the object is there, empty");
}

#[test]
fn a_service_without_a_selector_is_left_alone() {
    let plan =
        Made::default().plan(&service(json!({"selector": null})), &[pod("a", "10.0.0.1", true)]);
    assert!(plan.is_empty());
}

#[test]
fn slices_are_bounded_and_change_little() {
    let all: Vec<_> =
        (0..250).map(|at| pod(&format!("p{at:03}"), &format!("10.0.1.{at}"), true)).collect();
    let service = service(json!({}));
    let mut made = Made::default();
    made.settle(&service, &all);
    assert_eq!(made.sizes(), [100, 100, 50]);
    made.settle(&service, &all[1..]);
    assert_eq!(made.writes, 2, "the endpoints object and the slice that had the pod");
    assert_eq!(made.sizes(), [99, 100, 50]);
    made.settle(&service, &all);
    assert_eq!((made.writes, made.sizes()), (2, vec![100, 100, 50]), "gaps are filled");
    made.settle(&service, &[]);
    assert!(made.slices.is_empty());
}

#[test]
fn pods_with_other_numbers_for_a_port_are_kept_apart() {
    let mut other = Pod::clone(&pod("b", "10.0.0.2", true));
    other.spec.as_mut().unwrap().containers[0].ports.as_mut().unwrap()[0].container_port = 9999;
    let mut made = Made::default();
    made.settle(&service(json!({})), &[pod("a", "10.0.0.1", true), Arc::new(other)]);
    assert_eq!(made.endpoints.as_ref().unwrap().subsets.as_ref().unwrap().len(), 2);
    assert_eq!(made.sizes(), [1, 1]);
}
