//! Every field of both specs: what it does, and what of it is refused.
//!
//! The fields come from the definitions. One without a row here fails, and so does a row that nothing in the pods, the
//! objects around them or the plan shows. An API server takes the values, and refuses those that are to be refused;
//! what a change of one takes on a running cluster is the planner's word.

use std::collections::BTreeSet;

use endstate_core::tls::Holder;
use endstate_core::{
    App, Beside, Change, Cluster, Facts, Identity, Member, Operation, Platform, Severity, Snapshot,
    plan,
};
use endstate_etcd::crd::{EtcdCluster, EtcdTask, historical};
use etcd_plan::auth::AuthFacts;
use etcd_plan::{APPLICATION, ClusterFacts, Etcd, EtcdClusterSpec};
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::{Client, CustomResourceExt, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::operator::World;

/// One field, or all that is below it.
struct Row {
    path: &'static str,
    /// Specs that differ in it alone, each accepted, the first and the second also one after the other.
    values: Vec<Value>,
    /// What it takes to bring a member from the first to the second.
    change: Change,
    refused: Vec<Value>,
}

fn row(path: &'static str, change: Change, values: &[Value], refused: &[Value]) -> Row {
    Row { path, values: values.to_vec(), change, refused: refused.to_vec() }
}

/// One that is there to be refused, whatever it holds.
fn never(path: &'static str, refused: Value) -> Row {
    row(path, Change::Nothing, &[], &[refused])
}

/// What both kinds have.
fn common() -> Vec<Row> {
    use Change::{Live, Nothing, Recreate, Restart};
    let selector = json!({"matchLabels": {"a": "b"}});
    let near = |topology: &str| {
        let term = json!({"labelSelector": selector, "topologyKey": topology});
        let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]});
        json!({"pod": {"affinity": {"podAffinity": required}}})
    };
    let env =
        |name: &str, value: &str| json!({"pod": {"etcdEnv": [{"name": name, "value": value}]}});
    let pod = |field: &str, value: Value| json!({"pod": {field: value}});
    let many: serde_json::Map<_, _> = (0..65).map(|it| (format!("a{it}"), json!("b"))).collect();
    vec![
        row(
            "size",
            Nothing,
            &[json!({"size": 1}), json!({"size": 2}), json!({"size": 7})],
            &[json!({"size": -1}), json!({"size": 8}), json!({"size": "3"}), json!({"size": null})],
        ),
        row(
            "version",
            Restart,
            &[json!({"version": "3.5.16"}), json!({"version": "3.5.35"})],
            &[
                json!({"version": "v3.5.16"}),
                json!({"version": "3.3.27"}),
                json!({"version": "3.5.2"}),
                json!({"version": ""}),
            ],
        ),
        row(
            "repository",
            Recreate,
            &[json!({"repository": "example.com/a"}), json!({"repository": "example.com/b"})],
            &[json!({"repository": ""}), json!({"repository": "a".repeat(256)})],
        ),
        row(
            "paused",
            Nothing,
            &[json!({"paused": false}), json!({"paused": true})],
            &[json!({"paused": "yes"})],
        ),
        row(
            "pod.labels",
            Live,
            &[pod("labels", json!({"a": "b"})), pod("labels", json!({"a": "c"}))],
            &[pod("labels", json!({"endstate.dev/a": "b"})), pod("labels", json!(many))],
        ),
        row(
            "pod.annotations",
            Live,
            &[pod("annotations", json!({"a": "b"})), pod("annotations", json!({"a": "c"}))],
            &[pod("annotations", json!({"endstate.dev/a": "b"})), pod("annotations", json!(many))],
        ),
        row(
            "pod.nodeSelector",
            Recreate,
            &[pod("nodeSelector", json!({"a": "b"})), pod("nodeSelector", json!({"a": "c"}))],
            &[pod("nodeSelector", json!({"a": 1}))],
        ),
        row(
            "pod.tolerations",
            Recreate,
            &[pod("tolerations", json!([{"key": "a"}])), pod("tolerations", json!([{"key": "b"}]))],
            &[pod("tolerations", json!([{"tolerationSeconds": "soon"}]))],
        ),
        row(
            "pod.affinity",
            Recreate,
            &[near("kubernetes.io/hostname"), near("topology.kubernetes.io/zone")],
            &[pod("affinity", json!({"podAffinity": []}))],
        ),
        row(
            "pod.resources.requests",
            Recreate,
            &[
                pod("resources", json!({"requests": {"cpu": "1"}})),
                pod("resources", json!({"requests": {"cpu": "2"}})),
            ],
            &[pod("resources", json!({"requests": {"cpu": "much"}}))],
        ),
        row(
            "pod.resources.limits",
            Recreate,
            &[
                pod("resources", json!({"limits": {"memory": "1Gi"}})),
                pod("resources", json!({"limits": {"memory": "2Gi"}})),
            ],
            &[pod("resources", json!({"limits": {"memory": "1Gx"}}))],
        ),
        row(
            "pod.etcdEnv[].name",
            Recreate,
            &[env("ETCD_MAX_REQUEST_BYTES", "1"), env("ETCD_MAX_TXN_OPS", "1")],
            &[env("", "1"), env("ETCD_DATA_DIR", "/data"), env(&"A".repeat(129), "1")],
        ),
        row(
            "pod.etcdEnv[].value",
            Recreate,
            &[env("ETCD_MAX_REQUEST_BYTES", "1"), env("ETCD_MAX_REQUEST_BYTES", "2")],
            &[json!({"pod": {"etcdEnv": [{"name": "ETCD_MAX_REQUEST_BYTES", "value": 1}]}})],
        ),
        never(
            "pod.etcdEnv[].valueFrom",
            json!({"pod": {"etcdEnv": [{"name": "A", "valueFrom": {}}]}}),
        ),
    ]
}

