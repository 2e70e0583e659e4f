//! The clock by which a lease runs out.

use std::ops::Add;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// `Instant` stands still while the machine is suspended; this does not.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// A moment of this machine. Time while suspended counts (on Linux; elsewhere as the monotonic clock has it).
///
/// ```
/// use std::time::Duration;
/// use endstate::lease::Moment;
/// let now = Moment::now();
/// assert_eq!((now + Duration::from_secs(1)).since(now), Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// This one.
    pub fn now() -> Self {
        let time = clock_gettime(CLOCK);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        Self(Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_nanos(nanos))
    }

    /// The time since an earlier one; none if it was later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}
