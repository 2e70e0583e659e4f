//! `endstate logs`.

use anyhow::{Context, Result};
use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;

use crate::args::{Global, Logs};
use crate::connect::{Connection, connect};
use crate::output;

pub(crate) async fn run(global: &Global, args: Logs) -> Result<()> {
    let Connection { client, namespace } = connect(global).await?;
    let api: Api<Pod> = Api::namespaced(client, &namespace);
    let params = LogParams {
        container: args.container,
        follow: args.follow,
        previous: args.previous,
        tail_lines: args.tail,
        ..LogParams::default()
    };
    let pod = args.pod.strip_prefix("pod/").unwrap_or(&args.pod);
    let log = api.log_stream(pod, &params).await;
    let log = log.with_context(|| format!("cannot read the log of pod {pod}"))?;
    let mut lines = log.lines();
    while let Some(line) = lines.try_next().await? {
        output::line(line)?;
    }
    Ok(())
}