/// An object with the fields of two.
fn merge(mut one: Value, other: Value) -> Value {
    let fields = other.as_object().cloned().unwrap_or_default();
    one.as_object_mut().unwrap().extend(fields);
    one
}

/// What the newer kind has beside it.
fn new() -> Vec<Row> {
    use Change::{Live, Nothing, Recreate};
    let volume = |volume: Value| json!({"storage": {"volume": volume}});
    let directory = |directory: Value| json!({"storage": {"emptyDir": directory}});
    let kept = |field: &str, value: &str| volume(json!({"retention": {field: value}}));
    let wal = |volume: Value| json!({"storage": {"volume": {}, "walVolume": volume}});
    let wal_kept = |field: &str, value: &str| {
        let volume = json!({"retention": {field: value}});
        json!({"storage": {"volume": volume, "walVolume": volume}})
    };
    let wal_directory =
        |directory: Value| json!({"storage": {"emptyDir": {}, "walEmptyDir": directory}});
    let client = |client: Value| json!({"tls": {"client": client}});
    let peer = |peer: Value| json!({"tls": {"peer": peer}});
    let secrets = |server: &str, operator: &str| {
        client(json!({"mode": "Secrets", "serverSecret": server, "operatorSecret": operator}))
    };
    let filled = |issuer: Value| {
        let secrets = json!({"mode": "Secrets", "serverSecret": "a", "operatorSecret": "b"});
        let asked = json!({"certManager": {"issuerRef": issuer}});
        client(merge(secrets, asked))
    };
    let filled_peer = |issuer: Value| {
        let asked = json!({"certManager": {"issuerRef": issuer}});
        peer(merge(json!({"mode": "Secrets", "secret": "a"}), asked))
    };
    let by = |field: &str, value: &str| merge(json!({"name": "ca"}), json!({field: value}));
    let long = |of: usize| "a".repeat(of + 1);
    // One secret for both ends of a certificate, for members and clients, or in another mode.
    let asked = json!({"issuerRef": {"name": "ca"}});
    let both_ends = json!({"mode": "Secrets", "serverSecret": "a", "operatorSecret": "a", "certManager": asked});
    let for_clients = filled(json!({"name": "ca"}))["tls"]["client"].take();
    let for_all =
        json!({"tls": {"client": for_clients, "peer": {"mode": "Secrets", "secret": "b"}}});
    let shared = filled_peer(json!({"name": "ca"}))["tls"]["peer"].take();
    let shared = json!({"tls": {"client": secrets("a", "b")["tls"]["client"], "peer": shared}});
    vec![
        // Members read the same files; that another issuer is reached by way of `Managed` only, is not said here.
        row(
            "tls.client.certManager.issuerRef.name",
            Nothing,
            &[filled(by("name", "ca")), filled(by("name", "other"))],
            &[
                filled(json!({})),
                filled(by("name", "")),
                filled(by("name", &long(253))),
                client(json!({"certManager": asked})),
                client(both_ends),
                for_all,
            ],
        ),
        row(
            "tls.client.certManager.issuerRef.kind",
            Nothing,
            &[filled(by("kind", "Issuer")), filled(by("kind", "ClusterIssuer"))],
            &[filled(by("kind", "")), filled(by("kind", &long(63)))],
        ),
        row(
            "tls.client.certManager.issuerRef.group",
            Nothing,
            &[filled(by("group", "cert-manager.io")), filled(by("group", "example.com"))],
            &[filled(by("group", "")), filled(by("group", &long(253)))],
        ),
        row(
            "tls.peer.certManager.issuerRef.name",
            Nothing,
            &[filled_peer(by("name", "ca")), filled_peer(by("name", "other"))],
            &[
                filled_peer(json!({})),
                filled_peer(by("name", "")),
                peer(json!({"certManager": asked})),
                shared,
            ],
        ),
        row(
            "tls.peer.certManager.issuerRef.kind",
            Nothing,
            &[filled_peer(by("kind", "Issuer")), filled_peer(by("kind", "ClusterIssuer"))],
            &[filled_peer(by("kind", ""))],
        ),
        row(
            "tls.peer.certManager.issuerRef.group",
            Nothing,
            &[filled_peer(by("group", "cert-manager.io")), filled_peer(by("group", "example.com"))],
            &[filled_peer(by("group", ""))],
        ),
        row(
            "storage.volume.size",
            Live,
            &[
                volume(json!({"size": "1Gi"})),
                volume(json!({"size": "2Gi"})),
                volume(json!({"size": "999999Ti"})),
            ],
            &[
                volume(json!({"size": "0Gi"})),
                volume(json!({"size": "1000000Gi"})),
                volume(json!({"size": "1G"})),
            ],
        ),
        row(
            "storage.volume.class",
            Live,
            &[volume(json!({"class": "a"})), volume(json!({"class": "b"}))],
            &[volume(json!({"class": ""})), volume(json!({"class": "a".repeat(254)}))],
        ),
        row(
            "storage.volume.retention.whenDeleted",
            Live,
            &[kept("whenDeleted", "Delete"), kept("whenDeleted", "Retain")],
            &[kept("whenDeleted", "Keep")],
        ),
        row(
            "storage.volume.retention.whenScaled",
            Live,
            &[kept("whenScaled", "Retain"), kept("whenScaled", "Delete")],
            &[kept("whenScaled", "Keep")],
        ),
        row(
            "storage.walVolume",
            Recreate,
            &[volume(json!({})), wal(json!({}))],
            &[
                json!({"storage": {"emptyDir": {}, "walVolume": {}}}),
                json!({"storage": {"walVolume": {}, "walEmptyDir": {}}}),
            ],
        ),
        row(
            "storage.walVolume.size",
            Live,
            &[wal(json!({"size": "1Gi"})), wal(json!({"size": "2Gi"})), wal(json!({}))],
            &[wal(json!({"size": "0Gi"})), wal(json!({"size": "1G"}))],
        ),
        row(
            "storage.walVolume.class",
            Live,
            &[wal(json!({"class": "a"})), wal(json!({"class": "b"}))],
            &[wal(json!({"class": ""})), wal(json!({"class": "a".repeat(254)}))],
        ),
        row(
            "storage.walVolume.retention.whenDeleted",
            Live,
            &[wal_kept("whenDeleted", "Delete"), wal_kept("whenDeleted", "Retain")],
            &[wal_kept("whenDeleted", "Keep")],
        ),
        row(
            "storage.walVolume.retention.whenScaled",
            Live,
            &[wal_kept("whenScaled", "Retain"), wal_kept("whenScaled", "Delete")],
            &[wal_kept("whenScaled", "Keep")],
        ),
        row(
            "storage.walEmptyDir",
            Recreate,
            &[directory(json!({})), wal_directory(json!({}))],
            &[json!({"storage": {"volume": {}, "walEmptyDir": {}}})],
        ),
        row(
            "storage.walEmptyDir.medium",
            Recreate,
            &[wal_directory(json!({"medium": ""})), wal_directory(json!({"medium": "Memory"}))],
            &[wal_directory(json!({"medium": "HugePages"}))],
        ),
        row(
            "storage.walEmptyDir.sizeLimit",
            Recreate,
            &[
                wal_directory(json!({"sizeLimit": "1Gi"})),
                wal_directory(json!({"sizeLimit": "2Gi"})),
            ],
            &[wal_directory(json!({"sizeLimit": "much"}))],
        ),
        row(
            "storage.emptyDir.medium",
            Recreate,
            &[directory(json!({"medium": ""})), directory(json!({"medium": "Memory"}))],
            &[
                directory(json!({"medium": "HugePages"})),
                json!({"storage": {"emptyDir": {}, "volume": {}}}),
            ],
        ),
        row(
            "storage.emptyDir.sizeLimit",
            Recreate,
            &[directory(json!({"sizeLimit": "1Gi"})), directory(json!({"sizeLimit": "2Gi"}))],
            &[directory(json!({"sizeLimit": "much"}))],
        ),
        row(
            "auth.enabled",
            Nothing,
            &[json!({"auth": {"enabled": false}}), json!({"auth": {"enabled": true}})],
            &[json!({"auth": {"enabled": "yes"}})],
        ),
        row(
            "auth.rootSecret",
            Nothing,
            &[json!({"auth": {}}), json!({"auth": {"rootSecret": "a"}})],
            &[json!({"auth": {"rootSecret": ""}})],
        ),
        row(
            "tls.client.mode",
            Recreate,
            &[
                client(json!({"mode": "Managed"})),
                client(json!({"mode": "Off"})),
                secrets("a", "b"),
            ],
            &[client(json!({"mode": "On"})), client(json!({"mode": "Secrets"}))],
        ),
        row(
            "tls.client.serverSecret",
            Recreate,
            &[secrets("a", "b"), secrets("c", "b")],
            &[secrets("", "b"), client(json!({"serverSecret": "a"}))],
        ),
        row(
            "tls.client.operatorSecret",
            Nothing,
            &[secrets("a", "b"), secrets("a", "c")],
            &[secrets("a", ""), client(json!({"operatorSecret": "a"}))],
        ),
        row(
            "tls.client.authority",
            Recreate,
            &[client(json!({"authority": 1})), client(json!({"authority": 2}))],
            &[client(json!({"authority": 0})), client(json!({"mode": "Off", "authority": 2}))],
        ),
        row(
            "tls.peer.mode",
            Recreate,
            &[
                peer(json!({"mode": "Managed"})),
                peer(json!({"mode": "Off"})),
                peer(json!({"mode": "Secrets", "secret": "a"})),
            ],
            &[peer(json!({"mode": "On"})), peer(json!({"mode": "Secrets"}))],
        ),
        row(
            "tls.peer.secret",
            Recreate,
            &[
                peer(json!({"mode": "Secrets", "secret": "a"})),
                peer(json!({"mode": "Secrets", "secret": "b"})),
            ],
            &[peer(json!({"mode": "Secrets", "secret": ""})), peer(json!({"secret": "a"}))],
        ),
        row(
            "tls.peer.authority",
            Recreate,
            &[peer(json!({"authority": 1})), peer(json!({"authority": 2}))],
            &[peer(json!({"authority": 0}))],
        ),
    ]
}

