//! The operator's process ended at one of its calls, to test what comes of that.
//!
//! What an operator does outside of itself it does in calls: each write to the API but events, the lease and dry runs,
//! and each [`Driver::act`](crate::driver::Driver::act) and [`Driver::tend`](crate::driver::Driver::tend). Its process
//! may end before and after any of them, and any answer may be lost; whoever comes next has to go on from what is
//! there. That this works is shown by a run for each call: `endstate_calls_total` among the metrics says how many an
//! undisturbed run has, and [`CrashAt::VARIABLE`] in the environment of the process, as [`CALL:WAY`](CrashAt), ends
//! another run at one of them.
//!
//! ```text
//! ENDSTATE_CRASH_AT=7:after    # at the seventh call since the start, once it was answered
//! ```
//!
//! Calls are counted in the order in which they begin, those for all objects together; so a test has one cluster. Which
//! call is the seventh may differ from run to run, as what is seen when does. [`Level::DEBUG`](tracing::Level) of the
//! log says what each is.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Metrics;

/// The exit code of a process that ended at a call: the one that a shell gives for SIGKILL.
const KILLED: i32 = 137;

/// At which call something happens, and what. As text `CALL:WAY`.
///
/// ```
/// use endstate::crash::{CrashAt, Way};
/// let at: CrashAt = "7:after".parse().unwrap();
/// assert_eq!((at.call.get(), at.way), (7, Way::After));
/// assert_eq!(at.to_string(), "7:after");
/// assert!("0:after".parse::<CrashAt>().is_err(), "the first call is 1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashAt {
    /// The number of the call, from one.
    pub call: NonZeroU64,
    /// What happens there.
    pub way: Way,
}

/// What happens at a call. A process that ends does so at once, as by SIGKILL: nothing is undone and the lease is not
/// released.
///
/// ```
/// assert_eq!(endstate::crash::Way::Lost.to_string(), "lost");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// `before`: the process ends, and the call is not made.
    Before,
    /// `after`: the call is made, and the process ends when it was answered.
    After,
    /// `lost`: the call is made, and whoever made it gets the error of a connection that broke instead of the answer.
    /// The process goes on.
    Lost,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Before, Self::After, Self::Lost];

    fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Lost => "lost",
        }
    }
}

impl Display for Way {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl CrashAt {
    /// The variable of the environment by which an operator is told.
    pub const VARIABLE: &str = "ENDSTATE_CRASH_AT";
}

impl Display for CrashAt {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.call, self.way)
    }
}

/// A text that is no [`CrashAt`].
///
/// ```
/// let error = "7".parse::<endstate::crash::CrashAt>().unwrap_err();
/// assert_eq!(error.to_string(), "must be CALL:WAY, such as 7:after, with before, after or lost, not \"7\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be CALL:WAY, such as 7:after, with before, after or lost, not {0:?}")]
pub struct NoCrashAt(String);

impl FromStr for CrashAt {
    type Err = NoCrashAt;

    fn from_str(text: &str) -> Result<Self, NoCrashAt> {
        let read = || {
            let (call, word) = text.split_once(':')?;
            let way = Way::ALL.into_iter().find(|it| it.word() == word)?;
            Some(Self { call: call.parse().ok()?, way })
        };
        read().ok_or_else(|| NoCrashAt(text.to_owned()))
    }
}

/// The calls of one engine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Calls {
    at: Option<CrashAt>,
    made: Arc<AtomicU64>,
    metrics: Metrics,
    /// Ends the process.
    end: fn() -> !,
}

/// A call that is under way.
pub(crate) struct Begun {
    number: u64,
    way: Option<Way>,
    end: fn() -> !,
}

impl Calls {
    pub(crate) fn new(at: Option<CrashAt>, metrics: Metrics) -> Self {
        Self { at, made: Arc::default(), metrics, end }
    }

    /// Counts a call that is about to be made.
    pub(crate) fn begin(&self, what: impl Display) -> Begun {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        self.metrics.called();
        tracing::debug!(number, %what, "calls");
        let way = self.at.filter(|it| it.call.get() == number).map(|it| it.way);
        if let Some(way) = way {
            tracing::warn!(number, %what, %way, "as {} says", CrashAt::VARIABLE);
        }
        if way == Some(Way::Before) {
            (self.end)();
        }
        Begun { number, way, end: self.end }
    }
}

impl Begun {
    /// What the caller gets: the answer, unless that is lost.
    pub(crate) fn answered<T>(self, answer: T, lost: impl FnOnce() -> T) -> T {
        tracing::debug!(number = self.number, "answered");
        match self.way {
            Some(Way::After) => (self.end)(),
            Some(Way::Lost) => lost(),
            Some(Way::Before) | None => answer,
        }
    }
}

/// How a connection breaks.
pub(crate) fn broken() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

/// Ends the process at once. A signal would not: in a container the operator is the process 1, which ignores those that
/// it sends itself.
#[expect(clippy::exit, reason = "the process is to end here, whatever it is at")]
fn end() -> ! {
    std::process::exit(KILLED)
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn calls(at: &str) -> Calls {
        let end = || panic!("ended");
        Calls { end, ..Calls::new(at.parse().ok(), Metrics::default()) }
    }

    /// Makes a call. What its caller gets, and whether it was made.
    fn call(calls: &Calls) -> (Option<&'static str>, bool) {
        let made = AtomicU64::new(0);
        let got = catch_unwind(std::panic::AssertUnwindSafe(|| {
            let begun = calls.begin("a call");
            made.store(1, Ordering::Relaxed);
            begun.answered("answer", || "lost")
        }));
        (got.ok(), made.into_inner() == 1)
    }

    #[test]
    fn one_call_is_cut_short_as_told_and_all_are_counted() {
        let whole = (Some("answer"), true);
        for (at, second) in [
            ("2:before", (None, false)),
            ("2:after", (None, true)),
            ("2:lost", (Some("lost"), true)),
            ("none", whole),
        ] {
            let calls = calls(at);
            let others = calls.clone();
            assert_eq!([call(&calls), call(&others), call(&calls)], [whole, second, whole], "{at}");
            let text = calls.metrics.text();
            assert!(text.contains("endstate_calls_total 3\n"), "{text}");
        }
    }

    #[test]
    fn what_is_no_call_and_way_is_refused() {
        for text in ["", "7", "7:", ":after", "0:after", "-1:lost", "7:After", "7:after:", "x:lost"]
        {
            assert_eq!(text.parse::<CrashAt>(), Err(NoCrashAt(text.to_owned())));
        }
        for way in Way::ALL {
            let at = CrashAt { call: NonZeroU64::MAX, way };
            assert_eq!(at.to_string().parse(), Ok(at));
        }
    }
}
