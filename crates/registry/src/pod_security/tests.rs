//! One pod per rule, with the text it is refused with.

use serde_json::{Value, json};

use super::*;

fn standard(text: &str) -> Standard {
    let (level, version) = text.split_once(':').unwrap();
    let (enforce, pinned) = (format!("{LABELS}enforce"), format!("{LABELS}enforce-version"));
    let (policy, errors) = Policy::of_labels([(&*enforce, level), (&*pinned, version)]);
    assert!(errors.is_empty(), "{text}");
    policy.enforce
}

fn details(pod: &Value, at: &str) -> String {
    Evaluation::of(&subject(pod, "").unwrap().unwrap(), standard(at)).details()
}

/// A pod of two containers with security contexts.
fn pod(of_pod: Value, a: Value, b: Value) -> Value {
    json!({"metadata": {"name": "p"}, "spec": {"securityContext": of_pod, "initContainers": [],
        "containers": [{"name": "a", "image": "i", "securityContext": a},
            {"name": "b", "image": "i", "securityContext": b}]}})
}

fn restricted() -> Value {
    let own = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let of_pod = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    pod(of_pod, own.clone(), own)
}

#[test]
fn a_plain_pod_is_baseline_and_a_careful_one_restricted() {
    let plain = pod(json!({}), json!({}), json!({}));
    assert_eq!(details(&plain, "baseline:latest"), "");
    assert_eq!(details(&restricted(), "restricted:latest"), "");
    assert_eq!(
        details(&plain, "restricted:latest"),
        "allowPrivilegeEscalation != false (containers \"a\", \"b\" must set securityContext.allowPrivilegeEscalation=false), \
         unrestricted capabilities (containers \"a\", \"b\" must set securityContext.capabilities.drop=[\"ALL\"]), \
         runAsNonRoot != true (pod or containers \"a\", \"b\" must set securityContext.runAsNonRoot=true), \
         seccompProfile (pod or containers \"a\", \"b\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
    );
    let old = "runAsNonRoot != true (pod or containers \"a\", \"b\" must set securityContext.runAsNonRoot=true)";
    assert_eq!(details(&plain, "restricted:v1.7"), old);
}

#[test]
fn what_containers_may_not_ask_for() {
    let none = || json!({});
    let check = |of_pod: Value, a: Value, at: &str, expected: &str| {
        assert_eq!(details(&pod(of_pod, a, none()), at), expected);
    };
    check(
        none(),
        json!({"privileged": true, "capabilities": {"add": ["NET_RAW", "CHOWN", "BPF"]}}),
        "baseline:latest",
        "non-default capabilities (container \"a\" must not include \"BPF\", \"NET_RAW\" in securityContext.capabilities.add), \
         privileged (container \"a\" must not set securityContext.privileged=true)",
    );
    let unmasked = json!({"procMount": "Unmasked"});
    let text = "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")";
    check(none(), unmasked, "baseline:latest", text);
    check(
        json!({"seLinuxOptions": {"user": "u"}}),
        json!({"seLinuxOptions": {"type": "container_engine_t"}}),
        "baseline:v1.30",
        "seLinuxOptions (pod and container \"a\" set forbidden securityContext.seLinuxOptions: type \"container_engine_t\"; user may not be set)",
    );
    check(
        json!({"seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"}}),
        json!({"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}}),
        "baseline:latest",
        "forbidden AppArmor profile (pod must not set AppArmor profile type to \"Unconfined\"), \
         seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")",
    );
    check(
        json!({"sysctls": [{"name": "net.ipv4.tcp_wmem", "value": "1"}, {"name": "kernel.msgmax", "value": "1"}]}),
        none(),
        "baseline:v1.31",
        "forbidden sysctls (net.ipv4.tcp_wmem, kernel.msgmax)",
    );
    check(
        json!({"windowsOptions": {"hostProcess": true}}),
        json!({"windowsOptions": {"hostProcess": true}}),
        "baseline:latest",
        "hostProcess (pod and container \"a\" must not set securityContext.windowsOptions.hostProcess=true)",
    );
}

#[test]
fn what_pods_may_not_share_with_their_host() {
    let mut host = pod(json!({}), json!({}), json!({}));
    host["spec"]["hostPID"] = json!(true);
    host["spec"]["hostNetwork"] = json!(true);
    host["spec"]["volumes"] = json!([{"name": "v", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {"server": "s", "path": "/"}}]);
    host["spec"]["containers"][0]["ports"] =
        json!([{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 9}]);
    host["spec"]["ephemeralContainers"] =
        json!([{"name": "e", "image": "i", "ports": [{"containerPort": 1, "hostPort": 80}]}]);
    host["spec"]["containers"][1]["livenessProbe"] =
        json!({"httpGet": {"port": 1, "host": "1.2.3.4"}});
    let shared = "host namespaces (hostNetwork=true, hostPID=true)";
    let ports = "hostPort (containers \"a\", \"e\" use hostPorts 80, 9)";
    let probes =
        "probe or lifecycle host (container \"b\" uses probe or lifecycle host \"1.2.3.4\")";
    assert_eq!(
        details(&host, "baseline:latest"),
        format!("{shared}, hostPath volumes (volume \"v\"), {ports}, {probes}")
    );
    assert_eq!(
        details(&host, "baseline:v1.33"),
        format!("{shared}, hostPath volumes (volume \"v\"), {ports}")
    );
    let volumes = "restricted volume types (volumes \"v\", \"n\" use restricted volume types \"hostPath\", \"nfs\")";
    assert!(details(&host, "restricted:latest").contains(volumes));
    assert!(!details(&host, "restricted:latest").contains("hostPath volumes"));
}

