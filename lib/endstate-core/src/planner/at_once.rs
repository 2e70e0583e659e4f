//! Members that join beside one another, where the application lists several without a vote.
//!
//! The one of the step comes first in everything: those beside it are recorded in the order of their turns. The next is
//! listed when the one before works and has no vote yet, since then all voters are still those that were there for
//! long. Not before: a process that joins compares the list that it was told with the one that it finds, and two that
//! start at once may wait for each other's answers (etcd's do, for seven seconds a question). Each is started when it
//! is listed, and gets its vote when its turn comes, by the same rules as if it had come alone. What fails is seen to
//! then, too.

use super::pace;
use super::proof::Proof;
use super::verdict::{Move, Note, Verdict};
use crate::app::App;
use crate::assess::rules::{counted, is_half_joined};
use crate::assess::settle::is_begun;
use crate::plan::Action;
use crate::record::MemberRecord;
use crate::request::{ActionKey, ActionKind, RequestKind};
use crate::topology::{Role, Unit};

impl<A: App> Proof<'_, '_, A> {
    /// Lists the next who joins beside the first, who works: nothing if there is no need of more, and if it cannot be
    /// done at once.
    pub(super) fn list_beside(&self, first: &MemberRecord) -> Option<Move> {
        let role = self.target.role(&first.role).filter(|it| it.at_once > 1)?;
        let coming = &self.assessed.record.coming;
        let unlisted = coming.iter().find(|it| self.cluster.member(&it.name).is_none());
        match unlisted {
            Some(next) => self.lists(next),
            None => self.one_more((role, first.group)),
        }
    }

    /// Starts the next who is listed and not started, beside what the first is waited for.
    pub(super) fn start_beside(&self, first: &MemberRecord, waits: Move) -> Verdict {
        let listed = |it: &&MemberRecord| {
            let member = self.cluster.member(&it.name);
            member.is_some_and(|it| !it.votes) && !self.assessed.snapshot.is_name_taken(&it.name)
        };
        let mut coming = self.assessed.record.coming.iter().filter(listed);
        let works = self.cluster.member(&first.name).is_some_and(|it| it.health.is_healthy());
        let next = coming.find(|it| works && !is_begun(it) && self.is_wanted_still(it));
        match next.map(|it| self.ask_for_pod(it)) {
            Some(Verdict::Only(wanted)) if !wanted.only_waits() => {
                Verdict::Only(wanted.after(waits.waits))
            }
            _ => Verdict::Only(waits),
        }
    }

    /// Records and lists one more, if its unit lacks more than those who join already.
    fn one_more(&self, (role, group): Unit<'_>) -> Option<Move> {
        let assessed = self.assessed;
        let joining = assessed.record.joining().count();
        let missing = role.size.saturating_sub(counted(self.cluster, (role, group), None).count());
        if joining >= role.at_once.min(missing) {
            return None;
        }
        pace::may_try(&assessed.record, assessed.snapshot.now).ok()?;
        let new = assessed.new_members(role, 1, assessed.record.ids).ok()?;
        let member = new.members.into_iter().next()?;
        let member = MemberRecord { group, ..member };
        let wanted = self.lists(&member)?;
        let notes = [Note::Another { member, names: new.names }].into_iter().chain(wanted.notes);
        Some(Move { notes: notes.collect(), ..wanted })
    }

    /// Whether a unit still lacks who joins beside others.
    fn is_wanted_still(&self, new: &MemberRecord) -> bool {
        let unit = |role: &Role| {
            let joining = self.assessed.record.joining().count();
            counted(self.cluster, (role, new.group), None).count() + joining <= role.size
        };
        self.target.role(&new.role).is_some_and(unit)
    }

    /// Makes the application expect it; nothing if that is not possible now, was refused, or anybody needs anything
    /// else.
    fn lists(&self, new: &MemberRecord) -> Option<Move> {
        let kind = ActionKind::Request(RequestKind::Join);
        let key = ActionKey { kind, member: new.name.clone() };
        let refused = self.assessed.snapshot.refusal(&key).is_some();
        // Each must run by what lets it list so many: a member that refuses what others take has another list.
        let outdated = self.cluster.members.iter().any(|it| it.outdated);
        let well = self.cluster.voters().all(|it| it.health.is_healthy());
        let busy = outdated || !well || self.is_repairing() || self.has_unexpected();
        if busy || refused || self.is_taken(new) || !self.is_wanted_still(new) {
            return None;
        }
        let Verdict::Only(wanted) = self.list(new, false) else { return None };
        wanted.actions.iter().any(|it| matches!(it, Action::Call(_))).then_some(wanted)
    }

    /// Whether a member without a vote is listed that nobody here waits for.
    pub(super) fn has_unexpected(&self) -> bool {
        let expected = |name: &str| self.assessed.record.joining().any(|it| *it.name == *name);
        let half = |it: &&crate::member::Member| is_half_joined(self.target, it);
        self.cluster.members.iter().filter(half).any(|it| !expected(&it.name))
    }
}