/// What the historical kind has beside it.
fn old() -> Vec<Row> {
    use Change::{Live, Nothing, Recreate};
    let claim = |claim: Value| json!({"pod": {"persistentVolumeClaimSpec": claim}});
    let request = |size: &str| claim(json!({"resources": {"requests": {"storage": size}}}));
    let tls = |peer: &str, server: &str, operator: &str| {
        let member = json!({"peerSecret": peer, "serverSecret": server});
        json!({"TLS": {"static": {"member": member, "operatorSecret": operator}}})
    };
    let alone = json!({"TLS": {"static": {"operatorSecret": "o"}}});
    vec![
        row(
            "TLS.static.member.peerSecret",
            Recreate,
            &[tls("p", "s", "o"), tls("q", "s", "o")],
            &[tls("", "s", "o")],
        ),
        row(
            "TLS.static.member.serverSecret",
            Recreate,
            &[tls("p", "s", "o"), tls("p", "t", "o")],
            &[tls("p", "", "o")],
        ),
        row(
            "TLS.static.operatorSecret",
            Nothing,
            &[tls("p", "s", "o"), tls("p", "s", "n")],
            &[tls("p", "s", ""), alone],
        ),
        row(
            "pod.busyboxImage",
            Nothing,
            &[json!({"pod": {"busyboxImage": "a"}}), json!({"pod": {}})],
            &[json!({"pod": {"busyboxImage": 1}})],
        ),
        row(
            "pod.DNSTimeoutInSecond",
            Nothing,
            &[json!({"pod": {"DNSTimeoutInSecond": 10}}), json!({"pod": {}})],
            &[json!({"pod": {"DNSTimeoutInSecond": "long"}})],
        ),
        row(
            "pod.persistentVolumeClaimSpec.resources.requests.storage",
            Live,
            &[request("1Gi"), request("2Gi")],
            &[request("1G")],
        ),
        row(
            "pod.persistentVolumeClaimSpec.storageClassName",
            Live,
            &[claim(json!({"storageClassName": "a"})), claim(json!({"storageClassName": "b"}))],
            &[claim(json!({"storageClassName": ""}))],
        ),
        // What each member's volume is in any case.
        row(
            "pod.persistentVolumeClaimSpec.accessModes",
            Nothing,
            &[claim(json!({"accessModes": ["ReadWriteOnce"]}))],
            &[claim(json!({"accessModes": ["ReadWriteMany"]}))],
        ),
        row(
            "pod.persistentVolumeClaimSpec.volumeMode",
            Nothing,
            &[claim(json!({"volumeMode": "Filesystem"}))],
            &[claim(json!({"volumeMode": "Block"}))],
        ),
        never(
            "pod.persistentVolumeClaimSpec.resources.limits",
            claim(json!({"resources": {"limits": {}}})),
        ),
        never("pod.persistentVolumeClaimSpec.volumeName", claim(json!({"volumeName": "a"}))),
        never("pod.persistentVolumeClaimSpec.selector", claim(json!({"selector": {}}))),
        never("pod.persistentVolumeClaimSpec.dataSource", claim(json!({"dataSource": {}}))),
        never("pod.persistentVolumeClaimSpec.dataSourceRef", claim(json!({"dataSourceRef": {}}))),
        never("pod.securityContext", json!({"pod": {"securityContext": {}}})),
        never("pod.antiAffinity", json!({"pod": {"antiAffinity": true}})),
    ]
}

