//! Which cluster, which namespace.

use std::path::PathBuf;

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::args::Global;

/// A client, and the namespace that commands mean.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

/// Connects by the flags, then the environment, then the running embedded cluster, then `~/.kube/config`.
pub(crate) async fn connect(global: &Global) -> Result<Connection> {
    let config = config(global).await?;
    let namespace = global.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).context("cannot make a client from the kubeconfig")?;
    Ok(Connection { client, namespace })
}

async fn config(global: &Global) -> Result<Config> {
    let own = default_state_dir()?.join("kubeconfig");
    let file = global.kubeconfig.clone().or_else(|| own.exists().then_some(own));
    let mut config = match file {
        Some(file) => {
            let kubeconfig = Kubeconfig::read_from(&file)
                .with_context(|| format!("cannot read the kubeconfig {}", file.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
        }
        None => Config::infer().await.context(
            "found no cluster: start one with `endstate up`, or name a kubeconfig with --kubeconfig",
        )?,
    };
    // A user waits in front of a terminal: fail soon and say so, instead of trying for a minute.
    config.default_retry = false;
    Ok(config)
}

/// `$XDG_STATE_HOME/endstate`, or `~/.local/state/endstate`.
pub(crate) fn default_state_dir() -> Result<PathBuf> {
    xdg("XDG_STATE_HOME", ".local/state")
}

/// `$XDG_DATA_HOME/endstate/images`, or `~/.local/share/endstate/images`.
pub(crate) fn default_image_store() -> Result<PathBuf> {
    Ok(xdg("XDG_DATA_HOME", ".local/share")?.join("images"))
}

fn xdg(variable: &str, below_home: &str) -> Result<PathBuf> {
    let base = std::env::var_os(variable).filter(|it| !it.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(below_home)));
    Ok(base.with_context(|| format!("neither {variable} nor HOME is set"))?.join("endstate"))
}
