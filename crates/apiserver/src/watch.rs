//! watch: a stream of events without an end, or with the one that the client asked for.
//!
//! Invariants: events come in the order of their revisions and none is left out between the first and the last;
//! an object that enters a selector is ADDED, one that leaves it is DELETED with its old state and the event's
//! revision. An event carries stored bytes and shares them: nothing is made for one watcher alone, unless its form asks
//! for it, and that is counted ([`crate::outgoing`]). The state at the start is made into events as the client takes
//! them, so a slow one holds no copy of it, and an idle one nothing. What goes wrong after the headers is an ERROR
//! event, and then the stream ends; one that is too slow just ends, after a whole event, once the state at the start
//! was sent.

mod encoder;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use http::StatusCode;
use machinery::error::ApiError;
use serde_json::json;
use store::{Object, Revision, Signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::body::Body;
use crate::call::Call;
use crate::negotiate::Format;
use crate::options::ReadOptions;
use crate::outgoing::{PIECE_BYTES, Pending};
use crate::read;
use crate::respond::{self, Response};

use encoder::Encoder;

const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long before the end the last bookmark is sent.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// Without a wish of the client a watch ends after between one and two of these.
const TIMEOUT_SECONDS: u64 = 1800;
/// A wish for more is a wish for this: a moment too far away has no name.
const TIMEOUT_SECONDS_MAX: u64 = 365 * 24 * 3600;

/// Watches the collection of the path.
pub(crate) async fn watch(call: Arc<Call>) -> Result<Response, ApiError> {
    let mut options = ReadOptions::parse(&call.query, &call.resource)?;
    options.check_watch()?;
    if let Some(name) = call.target.name.clone() {
        // The deprecated path of a watch on one object.
        options.selector = std::mem::take(&mut options.selector).and_name(&name);
    }
    let content_type = match call.form.format {
        Format::Json | Format::PrettyJson => "application/json",
        Format::Yaml => "application/yaml;stream=watch",
    };
    let limit = options.timeout_seconds.filter(|seconds| *seconds > 0);
    let seconds = match limit {
        Some(seconds) => seconds.min(TIMEOUT_SECONDS_MAX),
        None => TIMEOUT_SECONDS + call.server.random_below(TIMEOUT_SECONDS)?,
    };
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let watcher = Watcher::new(call, options, deadline);
    let stream = futures::stream::unfold(watcher, Watcher::next);
    Ok(respond::with_body(StatusCode::OK, content_type, Body::stream(stream)))
}

fn first_bookmark(now: Instant, deadline: Instant) -> Instant {
    (now + BOOKMARK_EVERY).min(deadline.checked_sub(LAST_BOOKMARK).unwrap_or(deadline))
}

enum State {
    Start,
    Running(store::Watch),
    Ended,
}

struct Watcher {
    encoder: Encoder,
    changed: CancellationToken,
    state: State,
    options: ReadOptions,
    /// What is still to be sent of the state at the start.
    initial: std::vec::IntoIter<Arc<Object>>,
    /// Whether a bookmark is to say where the state at the start ends.
    mark_initial: bool,
    pending: Pending,
    /// Every event up to here was looked at.
    seen: Revision,
    deadline: Instant,
    next_bookmark: Instant,
}

enum Step {
    Signal(Option<Result<Signal, store::Error>>),
    Bookmark,
    End,
}

/// What a watcher waits for besides events.
struct Waiting {
    shutdown: CancellationToken,
    /// The resource is not what it was when the watch began.
    changed: CancellationToken,
    deadline: Instant,
    bookmark: Option<Instant>,
}

impl Waiting {
    async fn next(self, events: &mut store::Watch) -> Step {
        let bookmark = self.bookmark.unwrap_or(self.deadline);
        tokio::select! {
            biased;
            signal = events.next() => Step::Signal(signal),
            () = tokio::time::sleep_until(self.deadline) => Step::End,
            () = tokio::time::sleep_until(bookmark), if self.bookmark.is_some() => Step::Bookmark,
            () = self.shutdown.cancelled() => Step::End,
            () = self.changed.cancelled() => Step::End,
        }
    }
}

impl Watcher {
    fn new(call: Arc<Call>, options: ReadOptions, deadline: Instant) -> Self {
        Self {
            changed: call.server.shared().lifecycle.ended(&call.resource),
            pending: Pending::new(call.outgoing.clone()),
            encoder: Encoder::new(call, options.selector.clone()),
            state: State::Start,
            options,
            initial: Vec::new().into_iter(),
            mark_initial: false,
            seen: Revision(0),
            deadline,
            next_bookmark: first_bookmark(Instant::now(), deadline),
        }
    }

    /// The next bytes of the stream, and the state after them.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            if self.pending.len() == 0 {
                self.add_initial();
            }
            if let Some(piece) = self.pending.piece() {
                return Some((piece, self));
            }
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return None,
                State::Start => self.start().await,
                State::Running(mut events) => {
                    let step = self.waiting().next(&mut events).await;
                    self.state = State::Running(events);
                    self.step(step);
                }
            }
        }
    }

    async fn start(&mut self) {
        match self.begin().await {
            Ok(events) => self.state = State::Running(events),
            Err(error) => self.fail(&error),
        }
    }

    /// Sends the state at the start, if it is asked for, and opens the stream of what follows it.
    async fn begin(&mut self) -> Result<store::Watch, ApiError> {
        let call = self.encoder.call.clone();
        let revision = self.options.revision.unwrap_or(0);
        let initial = match self.options.send_initial_events {
            Some(wanted) => wanted,
            None => revision == 0,
        };
        if initial {
            read::wait_for(&call, revision).await?;
            self.find_initial(&call).await?;
        } else if revision == 0 {
            self.seen = call.store().revision();
        } else {
            self.seen = Revision(revision);
        }
        let prefix = call.prefix()?;
        loop {
            match call.store().watch(&prefix, self.seen).await {
                Ok(events) => return Ok(events),
                Err(store::Error::Future { .. }) => self.wait_for_future(&call).await?,
                Err(error) => return Err(watch_error(&error)),
            }
        }
    }

    /// A watch from the future waits until it comes.
    async fn wait_for_future(&mut self, call: &Call) -> Result<(), ApiError> {
        if Instant::now() >= self.deadline || call.server.is_shutting_down() {
            return Err(ApiError::timeout_future_revision(self.seen.0, call.store().revision().0));
        }
        drop(read::wait_for(call, self.seen.0).await);
        Ok(())
    }

    async fn find_initial(&mut self, call: &Call) -> Result<(), ApiError> {
        let options = self.options.for_initial_state();
        let found = read::find(call, &options).await?;
        self.seen = found.revision;
        self.initial = found.objects.into_iter();
        self.mark_initial =
            self.options.send_initial_events == Some(true) && self.options.bookmarks;
        Ok(())
    }

    /// Makes the next part of the state at the start into events, and says where it ends.
    fn add_initial(&mut self) {
        while self.pending.len() < PIECE_BYTES {
            let Some(object) = self.initial.as_slice().first().cloned() else { break };
            self.add(|encoder, pending| encoder.added(&object, pending));
            // Only now: what is not sent yet is still to be sent.
            self.initial.next();
        }
        if self.initial.len() > 0 {
            return;
        }
        // The place of many objects is not kept for as long as the watch lasts.
        self.initial = Vec::new().into_iter();
        if std::mem::take(&mut self.mark_initial) {
            let annotations = json!({"k8s.io/initial-events-end": "true"});
            let seen = self.seen;
            self.add(|encoder, pending| encoder.bookmark(seen, Some(annotations), pending));
        }
    }

    /// Adds an event. If there is no room for it, this watcher is too slow, or those beside it are: it ends, and its
    /// client comes back from where it was. It was nowhere while a part of the state at the start was not sent.
    fn add(&mut self, event: impl FnOnce(&mut Encoder, &mut Pending) -> Result<(), ApiError>) {
        if self.pending.outgoing().room().is_err() {
            return match self.initial.len() {
                0 => self.end(),
                _ => self.fail(&cut_short()),
            };
        }
        if let Err(error) = event(&mut self.encoder, &mut self.pending) {
            self.fail(&error);
        }
    }

    /// Nothing comes after what is pending.
    fn end(&mut self) {
        self.initial = Vec::new().into_iter();
        self.mark_initial = false;
        self.state = State::Ended;
    }

    fn waiting(&self) -> Waiting {
        Waiting {
            shutdown: self.encoder.call.server.shutdown_token().clone(),
            changed: self.changed.clone(),
            deadline: self.deadline,
            bookmark: self.options.bookmarks.then_some(self.next_bookmark),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Signal(signal) => {
                self.signal(signal);
                self.drain_ready();
            }
            Step::Bookmark => {
                let seen = self.seen;
                self.add(|encoder, pending| encoder.bookmark(seen, None, pending));
                let now = Instant::now();
                // Past the last bookmark, the deadline is all that is left.
                self.next_bookmark = match first_bookmark(now, self.deadline) {
                    next if next > now => next,
                    _ => self.deadline + BOOKMARK_EVERY,
                };
            }
            Step::End => self.state = State::Ended,
        }
    }

    /// Takes what is ready without waiting, so that it is sent together.
    fn drain_ready(&mut self) {
        while self.pending.len() < PIECE_BYTES {
            let State::Running(events) = &mut self.state else { return };
            let Some(signal) = events.next().now_or_never() else { return };
            self.signal(signal);
        }
    }

    fn signal(&mut self, signal: Option<Result<Signal, store::Error>>) {
        match signal {
            Some(Ok(Signal::Progress(revision))) => self.seen = self.seen.max(revision),
            Some(Ok(Signal::Event(event))) => {
                self.seen = event.revision;
                self.add(|encoder, pending| encoder.change(&event, pending));
            }
            // A watcher that is too slow sees a clean end, and comes back from where it was.
            None | Some(Err(store::Error::Lagged)) => self.state = State::Ended,
            Some(Err(error)) => self.fail(&watch_error(&error)),
        }
    }

    fn fail(&mut self, error: &ApiError) {
        self.end();
        self.encoder.failure(error, &mut self.pending);
    }
}

/// Events of the state at the start come in the order of names, not of revisions: who went on from the last one would
/// miss others. After this answer every client begins anew.
fn cut_short() -> ApiError {
    ApiError::expired(
        "the state at the start was not sent whole, because too many answers are waiting for their readers; begin anew",
    )
}

fn watch_error(error: &store::Error) -> ApiError {
    match error {
        store::Error::Compacted { requested, oldest } => {
            ApiError::expired(format!("too old resource version: {requested} ({oldest})"))
        }
        other => crate::errors::store(other.clone()),
    }
}

#[cfg(test)]
mod tests;
