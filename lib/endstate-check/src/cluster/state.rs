//! The whole world at one moment.

use endstate_core::quorum;

use super::bits::*;
use super::declared::{Declared, ROLES};
use super::plan::{Rest, Verb};
use super::scenario::{Budgets, Respec, Scenario};
use super::slot::Slot;
use super::slots::Slots;
use super::stages::Stages;
use super::task::Task;
use crate::Print;

/// A call of the operator that went astray.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) verb: Verb,
    pub(crate) rev: u8,
    /// A fault happened since it was decided.
    pub(crate) fault_since: bool,
}

/// The world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub(crate) slots: Slots,
    pub(crate) spec: Declared,
    pub(crate) accepted: Declared,
    pub(crate) flags: u8,
    pub(crate) cached_spec: Declared,
    pub(crate) cached_accepted: Declared,
    pub(crate) cached_flags: u8,
    /// The plan under way (0: none) and its next call.
    pub(crate) plan: u32,
    pub(crate) call: u8,
    /// The call that was given up and may still arrive, and what it would write.
    pub(crate) late: Option<Late>,
    /// How the pod of the late call is made, and what it is marked with.
    pub(crate) late_made: u8,
    /// The object is still as it was when the plan was made.
    pub(crate) object_as_seen: bool,
    /// The list of members is still as it was when the plan was made. The driver lists again right
    /// before it changes the list.
    pub(crate) list_as_seen: bool,
    /// A fault happened since the plan was made.
    pub(crate) fault_since: bool,
    pub(crate) left: Budgets,
    /// The status was deleted after it had told of a cluster.
    pub(crate) forgot: bool,
    /// The spec that members are brought to on the way to the accepted one, and the one that they worked by before, as
    /// numbers from 1; 0 for none. Kept where there are stages.
    pub(crate) stages: Stages,
    pub(crate) cached_stages: Stages,
    /// The application lets nobody in without a user, and the operator has none that it takes.
    pub(crate) guarded: bool,
    /// An operation.
    pub(crate) task: Task,
    /// How many voted before the last recovery.
    pub(crate) old_voters: u8,
    /// How many members have appeared. For people.
    pub(crate) tags: u8,
}

/// What a model of an application reads and writes.
impl State {
    /// All members that anything speaks of.
    pub fn members(&self) -> &[Slot] {
        &self.slots
    }

    /// The same, to be changed.
    pub fn members_mut(&mut self) -> &mut [Slot] {
        &mut self.slots
    }

    /// Whether the second of two specs is declared.
    pub fn asks_for_second(&self) -> bool {
        self.spec.rev == 1
    }

    /// Whether the application has a list of members.
    pub fn is_formed(&self) -> bool {
        self.has(FORMED)
    }

    /// From now on it has.
    pub fn form(&mut self) {
        self.flags |= FORMED;
    }

    /// Those who vote.
    pub fn voters(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|it| it.votes())
    }

    /// The majority of those who vote.
    pub fn quorum(&self) -> usize {
        quorum(self.voters().count())
    }

    /// Whether a quorum works.
    pub fn has_quorum(&self) -> bool {
        self.is_formed() && self.voters().filter(|it| it.works()).count() >= self.quorum()
    }

    /// Who leads and works.
    pub fn leader(&self) -> Option<usize> {
        self.slots.iter().position(|it| it.leads() && it.works())
    }

    /// Makes a member lead, and no other.
    pub fn lead(&mut self, member: usize) {
        for slot in self.slots.iter_mut() {
            slot.list &= !LEADER;
        }
        self.slots[member].list |= LEADER;
    }

    /// Who leads a group that has a leader of its own, and works.
    pub fn leader_of(&self, group: usize) -> Option<usize> {
        self.slots.iter().position(|it| it.group() == group && it.leads() && it.works())
    }

    /// Makes a member lead its group, and vote for it, in place of who did.
    pub fn lead_group(&mut self, member: usize) {
        let heir = self.slots[member];
        for slot in self.slots.iter_mut().filter(|it| it.is_beside(&heir) && it.votes()) {
            slot.list &= !LEADER;
            slot.list();
        }
        self.slots[member].give_vote();
        self.slots[member].list |= LEADER;
    }

    /// Whether a voter has all that a quorum has, so that these elect it.
    pub fn may_lead(&self, member: usize) -> bool {
        let heir = &self.slots[member];
        let elects = |it: &&Slot| it.works() && it.log() <= heir.log();
        heir.votes() && heir.works() && self.voters().filter(elects).count() >= self.quorum()
    }

    /// Whether the cluster can commit a change.
    pub fn can_commit(&self) -> bool {
        self.has_quorum() && self.leader().is_some()
    }
}

