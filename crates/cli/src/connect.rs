//! Which cluster, which namespace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use http::Response;
use http::header::WARNING;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::util::MapResponseLayer;

use crate::args::Global;
use crate::output;

/// A client, and the namespace that commands mean.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

/// Connects by the flags, then the environment, then the running embedded cluster, then `~/.kube/config`.
pub(crate) async fn connect(global: &Global) -> Result<Connection> {
    let config = config(global).await?;
    let namespace = global.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = client(config).context("cannot make a client from the kubeconfig")?;
    Ok(Connection { client, namespace })
}

/// A client that shows what the server warns of.
fn client(config: Config) -> kube::Result<Client> {
    let shown = Arc::new(Shown::default());
    let layer = MapResponseLayer::new(move |response| {
        shown
            .fresh(&response)
            .iter()
            .for_each(|text| output::note(format_args!("warning: {text}")));
        response
    });
    Ok(ClientBuilder::try_from(config)?.with_layer(&layer).build())
}

/// The warnings so far. Each is shown once, as kubectl does: a manifest with ten roles warns once.
#[derive(Default)]
struct Shown(Mutex<BTreeSet<String>>);

impl Shown {
    /// The warnings of a response that were not shown yet.
    fn fresh<B>(&self, response: &Response<B>) -> Vec<String> {
        let headers = response.headers().get_all(WARNING).into_iter();
        let texts = headers.filter_map(|it| warning(it.to_str().ok()?));
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.filter(|text| shown.insert(text.clone())).collect()
    }
}

/// The text of a warning header, `299 - "text"`, with what is escaped in it.
fn warning(header: &str) -> Option<String> {
    let quoted = header.strip_prefix("299 - \"")?.strip_suffix('"')?;
    Some(quoted.replace("\\\"", "\"").replace("\\\\", "\\"))
}

async fn config(global: &Global) -> Result<Config> {
    let own = default_state_dir()?.join("kubeconfig");
    let named = global.kubeconfig.clone();
    let mut config = match named.or_else(|| own.exists().then_some(own)) {
        Some(files) => {
            let kubeconfig = read(&files, global.kubeconfig_flag())?;
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

/// Reads a file, or a list of files from the environment; missing files of a list are ignored. The flag names one
/// file. If a file exists under the whole text, that is the file: names may contain a colon.
fn read(files: &Path, flag: Option<&Path>) -> Result<Kubeconfig> {
    let one = flag.is_some() || files.exists();
    let list = if one { vec![files.to_owned()] } else { std::env::split_paths(files).collect() };
    let mut all: Option<Kubeconfig> = None;
    for file in list.into_iter().filter(|it| it.exists()) {
        let next = Kubeconfig::read_from(&file)
            .with_context(|| format!("cannot read the kubeconfig {}", file.display()))?;
        all = Some(match all {
            Some(before) => before.merge(next)?,
            None => next,
        });
    }
    all.with_context(|| {
        format!(
            "there is no kubeconfig {} as named by --kubeconfig or KUBECONFIG; `endstate up` starts a cluster and prints the path of its kubeconfig",
            files.display()
        )
    })
}

/// The in-cluster configuration, or `~/.kube/config`.
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
    fn warnings_are_unquoted() {
        assert_eq!(warning(r#"299 - "a \"b\" c""#).as_deref(), Some(r#"a "b" c"#));
        assert_eq!(warning(r#"110 - "stale""#), None);
    }

    #[test]
    fn a_warning_is_shown_once() {
        let shown = Shown::default();
        let response = |text: &str| {
            let warned = Response::builder().header(WARNING, format!("299 - \"{text}\""));
            warned.header(WARNING, "299 - \"again\"").body(()).unwrap()
        };
        assert_eq!(shown.fresh(&response("a")), ["a", "again"]);
        assert_eq!(shown.fresh(&response("b")), ["b"]);
    }

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
        let merged = read(Path::new(&list), None).unwrap();
        assert_eq!(merged.current_context.as_deref(), Some("one"));
        assert!(read(Path::new(&list), Some(Path::new(&list))).is_err(), "a flag names one file");
        let colon = file("a:b", "apiVersion: v1\nkind: Config\ncurrent-context: three\n");
        for flag in [None, Some(&*colon)] {
            assert_eq!(read(&colon, flag).unwrap().current_context.as_deref(), Some("three"));
        }
        let error = read(&missing, None).unwrap_err().to_string();
        assert!(
            error.contains("there is no kubeconfig") && error.contains("endstate up"),
            "{error}"
        );
    }
}
