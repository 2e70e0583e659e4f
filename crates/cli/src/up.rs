//! `endstate up`: the embedded cluster in the foreground.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use cluster::{Cluster, Options, Permissions, Privileged};
use tokio_util::sync::CancellationToken;

use crate::args::{Global, Up};
use crate::{connect, hidden};

pub(crate) async fn run(global: &Global, args: Up) -> Result<()> {
    let start = Instant::now();
    hidden::log_to_stderr("warn");
    let options = Options {
        state_dir: args.state_dir.map_or_else(connect::default_state_dir, Ok)?,
        image_store: args.image_store.map_or_else(connect::default_image_store, Ok)?,
        listen: args.listen,
        nodes: args.nodes,
        kubeconfig: global.kubeconfig_flag().map(Path::to_owned),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        permissions: permissions(args.allow_host_path, args.allow_privileged),
    };
    for warning in warnings(&options.permissions) {
        // Nobody may be reading.
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    let shutdown = CancellationToken::new();
    hidden::on_signal(shutdown.clone())?;
    let mut cluster = Cluster::start(options).await?;
    let kubeconfig = cluster.kubeconfig().display();
    let text =
        format!("ready in {} ms\nexport KUBECONFIG={kubeconfig}\n", start.elapsed().as_millis());
    // Whoever started this may have stopped reading after the first line; the cluster goes on.
    let _ = std::io::stdout().write_all(text.as_bytes());
    let ended = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        error = cluster.failed() => Err(error),
    };
    cluster.stop().await?;
    ended
}

fn permissions(host_paths: Vec<PathBuf>, allow_privileged: bool) -> Permissions {
    let privileged = if allow_privileged { Privileged::Allowed } else { Privileged::Refused };
    Permissions { host_paths, privileged }
}

/// Warnings to show before pods run.
fn warnings(permissions: &Permissions) -> Vec<&'static str> {
    let privileged = permissions.privileged == Privileged::Allowed;
    match (rustix::process::geteuid().is_root(), privileged) {
        (true, true) => vec![
            "running as root with --allow-privileged: everyone who may create pods has root on this machine; run as an ordinary user instead",
        ],
        (true, false) => vec![
            "running as root: root in a pod is root on this machine for everything of the host that the pod reaches \
             (--allow-host-path, a kernel vulnerability); run as an ordinary user to avoid that",
        ],
        (false, true) => {
            vec!["--allow-privileged: everyone who may create pods has your rights on this machine"]
        }
        (false, false) => Vec::new(),
    }
}
