//! What was refused last, per object.
//!
//! It is shown to the user and paces the tries; both is the planner's. A pod that was certainly not made may be asked
//! for again, and that only in the term of leadership in which it was refused: in between another may have made it.
//! Losing it in a restart costs one try, or the names of those pods.

use std::collections::HashMap;

use endstate_core::Blocked;

use crate::ObjectKey;

#[derive(Default)]
pub(super) struct Refusals {
    last: HashMap<ObjectKey, Refusal>,
}

struct Refusal {
    blocked: Blocked,
    /// The term of leadership in which it was refused.
    term: u64,
}

impl Refusals {
    /// Remembers a refusal, and how often in a row that action was refused.
    pub(super) fn note(&mut self, key: &ObjectKey, mut blocked: Blocked, term: u64) {
        blocked.times = match self.last.get(key) {
            Some(last) if last.blocked.action == blocked.action => {
                last.blocked.times.saturating_add(1)
            }
            _ => 1,
        };
        self.last.insert(key.clone(), Refusal { blocked, term });
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
    use endstate_core::{ActionKey, ActionKind, Denial, Words};
    use jiff::Timestamp;

    use super::*;

    fn blocked(member: &str) -> Blocked {
        let action = ActionKey { kind: ActionKind::CreatePod, member: member.into() };
        let denial = Denial::Api { message: Words::of("no") };
        Blocked::new(action, denial, Timestamp::UNIX_EPOCH).not_created(vec!["a".into()])
    }

    #[test]
    fn refusals_of_one_action_are_counted_and_another_starts_anew() {
        let key = ObjectKey::namespaced("default", "c");
        let mut refusals = Refusals::default();
        for times in 1..4 {
            refusals.note(&key, blocked("a"), 1);
            assert_eq!(refusals.last(&key, 1).unwrap().times, times);
        }
        refusals.note(&key, blocked("b"), 1);
        assert_eq!(refusals.last(&key, 1).unwrap().times, 1);
        assert!(refusals.forget(&key) && !refusals.forget(&key));
        assert_eq!(refusals.last(&key, 1), None);
    }

    #[test]
    fn a_pod_that_is_asked_for_again_does_not_count_as_refused() {
        let key = ObjectKey::namespaced("default", "c");
        let mut refusals = Refusals::default();
        refusals.note(&key, blocked("a"), 1);
        refusals.ask_again(&key);
        assert!(refusals.last(&key, 1).unwrap().not_created.is_empty());
    }

    #[test]
    fn what_was_refused_in_another_term_may_have_been_made_since() {
        let key = ObjectKey::namespaced("default", "c");
        let mut refusals = Refusals::default();
        refusals.note(&key, blocked("a"), 1);
        assert_eq!(refusals.last(&key, 1).unwrap().not_created, ["a".into()]);
        assert!(refusals.last(&key, 2).unwrap().not_created.is_empty());
    }
}
