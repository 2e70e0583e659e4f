//! What each field of both specs takes, and what of it is refused.

use endstate_core::Change;
use serde_json::{Value, json};

/// One field, or all that is below it.
pub(super) struct Row {
    pub(super) path: &'static str,
    /// Specs that differ in it alone, each accepted, the first and the second also one after the other.
    pub(super) values: Vec<Value>,
    /// What it takes to bring a member from the first to the second.
    pub(super) change: Change,
    pub(super) refused: Vec<Value>,
}

fn row(path: &'static str, change: Change, values: &[Value], refused: &[Value]) -> Row {
    Row { path, values: values.to_vec(), change, refused: refused.to_vec() }
}

/// One that is there to be refused, whatever it holds.
fn never(path: &'static str, refused: Value) -> Row {
    row(path, Change::Nothing, &[], &[refused])
}

/// What both kinds have.
pub(super) fn common() -> Vec<Row> {
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
            "quorumRecovery",
            Nothing,
            &[json!({"quorumRecovery": "Auto"}), json!({"quorumRecovery": "Never"})],
            &[json!({"quorumRecovery": "auto"}), json!({"quorumRecovery": true})],
        ),
        row(
            "spaceRemedy",
            Nothing,
            &[json!({"spaceRemedy": "Auto"}), json!({"spaceRemedy": "Manual"})],
            &[json!({"spaceRemedy": "auto"}), json!({"spaceRemedy": "Never"})],
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
pub(super) fn new() -> Vec<Row> {
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
            "bootstrap.restore.from",
            Nothing,
            &[
                restore(json!({"from": {"s3": {"bucket": "a", "secret": "s"}}})),
                restore(json!({"from": {"s3": {"bucket": "a", "secret": "s", "prefix": "p"}}})),
                restore(json!({"from": {"s3": {"bucket": "a", "secret": "s", "endpoint": "e"}}})),
                restore(json!({"from": {"s3": {"bucket": "a", "secret": "s", "region": "r"}}})),
                restore(json!({"from": {"s3": {"bucket": "a", "secret": "t"}}})),
                restore(
                    json!({"from": {"s3": {"bucket": "a", "secret": "s", "addressing": "VirtualHosted"}}}),
                ),
                restore(json!({"from": {"gcs": {"bucket": "a", "secret": "s"}}})),
                restore(
                    json!({"from": {"azure": {"account": "a", "container": "c", "secret": "s"}}}),
                ),
                restore(json!({"from": {"azure": {"container": "c", "secret": "s"}}})),
                restore(json!({"from": {"oss": {"bucket": "a", "endpoint": "e", "secret": "s"}}})),
                restore(json!({"from": {"volume": {"claim": "c"}}})),
                restore(json!({"from": {"volume": {"claim": "c", "path": "p"}}})),
            ],
            &[
                restore(json!({"from": {}})),
                restore(
                    json!({"from": {"s3": {"bucket": "a", "secret": "s", "addressing": "Host"}}}),
                ),
                restore(json!({"from": {"volume": {"claim": "c", "path": "../p"}}})),
                restore(
                    json!({"from": {"volume": {"claim": "c"}, "gcs": {"bucket": "a", "secret": "s"}}}),
                ),
            ],
        ),
        row(
            "bootstrap.restore.lineage",
            Nothing,
            &[restore(json!({})), restore(json!({"lineage": "default.demo.1"}))],
            &[restore(json!({"lineage": ""}))],
        ),
        row(
            "bootstrap.restore.encryption.secret",
            Nothing,
            &[restore(json!({})), restore(json!({"encryption": {"secret": "a"}}))],
            &[restore(json!({"encryption": {}}))],
        ),
        row(
            "bootstrap.restore.revision",
            Nothing,
            &[restore(json!({})), restore(json!({"revision": 7}))],
            &[restore(json!({"revision": 0}))],
        ),
        row(
            "bootstrap.restore.time",
            Nothing,
            &[restore(json!({})), restore(json!({"time": "2026-01-31T12:00:00Z"}))],
            &[
                restore(json!({"time": "yesterday"})),
                restore(json!({"time": "2026-01-31T12:00:00Z", "revision": 7})),
            ],
        ),
        row(
            "bootstrap.restore.bumpRevision",
            Nothing,
            &[restore(json!({})), restore(json!({"bumpRevision": 0}))],
            &[
                restore(json!({"bumpRevision": -1})),
                json!({"version": "3.4.23", "bootstrap": {"restore": {"from": {"volume": {"claim": "c"}}}}}),
            ],
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
            &[
                client(json!({"authority": 1})),
                client(json!({"authority": 2})),
                client(
                    json!({"mode": "Secrets", "serverSecret": "a", "operatorSecret": "b", "authority": 3}),
                ),
            ],
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
            &[
                peer(json!({"authority": 1})),
                peer(json!({"authority": 2})),
                peer(json!({"mode": "Secrets", "secret": "a", "authority": 3})),
            ],
            &[peer(json!({"authority": 0})), peer(json!({"mode": "Off", "authority": 2}))],
        ),
    ]
}

/// What the historical kind has beside it.
pub(super) fn old() -> Vec<Row> {
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

/// A cluster that begins with a backup, of which this is said beside where it is.
fn restore(with: Value) -> Value {
    let mut restore = json!({"from": {"volume": {"claim": "c"}}});
    for (field, value) in with.as_object().into_iter().flatten() {
        restore[field] = value.clone();
    }
    json!({"bootstrap": {"restore": restore}})
}
