//! `endstate up`: the embedded cluster in the foreground.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use cluster::{Cluster, Options};
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
    };
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
