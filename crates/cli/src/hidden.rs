//! The roles that `endstate` plays for itself: the node's agent, the launcher before a member, the operator in its pod.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use endstate::{launcher, package};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::args::{Agent, Operator};
use crate::output;

/// Roles that must run before any thread exists. `None` if the arguments are a user's.
pub(crate) fn run_before_threads() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    match args.next()?.as_str() {
        "node-agent" => {
            log_to_stderr("warn");
            Some(node::agent::main(args.collect()))
        }
        launcher::SUBCOMMAND => Some(launcher::main(args.collect())),
        _ => None,
    }
}

/// Runs an operator until the process is asked to end.
pub(crate) async fn operator(args: Operator) -> Result<()> {
    log_to_stderr("info");
    let client = kube::Client::try_default().await.context("cannot reach the cluster's API")?;
    let shutdown = CancellationToken::new();
    on_signal(shutdown.clone())?;
    Ok(package::run(args.operator, client, package::Options::from_env()?, shutdown).await?)
}

/// Works for a cluster until that is done, or the process is asked to end. Why it failed goes to the output, which the
/// launcher before a member reads.
pub(crate) async fn agent(args: Agent) -> Result<ExitCode> {
    log_to_stderr("info");
    let shutdown = CancellationToken::new();
    on_signal(shutdown.clone())?;
    let worked = match args.operator.name() {
        "etcd" => Box::pin(etcd_agent::main(&args.words, shutdown)).await,
        name => bail!("the operator {name} has no agents"),
    };
    match worked {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            output::text(&format!("{error}\n"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Logs go to the error stream, filtered by `RUST_LOG`.
pub(crate) fn log_to_stderr(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(output::is_coloured(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
}

/// Cancels a token at SIGINT or SIGTERM.
pub(crate) fn on_signal(shutdown: CancellationToken) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        shutdown.cancel();
    });
    Ok(())
}
