//! Leases: what is held lasts for as long as it was asked for after the last renewal, and then goes.
//!
//! Who holds a lease renews it some times, stops, and looks until what it held is gone. Times are those of a
//! [`History`](crate::History): of one monotonic clock, taken outside of the requests.

use std::error::Error;
use std::fmt;

/// What is known of a lease that is not renewed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// How long it lasts after each renewal.
    pub lasts: u64,
    /// When the last renewal that was acknowledged was called for.
    pub called: u64,
    /// When its answer was there.
    pub returned: u64,
    /// The last look that found it.
    pub found: Option<Found>,
    /// When the first look returned that did not.
    pub gone: Option<u64>,
}

/// A look that found what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// When it was called for.
    pub called: u64,
    /// Since when the store served without a break, if it did at that moment. A store may let leases last anew after
    /// each break.
    pub calm_since: Option<u64>,
}

impl Lease {
    /// Whether it went neither too early nor, by more than this, too late.
    ///
    /// ```
    /// use endstate_linear::{Found, Lease, Untimely};
    ///
    /// let lease = Lease { lasts: 50, called: 100, returned: 110, found: None, gone: Some(155) };
    /// assert_eq!(lease.judge(20), Ok(()));
    /// let early = Lease { gone: Some(149), ..lease };
    /// assert_eq!(early.judge(20), Err(Untimely::Early { gone: 149, until: 150 }));
    /// let found = Found { called: 231, calm_since: Some(160) };
    /// let late = Lease { found: Some(found), gone: None, ..lease };
    /// assert_eq!(late.judge(20), Err(Untimely::Late { found: 231, until: 230 }));
    /// let broken = Lease { found: Some(Found { calm_since: None, ..found }), ..late };
    /// assert_eq!(broken.judge(20), Ok(()));
    /// ```
    ///
    /// # Errors
    ///
    /// When it should have been there, or gone.
    pub fn judge(&self, late_max: u64) -> Result<(), Untimely> {
        let until = self.called + self.lasts;
        if let Some(gone) = self.gone.filter(|it| *it < until) {
            return Err(Untimely::Early { gone, until });
        }
        let Some(Found { called: found, calm_since: Some(since) }) = self.found else {
            return Ok(());
        };
        let until = since.max(self.returned) + self.lasts + late_max;
        if found > until { Err(Untimely::Late { found, until }) } else { Ok(()) }
    }
}

/// A lease that went at the wrong time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untimely {
    /// What it holds was gone by then, and should have been there.
    Early {
        /// When a look returned without it.
        gone: u64,
        /// How long it should have been there.
        until: u64,
    },
    /// What it holds was still there.
    Late {
        /// When a look was called for that found it.
        found: u64,
        /// By when it should have been gone.
        until: u64,
    },
}

impl fmt::Display for Untimely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Early { gone, until } => {
                write!(f, "what a lease holds until {until} was gone at {gone}")
            }
            Self::Late { found, until } => {
                write!(f, "what a lease holds until {until} at most was there at {found}")
            }
        }
    }
}

impl Error for Untimely {}
