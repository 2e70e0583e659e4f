//! The state of a cluster in a file, and a cluster made of it.

use anyhow::{Context, Result, ensure};
use harness::Up;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

/// Taken while the cluster runs; what is written later is not in it, and its revisions are not used again.
#[tokio::test]
async fn a_backup_of_a_running_cluster_is_restored() -> Result<()> {
    let mut up = Up::start(1).await?;
    let map = |name| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    up.apply(&map("before")).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("backup").display().to_string();
    let state = up.state().display().to_string();
    let said = up.endstate(&["backup", &file, "--state-dir", &state]).await?;
    ensure!(said.contains(&file), "{said}");
    up.apply(&map("later")).await?;
    let maps: Api<ConfigMap> = Api::namespaced(up.client().await?, "default");
    let newest = revision(&maps.get("later").await?)?;
    up.kill().await?;

    let restored = tempfile::tempdir()?;
    let state = restored.path().display().to_string();
    let said = up.endstate(&["restore", &file, "--state-dir", &state]).await?;
    ensure!(said.contains("endstate up --state-dir"), "{said}");
    up.restart_on(restored).await?;
    let maps: Api<ConfigMap> = Api::namespaced(up.client().await?, "default");
    ensure!(revision(&maps.get("before").await?)? > newest, "its revisions go on");
    ensure!(maps.get_opt("later").await?.is_none(), "it was written after the backup");
    let state = up.state().display().to_string();
    let refused = up.endstate(&["restore", &file, "--state-dir", &state]).await;
    ensure!(refused.is_err_and(|it| format!("{it:#}").contains("is not empty")));
    up.stop().await
}

fn revision(map: &ConfigMap) -> Result<u64> {
    let text = map.metadata.resource_version.as_deref().context("no revision")?;
    Ok(text.parse()?)
}
