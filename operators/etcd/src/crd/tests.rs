use endstate_core::tls::{Holder, Link};
use endstate_core::{App, Change, Identity, Problem, VolumeSpec};
use etcd_plan::Etcd;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::*;
use crate::{crds, crds_beside};

fn schema(crd: &CustomResourceDefinition) -> Value {
    json!(crd)["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Every property of a schema, with its path.
fn walk(schema: &Value, path: String, visit: &mut impl FnMut(&str, &Value)) {
    visit(&path, schema);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(inner, format!("{path}.{name}"), visit);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            walk(&schema[inner], format!("{path}[]"), visit);
        }
    }
}

#[test]
fn every_field_that_a_user_writes_is_documented_and_typed() {
    for crd in crds().into_iter().chain(crds_beside()) {
        let spec = schema(&crd)["properties"]["spec"].clone();
        walk(&spec, "spec".into(), &mut |path, it| {
            let typed = it["type"].is_string() || it["x-kubernetes-int-or-string"] == true;
            assert!(typed, "{path} has no type: {it}");
            let documented = it["description"].as_str().is_some_and(|it| it.len() > 3);
            assert!(documented || path.ends_with(']'), "{path} has no description");
        });
    }
}

#[test]
fn no_description_holds_code() {
    for crd in crds().into_iter().chain(crds_beside()) {
        walk(&schema(&crd), String::new(), &mut |path, it| {
            let text = it["description"].as_str().unwrap_or_default();
            assert!(!text.contains("\n```\n"), "{path}: {text}");
        });
    }
}

#[test]
fn only_refused_fields_take_anything() {
    for crd in crds().into_iter().chain(crds_beside()) {
        let spec = schema(&crd)["properties"]["spec"].clone();
        let refused = [
            "valueFrom",
            "TLS",
            "securityContext",
            "limits",
            "selector",
            "dataSource",
            "dataSourceRef",
        ];
        walk(&spec, "spec".into(), &mut |path, it| {
            let open = it["x-kubernetes-preserve-unknown-fields"] == true;
            assert!(!open || refused.iter().any(|it| path.ends_with(it)), "{path} takes anything");
        });
    }
}

/// Those that an API server knows; of any other it warns whoever installs the operator.
#[test]
fn every_format_is_known() {
    for crd in crds().into_iter().chain(crds_beside()) {
        walk(&schema(&crd), "".into(), &mut |path, it| {
            let known = ["int32", "int64", "float", "double", "date-time", "byte", "date"];
            let format = it["format"].as_str();
            assert!(format.is_none_or(|it| known.contains(&it)), "{path}: {format:?}");
        });
    }
}

#[test]
fn the_new_kind_has_its_columns_names_and_subresources() {
    let crd = json!(crds()[0]);
    let names = &crd["spec"]["names"];
    assert_eq!(names["shortNames"], json!(["etcd"]));
    let version = &crd["spec"]["versions"][0];
    assert_eq!(version["subresources"]["scale"]["specReplicasPath"], ".spec.size");
    assert!(version["subresources"]["status"].is_object());
    let columns = version["additionalPrinterColumns"].as_array().unwrap();
    let columns: Vec<_> = columns.iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(columns, ["Size", "Ready", "Version", "Status", "Progress", "Age"]);
    let size = &version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"];
    assert_eq!((size["minimum"].as_f64(), size["maximum"].as_f64()), (Some(0.0), Some(7.0)));
}

/// What the API server would store for the object in `etcd.md`, and what the planner reads from it.
#[test]
fn the_historical_object_reads_as_the_new_one() {
    let old: historical::EtcdCluster = serde_json::from_value(json!({
        "apiVersion": "etcd.database.coreos.com/v1beta2",
        "kind": "EtcdCluster",
        "metadata": {"name": "example-etcd-cluster"},
        "spec": {"size": 3, "version": "3.5.16"},
    }))
    .unwrap();
    let spec = etcd_plan::EtcdClusterSpec::from(old.spec);
    // Who wrote it never had TLS by leaving it out.
    let off = endstate_core::tls::Tls { client: Some(Link::Off), peer: Some(Link::Off) };
    let plain = etcd_plan::EtcdClusterSpec::new(3, "3.5.16");
    assert_eq!(spec, etcd_plan::EtcdClusterSpec { tls: off, ..plain });
}

#[test]
fn the_secrets_of_the_historical_kind_are_used_by_the_names_of_their_files() {
    let spec = json!({"size": 3, "version": "3.5.16", "TLS": {"static": {
        "member": {"peerSecret": "p", "serverSecret": "s"}, "operatorSecret": "o"}}});
    let spec: historical::EtcdClusterSpec = serde_json::from_value(spec).unwrap();
    let tls = etcd_plan::EtcdClusterSpec::from(spec).tls;
    let object = Identity::new("default", "demo", "u");
    let files = |link: &Link, holder| {
        let it = link.files(etcd_plan::APPLICATION, &object, holder).unwrap();
        [it.secret, it.certificate, it.authorities]
    };
    let server = files(tls.client(), Holder::Server);
    assert_eq!(server, ["s", "server.crt", "server-ca.crt"]);
    let operator = files(tls.client(), Holder::Operator);
    assert_eq!(operator, ["o", "etcd-client.crt", "etcd-client-ca.crt"]);
    assert_eq!(files(tls.peer(), Holder::Peer), ["p", "peer.crt", "peer-ca.crt"]);
}

