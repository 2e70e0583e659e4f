//! Labels of namespaces act on pods and on what makes pods.

use serde_json::{Value, json};

use crate::harness::{Answer, Server};

const PODS: &str = "/api/v1/namespaces/ns/pods";
const FAULTS: &str = "allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false), \
    unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), \
    runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true), \
    seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";

async fn server(labels: Value) -> Server {
    let server = Server::start().await;
    let body = json!({"metadata": {"name": "ns", "labels": prefixed(labels)}});
    server.post("/api/v1/namespaces", body).await.expect(201);
    server
}

fn prefixed(labels: Value) -> Value {
    let labels = labels.as_object().unwrap().iter();
    labels.map(|(key, it)| (format!("pod-security.kubernetes.io/{key}"), it.clone())).collect()
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn restricted(name: &str) -> Value {
    let own = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    json!({"metadata": {"name": name}, "spec": {
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "c", "image": "i", "securityContext": own}]}})
}

/// The warnings of an answer, without what is around them.
fn warnings(answer: &Answer) -> Vec<String> {
    let texts = answer.headers.get_all("warning").iter().map(|it| it.to_str().unwrap());
    let inner =
        texts.map(|it| it.strip_prefix("299 - \"").and_then(|it| it.strip_suffix('"')).unwrap());
    inner.map(|it| it.replace("\\\"", "\"")).collect()
}

#[tokio::test]
async fn enforced_pods_are_refused_and_workloads_warned_about() {
    let server = server(json!({"enforce": "restricted"})).await;
    let refused = server.post(PODS, pod("p")).await.expect(403);
    assert_eq!(
        refused["message"],
        format!("pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": {FAULTS}")
    );
    assert_eq!(refused["reason"], "Forbidden");
    server.post(PODS, restricted("p")).await.expect(201);
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod("p")["spec"]});
    let spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template});
    let deployment = json!({"metadata": {"name": "d"}, "spec": spec});
    let path = "/apis/apps/v1/namespaces/ns/deployments";
    let made = server.post(path, deployment).await;
    let text = format!("would violate PodSecurity \"restricted:latest\": {FAULTS}");
    assert_eq!(warnings(&made), [text.as_str()]);
    made.expect(201);
    let scaled = server.merge(format!("{path}/d"), json!({"spec": {"replicas": 0}})).await;
    assert_eq!(warnings(&scaled), [text.as_str()]);
    let jobs = "/apis/batch/v1/namespaces/ns/cronjobs";
    let mut spec = pod("p")["spec"].clone();
    spec["restartPolicy"] = "Never".into();
    let job = json!({"metadata": {"name": "j"}, "spec": {"schedule": "* * * * *",
        "jobTemplate": {"spec": {"template": {"spec": spec}}}}});
    let made = server.post(jobs, job).await;
    assert_eq!(warnings(&made), [text.as_str()]);
    made.expect(201);
    let template = json!({"metadata": {"name": "t"}, "template": pod("p")});
    let made = server.post("/api/v1/namespaces/ns/podtemplates", template).await;
    assert!(warnings(&made).contains(&text));
}

#[tokio::test]
async fn warnings_do_not_refuse_and_a_dry_run_is_judged() {
    let server = server(json!({"warn": "restricted", "enforce": "baseline"})).await;
    let made = server.post(PODS, pod("p")).await;
    let text = format!("would violate PodSecurity \"restricted:latest\": {FAULTS}");
    assert_eq!(warnings(&made), [text]);
    made.expect(201);
    let mut host = pod("h");
    host["spec"]["hostNetwork"] = true.into();
    let why = "pods \"h\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)";
    assert_eq!(server.post(&format!("{PODS}?dryRun=All"), host.clone()).await.message(403), why);
    assert_eq!(
        server.apply(&format!("{PODS}/h?fieldManager=m"), typed(host)).await.message(403),
        why
    );
}

fn typed(mut object: Value) -> Value {
    object["apiVersion"] = "v1".into();
    object["kind"] = "Pod".into();
    object
}