impl State {
    pub(crate) fn new(spec: Declared, left: Budgets) -> Self {
        Self {
            slots: Slots::default(),
            spec,
            accepted: Declared::default(),
            flags: 0,
            cached_spec: spec,
            cached_accepted: Declared::default(),
            cached_flags: 0,
            plan: 0,
            call: 0,
            late: None,
            late_made: 0,
            object_as_seen: true,
            list_as_seen: true,
            fault_since: false,
            left,
            forgot: false,
            stages: Stages::default(),
            cached_stages: Stages::default(),
            guarded: false,
            task: Task::None,
            old_voters: 0,
            tags: 0,
        }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a member counts for what its group holds: one that votes, or any where each group has a leader of its
    /// own.
    pub(crate) fn counts(&self, member: &Slot) -> bool {
        member.votes() || self.has(LED) && member.is_listed()
    }

    /// Whether every group has a leader that works, where each has one of its own.
    pub(crate) fn is_led(&self) -> bool {
        !self.has(LED) || self.voters().all(|it| it.leads() && it.works())
    }

    /// Whether a member's group, if it has a leader of its own, has somebody who votes for it: it holds something.
    pub(crate) fn group_holds(&self, member: &Slot) -> bool {
        self.has(LED) && self.voters().any(|it| it.is_beside(member))
    }

    /// Whether somebody in a member's group has all that it holds.
    pub(crate) fn group_has_copy(&self, member: &Slot) -> bool {
        let has = |it: &&Slot| it.is_listed() && it.is_caught_up() && it.is_viable();
        self.slots.iter().filter(has).any(|it| it.is_beside(member))
    }

    /// Whether there still is a quorum once everything the operator asked for has happened.
    pub(crate) fn keeps_quorum(&self) -> bool {
        self.is_formed() && self.voters().filter(|it| it.stays()).count() >= self.quorum()
    }

    /// Whether so much data is gone that no quorum can come back by itself.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_formed() && self.voters().filter(|it| it.is_viable()).count() < self.quorum()
    }

    /// The same as far as pods show it: a volume that was mounted late is found to be whole at the next start.
    pub(crate) fn seems_lost(&self) -> bool {
        let fenced = |it: &Slot| it.reason & NOTED != 0 && !it.exists() && !it.recovers();
        let whole = |it: &&Slot| it.is_viable() && it.pod & LOST == 0 && !fenced(it);
        self.is_formed() && self.voters().filter(whole).count() < self.quorum()
    }

    /// Whether a recovery is on its way, or a person consents to one, or nobody has to, from a member that has all that
    /// others are known to have had.
    fn can_recover(&self, scenario: &Scenario) -> bool {
        let has = |it: &Slot| if it.disk & DATA != 0 { it.position() } else { 0 };
        let furthest = |it: &Slot| it.known_position().max(has(it));
        let most = self.voters().map(furthest).max().unwrap_or(0);
        // A person gives up what only those had who have lost it.
        let left = self.voters().filter(|it| it.disk & DATA != 0).map(furthest).max().unwrap_or(0);
        let able = |it: &Slot| it.votes() && it.is_viable() && it.is_durable();
        let named = |it: &Slot| it.reason & (CONSENT | USED_CONSENT) == CONSENT;
        // Who leaves may have left: nobody knows before there is a quorum again.
        let leaves =
            |it: &Slot| it.record & BESIDE == LEAVING && !it.is_listed() && it.disk & DATA != 0;
        let joined = |it: &Slot| it.record & JOINING != 0 && it.votes();
        let unknown = self.slots.iter().any(|it| leaves(it) || joined(it));
        self.slots.iter().any(|it| {
            let goes_on = it.recovers() && it.step() != FENCING && it.is_viable();
            let asked = named(it) && it.position() >= left;
            let unasked = scenario.unasked && self.is_certain() && it.position() >= most;
            goes_on || (asked || unasked) && able(it) && !unknown
        })
    }