#[test]
fn a_historical_claim_is_the_volume_of_the_new_kind() {
    let spec = |pod: Value| -> etcd_plan::EtcdClusterSpec {
        let spec = json!({"size": 3, "version": "3.5.33", "pod": pod});
        serde_json::from_value::<historical::EtcdClusterSpec>(spec).unwrap().into()
    };
    let claim = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
        "resources": {"requests": {"storage": "5Gi"}}});
    let volume = VolumeSpec::new("5Gi").class(Some("fast".into()));
    let planned = spec(json!({"persistentVolumeClaimSpec": claim}));
    assert_eq!(planned.storage, Some(volume.into()));
    let planned = spec(json!({"persistentVolumeClaimSpec": {}}));
    assert_eq!(planned.storage, Some(VolumeSpec::default().into()));
}

#[test]
fn what_the_historical_kind_has_no_use_for_is_warned_of() {
    let planned = |pod: Value| {
        let spec = json!({"size": 3, "version": "3.5.33", "pod": pod});
        etcd_plan::EtcdClusterSpec::from(
            serde_json::from_value::<historical::EtcdClusterSpec>(spec).unwrap(),
        )
    };
    let idle = planned(json!({"busyboxImage": "busybox:1.28", "DNSTimeoutInSecond": 10}));
    let object = Identity::new("default", "example-etcd-cluster", "u");
    let warned = |field: &str| Problem::warning(field, "has no effect: remove it");
    let expected = ["spec.pod.busyboxImage", "spec.pod.DNSTimeoutInSecond"].map(warned);
    assert_eq!(Etcd.validate(&object, &idle), expected);
    let without = planned(json!({}));
    assert_eq!(Etcd.validate(&object, &without), []);
    assert_eq!(Etcd.change(&"member".into(), &idle, &without), Change::Nothing);
}

