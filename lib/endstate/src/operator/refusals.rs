//! What was refused when it was tried last, per object and action.
//!
//! It is shown to the user and paces the tries; both is the planner's. A pod that was certainly not made may be asked
//! for again, and that only in the term of leadership in which it was refused: in between another may have made it.
//! Losing it in a restart costs one try, or the names of those pods.

use std::collections::HashMap;

use endstate_core::{ActionKey, Blocked};

use crate::ObjectKey;

#[derive(Default)]
pub(super) struct Refusals {
    last: HashMap<ObjectKey, Vec<Refusal>>,
}

struct Refusal {
    blocked: Blocked,
    /// The term of leadership in which it was refused.
    term: u64,
}

impl Refusals {
    /// Remembers a refusal, and how often in a row that action was refused.
    pub(super) fn note(&mut self, key: &ObjectKey, mut blocked: Blocked, term: u64) {
        let all = self.last.entry(key.clone()).or_default();
        match all.iter_mut().find(|it| it.blocked.action == blocked.action) {
            None => all.push(Refusal { blocked, term }),
            Some(last) => {
                blocked.times = last.blocked.times.saturating_add(1);
                *last = Refusal { blocked, term };
            }
        }
    }

    /// What is about to be asked for again must not count as refused if it is not answered.
    pub(super) fn ask_again(&mut self, key: &ObjectKey) {
        for refusal in self.last.get_mut(key).into_iter().flatten() {
            refusal.blocked.not_created.clear();
        }
    }

    /// What was refused last, as far as it holds in this term.
    pub(super) fn last(&self, key: &ObjectKey, term: u64) -> Vec<Blocked> {
        let held = |it: &Refusal| match it.term == term {
            true => it.blocked.clone(),
            false => it.blocked.clone().not_created(vec![]),
        };
        self.last.get(key).into_iter().flatten().map(held).collect()
    }

    /// Forgets that these actions were refused.
    pub(super) fn forget_actions(&mut self, key: &ObjectKey, actions: &[ActionKey]) {
        if let Some(all) = self.last.get_mut(key) {
            all.retain(|it| !actions.contains(&it.blocked.action));
        }
    }

    /// Forgets all of an object.
    pub(super) fn forget(&mut self, key: &ObjectKey) {
        self.last.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use endstate_core::{ActionKind, Denial, Words};
    use jiff::Timestamp;

    use super::*;

    fn blocked(member: &str) -> Blocked {
        let action = ActionKey { kind: ActionKind::CreatePod, member: member.into() };
        let denial = Denial::Api { message: Words::of("no") };
        Blocked::new(action, denial, Timestamp::UNIX_EPOCH).not_created(vec!["a".into()])
    }

    #[test]
    fn refusals_of_each_action_are_counted() {
        let key = ObjectKey::namespaced("default", "c");
        let mut refusals = Refusals::default();
        let times = |it: &Refusals| it.last(&key, 1).iter().map(|it| it.times).collect::<Vec<_>>();
        for count in 1..4 {
            refusals.note(&key, blocked("a"), 1);
            assert_eq!(times(&refusals), [count]);
        }
        refusals.note(&key, blocked("b"), 1);
        assert_eq!(times(&refusals), [3, 1]);
        refusals.note(&key, blocked("a"), 1);
        assert_eq!(times(&refusals), [4, 1], "one in between takes nothing away");
        refusals.forget_actions(&key, &[blocked("a").action]);
        assert_eq!(times(&refusals), [1]);
        refusals.forget(&key);
        assert_eq!(refusals.last(&key, 1), []);
    }

    #[test]
    fn a_pod_that_is_asked_for_again_does_not_count_as_refused() {
        let key = ObjectKey::namespaced("default", "c");
        let mut refusals = Refusals::default();
        refusals.note(&key, blocked("a"), 1);
        refusals.ask_again(&key);
        assert!(refusals.last(&key, 1)[0].not_created.is_empty());
    }

    #[test]
    fn what_was_refused_in_another_term_may_have_been_made_since() {
        let key = ObjectKey::namespaced("default", "c");
        let mut refusals = Refusals::default();
        refusals.note(&key, blocked("a"), 1);
        assert_eq!(refusals.last(&key, 1)[0].not_created, ["a".into()]);
        assert!(refusals.last(&key, 2)[0].not_created.is_empty());
    }
}
