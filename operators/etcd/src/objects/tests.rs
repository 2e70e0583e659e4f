use endstate::operator::{PodRequest, STARTED_ANNOTATION};
use endstate_core::{App, Identity, LaunchOf, MemberName, Peer, Start, Support};
use etcd_plan::{Etcd, EtcdClusterSpec};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::*;

fn identity() -> Identity {
    Identity {
        namespace: "default".into(),
        name: "demo".into(),
        uid: "u1".into(),
        resource_version: "7".into(),
        generation: 1,
        deleting: false,
    }
}

fn spec(value: Value) -> EtcdClusterSpec {
    serde_json::from_value(value).unwrap()
}

fn launch(spec: &EtcdClusterSpec, start: &Start) -> endstate_core::Launch {
    let (object, member) = (identity(), MemberName::from("demo-a"));
    Etcd.launch(&LaunchOf { object: &object, spec, member: &member, start: Some(start) })
}

fn start() -> Start {
    let address = "http://demo-a.demo-peer.default.svc:2380".to_owned();
    Start::New { token: "u1".into(), members: vec![Peer { name: "demo-a".into(), address }] }
}

fn made(spec: &EtcdClusterSpec, start: &Start) -> Pod {
    let (object, member) = (identity(), MemberName::from("demo-a"));
    let launch = launch(spec, start);
    let request = PodRequest { object: &object, member: &member, start, launch: &launch };
    pod::pod(&request, "endstate:0.1.0")
}

fn etcd(pod: &Pod) -> Value {
    json!(pod.spec.as_ref().unwrap().containers[0])
}

#[test]
fn etcd_runs_behind_the_launcher_on_its_own_volume() {
    let pod = made(&spec(json!({"size": 3, "version": "3.5.16"})), &start());
    let json = json!(pod);
    assert_eq!(json["spec"]["initContainers"][0]["image"], "endstate:0.1.0");
    assert_eq!(json["spec"]["hostname"], "demo-a");
    assert_eq!(json["spec"]["subdomain"], "demo-peer");
    let etcd = etcd(&pod);
    assert_eq!(etcd["image"], "quay.io/coreos/etcd:v3.5.16");
    let command: Vec<String> = serde_json::from_value(etcd["command"].clone()).unwrap();
    let dashes = command.iter().position(|it| it == "--").unwrap();
    let request = endstate::launcher::parse(command[2..].iter().map(Into::into)).unwrap();
    let endstate::launcher::Request::Launch(request) = request else { panic!("not a launch") };
    assert_eq!(command[0], "/endstate/endstate");
    assert_eq!(command[dashes + 1], "/usr/local/bin/etcd");
    let mounts = etcd["volumeMounts"].as_array().unwrap();
    let is_mounted = |path: &str| mounts.iter().any(|it| it["mountPath"] == path);
    assert!(is_mounted(request.data_dir.to_str().unwrap()));
    assert!(is_mounted(request.marker.parent().unwrap().to_str().unwrap()));
    assert!(!request.marker.starts_with(&request.data_dir), "the marker outlives the data");
}

#[test]
fn probes_ask_what_the_version_has_and_liveness_is_local() {
    for (version, alive, ready) in [
        ("3.4.23", None, "/health"),
        ("3.4.29", Some("/livez"), "/readyz"),
        ("3.5.10", Some("/health?serializable=true"), "/health"),
        ("3.5.16", Some("/livez"), "/readyz"),
        ("3.6.14", Some("/livez"), "/readyz"),
    ] {
        let etcd = etcd(&made(&spec(json!({"size": 3, "version": version})), &start()));
        for probe in ["startupProbe", "livenessProbe"] {
            assert_eq!(etcd[probe]["httpGet"]["path"].as_str(), alive, "{version} {probe}");
            assert_eq!(etcd[probe]["tcpSocket"].is_object(), alive.is_none(), "{version} {probe}");
        }
        assert_eq!(etcd["readinessProbe"]["httpGet"]["path"], ready, "{version}");
    }
}