/// What the schema lets in, the planner reads, field by field: no two specs that differ are one to it.
#[test]
fn the_planner_sees_every_field_of_the_new_kind() {
    let spec = json!({
        "size": 5, "version": "3.5.16", "repository": "example.com/etcd", "paused": true,
        "quorumRecovery": "Auto", "spaceRemedy": "Manual",
        "pod": {
            "labels": {"a": "b"}, "annotations": {"c": "d"}, "nodeSelector": {"e": "f"},
            "tolerations": [{"key": "g"}], "affinity": {"nodeAffinity": {}},
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
            "etcdEnv": [{"name": "ETCD_MAX_REQUEST_BYTES", "value": "1"}],
        },
        "storage": {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        "tls": {
            "client": {"mode": "Secrets", "serverSecret": "s", "operatorSecret": "o", "authority": 1},
            "peer": {"mode": "Managed", "authority": 2},
        },
    });
    let read = |spec: &Value| -> EtcdClusterSpec { serde_json::from_value(spec.clone()).unwrap() };
    assert_eq!(json!(read(&spec)), spec);
    let planned = |spec: &Value| etcd_plan::EtcdClusterSpec::from(read(spec));
    let whole = planned(&spec);
    for path in [
        "/repository",
        "/paused",
        "/quorumRecovery",
        "/spaceRemedy",
        "/storage/emptyDir/medium",
        "/storage/emptyDir/sizeLimit",
        "/tls/client/serverSecret",
        "/tls/client/operatorSecret",
        "/tls/peer/authority",
        "/tls/client",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(spec["pod"].as_object().unwrap().keys().map(|it| format!("/pod/{it}")))
    {
        let mut without = spec.clone();
        let (parent, field) = path.rsplit_once('/').unwrap();
        without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field);
        assert_ne!(planned(&without), whole, "{path}");
    }
    let stored: etcd_plan::EtcdClusterSpec = serde_json::from_value(json!(whole)).unwrap();
    assert_eq!(stored, whole, "the record keeps all of it");
}

/// One policy, one set of rules: what the newer kind says of a field of pods, the older one says too.
#[test]
fn both_kinds_have_the_same_rules_for_pods() {
    let pod = |crd: &CustomResourceDefinition| {
        schema(crd)["properties"]["spec"]["properties"]["pod"]["properties"].clone()
    };
    let crds = crds();
    let (new, old) = (pod(&crds[0]), pod(&crds[1]));
    for (name, field) in new.as_object().unwrap() {
        assert_eq!(*field, old[name], "{name}");
    }
    assert_eq!(new["etcdEnv"]["x-kubernetes-list-map-keys"], json!(["name"]));
    for field in ["labels", "annotations", "etcdEnv"] {
        assert!(new[field]["x-kubernetes-validations"][0]["message"].is_string(), "{field}");
    }
}

#[test]
fn the_historical_status_has_its_shape() {
    let condition = endstate_core::Condition {
        kind: endstate_core::ConditionType::Available,
        status: endstate_core::Truth::True,
        reason: "QuorumHealthy".into(),
        message: "m".into(),
        observed_generation: None,
        last_transition_time: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let status = EtcdClusterStatus {
        phase: endstate_core::Phase::Running,
        size: 1,
        updated_members: 1,
        target_version: Some("3.5.16".into()),
        conditions: vec![condition],
        members: vec![endstate_core::MemberRow {
            healthy: true,
            ..endstate_core::MemberRow::new("a-1", "member")
        }],
        ..EtcdClusterStatus::default()
    };
    let old = json!(historical::status("a", &status));
    assert_eq!(old["phase"], "Running");
    assert_eq!(old["members"]["ready"], json!(["a-1"]));
    assert_eq!((&old["serviceName"], &old["clientPort"]), (&json!("a-client"), &json!(2379)));
    assert_eq!(old.get("targetVersion"), None, "nothing is being rolled out");
    assert_eq!(old["endstate"], json!(status));
    let condition = &old["conditions"][0];
    assert_eq!((&condition["type"], &condition["status"]), (&json!("Available"), &json!("True")));
    assert_eq!(condition["lastUpdateTime"], "2026-01-01T00:00:00Z");
    let schema = schema(&crds()[1]);
    let fields = &schema["properties"]["status"]["properties"]["conditions"]["items"]["properties"];
    for (name, _) in condition.as_object().unwrap() {
        assert!(fields[name].is_object(), "{name} would be pruned");
    }
}

/// `succeeded`, and a reason only for what somebody has to look at: who waits for either gets the right one.
#[test]
fn the_status_of_a_backup_has_its_historical_shape() {
    let status = |truth: &str, reason: &str| {
        let full = json!({"name": "a", "revision": 7, "taken": "2026-01-01T00:00:00.5Z", "version": "3.5.16",
            "bytes": 1, "storedBytes": 1});
        let condition = json!({"type": "Ready", "status": truth, "reason": reason, "message": "why",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let status = json!({"state": "Running", "full": full, "conditions": [condition]});
        json!(historical::backup_status(&status))
    };
    let told = status("True", "BackedUp");
    assert_eq!((&told["succeeded"], told.get("Reason")), (&json!(true), None));
    assert_eq!((&told["etcdVersion"], &told["etcdRevision"]), (&json!("3.5.16"), &json!(7)));
    assert_eq!(told["lastSuccessDate"], "2026-01-01T00:00:00Z");
    assert_eq!(told["endstate"]["state"], "Running");
    let told = status("False", "BackupFails");
    assert_eq!((&told["succeeded"], &told["Reason"]), (&json!(false), &json!("why")));
    assert_eq!(told["etcdRevision"], 7, "what is kept is kept");
    for begins in ["Starting", "NoBackupYet"] {
        assert_eq!(status("False", begins).get("Reason"), None, "{begins}");
    }
}

#[test]
fn the_status_of_a_restore_has_its_historical_shape() {
    let spec = json!({"backupStorageType": "ABS", "abs": {"path": "c/p", "absSecret": "s"},
        "etcdCluster": {"name": "demo"}});
    let status = |state: &str, truth: &str, reason: &str| {
        let condition = json!({"type": "Complete", "status": truth, "reason": reason, "message": "why",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let status = json!({"state": state, "conditions": [condition]});
        let told = historical::restore_status(&spec, &status);
        assert_eq!(json!(told)["endstate"]["state"], state);
        (told.succeeded, told.reason)
    };
    assert_eq!(status("Complete", "True", "Complete"), (true, String::new()));
    assert_eq!(status("Running", "False", "Running"), (false, String::new()));
    for (state, reason) in
        [("Running", "DataNotMade"), ("Waiting", "ClusterNotFound"), ("Failed", "NoVolumes")]
    {
        assert_eq!(status(state, "False", reason), (false, "why".to_owned()), "{reason}");
    }
}

#[test]
fn one_historical_backup_keeps_no_number_of_them() {
    let asked = |policy: Value| {
        let spec = json!({"etcdEndpoints": ["http://a-client:2379"], "storageType": "S3", "backupPolicy": policy,
            "s3": {"path": "bucket/p", "awsSecret": "s"}});
        let spec: historical::EtcdBackupSpec = serde_json::from_value(spec).unwrap();
        spec.asked("a".into())
    };
    let refused = asked(json!({"maxBackups": 2})).unwrap_err();
    assert!(refused.contains("needs backupIntervalInSecond"), "{refused}");
    let kept = asked(json!({"maxBackups": 2, "backupIntervalInSecond": 1_000_000})).unwrap();
    let when = kept.task()["when"].clone();
    assert_eq!((&when["full"], &when["last"]), (&json!(1_000_000), &json!(2)));
    assert_eq!(kept.task()["to"]["s3"]["addressing"], "VirtualHosted");
    assert_eq!(asked(json!({})).unwrap().schedule, None);
}
