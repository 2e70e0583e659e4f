//! Bytes of answers on their way out: made as they are taken, cut into pieces, and counted until they are gone.
//!
//! Invariants: what is pending of one answer is a piece and one object at most; long stored bytes are cut and never
//! copied; what an answer that cannot be finished sent before ends as an aborted body, never as a shorter one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use machinery::error::ApiError;
use machinery::pretty::Pretty;

use crate::limits::Limits;

/// Answers go out in pieces of about this size.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;
/// What is shorter is copied together with its neighbours; what is not shares its memory with the store.
const SHARED_BYTES_MIN: usize = 16 * 1024;

/// How much was made for readers alone, of all answers of a server, and is not gone yet.
#[derive(Clone)]
pub(crate) struct Outgoing {
    held: Option<Arc<AtomicUsize>>,
    bytes_max: usize,
}

impl Outgoing {
    pub(crate) fn counted(held: &Arc<AtomicUsize>, limits: &Limits) -> Self {
        Self { held: Some(held.clone()), bytes_max: limits.answer_bytes_max }
    }

    /// For readers in this process, who hold what they read as their own.
    pub(crate) fn uncounted() -> Self {
        Self { held: None, bytes_max: usize::MAX }
    }

    /// How much more may be made now; nothing is refused. Asked before something is made, never in the middle of it.
    pub(crate) fn room(&self) -> Result<usize, ApiError> {
        let held = self.held.as_ref().map_or(0, |held| held.load(Ordering::Relaxed));
        match self.bytes_max.saturating_sub(held) {
            0 => Err(ApiError::too_many_requests(
                "too many answers are waiting for their readers, please try again later",
                1,
            )),
            room => Ok(room),
        }
    }

    /// Bytes that count until the last part of them is dropped. Short ones do not: they cost as much as counting them.
    pub(crate) fn hold(&self, bytes: Vec<u8>) -> Bytes {
        let Some(held) = self.held.clone().filter(|_| bytes.capacity() >= SHARED_BYTES_MIN) else {
            return bytes.into();
        };
        let counted = bytes.capacity();
        held.fetch_add(counted, Ordering::Relaxed);
        Bytes::from_owner(Made { bytes, counted, held })
    }
}

struct Made {
    bytes: Vec<u8>,
    counted: usize,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Made {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.held.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

/// What is still to go out of one answer.
pub(crate) struct Pending {
    parts: VecDeque<Bytes>,
    bytes: usize,
    outgoing: Outgoing,
}

impl Pending {
    pub(crate) fn new(outgoing: Outgoing) -> Self {
        Self { parts: VecDeque::new(), bytes: 0, outgoing }
    }

    pub(crate) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Adds bytes that somebody else holds too.
    pub(crate) fn share(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.parts.push_back(bytes);
        }
    }

    /// Adds bytes made for this answer.
    pub(crate) fn own(&mut self, bytes: Vec<u8>) {
        let bytes = self.outgoing.hold(bytes);
        self.share(bytes);
    }

    /// The next piece of what is there; `None` if nothing is.
    pub(crate) fn piece(&mut self) -> Option<Bytes> {
        let first = self.parts.front_mut()?;
        if first.len() >= SHARED_BYTES_MIN {
            let piece = first.split_to(first.len().min(PIECE_BYTES));
            self.taken(piece.len());
            return Some(piece);
        }
        let short =
            self.parts.iter().map(Bytes::len).take_while(|length| *length < SHARED_BYTES_MIN);
        let sums = short.scan(0, |sum, length| {
            *sum += length;
            Some(*sum).filter(|sum| *sum <= PIECE_BYTES)
        });
        let (count, length) = sums.enumerate().last().map_or((0, 0), |(at, sum)| (at + 1, sum));
        let mut out = Vec::with_capacity(length);
        self.parts.drain(..count).for_each(|part| out.extend_from_slice(&part));
        self.bytes -= out.len();
        self.drained();
        Some(self.outgoing.hold(out))
    }

    /// As [`Pending::piece`], for people to read.
    fn pretty_piece(&mut self, pretty: &mut Pretty) -> Option<Bytes> {
        self.parts.front()?;
        let mut out = Vec::with_capacity(PIECE_BYTES);
        while out.len() < PIECE_BYTES
            && let Some(part) = self.parts.front_mut()
        {
            let written = pretty.write(part, &mut out, PIECE_BYTES);
            drop(part.split_to(written));
            self.taken(written);
        }
        Some(self.outgoing.hold(out))
    }

    /// What went out of the first part.
    fn taken(&mut self, bytes: usize) {
        self.bytes -= bytes;
        if self.parts.front().is_some_and(Bytes::is_empty) {
            self.parts.pop_front();
        }
        self.drained();
    }

    /// Nothing is kept of a queue that is empty: most answers wait, and few of them for something to go out.
    fn drained(&mut self) {
        if self.parts.is_empty() {
            self.parts = VecDeque::new();
        }
    }
}

/// The pieces of an answer that `fill` makes part by part, until it says that there are no more.
pub(crate) struct Pieces<F> {
    fill: F,
    pending: Pending,
    pretty: Option<Pretty>,
    /// Whether there was a piece. The first is never refused here: it may say what a write did.
    begun: bool,
    done: bool,
}

impl<F: FnMut(&mut Pending) -> Result<bool, ApiError>> Pieces<F> {
    pub(crate) fn new(outgoing: Outgoing, pretty: Option<Pretty>, fill: F) -> Self {
        Self { fill, pending: Pending::new(outgoing), pretty, begun: false, done: false }
    }

    fn try_next(&mut self) -> Result<Option<Bytes>, ApiError> {
        if std::mem::replace(&mut self.begun, true) {
            self.pending.outgoing.room()?;
        }
        while !self.done && self.pending.len() < PIECE_BYTES {
            self.done = !(self.fill)(&mut self.pending)?;
        }
        Ok(match &mut self.pretty {
            Some(pretty) => self.pending.pretty_piece(pretty),
            None => self.pending.piece(),
        })
    }
}

impl<F: FnMut(&mut Pending) -> Result<bool, ApiError>> Iterator for Pieces<F> {
    type Item = Result<Bytes, ApiError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.try_next().transpose()
    }
}
