//! What the operator writes on an agent's command line is what the agent reads.

use endstate::agents::{Agency, Seen};
use endstate::crd::Archive;
use endstate_archive::{Addressing, Azure, Gcs, Oss, Place, S3};
use endstate_core::tls::{Given, Link, Source};
use endstate_core::{Identity, Status};
use endstate_etcd::crd::historical;
use endstate_etcd::{Backups, HistoricalBackups};
use etcd_agent::{KeepTask, RestoreTask, When};
use etcd_plan::EtcdClusterSpec;
use serde_json::{Value, json};

fn places() -> [(Value, Place); 6] {
    let (bucket, prefix) = ("b".to_owned(), "p/q".to_owned());
    let endpoint = "https://store.example:9000".to_owned();
    let hosted = S3 {
        bucket: bucket.clone(),
        prefix: String::new(),
        endpoint: None,
        region: None,
        addressing: Addressing::VirtualHosted,
    };
    let s3 = S3 {
        bucket: bucket.clone(),
        prefix: prefix.clone(),
        endpoint: Some(endpoint.clone()),
        region: Some("eu-1".into()),
        addressing: Addressing::Path,
    };
    let azure = Azure {
        account: Some("a".into()),
        container: "c".into(),
        prefix: prefix.clone(),
        endpoint: Some(endpoint.clone()),
    };
    let oss = Oss { bucket: bucket.clone(), prefix: prefix.clone(), endpoint, region: None };
    let at = "https://store.example:9000";
    [
        (
            json!({"s3": {"bucket": "b", "prefix": "p/q", "endpoint": at, "region": "eu-1", "secret": "s"}}),
            Place::S3(s3),
        ),
        (
            json!({"s3": {"bucket": "b", "addressing": "VirtualHosted", "secret": "s"}}),
            Place::S3(hosted),
        ),
        (
            json!({"gcs": {"bucket": "b", "prefix": "p/q", "secret": "s"}}),
            Place::Gcs(Gcs { bucket, prefix }),
        ),
        (
            json!({"azure": {"account": "a", "container": "c", "prefix": "p/q", "endpoint": at, "secret": "s"}}),
            Place::Azure(azure),
        ),
        (
            json!({"oss": {"bucket": "b", "prefix": "p/q", "endpoint": at, "secret": "s"}}),
            Place::Oss(oss),
        ),
        (
            json!({"volume": {"claim": "kept", "path": "etcd/"}}),
            Place::Path { path: "/archive/etcd".into() },
        ),
    ]
}

#[test]
fn every_place_is_read_as_it_was_declared_and_holds_no_secret() {
    for (declared, place) in places() {
        let archive: Archive = serde_json::from_value(declared.clone()).expect("it is a place");
        let read: Place = serde_json::from_value(archive.place()).expect("the agent reads it");
        assert_eq!(read, place, "{declared}");
        assert_eq!(archive.secret().is_some(), archive.claim().is_none(), "{declared}");
    }
}

#[test]
fn what_is_to_be_restored_is_read_as_it_was_declared() {
    let from = json!({"volume": {"claim": "kept"}});
    let declared = json!({"from": from, "time": "2026-01-31T12:00:00Z", "lineage": "default.demo.1",
        "encryption": {"secret": "key"}});
    let restore: endstate::crd::Restore =
        serde_json::from_value(declared).expect("it is a restore");
    let restore = endstate_core::Restore::from(restore);
    let task: RestoreTask = serde_json::from_str(&restore.what).expect("the agent reads it");
    assert_eq!(task.from, Place::Path { path: "/archive".into() });
    assert_eq!(task.time, Some("2026-01-31T12:00:00Z".parse().expect("a time")));
    assert_eq!((task.revision, task.bump_revision, task.encrypted), (None, 1_000_000_000, true));
    assert_eq!(restore.secrets.len(), 1);
    assert_eq!(restore.claim.expect("a claim").path, "/archive");
}

