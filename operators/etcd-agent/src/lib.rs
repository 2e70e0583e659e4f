//! The agent beside an etcd cluster: keeps backups of it in an archive, and makes the data of a new one of them.
//!
//! It runs in a pod of its own, or before a cluster's first member, with etcd's own programs beside it. The operator
//! says on the command line what it is asked for; what it has done it is asked for over HTTP. The credentials of the
//! archive are mounted there, and are nowhere else: the operator reads none of them, and no data goes through it.
//!
//! Before a member that goes on alone it makes that member's data ready, beside nobody.
//!
//! Read `keep.rs` and `due.rs` for backups, `restore.rs` and `replay.rs` for the way back, `record.rs` for what a delta
//! is, `log.rs` and `request.rs` for what etcd makes history of, and `mend.rs`, `raise.rs` and `bolt.rs` for a member
//! that goes on alone.

mod bolt;
mod cluster;
mod delta;
mod due;
mod error;
mod full;
mod keep;
mod log;
mod mend;
mod raise;
mod record;
mod replay;
mod request;
mod restore;
mod scratch;
mod task;
mod tool;
mod trial;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use endstate::agents::PORT;
use endstate::{CancellationToken, Metrics, health};
use endstate_core::backup::Report;
use etcd_plan::Made;
use tokio::net::TcpListener;

pub use bolt::BoltError;
pub use cluster::{Asked, follower};
pub use delta::After;
pub use due::{Seen, Step, due};
pub use error::AgentError;
pub use full::up_to;
pub use keep::Keeper;
pub use log::LogError;
pub use mend::{Mended, commit, mend};
pub use raise::{RAISED_BY, raise};
pub use record::{Lease, Reader, Record, RecordError, Revision, What, Write};
pub use restore::{Restored, restore};
pub use task::{Folders, KeepTask, RestoreTask, When};

/// Does what the arguments after `agent etcd` say, until it is done or the process is asked to end.
pub async fn main(words: &[String], shutdown: CancellationToken) -> Result<(), AgentError> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["restore", task, made] => {
            let (task, made) = (serde_json::from_str(task)?, serde_json::from_str::<Made>(made)?);
            let folders = Folders::default();
            let restored = Box::pin(restore(&task, &made, &folders));
            let Some(restored) = until(&shutdown, restored).await else { return Ok(()) };
            let Restored { of, revision, raised } = restored?;
            tracing::info!(of, revision, raised, "restored");
            Ok(())
        }
        ["mend", programs, data, ref wal @ ..] if wal.len() <= 1 => {
            let mended =
                Box::pin(mend(programs.as_ref(), data.as_ref(), wal.first().map(Path::new)));
            let Some(mended) = until(&shutdown, mended).await else {
                return Err(AgentError::Asked);
            };
            let Mended { index, before, after } = mended?;
            tracing::info!(
                index,
                before,
                after,
                "all of the log is done, and the revision is raised"
            );
            Ok(())
        }
        ["keep", task, ref hints @ ..] => {
            let tried = hints.first().and_then(|it| serde_json::from_str(it).ok());
            let task = KeepTask { tried, ..serde_json::from_str(task)? };
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
            keep(task, Folders::default(), address, shutdown).await
        }
        _ => Err(AgentError::Usage),
    }
}

/// Keeps backups, and says how that goes at an address, until shutdown.
pub async fn keep(
    task: KeepTask,
    folders: Folders,
    address: SocketAddr,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    let report = Arc::new(Mutex::new(Report { by: task.by.clone(), ..Report::default() }));
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| AgentError::Serve { address, source })?;
    let told = Arc::clone(&report);
    let told: health::Report = Box::new(move || {
        let report = told.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::to_string(&*report).unwrap_or_default()
    });
    let metrics = Metrics::default();
    let endpoints = health::Endpoints { is_ready: Box::new(|| true), metrics, report: Some(told) };
    let serving = tokio::spawn(health::serve(listener, endpoints, shutdown.clone()));
    until(&shutdown, Box::pin(work(task, folders, report))).await;
    // What was asked for once is done: the operator comes for the report, and ends the pod.
    shutdown.cancelled().await;
    let _ = serving.await;
    Ok(())
}

/// Keeps backups, once the archive can be opened.
async fn work(task: KeepTask, folders: Folders, report: Arc<Mutex<Report>>) {
    let mut failures = 0;
    loop {
        match Keeper::open(task.clone(), folders.clone(), Arc::clone(&report)).await {
            Ok(keeper) => return keeper.run().await,
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, "cannot open the archive");
                let failure = Some(error.to_string());
                report.lock().unwrap_or_else(PoisonError::into_inner).failure = failure;
                tokio::time::sleep(keep::rest_after(failures)).await;
            }
        }
    }
}

async fn until<T>(shutdown: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = shutdown.cancelled() => None,
        done = work => Some(done),
    }
}