#[test]
fn ids_of_its_own_and_windows_relax_what_they_make_moot() {
    let mut pod = restricted();
    pod["spec"]["securityContext"]["runAsNonRoot"] = json!(false);
    pod["spec"]["containers"][0]["securityContext"]["runAsUser"] = json!(0);
    let faults = "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false), \
        runAsUser=0 (container \"a\" must not set runAsUser=0)";
    assert_eq!(details(&pod, "restricted:latest"), faults);
    pod["spec"]["hostUsers"] = json!(false);
    assert_eq!(details(&pod, "restricted:latest"), "");
    assert_eq!(details(&pod, "restricted:v1.34"), faults);
    let mut windows = self::pod(json!({"runAsNonRoot": true}), json!({}), json!({}));
    windows["spec"]["os"] = json!({"name": "windows"});
    assert_eq!(details(&windows, "restricted:v1.25"), "");
    assert!(!details(&windows, "restricted:v1.24").is_empty());
}

#[test]
fn annotations_said_it_before_there_were_fields() {
    let mut pod = pod(json!({}), json!({}), json!({}));
    pod["metadata"]["annotations"] = json!({
        "container.apparmor.security.beta.kubernetes.io/a": "unconfined",
        "container.seccomp.security.alpha.kubernetes.io/b": "unconfined",
        "seccomp.security.alpha.kubernetes.io/pod": "localhost/x"});
    let app_armor = "forbidden AppArmor profile (annotation must not set AppArmor profile type to \
        \"container.apparmor.security.beta.kubernetes.io/a=\"unconfined\"\")";
    assert_eq!(details(&pod, "baseline:v1.19"), app_armor);
    let seccomp = "seccompProfile (forbidden annotation container.seccomp.security.alpha.kubernetes.io/b=\"unconfined\")";
    assert_eq!(details(&pod, "baseline:v1.18"), format!("{app_armor}, {seccomp}"));
}

fn namespace(labels: Value) -> Value {
    let labels: serde_json::Map<_, _> = labels
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (format!("{LABELS}{key}"), value.clone()))
        .collect();
    json!({"metadata": {"labels": labels}})
}

#[test]
fn only_images_and_new_containers_are_significant() {
    let pod = |image: &str, ephemeral: Value| json!({"spec": {"containers": [{"name": "c", "image": image}], "ephemeralContainers": ephemeral}});
    let old = pod("a", json!([{"name": "e", "image": "x"}]));
    assert!(!is_significant(&old, &old));
    assert!(!is_significant(&pod("a", json!([])), &old));
    assert!(is_significant(&pod("b", json!([])), &old));
    assert!(is_significant(&pod("a", json!([{"name": "e", "image": "y"}])), &old));
    assert!(is_significant(&pod("a", json!([{"name": "f", "image": "x"}])), &old));
}

#[test]
fn faults_in_labels_are_told_unless_they_were_there() {
    let bad = namespace(json!({"enforce": "strict", "warn-version": "1.30"}));
    let texts: Vec<String> = label_errors(&bad, None).iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, baseline, restricted",
            "metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"1.30\": must be \"latest\" or \"v1.x\"",
        ]
    );
    assert!(label_errors(&bad, Some(&bad)).is_empty());
    assert_eq!(label_errors(&bad, Some(&namespace(json!({"enforce": "strict"})))).len(), 2);
}

#[test]
fn pods_are_looked_at_again_when_labels_get_stricter() {
    let check = |old: Value, new: Value| {
        stricter(&namespace(new), &namespace(old)).map(|it| it.to_string())
    };
    let level = |level: &str| json!({"enforce": level});
    assert_eq!(check(json!({}), level("restricted")).as_deref(), Some("restricted:latest"));
    assert_eq!(check(level("restricted"), level("baseline")), None);
    assert_eq!(check(level("restricted"), level("privileged")), None);
    assert_eq!(check(level("baseline"), level("baseline")), None);
    let pinned = json!({"enforce": "baseline", "enforce-version": "v1.20"});
    assert_eq!(check(level("restricted"), pinned).as_deref(), Some("baseline:v1.20"));
    assert_eq!(check(json!({}), level("nonsense")).as_deref(), Some("restricted:latest"));
}
