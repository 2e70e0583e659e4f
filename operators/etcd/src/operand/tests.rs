use endstate::operator::PodRequest;
use endstate::{launcher, template};
use endstate_core::{
    Change, Launch, LaunchOf, MemberName, MemberRecord, Peer, Start, Surroundings,
};

use super::*;

fn identity() -> Identity {
    Identity::new("default", "demo", "u1")
}

/// A spec as a user writes it.
fn spec(value: Value) -> EtcdClusterSpec {
    serde_json::from_value::<crd::EtcdClusterSpec>(value).unwrap().into()
}

fn launch(spec: &EtcdClusterSpec, start: &Start) -> Launch {
    let (object, member) = (identity(), MemberRecord::new("demo-a", "member"));
    Etcd.launch(&LaunchOf::new(&object, spec, &member).start(start))
}

fn start() -> Start {
    let address = "http://demo-a.demo-peer.default.svc:2380".to_owned();
    Start::New { token: "u1".into(), members: vec![Peer::new("demo-a", address, "member")] }
}

fn made(spec: &EtcdClusterSpec) -> Value {
    let (object, member, start) = (identity(), MemberName::from("demo-a"), start());
    let launch = launch(spec, &start);
    let request = PodRequest::new(&object, (&member, &start), &launch);
    json!(template::pod("etcd", "endstate:0.1.0", &request))
}

#[test]
fn etcd_runs_behind_the_launcher_on_its_own_volume() {
    let pod = made(&spec(json!({"size": 3, "version": "3.5.16"})));
    assert_eq!(pod["spec"]["subdomain"], "demo-peer");
    let etcd = &pod["spec"]["containers"][0];
    assert_eq!(etcd["image"], "quay.io/coreos/etcd:v3.5.16");
    let command: Vec<String> = serde_json::from_value(etcd["command"].clone()).unwrap();
    let request = launcher::parse(command[2..].iter().map(Into::into)).unwrap();
    let launcher::Request::Launch(request) = request else { panic!("not a launch") };
    assert_eq!(request.command[0], "/usr/local/bin/etcd");
    let data_dir = request.data[0].path.to_str().unwrap();
    assert_eq!(etcd["volumeMounts"][0]["mountPath"], data_dir);
    let flag = format!("--data-dir={data_dir}");
    assert!(request.command.iter().any(|it| it.to_str() == Some(&flag)), "{command:?}");
}

#[test]
fn the_log_is_on_a_volume_of_its_own_if_that_is_asked_for() {
    let storage = json!({"volume": {}, "walVolume": {"size": "2Gi", "class": "fast"}});
    let spec = spec(json!({"size": 3, "version": "3.5.16", "storage": storage}));
    let pod = made(&spec);
    assert_eq!(pod["spec"]["volumes"][1]["persistentVolumeClaim"]["claimName"], "wal-demo-a");
    let etcd = &pod["spec"]["containers"][0];
    assert_eq!(etcd["volumeMounts"][1], json!({"name": "wal", "mountPath": etcd_plan::WAL_DIR}));
    let command = etcd["command"].to_string();
    assert!(command.contains(&format!("--wal-dir={}/wal", etcd_plan::WAL_DIR)), "{command}");
    let (object, member) = (identity(), MemberRecord::new("demo-a", "member"));
    let has = LaunchOf::new(&object, &spec, &member).has(Some(vec!["data"]));
    assert!(!Etcd.launch(&has).command.concat().contains("wal"), "its log is where it was");
}

#[test]
fn probes_ask_what_the_version_has_and_liveness_is_local() {
    for (version, alive, ready) in [
        ("3.4.23", None, "/health?exclude=NOSPACE"),
        ("3.4.29", Some("/livez"), "/readyz"),
        ("3.5.10", Some("/health?exclude=NOSPACE&serializable=true"), "/health?exclude=NOSPACE"),
        ("3.5.16", Some("/livez"), "/readyz"),
        ("3.6.14", Some("/livez"), "/readyz"),
    ] {
        let pod = made(&spec(json!({"size": 3, "version": version})));
        let etcd = &pod["spec"]["containers"][0];
        for probe in ["startupProbe", "livenessProbe"] {
            assert_eq!(etcd[probe]["httpGet"]["path"].as_str(), alive, "{version} {probe}");
            assert_eq!(etcd[probe]["tcpSocket"].is_object(), alive.is_none(), "{version} {probe}");
        }
        assert_eq!(etcd["readinessProbe"]["httpGet"]["path"], ready, "{version}");
    }
}

