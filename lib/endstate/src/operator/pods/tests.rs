use endstate_core::{Evidence, PodPhase, Trouble, Words};
use serde_json::{Value, json};

use super::*;

fn pod(status: Value) -> endstate_core::Pod<u32> {
    let pod = json!({
        "metadata": { "name": "c-a", "uid": "u", "resourceVersion": "1",
            "annotations": { Launch::ANNOTATION: "7" } },
        "spec": { "nodeName": "node-1", "containers": [] },
        "status": status,
    });
    member_pod(&serde_json::from_value(pod).unwrap(), "server", None)
}

#[test]
fn a_pod_that_nobody_looked_at_is_pending() {
    let pod = pod(json!({}));
    assert_eq!((pod.phase, pod.started, pod.ready), (PodPhase::Pending, false, false));
    assert_eq!((pod.spec, pod.node.as_deref()), (Some(7), Some("node-1")));
}

#[test]
fn what_the_scheduler_says_is_trouble() {
    let pod = pod(json!({ "phase": "Pending", "conditions": [
        { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes" },
    ]}));
    assert_eq!(pod.trouble, Some(Trouble::Unschedulable { message: Words::of("0/3 nodes") }));
}

#[test]
fn a_crash_loop_tells_what_the_container_said_last() {
    let pod = pod(json!({ "phase": "Running", "containerStatuses": [{
        "name": "server", "image": "", "imageID": "", "ready": false, "restartCount": 2,
        "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 20s" } },
        "lastState": { "terminated": { "exitCode": 1, "message": "data lost, refusing to start blank" } },
    }]}));
    let message = Words::of("data lost, refusing to start blank");
    assert_eq!(pod.trouble, Some(Trouble::CrashLoop { message }));
    assert!(pod.started && !pod.data_lost(), "words are no evidence");
    assert_eq!(pod.restarts, 2);
}

/// Whether its launcher surveys is told by the words before the application's own.
#[test]
fn only_an_end_behind_a_launcher_that_surveys_tells_of_data() {
    let launcher = ["/l/endstate", "launch", "--data-dir", "/d", "--member", "c-a", "--", "app"];
    let earlier = ["/l/endstate", "launch", "--data-dir", "/d", "--", "app", "--member", "c-a"];
    for (command, surveyed) in [(launcher, true), (earlier, false)] {
        let pod = json!({
            "metadata": { "name": "c-a", "uid": "u", "resourceVersion": "1" },
            "spec": { "containers": [
                { "name": "sidecar", "command": launcher },
                { "name": "server", "command": command },
            ]},
        });
        let pod = member_pod::<u32>(&serde_json::from_value(pod).unwrap(), "server", None);
        assert_eq!(pod.surveyed, surveyed, "{command:?}");
    }
}

#[test]
fn what_a_container_said_before_its_last_words_is_kept() {
    let pod = pod(json!({ "phase": "Running", "containerStatuses": [{
        "name": "server", "image": "", "imageID": "", "ready": false, "restartCount": 1,
        "state": { "terminated": refusal() },
        "lastState": { "terminated": { "exitCode": 1, "message": "unknown flag" } },
    }]}));
    assert!(pod.data_lost());
    assert_eq!(pod.exit_before.map(|it| it.words), Some(Words::of("unknown flag")));
}

/// What the API shows of a launcher that refuses.
fn refusal() -> Value {
    let lost = Evidence::DataLost;
    json!({ "exitCode": lost.exit_code(), "message": lost.message("/var/lib/server is empty") })
}

#[test]
fn a_refusal_counts_until_the_container_runs_again() {
    let of = |state: Value| {
        pod(json!({ "phase": "Running", "containerStatuses": [{
            "name": "server", "image": "", "imageID": "", "ready": false, "restartCount": 2,
            "state": state, "lastState": { "terminated": refusal() },
        }]}))
    };
    assert!(of(json!({ "waiting": { "reason": "CrashLoopBackOff" } })).data_lost());
    assert!(!of(json!({ "running": { "startedAt": "2026-01-01T00:00:07Z" } })).data_lost());
    let crash = json!({ "terminated": { "exitCode": 1, "message": "no space left" } });
    assert!(!of(crash).data_lost(), "only the last end tells");
}

/// The launcher's words from anybody but the launcher of the member itself.
#[test]
fn a_refusal_of_another_container_is_none() {
    let pod = pod(json!({ "phase": "Pending",
    "initContainerStatuses": [{ "name": "launcher", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "terminated": refusal() } }],
    "containerStatuses": [
        { "name": "sidecar", "image": "", "imageID": "", "ready": false, "restartCount": 1,
          "state": { "terminated": refusal() } },
        { "name": "server", "image": "", "imageID": "", "ready": false, "restartCount": 0,
          "state": { "waiting": { "reason": "PodInitializing" } } },
    ]}));
    assert!(!pod.data_lost());
}

#[test]
fn a_running_member_says_since_when() {
    let pod = pod(json!({ "phase": "Running", "containerStatuses": [{
        "name": "server", "image": "", "imageID": "", "ready": true, "restartCount": 1,
        "state": { "running": { "startedAt": "2026-01-01T00:00:07Z" } },
        "lastState": { "terminated": { "exitCode": 1, "message": "unknown flag" } },
    }]}));
    assert_eq!(pod.running_since, Some("2026-01-01T00:00:07Z".parse().unwrap()));
    assert_eq!((pod.exit, pod.exit_before), (None, None));
}

#[test]
fn a_running_member_is_started_and_ready_by_its_condition() {
    let pod = pod(json!({ "phase": "Running",
    "conditions": [{ "type": "Ready", "status": "True" }],
    "containerStatuses": [{
        "name": "server", "image": "", "imageID": "", "ready": true, "restartCount": 0,
        "state": { "running": {} },
    }]}));
    assert!(pod.started && pod.ready && pod.trouble.is_none());
}

#[test]
fn an_init_container_that_waits_comes_before_the_main_one() {
    let pod = pod(json!({ "phase": "Pending",
        "initContainerStatuses": [{ "name": "launcher", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } } }],
        "containerStatuses": [{ "name": "server", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "PodInitializing" } } }]}));
    assert_eq!(pod.trouble, Some(Trouble::Image { message: Words::of("no such image") }));
    assert!(!pod.started);
}
