//! The task of one reconciler: takes keys from its queue, and runs each reconcile in a task of its own.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Next, Reconciler};
use crate::cache::Origin;
use crate::event::reference;
use crate::queue::{Moment, Outcome, Queue};
use crate::{Backoff, Cache, Context, Failure, ObjectKey, Priority};

/// A queue that subscribers push into from any task.
pub(super) struct Inbox {
    start: Instant,
    queue: Mutex<Queue<ObjectKey>>,
    arrived: Notify,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let queue = Mutex::new(Queue::new(1, Backoff::default()));
        Self { start: Instant::now(), queue, arrived: Notify::new() }
    }

    /// Sets the queue's limits; what is in it stays.
    pub(super) fn configure(&self, concurrency: usize, backoff: Backoff) {
        self.queue().configure(concurrency, backoff);
    }

    pub(super) fn push(&self, key: ObjectKey, priority: Priority) {
        self.queue().push(key, priority, self.now());
        self.arrived.notify_one();
    }

    fn now(&self) -> Moment {
        self.start.elapsed()
    }

    fn queue(&self) -> MutexGuard<'_, Queue<ObjectKey>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Worker<R: Reconciler> {
    pub(super) name: Arc<str>,
    pub(super) reconciler: Arc<R>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) primary: Option<Cache<R::Kind>>,
    pub(super) context: Context,
    pub(super) deadline: Duration,
    pub(super) grace: Duration,
}

impl<R: Reconciler> Worker<R> {
    pub(super) async fn run(
        self,
        needed: Vec<BoxFuture<'static, ()>>,
        shutdown: CancellationToken,
    ) {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = join_all(needed) => {}
        }
        let mut running = JoinSet::new();
        let fence = self.context.fence().clone();
        while !shutdown.is_cancelled() {
            let leads = fence.is_open();
            while leads && let Some(key) = self.pop() {
                running.spawn(self.work(key));
            }
            // A standby replica keeps its queue and works on it once it leads.
            let next = self.inbox.queue().next_moment().filter(|_| leads);
            self.count_queued();
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = fence.opened(), if !leads => {}
                () = self.inbox.arrived.notified() => {}
                Some(ended) = running.join_next() => self.finish(ended),
                () = sleep_until(next.map(|moment| self.inbox.start + moment)) => {}
            }
        }
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(self.grace, drained).await.is_err() {
            tracing::warn!(controller = %self.name, "reconciles were cut off by the shutdown");
        }
    }

    fn count_queued(&self) {
        let (ready, in_work) = self.inbox.queue().depth();
        self.context.metrics.queued(&self.name, ready + in_work);
    }

    fn pop(&self) -> Option<ObjectKey> {
        self.inbox.queue().pop(self.inbox.now())
    }

    /// Works on one key; never panics and always ends.
    fn work(
        &self,
        key: ObjectKey,
    ) -> impl Future<Output = (ObjectKey, Result<Next, Failure>)> + Send + use<R> {
        let (reconciler, deadline) = (self.reconciler.clone(), self.deadline);
        let origin = Origin { controller: self.name.clone(), key: key.clone() };
        let context = Context { origin: Some(origin), ..self.context.clone() };
        let (metrics, name) = (self.context.metrics.clone(), self.name.clone());
        async move {
            let begun = Instant::now();
            let reconcile =
                AssertUnwindSafe(reconciler.reconcile(key.clone(), &context)).catch_unwind();
            let result = match tokio::time::timeout(deadline, Box::pin(reconcile)).await {
                Ok(Ok(result)) => result.map_err(Failure::Error),
                Ok(Err(panic)) => Err(Failure::Panic(panic_message(&*panic))),
                Err(_) => Err(Failure::Deadline(deadline)),
            };
            metrics.reconciled(&name, outcome_name(&result), begun.elapsed());
            (key, result)
        }
    }

    fn finish(&self, ended: Result<(ObjectKey, Result<Next, Failure>), tokio::task::JoinError>) {
        let (key, result) = ended.expect("the work on a key catches panics and is never aborted");
        let outcome = match result {
            Ok(Next::Settled) => Outcome::Settled,
            Ok(Next::Again) => Outcome::Again,
            Ok(Next::After(delay)) => Outcome::After(delay),
            Err(failure) => {
                self.report(&key, &failure);
                Outcome::Failed
            }
        };
        self.inbox.queue().finish(&key, outcome, self.inbox.now());
    }

    fn report(&self, key: &ObjectKey, failure: &Failure) {
        let object = self.primary.as_ref().and_then(|cache| cache.get(key));
        let failures = self.inbox.queue().failures(key) + 1;
        let message = failure.message();
        // The view may also be behind: it has the object still, and the next look has not.
        match outdated(failure, object.is_some() && failures > 1) {
            true => tracing::debug!(controller = %self.name, %key, "looking again: {message}"),
            false => {
                tracing::warn!(controller = %self.name, %key, failures, "reconcile failed: {message}")
            }
        }
        let asked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            self.reconciler.failed(object.as_deref(), failure)
        }));
        if let (Some(object), Ok(Some(notice))) = (object, asked) {
            self.context.recorder.record(reference(&*object, &Default::default()), notice);
        }
    }
}

/// Whether the only fault was an outdated view: the object changed, or is gone.
fn outdated(failure: &Failure, exists: bool) -> bool {
    match failure {
        Failure::Error(error) => error.is_conflict() || (error.is_not_found() && !exists),
        Failure::Panic(_) | Failure::Deadline(_) => false,
    }
}

/// The outcome of a reconcile, in one word. An alert is about the last three (`package/monitoring.rs`).
fn outcome_name(result: &Result<Next, Failure>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Failure::Error(error)) if error.is_conflict() => "conflict",
        Err(Failure::Error(_)) => "error",
        Err(Failure::Panic(_)) => "panic",
        Err(Failure::Deadline(_)) => "deadline",
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
