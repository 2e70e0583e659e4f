//! Group commit: one thread takes every commit that waits, makes them durable together, and only then visible.
//!
//! The order is what the store promises: guards, revisions, disk, memory, watchers, acknowledgements. Also a refusal is
//! answered only after its group is durable, since it may be due to a commit of the same group.
//!
//! A group for which the disk has no room is refused as a whole; the store goes on. Any other failure is its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::disk::DiskError;
use super::medium::{Medium, Room, Written};
use crate::resident::Resident;
use crate::stage::Batch;
use crate::versions::{Change, Versions};
use crate::{Commit, Error, Write};

/// A group is closed at either bound, so that one transaction takes a bounded time and memory.
const GROUP_COMMITS_MAX: usize = 1024;
const GROUP_BYTES_MAX: usize = 4 << 20;

/// With little room, so that one group's pages are few.
const GROUP_COMMITS_MAX_SHORT: usize = 16;

/// What an update may add while room is short: the mark of a deletion that is waited for.
const GROWTH_BYTES_MAX_SHORT: usize = 1 << 10;

const NO_ROOM: &str = "there is no room on its disk";
const UNKNOWN: &str =
    "there is no room on its disk, and it shows only later whether this was written";

type Reply = oneshot::Sender<Result<Commit, Error>>;
type Answers = Vec<(Reply, Result<Commit, Error>)>;

/// A commit that waits. If its sender goes away the commit is still made.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) writes: Vec<Write>,
    pub(super) reply: Reply,
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
    medium: Medium,
}

impl Writer {
    pub(super) fn new(
        queue: mpsc::Receiver<Request>,
        resident: Arc<Resident>,
        medium: Medium,
    ) -> Self {
        Self { queue, resident, medium }
    }

    /// Runs until the store is closed or fails.
    pub(super) fn run(mut self) {
        // A panic here is a bug; going on after it could hand out wrong data, and so could just vanishing.
        let end = catch_unwind(AssertUnwindSafe(|| self.serve()))
            .unwrap_or_else(|_| Error::Stopped("its writer panicked".to_owned()));
        let Self { mut queue, resident, medium } = self;
        resident.watchers().end(&end);
        queue.close();
        while let Some(request) = queue.blocking_recv() {
            answer(request.reply, Err(end.clone()));
        }
        drop(medium);
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
        let short = self.medium.is_short();
        let commits_max = if short { GROUP_COMMITS_MAX_SHORT } else { GROUP_COMMITS_MAX };
        let mut bytes = first.size();
        let mut group = vec![first];
        while group.len() < commits_max && bytes < GROUP_BYTES_MAX {
            let Ok(request) = self.queue.try_recv() else { break };
            bytes += request.size();
            group.push(request);
        }
        group
    }

    fn commit(&mut self, group: Vec<Request>) -> Result<(), Error> {
        let group = match self.medium.ready() {
            Ok((room, made)) => {
                self.publish(&made);
                self.admit(room, group)
            }
            Err(error) => {
                return Err(stop(&error, group.into_iter().map(|request| request.reply)));
            }
        };
        let (results, changes) = self.stage(group);
        match self.medium.write(&changes) {
            Ok(Written::Made) => {
                self.publish(&changes);
                results.into_iter().for_each(|(reply, result)| answer(reply, result));
                Ok(())
            }
            Ok(Written::Refused) => {
                refuse(NO_ROOM, results);
                Ok(())
            }
            Ok(Written::Unknown) => {
                refuse(UNKNOWN, results);
                Ok(())
            }
            Err(error) => Err(stop(&error, results.into_iter().map(|(reply, _)| reply))),
        }
    }

    /// The requests for which there is room; the others are refused.
    fn admit(&self, room: Room, group: Vec<Request>) -> Vec<Request> {
        if room == Room::All {
            return group;
        }
        let versions = self.resident.versions();
        let fits = |request: &Request| room == Room::Deletes && !grows(&versions, &request.writes);
        let (admitted, refused): (Vec<_>, Vec<_>) = group.into_iter().partition(fits);
        for request in refused {
            answer(request.reply, Err(Error::Full(NO_ROOM.to_owned())));
        }
        admitted
    }

    fn stage(&self, group: Vec<Request>) -> (Answers, Vec<Arc<Change>>) {
        let versions = self.resident.versions();
        let mut batch = Batch::new(&versions);
        let results = group
            .into_iter()
            .map(|Request { writes, reply }| (reply, batch.stage(writes)))
            .collect();
        (results, batch.into_changes())
    }

    /// Shows what is durable.
    fn publish(&self, changes: &[Arc<Change>]) {
        if !changes.is_empty() {
            self.resident.apply(changes);
            self.resident.watchers().dispatch(changes);
        }
    }
}

/// Whether writes need more room than what they replace.
fn grows(versions: &Versions, writes: &[Write]) -> bool {
    writes.iter().any(|write| match write {
        Write::Create { .. } => true,
        Write::Delete { .. } => false,
        Write::Update { key, draft, .. } => {
            let now = versions.get(key).map_or(0, |object| object.bytes().len());
            draft.before.len() + draft.after.len() > now + GROWTH_BYTES_MAX_SHORT
        }
    })
}

fn refuse(why: &str, results: Answers) {
    for (reply, _) in results {
        answer(reply, Err(Error::Full(why.to_owned())));
    }
}

fn stop(error: &DiskError, replies: impl Iterator<Item = Reply>) -> Error {
    let stopped = Error::Stopped(format!("writing to the disk failed: {error}"));
    tracing::error!(%error, "the store stops: writing to the disk failed");
    replies.for_each(|reply| answer(reply, Err(stopped.clone())));
    stopped
}

fn answer(reply: Reply, result: Result<Commit, Error>) {
    // The one who asked may be gone, as when its request was cancelled; the commit stands.
    drop(reply.send(result));
}
