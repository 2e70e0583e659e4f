//! One watch: first what the history has, then what is queued, and how far that reaches.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::time::{Instant, Sleep};

use crate::resident::Resident;
use crate::watchers::Queue;
use crate::{Error, Event, Prefix, Revision, Signal};

/// How long a watcher of a quiet prefix may not hear of progress that other prefixes make. Waking it for each of
/// their commits instead would make every write cost as much as there are watchers.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Watching {
    resident: Arc<Resident>,
    prefix: Prefix,
    queue: Arc<Queue>,
    /// Events to yield next.
    ready: std::vec::IntoIter<Arc<Event>>,
    /// Every event up to here was yielded or is in `ready`; queued changes up to here are duplicates of the history.
    seen: Revision,
    /// The last progress yielded.
    progress: Revision,
    tick: Pin<Box<Sleep>>,
    ended: bool,
}

impl Watching {
    /// `replay` must hold all events in `(after, seen]`, and `queue` must have been added before it was read.
    pub(crate) fn new(
        resident: Arc<Resident>,
        prefix: Prefix,
        queue: Arc<Queue>,
        replay: Vec<Arc<Event>>,
        seen: Revision,
    ) -> Self {
        let tick = Box::pin(tokio::time::sleep(PROGRESS_INTERVAL));
        let (ready, progress) = (replay.into_iter(), Revision(0));
        Self { resident, prefix, queue, ready, seen, progress, tick, ended: false }
    }

    /// Progress to tell, once nothing is queued.
    fn caught_up(&mut self, dispatched: Revision) -> Option<Signal> {
        self.seen = self.seen.max(dispatched);
        if self.progress == self.seen {
            return None;
        }
        self.progress = self.seen;
        Some(Signal::Progress(self.seen))
    }

    /// True if the interval is over, and a new one begun.
    fn tick(&mut self, cx: &mut Context<'_>) -> bool {
        let over = self.tick.as_mut().poll(cx).is_ready();
        if over {
            self.tick.as_mut().reset(Instant::now() + PROGRESS_INTERVAL);
        }
        over
    }
}

impl Stream for Watching {
    type Item = Result<Signal, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            if let Some(event) = self.ready.next() {
                return Poll::Ready(Some(Ok(Signal::Event(event))));
            }
            // The place of a long replay is not kept for as long as the watch lasts.
            self.ready = Vec::new().into_iter();
            // Read before the queue: see the invariant of `watchers`.
            let dispatched = self.resident.watchers().dispatched();
            match self.queue.poll(cx.waker()) {
                Poll::Ready(Ok(delivery)) if delivery.revision <= self.seen => {}
                Poll::Ready(Ok(delivery)) => {
                    self.seen = delivery.revision;
                    self.ready = delivery.events.clone().into_iter();
                }
                Poll::Ready(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Pending => match self.caught_up(dispatched) {
                    Some(progress) => return Poll::Ready(Some(Ok(progress))),
                    None if self.tick(cx) => {}
                    None => return Poll::Pending,
                },
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.resident.watchers().remove(&self.prefix, &self.queue);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;
    use crate::stage::Batch;
    use crate::versions::{Change, History, Versions};
    use crate::watchers::Backlog;
    use crate::{Draft, Index, Key, Write};

    fn resident() -> Arc<Resident> {
        let versions = Versions::new(Revision::FIRST, [], History::default());
        Arc::new(Resident::new(versions, Backlog::default()))
    }

    fn root() -> Prefix {
        Prefix::new(&[]).unwrap()
    }

    fn create(resident: &Resident, name: &str) -> Vec<Arc<Change>> {
        let versions = resident.versions();
        let mut batch = Batch::new(&versions);
        let draft = Draft { before: Vec::new(), after: Vec::new(), index: Index::default() };
        batch.stage(vec![Write::Create { key: Key::new(&[name]).unwrap(), draft }]).unwrap();
        batch.into_changes()
    }

    /// All that a watch has to tell without waiting.
    fn told(watch: &mut Watching) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(Some(signal)) = watch.next().now_or_never() {
            told.push(match signal.unwrap() {
                Signal::Event(event) => format!("{}", event.revision),
                Signal::Progress(revision) => format!("all to {revision}"),
            });
        }
        told
    }

    /// The race that opening a watch has: a change is made after its queue was added and before the history was read.
    #[tokio::test]
    async fn a_change_in_both_the_history_and_the_queue_is_told_once() {
        let resident = resident();
        let queue = resident.watchers().add(&root());
        let changes = create(&resident, "a");
        resident.apply(&changes);
        resident.watchers().dispatch(&changes);
        let replay = changes.iter().flat_map(|change| change.events.clone()).collect();
        let seen = resident.versions().revision();
        let mut watch = Watching::new(resident.clone(), root(), queue, replay, seen);
        assert_eq!(told(&mut watch), ["2", "all to 2"]);
    }

    /// Fails if progress is taken from what reads can see instead of from what was dispatched.
    #[tokio::test]
    async fn progress_does_not_run_ahead_of_changes_still_to_be_dispatched() {
        let resident = resident();
        let queue = resident.watchers().add(&root());
        let mut watch = Watching::new(resident.clone(), root(), queue, Vec::new(), Revision::FIRST);
        assert_eq!(told(&mut watch), ["all to 1"]);
        let changes = create(&resident, "a");
        resident.apply(&changes);
        assert_eq!(told(&mut watch), [""; 0]);
        resident.watchers().dispatch(&changes);
        assert_eq!(told(&mut watch), ["2", "all to 2"]);
    }
}
