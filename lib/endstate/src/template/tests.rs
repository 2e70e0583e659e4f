use endstate_core::{
    Directory, Guard, Identity, LABEL_CLUSTER, LABEL_UID, LaunchOf, MemberName, MemberRecord,
    Start, VolumeSpec,
};
use serde_json::json;

use super::*;

fn identity() -> Identity {
    Identity::new("default", "demo", "u1")
}

fn launch(image: &str, policy: &PodPolicy) -> Launch {
    let (object, member) = (identity(), MemberRecord::new("demo-a", "member"));
    let of = LaunchOf::new(&object, policy, &member);
    let env = vec![("TZ".into(), "UTC".into()), (STARTED_VARIABLE.into(), "never".into())];
    Launch::new(image, Guard::new("/data", &["log/*.log"]), &of)
        .command(vec!["/bin/server".into()])
        .env(env)
        .ports([("client", 1)])
        .policy(policy.clone())
}

fn policy(value: Value) -> PodPolicy {
    let wire: crate::crd::PodPolicy = serde_json::from_value(value).unwrap();
    wire.into()
}

fn made(policy: &PodPolicy, start: &Start) -> Pod {
    let (object, member) = (identity(), MemberName::from("demo-a"));
    let launch = launch("server:1", policy);
    let request = PodRequest::new(&object, (&member, start), &launch);
    pod("toy", "endstate:0", &request)
}

fn new() -> Start {
    Start::New { token: "u1".into(), members: vec![] }
}

#[test]
fn a_member_runs_behind_the_launcher_which_its_own_container_brings() {
    let pod = json!(made(&PodPolicy::default(), &new()));
    assert_eq!(pod["spec"]["hostname"], "demo-a");
    assert_eq!(pod["spec"]["subdomain"], "demo-peer");
    let installer = &pod["spec"]["initContainers"][0];
    assert_eq!(installer["image"], "endstate:0");
    let main = &pod["spec"]["containers"][0];
    let command: Vec<String> = serde_json::from_value(main["command"].clone()).unwrap();
    let Ok(launcher::Request::Launch(request)) =
        launcher::parse(command[2..].iter().map(Into::into))
    else {
        panic!("{command:?}")
    };
    assert_eq!(request.command, ["/bin/server"]);
    assert_eq!(request.member.as_deref(), Some("demo-a"));
    let mounted = |container: &Value, volume: &str| {
        let mounts = container["volumeMounts"].as_array().unwrap().iter();
        let mut mounts = mounts.filter(|it| it["name"] == volume);
        mounts.next().map(|it| it["mountPath"].as_str().unwrap().to_owned())
    };
    let volume = launcher::VOLUME;
    assert_eq!(mounted(main, "data").as_deref(), Some("/data"));
    assert!(request.marker.starts_with(mounted(main, volume).unwrap()), "beside the data");
    assert_eq!(command[0], format!("{}/endstate", mounted(main, volume).unwrap()));
    assert_eq!(installer["command"][3], mounted(installer, volume).unwrap());
    assert_eq!(pod["spec"]["volumes"][1]["name"], volume);
}

#[test]
fn each_directory_of_a_member_is_on_a_volume_of_its_own() {
    let (object, member) = (identity(), MemberName::from("demo-a"));
    let mut launch = launch("server:1", &PodPolicy::default());
    let volume = VolumeSpec::new("1Gi");
    launch.guard = launch.guard.beside(Directory::new("journal", "/journal", &["*.j"]).on(volume));
    let pod =
        json!(pod("toy", "endstate:0", &PodRequest::new(&object, (&member, &new()), &launch)));
    let spec = &pod["spec"];
    assert!(spec["volumes"][0]["emptyDir"].is_object());
    let claim = json!({"claimName": "journal-demo-a"});
    assert_eq!(spec["volumes"][1], json!({"name": "journal", "persistentVolumeClaim": claim}));
    let mounts = &spec["containers"][0]["volumeMounts"];
    assert_eq!(mounts[1], json!({"name": "journal", "mountPath": "/journal"}));
}

/// What the `restricted` level of Kubernetes asks for, and what it takes to work so: a group for what root left on a
/// volume, and scratch space.
#[test]
fn no_container_of_a_member_has_any_power() {
    let pod = json!(made(&PodPolicy::default(), &new()));
    let spec = &pod["spec"];
    let of_pod = json!({
        "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"},
    });
    assert_eq!(spec["securityContext"], of_pod);
    let own = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    for container in [&spec["initContainers"][0], &spec["containers"][0]] {
        assert_eq!(container["securityContext"], own);
    }
    let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
    assert!(mounts.iter().any(|it| it["mountPath"] == "/tmp"));
}