#[tokio::test]
async fn a_pod_that_was_there_may_change_what_no_check_looks_at() {
    let server = server(json!({})).await;
    server.post(PODS, pod("p")).await.expect(201);
    server.post(PODS, pod("q")).await.expect(201);
    server.post(PODS, restricted("r")).await.expect(201);
    let labels = prefixed(json!({"enforce": "restricted"}));
    let patch = json!({"metadata": {"labels": labels}});
    let relabelled = server.merge("/api/v1/namespaces/ns", patch).await;
    assert_eq!(
        warnings(&relabelled),
        [
            "existing pods in namespace \"ns\" violate the new PodSecurity enforce level \"restricted:latest\"",
            "p (and 1 other pod): allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile",
        ]
    );
    relabelled.expect(200);
    let path = format!("{PODS}/p");
    server.merge(&path, json!({"metadata": {"labels": {"a": "b"}}})).await.expect(200);
    let status = json!({"status": {"phase": "Running"}});
    server.merge(format!("{path}/status"), status).await.expect(200);
    let image = json!({"spec": {"containers": [{"name": "c", "image": "j"}]}});
    let kind = "application/strategic-merge-patch+json";
    let changed = server.patch(&path, kind, image).await.message(403);
    assert!(changed.starts_with("pods \"p\" is forbidden: violates PodSecurity"), "{changed}");
}

#[tokio::test]
async fn labels_that_say_nothing_known_are_refused() {
    let server = server(json!({"enforce": "baseline"})).await;
    let bad = json!({"metadata": {"name": "x", "labels": prefixed(json!({"enforce": "strict"}))}});
    let fault = "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, baseline, restricted";
    assert_eq!(
        server.post("/api/v1/namespaces", bad).await.message(422),
        format!("Namespace \"x\" is invalid: {fault}")
    );
    let bad = json!({"metadata": {"labels": prefixed(json!({"enforce": "strict"}))}});
    assert_eq!(
        server.merge("/api/v1/namespaces/ns", bad).await.message(422),
        format!("Namespace \"ns\" is invalid: {fault}")
    );
}

#[tokio::test]
async fn runtime_classes_must_be_there() {
    let server = server(json!({})).await;
    let with = |class: &str, overhead: Value| {
        let mut pod = pod("p");
        pod["spec"]["runtimeClassName"] = class.into();
        pod["spec"]["overhead"] = overhead;
        pod
    };
    assert_eq!(
        server.post(PODS, with("x", Value::Null)).await.message(403),
        "pods \"p\" is forbidden: pod rejected: RuntimeClass \"x\" not found"
    );
    let class = json!({"metadata": {"name": "x"}, "handler": "runc", "overhead": {"podFixed": {"cpu": "1"}}});
    server.post("/apis/node.k8s.io/v1/runtimeclasses", class).await.expect(201);
    assert_eq!(
        server.post(PODS, with("x", json!({"cpu": "2"}))).await.message(403),
        "pods \"p\" is forbidden: pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
    );
    assert_eq!(
        server.post(PODS, with("", json!({"cpu": "2"}))).await.message(403),
        "pods \"p\" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
    );
    let made = server.post(PODS, with("x", Value::Null)).await.expect(201);
    assert_eq!(made["spec"]["overhead"], json!({"cpu": "1"}));
    let toleration = json!({"key": "k", "operator": "Exists"});
    let scheduling = json!({"nodeSelector": {"a": "b"}, "tolerations": [toleration]});
    let class = json!({"metadata": {"name": "y"}, "handler": "runc", "scheduling": scheduling});
    server.post("/apis/node.k8s.io/v1/runtimeclasses", class).await.expect(201);
    let mut placed = pod("q");
    placed["spec"]["runtimeClassName"] = "y".into();
    let made = server.post(PODS, placed.clone()).await.expect(201);
    assert_eq!(made["spec"]["nodeSelector"], json!({"a": "b"}));
    assert_eq!(made["spec"]["tolerations"][0], toleration);
    placed["spec"]["nodeSelector"] = json!({"a": "c"});
    assert_eq!(
        server.post(PODS, placed).await.message(403),
        "pods \"q\" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[a] = b; pod.spec.nodeSelector[a] = c"
    );
}