#[test]
fn every_field_of_etcds_own_takes_effect() {
    let env = json!([{"name": "ETCD_QUOTA_BACKEND_BYTES", "value": "1"}]);
    let storage = json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}});
    let spec = spec(json!({"size": 3, "version": "3.5.16", "repository": "example.com/etcd",
        "pod": {"labels": {"team": "a"}, "etcdEnv": env}, "storage": storage}));
    let pod = made(&spec);
    let etcd = &pod["spec"]["containers"][0];
    assert_eq!(pod["metadata"]["labels"]["team"], "a");
    assert_eq!(etcd["image"], "example.com/etcd:v3.5.16");
    assert_eq!(etcd["env"][0], env[0]);
    assert_eq!(pod["spec"]["volumes"][0]["emptyDir"], storage["emptyDir"]);
}

#[test]
fn members_and_clients_find_each_other_by_the_names_that_members_are_told() {
    let (object, spec) = (identity(), spec(json!({"size": 3, "version": "3.5.16"})));
    let mut around = Surroundings::default();
    (around.clients, around.min_available) = (true, 2);
    let made = objects(&ObjectsOf::new(&object, &spec, &around)).unwrap();
    let names: Vec<_> = made.iter().map(ToString::to_string).collect();
    let expected = ["Service demo-peer", "PodDisruptionBudget demo", "Service demo-client"];
    assert_eq!(names, expected);
    assert_eq!(super::tests::made(&spec)["spec"]["subdomain"], "demo-peer");
    around.clients = false;
    let closed = objects(&ObjectsOf::new(&object, &spec, &around)).unwrap();
    assert_eq!(closed.len(), 2, "clients are let in once the cluster is recorded");
}

/// Whatever of a pod depends on the spec is rolled with it: in place only image, labels and annotations change.
#[test]
fn a_pod_that_must_be_another_one_is_never_changed_in_place() {
    let made = |value: &Value| {
        let mut pod = made(&spec(value.clone()));
        pod["metadata"]["labels"].take();
        pod["metadata"]["annotations"].take();
        pod["spec"]["containers"][0]["image"].take();
        pod
    };
    let with = |field: &str, value: Value| {
        let mut spec = json!({"size": 3, "version": "3.5.16"});
        spec[field] = value;
        spec
    };
    let specs = [
        with("version", json!("3.5.33")),
        with("version", json!("3.5.10")),
        with("version", json!("3.5.4")),
        with("repository", json!("example.com/etcd")),
        with("pod", json!({"labels": {"team": "a"}})),
        with("pod", json!({"etcdEnv": [{"name": "ETCD_QUOTA_BACKEND_BYTES", "value": "1"}]})),
        with("pod", json!({"nodeSelector": {"disk": "ssd"}})),
        with("storage", json!({"emptyDir": {"medium": "Memory"}})),
    ];
    for (old, new) in specs.iter().flat_map(|old| specs.iter().map(move |new| (old, new))) {
        let change = Etcd.change(&"member".into(), &spec(old.clone()), &spec(new.clone()));
        let differs = made(old) != made(new);
        assert!(!differs || change == Change::Recreate, "{change:?} from {old} to {new}");
        assert_eq!(change == Change::Nothing, old == new, "{change:?} from {old} to {new}");
    }
}

/// What cannot be restored is no operation, so it fails at once, and the status says why.
#[test]
fn a_restore_of_the_first_etcd_operator_asks_for_what_a_task_asks_for() {
    use endstate_core::Operation;
    use etcd_plan::OPERATIONS;
    let asked = |kind: &str, spec: Value| {
        let asked = EtcdOperand::<historical::EtcdCluster>::asked(kind, &spec);
        OPERATIONS.of(&Beside::new(kind, "one", asked)).unwrap()
    };
    let store = |secret: &str| json!({"path": "b/p/q", "gcpSecret": secret});
    let old = |secret| json!({"backupStorageType": "GCS", "gcs": store(secret), "etcdCluster": {"name": "demo"}});
    let from = json!({"gcs": {"bucket": "b", "prefix": "p/q", "secret": "s"}});
    let task = json!({"cluster": "demo", "restore": {"from": from}});
    assert_eq!(asked(RESTORE_KIND, old("s")), asked(TASK_KIND, task));
    assert_eq!(asked(RESTORE_KIND, old("")), Operation::Unknown);
    let failed = json!({"state": "Failed", "conditions": []});
    let told = historical::restore_status(&old(""), &failed);
    assert!(!told.succeeded && told.reason.contains("gcs.gcpSecret"), "{told:?}");
}