/// Later names win, so the mark comes last whatever a user writes.
#[test]
fn the_launcher_hears_at_each_start_what_the_operator_wrote_on_the_pod() {
    let pod = json!(made(&PodPolicy::default(), &new()));
    let mark = pod["spec"]["containers"][0]["env"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(mark["name"], STARTED_VARIABLE);
    let path = &mark["valueFrom"]["fieldRef"]["fieldPath"];
    assert_eq!(*path, format!("metadata.annotations['{STARTED_ANNOTATION}']"));
}

#[test]
fn every_field_of_the_pod_policy_takes_effect() {
    let written = json!({
        "labels": {"team": "a"},
        "annotations": {"note": "b"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}},
    });
    let pod = json!(made(&policy(written.clone()), &new()));
    assert_eq!(pod["metadata"]["labels"]["team"], "a");
    assert_eq!(pod["metadata"]["annotations"]["note"], "b");
    for field in ["nodeSelector", "tolerations", "affinity"] {
        assert_eq!(pod["spec"][field], written[field], "{field}");
    }
    assert_eq!(pod["spec"]["containers"][0]["resources"], written["resources"]);
}

#[test]
fn members_of_one_cluster_prefer_other_nodes_by_default() {
    let pod = json!(made(&PodPolicy::default(), &new()));
    let anti = &pod["spec"]["affinity"]["podAntiAffinity"];
    let first = &anti["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
    assert_eq!(first["topologyKey"], "kubernetes.io/hostname");
    assert_eq!(first["labelSelector"]["matchLabels"][LABEL_UID], "u1");
}

#[test]
fn who_goes_on_with_a_volume_never_starts_without_data() {
    let resumes = |start: &Start| {
        let pod = json!(made(&PodPolicy::default(), start));
        pod["spec"]["containers"][0]["command"].to_string().contains("--resume")
    };
    assert!(!resumes(&new()) && !resumes(&Start::Existing { members: vec![] }));
    assert!(resumes(&Start::Resume { members: vec![] }));
    assert!(resumes(&Start::Recover { token: "t".into(), members: vec![] }));
}

/// Whoever finds pods by that label must find none of an attempt that was given up.
#[test]
fn no_pod_is_made_as_that_of_a_voter() {
    for start in [new(), Start::Existing { members: vec![] }] {
        let pod = made(&PodPolicy::default(), &start);
        assert_eq!(pod.labels()[LABEL_STANDING], NON_VOTER);
    }
}

#[test]
fn a_change_in_place_removes_what_the_policy_no_longer_has_and_keeps_what_others_added() {
    let before = policy(json!({"labels": {"old": "1", "both": "1"}, "annotations": {"old": "1"}}));
    let after = policy(json!({"labels": {"both": "2"}}));
    let mut running = made(&before, &new());
    running.labels_mut().insert("foreign".into(), "x".into());
    running.annotations_mut().insert(STARTED_ANNOTATION.into(), "a1".into());
    let change = |pod: &Pod| changed(pod, &launch("server:2", &after), Some(before.clone()));
    let new = change(&running);
    assert_eq!(new.labels().get("old"), None);
    assert_eq!(new.labels()["both"], "2");
    assert_eq!(new.labels()["foreign"], "x");
    assert_eq!(new.labels()[LABEL_CLUSTER], "demo");
    assert_eq!(new.annotations().get("old"), None);
    assert_eq!(new.annotations()[STARTED_ANNOTATION], "a1", "it stays started");
    let images = |pod: &Pod| {
        let spec = pod.spec.clone().unwrap();
        let containers = spec.init_containers.into_iter().flatten().chain(spec.containers);
        containers.filter_map(|it| it.image).collect::<Vec<_>>()
    };
    assert_eq!(images(&new), ["endstate:0", "server:2"]);
    assert_eq!(change(&new), new, "twice is once");
}

/// There may be much of it, and the kubelet must not lose patience with a member whose data is still made.
#[test]
fn a_member_whose_data_is_made_first_reads_it_and_has_time() {
    let (object, member) = (identity(), MemberName::from("demo-a"));
    let mut made = launch("server:1", &PodPolicy::default());
    made.guard = made.guard.prepared_by(vec!["/endstate/endstate".into(), "make".into()]);
    let made = made.claim(ClaimFiles::new("archive", "backups", "/archive"));
    let start = new();
    let pod = json!(pod("toy", "endstate:0", &PodRequest::new(&object, (&member, &start), &made)));
    let container = &pod["spec"]["containers"][0];
    assert!(container["command"].to_string().contains(r#""--prepare","make""#), "{container}");
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert!(mounts.contains(&json!({"name": "archive", "mountPath": "/archive"})), "{mounts:?}");
    let claim = json!({"claimName": "backups", "readOnly": true});
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    assert!(volumes.contains(&json!({"name": "archive", "persistentVolumeClaim": claim})));
}