/// A spec with this in it.
fn spec(with: &Value) -> Value {
    let mut spec = json!({"size": 3, "version": "3.5.35"});
    for (field, value) in with.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

/// The fields below a schema that have none themselves.
fn leaves(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if schema["items"]["properties"].is_object() {
        return leaves(&schema["items"], &format!("{path}[]"), found);
    }
    let Some(fields) = schema["properties"].as_object() else {
        found.insert(path.to_owned());
        return;
    };
    for (name, inner) in fields {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        leaves(inner, &path, found);
    }
}

/// What is to be seen of a spec: the first plan, with all that pods are made of and all that is around them.
fn effect(spec: &EtcdClusterSpec) -> Value {
    let object = Identity::new("default", "demo", "0c5f");
    let mut snapshot = Snapshot::new("2026-01-01T00:00:00Z".parse().unwrap(), object, spec.clone());
    snapshot.platform = platform();
    let plan = plan(&Etcd, &snapshot);
    let accepted = plan.status.record.accepted.as_ref().unwrap().spec.clone();
    let operator = accepted.tls.client().files(APPLICATION, &snapshot.object, Holder::Operator);
    let warned = plan.status.conditions.iter().map(|it| &it.message).collect::<Vec<_>>();
    let mut actions = json!(plan.actions);
    for action in actions.as_array_mut().unwrap() {
        // It holds the spec itself.
        action["CreatePod"]["launch"]["spec"].take();
    }
    let operator = operator.map(|it| it.secret);
    let retention = json!(plan.retention);
    let root = accepted.auth.as_ref().map(|it| it.secret(&snapshot.object));
    let users = (Etcd.steps(&accepted, &without_users()), root);
    let rest = json!([operator, plan.status.phase, warned, retention, users]);
    json!([actions, plan.surroundings, plan.roles, rest])
}

/// A cluster where authentication is off and could be turned on.
fn without_users() -> Cluster {
    let mut leader = Member::new("demo-a", "a", "member").voting(true);
    leader.leads = true;
    let mut cluster = Cluster::default();
    cluster.members = vec![leader];
    let auth = Some(AuthFacts::default());
    cluster.facts = Facts::of(&ClusterFacts { same_data: Some(true), auth });
    cluster
}

fn platform() -> Platform {
    let mut platform = Platform::default();
    platform.default_storage_class = Some("standard".into());
    platform.cert_manager = true;
    platform
}

async fn checked<K>(client: Client, rows: Vec<Row>, read: fn(Value) -> EtcdClusterSpec)
where
    K: Resource<DynamicType = ()> + CustomResourceExt,
{
    let schema = json!(K::crd())["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    let mut fields = BTreeSet::new();
    leaves(&schema["properties"]["spec"], "", &mut fields);
    let covers = |row: &Row, field: &str| {
        field.strip_prefix(row.path).is_some_and(|it| it.is_empty() || it.starts_with(['.', '[']))
    };
    for field in &fields {
        assert!(rows.iter().any(|it| covers(it, field)), "{field} has no row");
    }
    let api = Api::<DynamicObject>::default_namespaced_with(client, &ApiResource::erase::<K>(&()));
    let mut others = vec![];
    for row in &rows {
        assert!(fields.iter().any(|it| covers(row, it)), "{} is no field", row.path);
        assert!(!row.refused.is_empty(), "{} takes anything", row.path);
        for value in &row.refused {
            let error = stored::<K>(&api, value).await.expect_err(&format!("{value}"));
            assert!(matches!(&error, kube::Error::Api(it) if it.code == 422), "{value}: {error}");
        }
        let mut seen: Vec<Value> = vec![];
        for value in &row.values {
            let stored =
                stored::<K>(&api, value).await.unwrap_or_else(|it| panic!("{value}: {it}"));
            let planned = read(stored);
            let accepted = Etcd.settle(&planned, None, &platform());
            let problems = Etcd.validate(&Identity::new("default", "demo", "0c5f"), &accepted);
            let refused = problems.iter().find(|it| it.severity == Severity::Refused);
            assert_eq!(refused, None, "{value}");
            let effect = effect(&planned);
            assert!(!seen.contains(&effect), "{value} has no effect");
            seen.push(effect);
        }
        if let [before, after, ..] = &row.values[..] {
            let before = Etcd.settle(&read(spec(before)), None, &platform());
            let after = Etcd.settle(&read(spec(after)), Some(&before), &platform());
            let change = Etcd.change(&"member".into(), &before, &after);
            // What is chosen once stays when the field is taken away; else it is as if nobody had written it.
            let unset = Etcd.settle(&read(spec(&json!({}))), Some(&before), &platform());
            let blank = Etcd.settle(&read(spec(&json!({}))), None, &platform());
            let once = ["auth.", "storage.", "tls.", "pod.persistentVolumeClaimSpec."];
            let stays = once.iter().any(|it| row.path.starts_with(it));
            // A log that is apart is not: without the field it is where the data is.
            let before = EtcdClusterSpec { wal: None, ..before };
            assert_eq!(unset, if stays { before } else { blank }, "{}", row.path);
            if change != row.change {
                others.push((row.path, change));
            }
        }
    }
    assert_eq!(others, [], "these changes take something else");
}

/// What the API server makes of a spec, without keeping it.
async fn stored<K: Resource<DynamicType = ()>>(
    api: &Api<DynamicObject>,
    with: &Value,
) -> Result<Value, kube::Error> {
    let metadata = json!({"name": "demo"});
    let (version, kind) = (K::api_version(&()), K::kind(&()));
    let object =
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec(with)});
    let mut object: DynamicObject = serde_json::from_value(object).unwrap();
    object.data["spec"] = spec(with);
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let mut stored = api.create(&params, &object).await?;
    assert_eq!(stored.name_any(), "demo");
    Ok(stored.data["spec"].take())
}