    /// Whether nobody has to be asked: each voter has lost its data for good, or says how far it is.
    fn is_certain(&self) -> bool {
        let says = |it: &Slot| it.works() && !it.is_away();
        let gone = |it: &Slot| match it.exists() {
            true => it.pod & (LOST | DELETING) == LOST,
            false => !it.is_durable(),
        };
        // Who leaves may have left, or have got its vote before: a person is asked.
        let leaves = |it: &Slot| it.record & BESIDE == LEAVING;
        !self.slots.iter().any(leaves) && self.voters().all(|it| says(it) || gone(it))
    }

    /// Whether the source of a recovery, which may have served alone, has no data any more: only a person leads on.
    fn lacks_source(&self) -> bool {
        self.slots.iter().any(|it| it.step() == ALONE && !it.is_viable())
    }

    /// Whether the record names exactly the voters.
    pub(crate) fn is_recorded(&self) -> bool {
        let same = |it: &Slot| it.votes() == (it.cached_record & MEMBER != 0);
        self.slots.iter().filter(|it| !it.is_non_voter()).all(same)
    }

    /// Whether those voters whose data is there and good are a majority.
    pub(crate) fn has_good_majority(&self) -> bool {
        let good = self.voters().filter(|it| it.is_viable() && !it.is_corrupt()).count();
        self.is_formed() && good >= self.quorum()
    }

