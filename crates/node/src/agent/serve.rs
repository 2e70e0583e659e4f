//! The agent's runtime: brings everything up in order and keeps it until told to stop.
//!
//! Order: network, DNS and sockets first (`NetworkUp`), then the nodes' registration (`Registered`), then pods, which
//! need both. Tasks: watches of the view, DNS, proxy, streams, heartbeats, one worker per pod. They end with this
//! process.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Report, STOP};
use crate::config::AgentConfig;
use crate::events::Events;
use crate::network::Network;
use crate::pod::{Ledger, Live, Shared};
use crate::puller::Puller;
use crate::runtime::Runtime;
use crate::streams::{self, Streams};
use crate::view::View;
use crate::volumes::reclaim;
use crate::{api, chain, dns, nodes, pods, proxy, sys};

pub(super) fn run(config: AgentConfig) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("node")
        .enable_all()
        .build()
        .map_err(|error| format!("start the runtime: {error}"))?;
    let stopping = CancellationToken::new();
    watch_supervisor(stopping.clone());
    let ended = runtime.block_on(serve(config, stopping));
    // Blocking reads of terminals may never return.
    runtime.shutdown_background();
    ended
}

/// A thread that reads the supervisor's pipe: a byte or its end means to stop.
fn watch_supervisor(stopping: CancellationToken) {
    let reader = std::thread::Builder::new().name("supervisor".to_owned()).spawn(move || {
        let mut byte = [0];
        loop {
            match rustix::io::read(std::io::stdin(), &mut byte) {
                Ok(1) if byte[0] != STOP => {}
                Err(rustix::io::Errno::INTR) => {}
                _ => break,
            }
        }
        stopping.cancel();
    });
    if let Err(error) = reader {
        tracing::error!(%error, "cannot listen to the supervisor");
    }
}

async fn serve(config: AgentConfig, stopping: CancellationToken) -> Result<(), String> {
    let paths = config.paths();
    let network = Network::create(config.nodes).await.map_err(|error| chain(&error))?;
    let view = View::default();
    dns::start(view.clone(), paths.host_sock())
        .await
        .map_err(|error| format!("serve DNS: {error}"))?;
    let live = Live::default();
    let streams = Streams { live: live.clone(), view: view.clone(), paths: paths.clone() };
    streams::start(streams, paths.node_sock())
        .map_err(|error| format!("serve {}: {error}", paths.node_sock().display()))?;
    let client = api::client(paths.api_sock());
    let shared = Arc::new(Shared {
        puller: Puller::new(config.clone()).map_err(|error| chain(&error))?,
        runtime: Runtime::new(config.runc.clone(), paths.runc_root()),
        events: Events::start(client.clone()),
        client: client.clone(),
        view: view.clone(),
        stopping: stopping.clone(),
        ledger: Ledger::default(),
        network,
        live,
        paths: paths.clone(),
        config: config.clone(),
    });
    tokio::spawn(sys::reap_strays());
    Report::NetworkUp.send();
    let registered = nodes::register(&client, &config);
    tokio::select! {
        () = registered => {}
        () = stopping.cancelled() => return Ok(()),
    }
    Report::Registered.send();
    shared.puller.remove_unused();
    view.start(&client);
    tokio::spawn(reclaim::run(view.volumes.clone(), client.clone(), paths.clone()));
    tokio::spawn(proxy::run(view, paths.api_tls_sock()));
    tokio::spawn(nodes::beat(client, config));
    pods::run(shared).await;
    Ok(())
}