#[test]
fn what_is_to_be_kept_is_read_as_it_was_declared() {
    let cluster = Identity::new("default", "demo", "u1");
    let object = Identity::new("default", "demo", "u2");
    let mut status = Status::<EtcdClusterSpec>::default();
    let spec = json!({"cluster": "demo", "to": {"volume": {"claim": "kept"}}, "compression": "None",
        "schedule": {"full": "6h", "delta": "1m", "trial": "1d"}, "keep": {"last": 3, "days": 2}});
    let agent = |status: &Status<EtcdClusterSpec>, spec: &Value| {
        let status = json!(status);
        let seen = Seen { object: &cluster, status: &status };
        Backups.agent(&object, (spec, &Value::Null), &seen)
    };
    assert_eq!(agent(&status, &spec).expect_err("no cluster").reason, "ClusterNotReady");
    status.record.stage = Some(EtcdClusterSpec::new(3, "3.5.16"));
    status.record.cluster_id = Some("c1".into());
    let made = agent(&status, &spec).expect("an agent");
    let [_, _, _, task] = &made.arguments[..] else { panic!("{:?}", made.arguments) };
    let task: KeepTask = serde_json::from_str(task).expect("the agent reads it");
    let when = When {
        full: Some(21_600),
        delta: Some(60),
        trial: Some(86_400),
        last: Some(3),
        days: Some(2),
    };
    assert_eq!(task.when, when);
    assert_eq!(task.compression, endstate_archive::Compression::None);
    assert_eq!(task.endpoint, "http://demo-client.default.svc:2379");
    assert_eq!((task.tls, task.password, task.by.as_str()), (None, None, "u2"));
    let once = json!({"cluster": "demo", "to": {"volume": {"claim": "kept"}}});
    let made = agent(&status, &once).expect("an agent");
    let task: KeepTask = serde_json::from_str(&made.arguments[3]).expect("the agent reads it");
    assert_eq!(task.when, When::default());
    assert_eq!(task.compression, endstate_archive::Compression::default());
}

/// Objects of the first etcd operator are read by the same agent, in the same words.
#[test]
fn what_the_first_etcd_operator_was_asked_for_is_read() {
    let store = json!({"path": "b/p", "ossSecret": "s"});
    let place = Place::Oss(Oss {
        bucket: "b".into(),
        prefix: "p".into(),
        endpoint: "https://oss-cn-hangzhou.aliyuncs.com".into(),
        region: None,
    });
    let restored =
        json!({"backupStorageType": "OSS", "oss": store, "etcdCluster": {"name": "demo"}});
    let restore = historical::restore(&restored).expect("it can be");
    let restore = endstate_core::Restore::from(restore);
    let task: RestoreTask = serde_json::from_str(&restore.what).expect("the agent reads it");
    assert_eq!((task.from, task.bump_revision), (place.clone(), 1_000_000_000));

    let spec = json!({"storageType": "OSS", "oss": store, "etcdEndpoints": ["https://demo-client:2379"],
        "clientTLSSecret": "mine",
        "backupPolicy": {"timeoutInSecond": 60, "backupIntervalInSecond": 125, "maxBackups": 4}});
    let cluster = Identity::new("default", "demo", "u1");
    let object = Identity::new("default", "one", "u2");
    let agent = |plain: bool, spec: &Value| {
        let mut status = Status::<EtcdClusterSpec>::default();
        let mut running = EtcdClusterSpec::new(3, "3.5.16");
        let given = Given { members: "m".into(), operator: "o".into(), ..Given::default() };
        let on = Link::On(Source::Secrets(given));
        running.tls.client = Some(if plain { Link::Off } else { on });
        status.record.stage = Some(running);
        status.record.cluster_id = Some("c1".into());
        let status = json!({"endstate": status});
        let seen = Seen { object: &cluster, status: &status };
        HistoricalBackups.agent(&object, (spec, &Value::Null), &seen)
    };
    let made = agent(false, &spec).expect("an agent");
    let task: KeepTask = serde_json::from_str(&made.arguments[3]).expect("the agent reads it");
    let when = When { full: Some(125), last: Some(4), ..When::default() };
    assert_eq!((task.to, task.when, task.limit), (place, when, Some(60)));
    assert_eq!(task.endpoint, "https://demo-client.default.svc:2379");
    let [certificate, _, authorities] = task.tls.expect("it is asked with TLS");
    assert!(
        certificate.ends_with("etcd-client.crt") && authorities.ends_with("etcd-client-ca.crt")
    );
    assert!(made.secrets.iter().any(|it| it.secret == "mine"), "{:?}", made.secrets);
    let refused = agent(true, &spec).expect_err("there is no TLS").message;
    assert!(refused.contains("remove clientTLSSecret"), "{refused}");
    let mut without = spec.clone();
    without["clientTLSSecret"].take();
    without.as_object_mut().expect("an object").remove("clientTLSSecret");
    let made = agent(true, &without).expect("an agent");
    let task: KeepTask = serde_json::from_str(&made.arguments[3]).expect("the agent reads it");
    assert_eq!((task.tls, task.endpoint.as_str()), (None, "http://demo-client.default.svc:2379"));
}
