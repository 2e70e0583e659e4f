//! Group commit: one thread takes every commit that waits, makes them durable together, and only then visible.
//!
//! The order is what the store promises: guards, revisions, disk, memory, watchers, acknowledgements. Also a refusal is
//! answered only after its group is durable, since it may be due to a commit of the same group.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::disk::Disk;
use crate::resident::Resident;
use crate::stage::Batch;
use crate::{Commit, Error, Write};

/// A group is closed at either bound, so that one transaction takes a bounded time and memory.
const GROUP_COMMITS_MAX: usize = 1024;
const GROUP_BYTES_MAX: usize = 4 << 20;

/// A commit that waits. If its sender goes away the commit is still made.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) writes: Vec<Write>,
    pub(super) reply: oneshot::Sender<Result<Commit, Error>>,
}

impl Request {
    fn size(&self) -> usize {
        let size = |write: &Write| match write {
            Write::Create { draft, .. } | Write::Update { draft, .. } => {
                draft.before.len() + draft.after.len()
            }
            Write::Delete { .. } => 0,
        };
        self.writes.iter().map(size).sum()
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Receiver<Request>,
    resident: Arc<Resident>,
    disk: Disk,
}

impl Writer {
    pub(super) fn new(
        queue: mpsc::Receiver<Request>,
        resident: Arc<Resident>,
        disk: Disk,
    ) -> Writer {
        Writer { queue, resident, disk }
    }

    /// Runs until the store is closed or fails.
    pub(super) fn run(mut self) {
        // A panic here is a bug; going on after it could hand out wrong data, and so could just vanishing.
        let end = catch_unwind(AssertUnwindSafe(|| self.serve()))
            .unwrap_or_else(|_| Error::Stopped("its writer panicked".to_owned()));
        let Writer { mut queue, resident, disk } = self;
        resident.watchers().end(&end);
        queue.close();
        while let Some(request) = queue.blocking_recv() {
            answer(request.reply, Err(end.clone()));
        }
        drop(disk);
    }

    /// Why there is nothing more to serve.
    fn serve(&mut self) -> Error {
        while let Some(first) = self.queue.blocking_recv() {
            let group = self.group(first);
            if let Err(error) = self.commit(group) {
                return error;
            }
        }
        Error::Stopped("it was closed".to_owned())
    }

    fn group(&mut self, first: Request) -> Vec<Request> {
        let mut bytes = first.size();
        let mut group = vec![first];
        while group.len() < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(request) = self.queue.try_recv() else { break };
            bytes += request.size();
            group.push(request);
        }
        group
    }

    fn commit(&mut self, group: Vec<Request>) -> Result<(), Error> {
        let (results, changes) = {
            let versions = self.resident.versions();
            let mut batch = Batch::new(&versions);
            let results: Vec<_> = group
                .into_iter()
                .map(|Request { writes, reply }| (reply, batch.stage(writes)))
                .collect();
            (results, batch.into_changes())
        };
        if let Err(error) = self.disk.write(&changes) {
            let stopped = Error::Stopped(format!("writing to the disk failed: {error}"));
            tracing::error!(%error, "the store stops: writing to the disk failed");
            for (reply, _) in results {
                answer(reply, Err(stopped.clone()));
            }
            return Err(stopped);
        }
        self.resident.apply(&changes);
        self.resident.watchers().dispatch(&changes);
        for (reply, result) in results {
            answer(reply, result);
        }
        Ok(())
    }
}

fn answer(reply: oneshot::Sender<Result<Commit, Error>>, result: Result<Commit, Error>) {
    // The one who asked may be gone, as when its request was cancelled; the commit stands.
    drop(reply.send(result));
}
