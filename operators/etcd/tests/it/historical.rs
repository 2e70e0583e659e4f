//! `EtcdBackup` and `EtcdRestore` of the first etcd operator: every field of theirs acts or is refused, and so is what
//! only the operator can tell, in the status that they had.

use std::collections::BTreeSet;

use endstate::agents::{Agency, Agent, Seen};
use endstate_core::tls::{Given, Link, Source};
use endstate_core::{Identity, Verdict};
use endstate_etcd::HistoricalBackups;
use endstate_etcd::crd::historical::{EtcdBackup, EtcdCluster, EtcdRestore, restore};
use etcd_plan::EtcdClusterSpec;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{CustomResourceExt, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::fields::leaves;
use crate::operator::World;

type Row = (&'static str, Value, Value);

/// What both kinds say of stores: a field, a value that acts, one that is refused.
fn stores(named: &'static str) -> Vec<Row> {
    let of = |kind: &str, store: &str, fields: Value| json!({named: kind, store: fields});
    let s3 = |with: Value| {
        let mut fields = json!({"path": "bucket/p", "awsSecret": "s", "forcePathStyle": true});
        fields.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        of("S3", "s3", fields)
    };
    let abs =
        |path: &str, secret: &str| of("ABS", "abs", json!({"path": path, "absSecret": secret}));
    let gcs =
        |path: &str, secret: &str| of("GCS", "gcs", json!({"path": path, "gcpSecret": secret}));
    let oss = |path: &str, secret: &str, at: &str| {
        of("OSS", "oss", json!({"path": path, "ossSecret": secret, "endpoint": at}))
    };
    let long = "a".repeat(600);
    vec![
        (named, s3(json!({})), of("FTP", "s3", json!({"path": "bucket/p", "awsSecret": "s"}))),
        ("s3.path", s3(json!({"path": "b/q/r"})), s3(json!({"path": "b"}))),
        ("s3.awsSecret", s3(json!({"awsSecret": "t"})), s3(json!({"awsSecret": ""}))),
        ("s3.endpoint", s3(json!({"endpoint": "http://s"})), s3(json!({"endpoint": long}))),
        (
            "s3.forcePathStyle",
            s3(json!({"forcePathStyle": false})),
            s3(json!({"forcePathStyle": 1})),
        ),
        ("abs.path", abs("c/p", "s"), abs("/c", "s")),
        ("abs.absSecret", abs("c/p", "t"), abs("c/p", "")),
        ("gcs.path", gcs("b/p", "s"), gcs("b/", "s")),
        ("gcs.gcpSecret", gcs("b/p", "t"), gcs("b/p", &long)),
        ("oss.path", oss("b/p", "s", ""), oss("b//", "s", "")),
        ("oss.ossSecret", oss("b/p", "t", ""), oss("b/p", "", "")),
        ("oss.endpoint", oss("b/p", "s", "https://o"), oss("b/p", "s", &long)),
        // Another store than the one that is named.
        (
            "abs.path",
            abs("c/q", "s"),
            json!({named: "ABS", "s3": {"path": "bucket/p", "awsSecret": "s"}}),
        ),
        (
            "gcs.path",
            gcs("b/q", "s"),
            json!({named: "GCS", "gcs": {"path": "b/p", "gcpSecret": "s"},
            "oss": {"path": "b/p", "ossSecret": "s"}}),
        ),
    ]
}

fn fields_of<K: CustomResourceExt>() -> BTreeSet<String> {
    let schema = json!(K::crd())["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    let mut fields = BTreeSet::new();
    leaves(&schema["properties"]["spec"], "", &mut fields);
    fields
}

fn api<K: Resource<DynamicType = ()>>(world: &World) -> Api<DynamicObject> {
    Api::default_namespaced_with(world.client(), &ApiResource::erase::<K>(&()))
}

fn object<K: Resource<DynamicType = ()>>(name: &str, spec: &[&Value]) -> DynamicObject {
    let mut object = DynamicObject::new(name, &ApiResource::erase::<K>(&()));
    object.data = json!({"spec": {}});
    let fields = spec.iter().flat_map(|it| it.as_object().unwrap().clone());
    object.data["spec"].as_object_mut().unwrap().extend(fields);
    object
}

/// Every row's value is taken and has an effect of its own, and every other one is refused.
async fn checked<K, E: PartialEq + std::fmt::Debug>(
    (base, rows): (Value, Vec<Row>),
    effect: impl Fn(&Value) -> E,
) where
    K: Resource<DynamicType = ()> + CustomResourceExt,
{
    let world = World::new().await;
    let (fields, api) = (fields_of::<K>(), api::<K>(&world));
    for field in &fields {
        assert!(rows.iter().any(|it| it.0 == field), "{field} has no row");
    }
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let mut seen = vec![];
    for (field, accepted, refused) in rows {
        assert!(fields.contains(field), "{field} is no field");
        let stored = api.create(&dry, &object::<K>("demo", &[&base, &accepted])).await;
        let stored = stored.unwrap_or_else(|it| panic!("{field}: {it}"));
        let effect = effect(&stored.data["spec"]);
        assert!(!seen.contains(&effect), "{field} has no effect");
        seen.push(effect);
        let refused = api.create(&dry, &object::<K>("demo", &[&base, &refused])).await;
        let refused = refused.expect_err(field);
        assert!(matches!(&refused, kube::Error::Api(it) if it.code == 422), "{field}: {refused}");
    }
}

/// The agent of a backup of a cluster that serves with TLS.
fn agent(spec: &Value) -> Result<Agent, Verdict> {
    let mut status = endstate_core::Status::<EtcdClusterSpec>::default();
    let mut running = EtcdClusterSpec::new(3, "3.5.16");
    let given = Given { members: "m".into(), operator: "o".into(), ..Given::default() };
    running.tls.client = Some(Link::On(Source::Secrets(given)));
    status.record.stage = Some(running);
    status.record.cluster_id = Some("c1".into());
    let name = HistoricalBackups::cluster("default", spec)?;
    let (object, cluster) =
        (Identity::new("default", "one", "u2"), Identity::new("default", name, "u1"));
    let status = json!({"endstate": status});
    let seen = Seen { object: &cluster, status: &status };
    HistoricalBackups.agent(&object, (spec, &Value::Null), &seen)
}

#[tokio::test]
async fn every_field_of_a_backup_acts_or_is_refused() {
    let with = |field: &str, it: Value| json!({"storageType": "S3", "s3": {"path": "bucket/p", "awsSecret": "s", "forcePathStyle": true}, field: it});
    let policy = |it: Value| with("backupPolicy", it);
    let mut rows = stores("storageType");
    rows.extend([
        (
            "etcdEndpoints",
            with("etcdEndpoints", json!(["http://other-client.default.svc:2379"])),
            with("etcdEndpoints", json!([])),
        ),
        (
            "backupPolicy.backupIntervalInSecond",
            policy(json!({"backupIntervalInSecond": 125})),
            policy(json!({"backupIntervalInSecond": -1})),
        ),
        (
            "backupPolicy.maxBackups",
            policy(json!({"backupIntervalInSecond": 125, "maxBackups": 4})),
            policy(json!({"maxBackups": -1})),
        ),
        (
            "backupPolicy.timeoutInSecond",
            policy(json!({"timeoutInSecond": 60})),
            policy(json!({"timeoutInSecond": -1})),
        ),
        (
            "clientTLSSecret",
            with("clientTLSSecret", json!("mine")),
            with("clientTLSSecret", json!("a".repeat(254))),
        ),
    ]);
    // The store is each row's.
    let base = json!({"etcdEndpoints": ["http://demo-client:2379"]});
    checked::<EtcdBackup, _>((base, rows), |it| agent(it).unwrap()).await;
}

#[tokio::test]
async fn every_field_of_a_restore_acts_or_is_refused() {
    let mut rows = stores("backupStorageType");
    let s3 = |name: &str| json!({"backupStorageType": "S3", "s3": {"path": "bucket/p", "awsSecret": "s"}, "etcdCluster": {"name": name}});
    rows.push(("etcdCluster.name", s3("other"), s3("")));
    let base = json!({"etcdCluster": {"name": "demo"}});
    checked::<EtcdRestore, _>((base, rows), |spec| {
        let restore = endstate_core::Restore::from(restore(spec).unwrap());
        (json!(restore), spec["etcdCluster"].clone())
    })
    .await;
}

#[test]
fn endpoints_are_the_service_of_one_cluster_of_the_namespace() {
    let cluster = |urls: &[&str]| {
        HistoricalBackups::cluster("default", &json!({"etcdEndpoints": urls}))
            .map_err(|it| it.message)
    };
    for url in [
        "http://demo-client:2379",
        "https://demo-client.default:2379/",
        "demo-client.default.svc:2379",
        "http://demo-client.default.svc.cluster.local:2379",
    ] {
        assert_eq!(cluster(&[url, "http://demo-client:2379"]), Ok("demo".to_owned()), "{url}");
    }
    for url in [
        "",
        "http://10.0.0.1:2379",
        "http://demo-client:2380",
        "http://demo-client",
        "http://-client:2379",
        "http://demo-client.other.svc:2379",
        "http://demo-client.default.example.com:2379",
        "http://demo-x7k2p.demo-peer.default.svc:2379",
        "ftp://demo-client:2379",
        "<etcd-cluster-endpoints>",
    ] {
        let refused = cluster(&[url]).unwrap_err();
        assert!(refused.contains("write http://NAME-client.default.svc:2379"), "{refused}");
    }
    let refused = cluster(&["http://a-client:2379", "http://b-client:2379"]).unwrap_err();
    assert!(refused.contains("name one"), "{refused}");
    assert!(cluster(&[]).is_err());
}

fn backup_spec(cluster: &str) -> Value {
    json!({"etcdEndpoints": [format!("http://{cluster}-client:2379")], "storageType": "S3",
        "s3": {"path": "bucket/p", "awsSecret": "s"}})
}

/// By the rights of an installation: what cannot be is told in the words and in the place that users know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_in_the_status_that_they_had() {
    let world = World::new().await;
    let (backups, restores) = (api::<EtcdBackup>(&world), api::<EtcdRestore>(&world));
    let create = async |api: &Api<DynamicObject>, object: DynamicObject| {
        api.create(&PostParams::default(), &object).await.unwrap();
    };
    let endpoints = json!({"etcdEndpoints": ["http://10.0.0.1:2379"]});
    let keep = json!({"backupPolicy": {"maxBackups": 2}});
    let gcs = json!({"storageType": "GCS", "gcs": {"path": "b/p"}, "etcdEndpoints": ["http://old-client:2379"]});
    create(&backups, object::<EtcdBackup>("foreign", &[&backup_spec("new"), &endpoints])).await;
    create(&backups, object::<EtcdBackup>("lost", &[&backup_spec("new")])).await;
    create(&backups, object::<EtcdBackup>("early", &[&backup_spec("old")])).await;
    create(&backups, object::<EtcdBackup>("greedy", &[&backup_spec("old"), &keep])).await;
    create(&backups, object::<EtcdBackup>("anonymous", &[&gcs])).await;
    let store = json!({"backupStorageType": "S3", "s3": {"path": "bucket/p", "awsSecret": "s"}});
    let of = |name: &str| json!({"etcdCluster": {"name": name}});
    create(&restores, object::<EtcdRestore>("lost", &[&store, &of("new")])).await;
    create(&restores, object::<EtcdRestore>("old", &[&store, &of("old")])).await;
    create(&restores, object::<EtcdRestore>("done", &[&store, &of("old")])).await;
    create(&restores, object::<EtcdRestore>("refused", &[&store, &of("old")])).await;
    for (name, status) in
        [("done", json!({"succeeded": true})), ("refused", json!({"reason": "no seed"}))]
    {
        let patch = Patch::Merge(json!({"status": status}));
        restores.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }
    // A cluster of the new kind is none of theirs.
    world.create("new", json!({"size": 1, "version": "3.5.35"})).await.unwrap();
    let mut old = DynamicObject::new("old", &ApiResource::erase::<EtcdCluster>(&()));
    old.data = json!({"spec": {"size": 1, "version": "3.5.35"}});
    create(&api::<EtcdCluster>(&world), old).await;
    world.operate();
    let said = |field: &'static str, text: &'static str| {
        move |it: &Value| {
            it["succeeded"] == false && it[field].as_str().is_some_and(|it| it.contains(text))
        }
    };
    world
        .until(&backups, "foreign", said("Reason", "write http://NAME-client.default.svc:2379"))
        .await;
    world.until(&backups, "early", said("Reason", "the cluster old is not formed yet")).await;
    let none = "there is no cluster new of etcd.database.coreos.com/v1beta2";
    let lost = world.until(&backups, "lost", said("Reason", none)).await;
    assert_eq!(lost.data["status"]["endstate"]["conditions"][0]["reason"], "ClusterNotFound");
    world.until(&backups, "anonymous", said("Reason", "gcs.gcpSecret")).await;
    world.until(&backups, "greedy", said("Reason", "needs backupIntervalInSecond")).await;
    let lost = world.until(&restores, "lost", said("reason", "there is no cluster new")).await;
    assert_eq!(lost.data["status"]["endstate"]["operation"], "restore");
    // It is never begun while pods of a cluster without volumes would have to go.
    world.until(&restores, "old", said("reason", "members have no volumes")).await;
    // What the first operator was done with is over.
    let done = world.until(&restores, "done", |it| it["endstate"]["state"] == "Complete").await;
    assert_eq!(done.data["status"]["succeeded"], true);
    world.until(&restores, "refused", |it| it["endstate"]["state"] == "Failed").await;

    let another = Patch::Merge(json!({"spec": {"etcdCluster": {"name": "b"}}}));
    let refused = restores.patch("lost", &PatchParams::default(), &another).await.unwrap_err();
    assert!(refused.to_string().contains("declare another object"), "{refused}");
    for spec in [
        json!({"backupPolicy": {"backupIntervalInSecond": 60}}),
        json!({"etcdEndpoints": ["http://b-client:2379"]}),
    ] {
        let patch = Patch::Merge(json!({"spec": spec}));
        let refused = backups.patch("lost", &PatchParams::default(), &patch).await.unwrap_err();
        assert!(refused.to_string().contains("declare another object"), "{refused}");
    }
    assert!(restores.get("old").await.unwrap().finalizers().is_empty());
}
