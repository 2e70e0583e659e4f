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
    ) -> Watching {
        let tick = Box::pin(tokio::time::sleep(PROGRESS_INTERVAL));
        let (ready, progress) = (replay.into_iter(), Revision(0));
        Watching { resident, prefix, queue, ready, seen, progress, tick, ended: false }
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
