//! Conditions with honest transition times.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Puts a condition into a list. Its `lastTransitionTime` becomes `now` only if the status changed; otherwise the old
/// one is kept. Returns whether anything differs from before.
///
/// ```
/// use endstate::condition::{condition, set};
/// let (t0, t1) = (jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::from_second(60).unwrap());
/// let mut conditions = vec![];
/// assert!(set(&mut conditions, condition("Ready", false, "Starting", "0 of 3 members"), t0));
/// assert!(set(&mut conditions, condition("Ready", false, "Starting", "1 of 3 members"), t1));
/// assert_eq!(conditions[0].last_transition_time.0, t0);
/// assert!(!set(&mut conditions, condition("Ready", false, "Starting", "1 of 3 members"), t1));
/// ```
pub fn set(conditions: &mut Vec<Condition>, mut wanted: Condition, now: Timestamp) -> bool {
    wanted.last_transition_time = Time(now);
    let Some(current) = conditions.iter_mut().find(|it| it.type_ == wanted.type_) else {
        conditions.push(wanted);
        return true;
    };
    if current.status == wanted.status {
        wanted.last_transition_time = current.last_transition_time.clone();
    }
    let changed = *current != wanted;
    *current = wanted;
    changed
}

/// A condition, its time still to be [`set`].
///
/// ```
/// use endstate::condition::{Status, condition};
/// let unknown = condition("Ready", Status::Unknown, "Unreachable", "no member answers");
/// assert_eq!((unknown.type_.as_str(), unknown.status.as_str()), ("Ready", "Unknown"));
/// ```
pub fn condition(kind: &str, status: impl Into<Status>, reason: &str, message: &str) -> Condition {
    let status = match status.into() {
        Status::True => "True",
        Status::False => "False",
        Status::Unknown => "Unknown",
    };
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

/// The condition of a type, if present.
///
/// ```
/// use endstate::condition::{condition, find};
/// let conditions = [condition("Ready", true, "AsDeclared", "all is well")];
/// assert!(find(&conditions, "Ready").is_some() && find(&conditions, "Paused").is_none());
/// ```
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|it| it.type_ == kind)
}

/// The three values of a condition. `true` and `false` convert.
///
/// ```
/// use endstate::condition::Status;
/// assert_eq!(Status::from(false), Status::False);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}

impl From<bool> for Status {
    fn from(holds: bool) -> Status {
        if holds { Status::True } else { Status::False }
    }
}