#[tokio::test]
async fn every_field_of_the_new_kind_acts_or_is_refused() {
    let world = World::new().await;
    let rows = common().into_iter().chain(new()).collect();
    checked::<EtcdCluster>(world.client(), rows, |spec| {
        serde_json::from_value::<endstate_etcd::crd::EtcdClusterSpec>(spec).unwrap().into()
    })
    .await;
}

#[tokio::test]
async fn every_field_of_the_historical_kind_acts_is_warned_of_or_refused() {
    let world = World::new().await;
    let rows = common().into_iter().chain(old()).collect();
    checked::<historical::EtcdCluster>(world.client(), rows, |spec| {
        serde_json::from_value::<historical::EtcdClusterSpec>(spec).unwrap().into()
    })
    .await;
}

/// Every field of a task asks for something else, or is refused.
#[tokio::test]
async fn every_field_of_a_task_acts_or_is_refused() {
    let world = World::new().await;
    let schema = json!(EtcdTask::crd())["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    let mut fields = BTreeSet::new();
    leaves(&schema["properties"]["spec"], "", &mut fields);
    let long = "a".repeat(64);
    let rows = [
        ("cluster", json!({"moveLeader": {}}), json!({"cluster": "", "moveLeader": {}})),
        ("moveLeader.to", json!({"moveLeader": {"to": "a"}}), json!({"moveLeader": {"to": long}})),
        (
            "replaceMember.member",
            json!({"replaceMember": {"member": "a"}}),
            json!({"replaceMember": {}}),
        ),
        (
            "defragment.members",
            json!({"defragment": {"members": ["a"]}}),
            json!({"defragment": {"members": ["a", "a"]}}),
        ),
        ("defragment.members", json!({"defragment": {}}), json!({"defragment": {"members": [""]}})),
    ];
    for field in &fields {
        assert!(rows.iter().any(|it| it.0 == field), "{field} has no row");
    }
    let mut seen = vec![];
    for (field, accepted, refused) in rows {
        assert!(fields.contains(field), "{field} is no field");
        let object = task(&world, accepted).await.unwrap();
        let asked = Beside::new("EtcdTask", "one", Facts::of(&object.data["spec"]));
        let operation = Etcd.operations().unwrap().of(&asked).unwrap();
        assert!(operation != Operation::Unknown && !seen.contains(&operation), "{field}");
        seen.push(operation);
        let refused = task(&world, refused).await.expect_err(field);
        assert!(matches!(&refused, kube::Error::Api(it) if it.code == 422), "{field}: {refused}");
    }
    for none_or_two in [json!({}), json!({"moveLeader": {}, "defragment": {}})] {
        let refused = task(&world, none_or_two).await.unwrap_err().to_string();
        assert!(refused.contains("name one operation: "), "{refused}");
    }
}

/// What the API server makes of a task, without keeping it.
async fn task(world: &World, spec: Value) -> Result<DynamicObject, kube::Error> {
    let kind = ApiResource::erase::<EtcdTask>(&());
    let api = Api::<DynamicObject>::default_namespaced_with(world.client(), &kind);
    let mut object = DynamicObject::new("one", &kind);
    object.data = json!({"spec": {"cluster": "demo"}});
    object.data["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    api.create(&PostParams { dry_run: true, ..PostParams::default() }, &object).await
}

/// A merge patch of nothing.
fn merged(patch: &Value) -> Value {
    let Some(fields) = patch.as_object() else { return patch.clone() };
    let kept = fields.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(name, value)| (name.clone(), merged(value))).collect()
}

/// What the guide has people patch is accepted.
#[tokio::test]
async fn what_the_guide_says_is_accepted() {
    let guide = include_str!("../../../../docs/etcd.md");
    let world = World::new().await;
    let kind = ApiResource::erase::<EtcdCluster>(&());
    let api = Api::<DynamicObject>::default_namespaced_with(world.client(), &kind);
    let patches: Vec<Value> = guide
        .lines()
        .filter_map(|it| it.trim().strip_prefix("kubectl patch etcd demo --type merge -p '"))
        .map(|it| serde_json::from_str(it.strip_suffix('\'').unwrap()).unwrap())
        .collect();
    assert!(patches.len() > 12, "{}", patches.len());
    for patch in patches {
        let result = stored::<EtcdCluster>(&api, &merged(&patch["spec"])).await;
        result.unwrap_or_else(|it| panic!("{patch}: {it}"));
    }
}
