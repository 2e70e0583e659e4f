//! `endstate status`: a cluster as a tree, once or live.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Result;
use endstate_etcd::status::{Style, fetch, render};
use futures::{StreamExt, TryStreamExt};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::{WatchStreamExt, watcher};

use crate::args::{Format, Global, OperatorName, Status};
use crate::connect::{Connection, connect};
use crate::output;

/// Changes that come together are shown together.
const REDRAW_AFTER: Duration = Duration::from_millis(50);
/// Clears the screen below the cursor, which goes home first.
const HOME: &str = "\x1b[H\x1b[J";

pub(crate) async fn run(global: &Global, args: Status) -> Result<()> {
    let OperatorName::Etcd = args.application;
    let Connection { client, namespace } = connect(global).await?;
    show(&client, &namespace, &args).await?;
    if !args.watch {
        return Ok(());
    }
    let mut changes = changes(&client, &namespace);
    while changes.try_next().await?.is_some() {
        // Whatever else is ready within this time is part of the same picture.
        while let Ok(Some(change)) = tokio::time::timeout(REDRAW_AFTER, changes.next()).await {
            change?;
        }
        show(&client, &namespace, &args).await?;
    }
    Ok(())
}

async fn show(client: &Client, namespace: &str, args: &Status) -> Result<()> {
    let tree = fetch(client, namespace, &args.name).await?;
    if let Some(format @ (Format::Json | Format::Yaml)) = args.output {
        return output::structured(&tree, format);
    }
    let is_terminal = std::io::stdout().is_terminal();
    let text = render(&tree, if is_terminal { Style::Coloured } else { Style::Plain });
    let mut out = std::io::stdout().lock();
    if args.watch && is_terminal {
        write!(out, "{HOME}")?;
    }
    writeln!(out, "{}", text.trim_end())?;
    Ok(out.flush()?)
}

type Changes = futures::stream::BoxStream<'static, Result<(), watcher::Error>>;

/// A signal at each change of a pod or of an etcd cluster of the namespace.
fn changes(client: &Client, namespace: &str) -> Changes {
    let kind = GroupVersionKind::gvk("etcd.endstate.dev", "v1", "EtcdCluster");
    let clusters = ApiResource::from_gvk_with_plural(&kind, "etcdclusters");
    let pods = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
    let of = |resource: &ApiResource| {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
        watcher(api, watcher::Config::default())
            .default_backoff()
            .touched_objects()
            .map_ok(drop)
            .boxed()
    };
    futures::stream::select(of(&clusters), of(&pods)).boxed()
}