    /// Whether nobody can say any more what is good.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.voters().any(Slot::is_corrupt) && !self.has_good_majority() || self.has_unnamed_alarm()
    }

    /// Whether an alarm about corrupt data names nobody.
    pub(crate) fn has_unnamed_alarm(&self) -> bool {
        self.slots.iter().any(|it| it.is_listed() && it.disk & UNNAMED != 0)
    }

    /// The operator's view of the pods and claims is the present one.
    pub(crate) fn sync_pods(&mut self) {
        for slot in self.slots.iter_mut() {
            (slot.cached_pod, slot.cached_made) = (slot.pod, slot.made);
            slot.cached_also = slot.also;
            slot.ills &= !POD_CHANGED;
        }
    }

    /// The operator's view of the object is the present one.
    pub(crate) fn sync_object(&mut self) {
        for slot in self.slots.iter_mut() {
            (slot.cached_record, slot.cached_reason) = (slot.record, slot.reason);
            slot.cached_row = slot.row;
        }
        self.flags &= !OBJECT_CHANGED;
        (self.cached_spec, self.cached_accepted) = (self.spec, self.accepted);
        self.cached_stages = self.stages;
        self.cached_flags = self.flags;
    }

    pub(crate) fn sync_all(&mut self) {
        self.sync_pods();
        self.sync_object();
    }

    /// The world once the operator has looked: with fresh eyes where nothing is old.
    pub(crate) fn seen(mut self, old_object: bool, old_pods: bool) -> Self {
        if !old_object {
            self.sync_object();
        }
        if !old_pods {
            self.sync_pods();
        }
        self
    }

    /// Whether a cluster was recorded at any time.
    pub(crate) fn was_recorded(&self) -> bool {
        self.has(ID) || self.forgot
    }

    /// Nothing is recorded any more; the annotation is a person's.
    pub(crate) fn forget(&mut self) {
        for slot in self.slots.iter_mut() {
            slot.reason &= CONSENT;
            (slot.record, slot.row) = (0, 0);
            slot.role &= !RECORDED_VOTER;
            slot.made &= !KEPT;
        }
        self.flags &= !(ID | BOOT | ACCEPTED);
        (self.accepted, self.forgot) = (Declared::default(), true);
        self.stages = Stages::default();
        self.object_changed();
    }

    pub(crate) fn object_changed(&mut self) {
        self.flags |= OBJECT_CHANGED;
        self.object_as_seen = false;
    }

    /// The operator does not know any more which pods were refused.
    pub(crate) fn forget_refusals(&mut self) {
        for slot in self.slots.iter_mut() {
            slot.ills &= !REFUSED;
        }
    }

    /// The operator comes back as another, which knows what the API and the application tell.
    pub(crate) fn crash(&mut self) {
        self.forget_refusals();
        self.forget_answers();
        self.idle();
    }

    pub(crate) fn idle(&mut self) {
        (self.plan, self.call) = (0, 0);
        (self.object_as_seen, self.list_as_seen, self.fault_since) = (true, true, false);
        for slot in self.slots.iter_mut() {
            slot.plan = 0;
        }
    }

    /// Clears what cannot matter any more and sorts the slots.
    pub(crate) fn normalize(&mut self, rest: &Rest, scenario: &Scenario) {
        for slot in self.slots.iter_mut() {
            if !rest.names(slot.plan) {
                slot.plan = 0;
            }
        }
        if self.left.stale == 0 {
            self.forget_old_views(rest);
        }
        // The claim of who left is nobody's, if it is to be kept.
        let forgotten = |it: &Slot| it.is_forgotten(scenario.volumes.kept());
        if self.slots.iter().any(forgotten) {
            self.slots.retain(|it| !forgotten(it));
        }
        // Any total order will do; the seed picks one, and with it how ties among equals fall.
        let mask = scenario.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).swap_bytes();
        self.slots.sort_unstable_by_key(|it| {
            let [there, rest] = it.words();
            (there ^ mask, rest, it.more())
        });
    }

    /// Nothing can be planned on what was seen before.
    fn forget_old_views(&mut self, rest: &Rest) {
        for slot in self.slots.iter_mut() {
            (slot.cached_pod, slot.cached_made, slot.cached_also) = (0, 0, 0);
            (slot.cached_record, slot.cached_reason, slot.cached_row) = (0, 0, 0);
            if !rest.guards(slot.plan) {
                slot.ills &= !POD_CHANGED;
            }
        }
        self.flags &= !OBJECT_CHANGED;
        (self.cached_spec, self.cached_accepted) = (self.spec, self.accepted);
        self.cached_stages = self.stages;
        self.cached_flags = self.flags;
    }

    /// Whether it is accepted that no member runs.
    pub(crate) fn hibernates(&self) -> bool {
        self.has(ID) && self.accepted.hibernates()
    }

    /// Whether the world is as declared, or as near as it can come without a decision of the user.
    pub(crate) fn is_at_rest(&self, scenario: &Scenario, groups: &[u8; ROLES]) -> bool {
        if self.has(GONE) {
            return !self.slots.iter().any(Slot::exists);
        }
        if self.plan != 0 || self.has(ENDING) {
            return false;
        }
        if self.has(ID) && self.spec.hibernates() {
            // Nobody runs, and each keeps what it has: whose data would go with its pod runs on, and that is told.
            let stops = |it: &Slot| it.exists() && it.is_durable();
            return self.accepted == self.spec && !self.slots.iter().any(stops);
        }
        if self.has(ID) && self.guarded {
            // Nothing is known of the members, and only a person leads on.
            return true;
        }
        if self.has(ID) && (self.is_lost() || self.is_in_doubt() || self.lacks_source()) {
            return self.is_in_doubt() || !self.can_recover(scenario);
        }
        let kept = scenario.volumes.kept();
        let there =
            |it: &&Slot| it.exists() || it.is_listed() || it.record != 0 || it.must_clear(kept);
        // What a group held is lost: it is told, and left as it is.
        let lost = |it: &Slot| self.group_holds(it) && !self.group_has_copy(it);
        let members = || self.slots.iter().filter(there).filter(|it| !lost(it));
        let complete = |role: usize, group: u8| {
            let of = |it: &Slot| it.role() == role && it.group() == usize::from(group);
            let there = members().filter(|it| of(it)).count();
            there == usize::from(self.spec.sizes[role])
                || self.slots.iter().any(|it| of(it) && lost(it))
        };
        self.has(ID)
            && self.leader().is_some()
            && self.accepted == self.spec
            && self.stages.stage == 0
            && self.is_carried_out()
            && members().all(|it| self.is_as_declared(it, scenario))
            && (0..ROLES).all(|role| (0..groups[role]).all(|group| complete(role, group)))
            && members().all(|it| !self.has(LED) || self.leader_of(it.group()).is_some())
    }

    /// Whether nothing is left to do for the operation. A step that blocks its member fails where the others of so few
    /// are no quorum.
    fn is_carried_out(&self) -> bool {
        let few = self.voters().count() < 3;
        matches!(self.task, Task::None | Task::Complete) || few && self.task == Task::Failed
    }

    fn is_as_declared(&self, member: &Slot, scenario: &Scenario) -> bool {
        let rev = if self.spec.rev == 1 { REV } else { 0 };
        let rev = if scenario.respec == Respec::Application { member.pod & REV } else { rev };
        let pod =
            member.pod & (EXISTS | DELETING | CRASH | NODE_LOST | CORDONED | REV) == EXISTS | rev;
        let votes = member.role() == scenario.voting_role;
        let claims = member.claims() == scenario.volumes.claims() && member.claims_going() == 0;
        // Where nobody can come in its place it stays, and nobody is told otherwise.
        let third =
            scenario.respec == Respec::Staged && (self.spec.rev == 2) != (member.rev() == 2);
        let stays = if scenario.room { EVICTING } else { ANSWERED };
        pod && claims
            && member.also & stays == 0
            && !third
            && (member.votes() == votes || self.has(LED))
            && member.is_listed()
            && member.runs()
            && member.record & !FAILING == MEMBER | SEEN
            && member.reason & !(CONSENT | USED_CONSENT) == 0
            && member.list & WORK == 0
            && !member.is_at_work()
            && !member.is_corrupt()
    }
}

