//! kubectl as its users know it, against the embedded cluster.

use anyhow::{Context, Result};
use harness::Up;

async fn check(up: &Up, command: &str, expected: &str) -> Result<()> {
    let args: Vec<_> = command.split_whitespace().collect();
    let output = up.kubectl(&args).await.with_context(|| format!("kubectl {command}"))?;
    assert!(output.contains(expected), "kubectl {command} has no {expected:?} in\n{output}");
    Ok(())
}

#[tokio::test]
async fn it_discovers_and_explains() -> Result<()> {
    let up = Up::start(1).await?;
    check(&up, "version", "Server Version: v1.33").await?;
    check(&up, "api-resources", "deployments").await?;
    check(&up, "api-versions", "apps/v1").await?;
    check(&up, "explain pods.spec.containers", "image").await?;
    check(&up, "get nodes", "Ready").await?;
    check(&up, "get namespaces", "kube-system").await?;
    up.stop().await
}

#[tokio::test]
async fn it_creates_changes_and_deletes_objects() -> Result<()> {
    let up = Up::start(1).await?;
    check(&up, "create namespace n", "namespace/n created").await?;
    check(&up, "create configmap c --from-literal=a=b", "configmap/c created").await?;
    check(&up, "create secret generic s --from-literal=a=b", "secret/s created").await?;
    check(&up, "create serviceaccount robot", "serviceaccount/robot created").await?;
    check(&up, "get configmap c -o json", "\"a\": \"b\"").await?;
    check(&up, "get configmap c -o yaml", "a: b").await?;
    check(&up, "label configmap c colour=red", "configmap/c labeled").await?;
    check(&up, "annotate configmap c note=x", "configmap/c annotated").await?;
    check(&up, "get configmap -l colour=red -o name", "configmap/c").await?;
    check(&up, "describe configmap c", "colour=red").await?;
    check(&up, r#"patch configmap c -p {"data":{"a":"c"}}"#, "patched").await?;
    check(&up, r#"patch configmap c --type=merge -p {"data":{"d":"e"}}"#, "patched").await?;
    check(&up, r#"patch configmap c --type=json -p [{"op":"remove","path":"/data/d"}]"#, "patched")
        .await?;
    check(&up, "get configmap c -o jsonpath={.data}", r#"{"a":"c"}"#).await?;
    check(&up, "delete configmap c", "deleted").await?;
    check(&up, "delete namespace n", "deleted").await?;
    check(&up, "get namespaces -o name", "namespace/default").await?;
    up.stop().await
}

#[tokio::test]
async fn it_applies_on_either_side() -> Result<()> {
    let up = Up::start(1).await?;
    let manifest = |value| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: side}}\ndata: {{a: \"{value}\"}}\n"
        )
    };
    for (args, value, expected) in [
        (&["apply", "-f", "-"][..], "x", "created"),
        (&["apply", "-f", "-"][..], "x", "unchanged"),
        (&["apply", "-f", "-"][..], "y", "configured"),
        (
            &["apply", "--server-side", "--force-conflicts", "-f", "-"][..],
            "z",
            "serverside-applied",
        ),
        (&["diff", "-f", "-"][..], "z", ""),
    ] {
        let output = up.kubectl_with(args, &manifest(value)).await?;
        assert!(output.contains(expected), "{args:?}: {output}");
    }
    check(&up, "get configmap side -o jsonpath={.data.a}", "z").await?;
    up.stop().await
}

/// The pods run the etcd image's own tools: they end at once or stay, as a container should.
#[tokio::test]
async fn it_runs_a_deployment() -> Result<()> {
    let up = Up::start(2).await?;
    let image = "quay.io/coreos/etcd:v3.5.16";
    check(&up, &format!("create deployment web --image={image} --replicas=2"), "created").await?;
    check(&up, "rollout status deployment/web --timeout=60s", "successfully rolled out").await?;
    check(&up, "get deployment web", "2/2").await?;
    check(&up, "get pods -o wide", "Running").await?;
    check(&up, "describe deployment web", "ScalingReplicaSet").await?;
    check(&up, "scale deployment/web --replicas=1", "scaled").await?;
    check(
        &up,
        "wait deployment/web --for=jsonpath={.status.readyReplicas}=1 --timeout=60s",
        "condition met",
    )
    .await?;
    check(&up, "logs deployment/web", "etcd").await?;
    check(&up, "exec deployment/web -- etcdctl version", "etcdctl version: 3.5.16").await?;
    check(&up, "set env deployment/web ETCD_LOG_LEVEL=warn", "env updated").await?;
    check(&up, "rollout status deployment/web --timeout=60s", "successfully rolled out").await?;
    check(&up, "rollout history deployment/web", "2").await?;
    check(&up, "delete deployment web --cascade=foreground", "deleted").await?;
    check(&up, "wait pod --for=delete --all --timeout=60s", "").await?;
    up.stop().await
}

#[tokio::test]
async fn deletion_cascades_as_asked() -> Result<()> {
    let up = Up::start(1).await?;
    let create = "create deployment web --image=quay.io/coreos/etcd:v3.5.16";
    check(&up, create, "created").await?;
    check(&up, "rollout status deployment/web --timeout=60s", "successfully").await?;
    check(&up, "delete deployment web --cascade=orphan", "deleted").await?;
    check(&up, "get replicasets -o name", "replicaset.apps/web-").await?;
    check(&up, create, "created").await?;
    check(&up, "rollout status deployment/web --timeout=60s", "successfully").await?;
    check(&up, "delete deployment web --cascade=background", "deleted").await?;
    check(&up, "wait pod --for=delete --all --timeout=60s", "").await?;
    up.stop().await
}

#[tokio::test]
async fn it_tells_who_may_do_what() -> Result<()> {
    let up = Up::start(1).await?;
    check(&up, "auth whoami", "kubernetes-admin").await?;
    check(&up, "auth can-i delete nodes", "yes").await?;
    check(&up, "auth can-i --list", "*.*").await?;
    check(&up, "create serviceaccount robot", "created").await?;
    let robot = "--as=system:serviceaccount:default:robot";
    let list = ["auth", "can-i", "--list", robot];
    let rights = up.kubectl(&list).await?;
    assert!(rights.contains("selfsubjectreviews") && !rights.contains("configmaps"), "{rights}");
    assert!(up.kubectl(&["get", "configmaps", robot]).await.is_err());
    assert!(up.kubectl(&["auth", "can-i", "list", "configmaps", robot]).await.is_err());
    check(
        &up,
        "create rolebinding robot --clusterrole=view --serviceaccount=default:robot",
        "created",
    )
    .await?;
    let rights = up.kubectl(&list).await?;
    assert!(rights.contains("configmaps") && !rights.contains("secrets"), "{rights}");
    check(&up, &format!("get configmaps {robot}"), "kube-root-ca.crt").await?;
    check(&up, &format!("auth can-i list configmaps {robot}"), "yes").await?;
    check(&up, &format!("auth whoami {robot}"), "system:serviceaccounts:default").await?;
    assert!(up.kubectl(&["get", "secrets", robot]).await.is_err());
    up.stop().await
}
