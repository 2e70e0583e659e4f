//! Bad input: a clear error each, nothing lost, nothing left half done.

use anyhow::Result;
use harness::{EtcdCluster, Up};

const KIND: &str = "apiVersion: etcd.endstate.dev/v1\nkind: EtcdCluster\nmetadata: {name: bad}\n";

async fn refused(up: &Up, manifest: &str) -> String {
    let outcome = up.apply(manifest).await;
    outcome.expect_err(&format!("this has to be refused: {manifest}")).to_string()
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_reason() -> Result<()> {
    let up = Up::start(1).await?;
    up.endstate(&["install", "etcd"]).await?;
    let version = "version: \"3.5.16\"";
    let cases = [
        (format!("spec: {{size: -1, {version}}}"), "spec.size"),
        (format!("spec: {{size: 8, {version}}}"), "spec.size"),
        (format!("spec: {{size: three, {version}}}"), "spec.size"),
        (format!("spec: {{size: 3, {version}, colour: red}}"), "spec.colour"),
        ("spec: {size: 3, version: latest}".to_owned(), "spec.version"),
        ("spec: {size: 3, version: 3.5}".to_owned(), "spec.version"),
        ("spec: [1, 2]".to_owned(), "spec"),
    ];
    for (spec, field) in cases {
        let error = refused(&up, &format!("{KIND}{spec}\n")).await;
        assert!(error.contains(field), "{spec}: {error}");
    }
    for garbage in ["\u{0}\u{1}", "a: [", "just words", "kind: EtcdCluster"] {
        refused(&up, garbage).await;
    }
    let nothing =
        up.endstate(&["get", "etcdclusters.etcd.endstate.dev,pods", "-o", "name"]).await?;
    assert_eq!(nothing, "", "nothing was made");
    up.stop().await
}

/// A version that no registry has: the object says so, and the next edit is followed.
#[tokio::test]
async fn a_version_that_does_not_exist_can_be_mended() -> Result<()> {
    let up = Up::start(1).await?;
    up.endstate(&["install", "etcd"]).await?;
    let manifest = harness::example("mend", 1);
    up.apply(&manifest.replace("3.5.16", "3.5.999")).await?;
    let cluster = EtcdCluster::existing(&up, "mend").await?;
    cluster
        .until("say what is wrong", |it| it.data["status"].to_string().contains("3.5.999"))
        .await?;
    up.apply(&manifest).await?;
    cluster.settled(1).await?;
    up.stop().await
}

/// A bad edit of a running cluster is refused, and the cluster goes on as it was.
#[tokio::test]
async fn a_bad_edit_harms_nothing() -> Result<()> {
    let up = Up::start(1).await?;
    up.endstate(&["install", "etcd"]).await?;
    let cluster = EtcdCluster::apply(&up, "edit", 1).await?;
    cluster.settled(1).await?;
    let members = cluster.members().await?;
    refused(&up, &harness::example("edit", 9)).await;
    cluster.settled(1).await?;
    assert_eq!(cluster.members().await?, members);
    up.stop().await
}

/// Two members tolerate no more than one does: that is allowed, and said.
#[tokio::test]
async fn an_even_size_comes_with_a_warning() -> Result<()> {
    let up = Up::start(1).await?;
    up.endstate(&["install", "etcd"]).await?;
    let cluster = EtcdCluster::apply(&up, "even", 2).await?;
    cluster.settled(2).await?;
    let tree = up.endstate(&["status", "etcd", "even"]).await?;
    assert!(tree.contains("2 members tolerate no more failures than 1; use an odd size"), "{tree}");
    up.stop().await
}

/// A body over the limit is refused before it is read whole, and the server goes on.
#[tokio::test]
async fn a_huge_body_is_refused() -> Result<()> {
    let up = Up::start(1).await?;
    let manifest = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: huge}}\ndata: {{a: \"{}\"}}\n",
        "x".repeat(4 << 20)
    );
    let error = refused(&up, &manifest).await;
    assert!(error.contains("too large"), "{}", &error[..error.len().min(500)]);
    assert_eq!(
        up.endstate(&["get", "configmaps", "-o", "name"]).await?,
        "configmap/kube-root-ca.crt\n"
    );
    up.stop().await
}
