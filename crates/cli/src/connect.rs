//! Which cluster, which namespace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
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
    let files = global.kubeconfig.clone().or_else(|| own.exists().then_some(own));
    let mut config = match files {
        Some(files) => {
            let kubeconfig = read(&files)?;
            let options = KubeConfigOptions::default();
            let config = Config::from_custom_kubeconfig(kubeconfig, &options);
            config
                .await
                .with_context(|| format!("cannot use the kubeconfig {}", files.display()))?
        }
        None => infer().await?,
    };
    // A user waits in front of a terminal: fail soon and say so, instead of trying for a minute.
    config.default_retry = false;
    Ok(config)
}

/// Reads a file, or a list of files as the environment may name, of which those that are missing do not count.
fn read(files: &Path) -> Result<Kubeconfig> {
    let mut all: Option<Kubeconfig> = None;
    for file in std::env::split_paths(files).filter(|it| it.exists()) {
        let next = Kubeconfig::read_from(&file)
            .with_context(|| format!("cannot read the kubeconfig {}", file.display()))?;
        all = Some(match all {
            Some(before) => before.merge(next)?,
            None => next,
        });
    }
    all.with_context(|| {
        format!(
            "there is no kubeconfig {}, which --kubeconfig or KUBECONFIG names; `endstate up` starts a cluster and says where its own is",
            files.display()
        )
    })
}

/// The cluster that surrounds this process, or `~/.kube/config`.
async fn infer() -> Result<Config> {
    let usual = std::env::home_dir().map(|home| home.join(".kube/config"));
    match Config::infer().await {
        Ok(config) => Ok(config),
        Err(error) if usual.is_some_and(|it| it.exists()) => {
            Err(error).context("cannot use ~/.kube/config")
        }
        Err(_) => bail!(
            "found no cluster: start one with `endstate up`, or name a kubeconfig with --kubeconfig"
        ),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_kubeconfigs_are_read_and_missing_ones_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let first = file("a", "apiVersion: v1\nkind: Config\ncurrent-context: one\n");
        let second = file("b", "apiVersion: v1\nkind: Config\ncurrent-context: two\n");
        let missing = dir.path().join("missing");
        let list = std::env::join_paths([&missing, &first, &second]).unwrap();
        let merged = read(Path::new(&list)).unwrap();
        assert_eq!(merged.current_context.as_deref(), Some("one"));
        let error = read(&missing).unwrap_err().to_string();
        assert!(
            error.contains("there is no kubeconfig") && error.contains("endstate up"),
            "{error}"
        );
    }
}