impl crate::State for State {
    /// Tags do not count.
    fn fingerprint(&self) -> u128 {
        let mut print = Print::default();
        for slot in self.slots.iter() {
            slot.words().into_iter().for_each(|it| print.add(it));
        }
        let specs = [self.spec, self.accepted, self.cached_spec, self.cached_accepted];
        for pair in specs.chunks(2) {
            print.add(pair.iter().fold(0, |all, it| all << 32 | it.word()));
        }
        let bools = u64::from(self.object_as_seen)
            | u64::from(self.fault_since) << 1
            | u64::from(self.list_as_seen) << 2
            | u64::from(self.forgot) << 3;
        let late = self.late.map_or(0, |it| {
            it.verb.number() | u64::from(it.rev) << 5 | u64::from(it.fault_since) << 7
        });
        let more = self.slots.iter().any(|it| it.more() != 0);
        if more {
            self.slots.iter().for_each(|it| print.add(it.more()));
        }
        let bools = bools | u64::from(more) << 4 | u64::from(self.guarded) << 5;
        let flags = u64::from(self.flags) | u64::from(self.cached_flags) << 8;
        let late = late << 16 | u64::from(self.late_made) << 24;
        let stages = self.stages.word() | self.cached_stages.word() << 4;
        let rest = bools | u64::from(self.old_voters) << 8 | stages << 16;
        let rest = rest | (self.task as u64) << 24;
        print.add(flags | late | rest << 32);
        print.add(u64::from(self.plan) | u64::from(self.call) << 32 | self.left.rare() << 40);
        self.left.words().into_iter().for_each(|it| print.add(it));
        print.finish()
    }
}