#[test]
fn every_field_of_the_pod_policy_takes_effect() {
    let policy = json!({
        "labels": {"team": "a"},
        "annotations": {"note": "b"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}},
        "etcdEnv": [{"name": "ETCD_QUOTA_BACKEND_BYTES", "value": "1"}],
    });
    let storage = json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}});
    let spec = spec(json!({"size": 3, "version": "3.5.16", "repository": "example.com/etcd",
        "pod": policy, "storage": storage}));
    let pod = json!(made(&spec, &start()));
    assert_eq!(pod["metadata"]["labels"]["team"], "a");
    assert_eq!(pod["metadata"]["annotations"]["note"], "b");
    assert_eq!(pod["spec"]["nodeSelector"], policy["nodeSelector"]);
    assert_eq!(pod["spec"]["tolerations"], policy["tolerations"]);
    assert_eq!(pod["spec"]["affinity"], policy["affinity"]);
    let etcd = &pod["spec"]["containers"][0];
    assert_eq!(etcd["image"], "example.com/etcd:v3.5.16");
    assert_eq!(etcd["resources"], policy["resources"]);
    assert_eq!(etcd["env"][0], policy["etcdEnv"][0]);
    assert_eq!(pod["spec"]["volumes"][0]["emptyDir"], storage["emptyDir"]);
}

/// Later names win, so the mark comes last whatever a user writes.
#[test]
fn the_launcher_hears_at_each_start_what_the_operator_wrote_on_the_pod() {
    let user = json!({"etcdEnv": [{"name": "TZ", "value": "UTC"}]});
    let pod = made(&spec(json!({"size": 3, "version": "3.5.16", "pod": user})), &start());
    let env = etcd(&pod)["env"].clone();
    let mark = env.as_array().unwrap().last().unwrap();
    assert_eq!(mark["name"], endstate::launcher::STARTED_VARIABLE);
    let path = &mark["valueFrom"]["fieldRef"]["fieldPath"];
    assert_eq!(*path, format!("metadata.annotations['{STARTED_ANNOTATION}']"));
}

#[test]
fn members_of_one_cluster_prefer_other_nodes_by_default() {
    let pod = json!(made(&spec(json!({"size": 3, "version": "3.5.16"})), &start()));
    let anti = &pod["spec"]["affinity"]["podAntiAffinity"];
    let first = &anti["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
    assert_eq!(first["topologyKey"], "kubernetes.io/hostname");
    assert_eq!(first["labelSelector"]["matchLabels"][UID_LABEL], "u1");
}

#[test]
fn a_change_in_place_removes_what_the_policy_no_longer_has_and_keeps_what_others_added() {
    let before = spec(json!({"size": 3, "version": "3.5.16",
        "pod": {"labels": {"old": "1", "both": "1"}, "annotations": {"old": "1"}}}));
    let after = spec(json!({"size": 3, "version": "3.5.33", "pod": {"labels": {"both": "2"}}}));
    let mut running = made(&before, &start());
    running.metadata.labels.get_or_insert_default().insert("foreign".into(), "x".into());
    let marks = running.metadata.annotations.get_or_insert_default();
    marks.insert(STARTED_ANNOTATION.into(), "a1".into());
    let changed = pod::changed(&running, &launch(&after, &start()));
    let labels = changed.metadata.labels.clone().unwrap();
    assert_eq!(labels.get("old"), None);
    assert_eq!(labels["both"], "2");
    assert_eq!(labels["foreign"], "x");
    assert_eq!(labels[LABEL_CLUSTER], "demo");
    let annotations = changed.metadata.annotations.clone().unwrap();
    assert_eq!(annotations.get("old"), None);
    assert_eq!(annotations[STARTED_ANNOTATION], "a1", "it stays started");
    assert_eq!(etcd(&changed)["image"], "quay.io/coreos/etcd:v3.5.33");
    assert_eq!(pod::changed(&changed, &launch(&after, &start())), changed, "twice is once");
}

#[test]
fn clients_reach_voters_only_and_members_find_each_other_before_they_are_ready() {
    let support = Support { peer_service: true, client_service: true, min_available: None };
    let services = json!(services(&identity(), &support));
    assert_eq!(services[0]["spec"]["publishNotReadyAddresses"], true);
    assert_eq!(services[0]["spec"]["clusterIP"], "None");
    assert_eq!(services[1]["spec"]["selector"][ROLE_LABEL], "voter");
    let learner = Start::Existing { members: start().members().to_vec() };
    let pod = made(&spec(json!({"size": 3, "version": "3.5.16"})), &learner);
    assert_eq!(pod.metadata.labels.unwrap()[ROLE_LABEL], "learner");
}

#[test]
fn the_budget_is_a_number_and_not_a_share() {
    let budget = json!(budget(&identity(), 2));
    assert_eq!(budget["spec"]["minAvailable"], 2);
    assert_eq!(budget["spec"].get("maxUnavailable"), None);
}
