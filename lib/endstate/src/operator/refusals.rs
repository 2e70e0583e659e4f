//! What was refused last, per object, and when it may be tried again. Time is an argument.
//!
//! It is shown to the user and paces the tries. Nothing is decided on it but that a pod that was certainly not made may be asked
//! for again, and that only in the term of leadership in which it was refused: in between another may have made it. Losing it
//! in a restart costs one try, or the names of those pods.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use endstate_core::{Action, Blocked};

use crate::ObjectKey;

/// How long a refused action waits before it is tried again: first often, because most refusals end by themselves within seconds
/// (etcd's "unhealthy cluster" after five), then seldom.
const WAIT: Duration = Duration::from_millis(700);
/// How many tries are "first".
const OFTEN: u32 = 12;
/// How long "seldom" is.
const WAIT_LONG: Duration = Duration::from_secs(8);

#[derive(Default)]
pub(super) struct Refusals {
    last: HashMap<ObjectKey, Refusal>,
}

struct Refusal {
    blocked: Blocked,
    /// The term of leadership in which it was refused.
    term: u64,
    /// How often in a row.
    times: u32,
    again: Instant,
}

impl Refusals {
    /// Remembers a refusal, and says how long to wait before the next try.
    pub(super) fn note(
        &mut self,
        key: &ObjectKey,
        blocked: Blocked,
        term: u64,
        now: Instant,
    ) -> Duration {
        let times = match self.last.get(key) {
            Some(last) if last.blocked.action == blocked.action => last.times.saturating_add(1),
            _ => 1,
        };
        let wait = if times <= OFTEN { WAIT } else { WAIT_LONG };
        self.last.insert(key.clone(), Refusal { blocked, term, times, again: now + wait });
        wait
    }

    /// How long the first of these actions still has to wait because it was refused a moment ago. Whatever wakes the object in
    /// between does not make the answer another one.
    pub(super) fn rest(
        &self,
        key: &ObjectKey,
        actions: &[Action],
        now: Instant,
    ) -> Option<Duration> {
        let action = actions.first()?.to_string();
        let last = self.last.get(key).filter(|it| it.blocked.action == action)?;
        let rest = last.again.saturating_duration_since(now);
        (!rest.is_zero()).then_some(rest)
    }

    /// What is about to be asked for again must not count as refused if it is not answered.
    pub(super) fn ask_again(&mut self, key: &ObjectKey) {
        if let Some(last) = self.last.get_mut(key) {
            last.blocked.not_created.clear();
        }
    }

    /// What was refused last, as far as it holds in this term.
    pub(super) fn last(&self, key: &ObjectKey, term: u64) -> Option<Blocked> {
        let last = self.last.get(key)?;
        let mut blocked = last.blocked.clone();
        if last.term != term {
            blocked.not_created.clear();
        }
        Some(blocked)
    }

    /// Forgets, and says whether there was anything.
    pub(super) fn forget(&mut self, key: &ObjectKey) -> bool {
        self.last.remove(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use endstate_core::{LeaveReason, PodRef};

    use super::*;

    fn action(name: &str) -> Action {
        let pod = PodRef { name: name.into(), uid: "u".into(), resource_version: "1".into() };
        Action::DeletePod { pod, reason: LeaveReason::Dead }
    }

    fn blocked(action: &Action) -> Blocked {
        Blocked {
            action: action.to_string(),
            why: "no".into(),
            needs_user: false,
            not_created: vec!["a".into()],
        }
    }

    #[test]
    fn a_refused_action_rests_and_another_one_does_not() {
        let (key, now) = (ObjectKey::namespaced("default", "c"), Instant::now());
        let mut refusals = Refusals::default();
        assert_eq!(refusals.note(&key, blocked(&action("a")), 1, now), WAIT);
        let soon = now + Duration::from_millis(10);
        assert_eq!(refusals.rest(&key, &[action("a")], soon), Some(WAIT - (soon - now)));
        assert_eq!(refusals.rest(&key, &[action("b")], soon), None);
        assert_eq!(refusals.rest(&key, &[], soon), None);
        assert_eq!(refusals.rest(&key, &[action("a")], now + WAIT), None, "it may be tried again");
        assert!(refusals.forget(&key) && !refusals.forget(&key));
        assert_eq!(refusals.rest(&key, &[action("a")], soon), None);
    }

    #[test]
    fn a_pod_that_is_asked_for_again_does_not_count_as_refused() {
        let (key, now) = (ObjectKey::namespaced("default", "c"), Instant::now());
        let mut refusals = Refusals::default();
        refusals.note(&key, blocked(&action("a")), 1, now);
        refusals.ask_again(&key);
        let last = refusals.last(&key, 1).unwrap();
        assert!(last.not_created.is_empty() && last.why == "no");
        assert!(refusals.rest(&key, &[action("a")], now).is_some(), "it still rests");
    }

    #[test]
    fn what_was_refused_in_another_term_may_have_been_made_since() {
        let (key, now) = (ObjectKey::namespaced("default", "c"), Instant::now());
        let mut refusals = Refusals::default();
        refusals.note(&key, blocked(&action("a")), 1, now);
        assert_eq!(refusals.last(&key, 1).unwrap().not_created, ["a".into()]);
        let later = refusals.last(&key, 2).unwrap();
        assert!(later.not_created.is_empty() && later.why == "no");
    }

    #[test]
    fn what_is_refused_for_long_is_tried_seldom() {
        let (key, now) = (ObjectKey::namespaced("default", "c"), Instant::now());
        let mut refusals = Refusals::default();
        for _ in 0..OFTEN {
            assert_eq!(refusals.note(&key, blocked(&action("a")), 1, now), WAIT);
        }
        assert_eq!(refusals.note(&key, blocked(&action("a")), 1, now), WAIT_LONG);
        assert_eq!(
            refusals.note(&key, blocked(&action("b")), 1, now),
            WAIT,
            "another action starts anew"
        );
    }
}
