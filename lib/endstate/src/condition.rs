//! Conditions with honest transition times.

use endstate_core::Truth;
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
/// use endstate::condition::condition;
/// use endstate_core::Truth;
/// let unknown = condition("Ready", Truth::Unknown, "Unreachable", "no member answers");
/// assert_eq!((unknown.type_.as_str(), unknown.status.as_str()), ("Ready", "Unknown"));
/// ```
pub fn condition(kind: &str, status: impl Into<Truth>, reason: &str, message: &str) -> Condition {
    let status = match status.into() {
        Truth::True => "True",
        Truth::False => "False",
        Truth::Unknown => "Unknown",
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
