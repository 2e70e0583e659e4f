//! What the application answers the driver.

use endstate_core::{
    Comparison, Corruption, Digest, Entry, MemberId, MemberStatus, Membership, Reach, Refusal,
    RequestKind, Standing, Starting, Target, Task, View as AppView,
};

use super::bits::*;
use super::model::AppModel;
use super::numbers::position;
use super::observe::{
    ACCUSED, CLUSTER, GUARDED, NEEDS_USER, ON_ITS_OWN, REACHED, SECOND, STARTING, Seen, VOTES, View,
};
use super::slot::group;
use super::task::OPERATION;

/// The cluster of a start that was abandoned.
const OTHER_CLUSTER: &str = "c0";

/// How far a question comes to who does not answer it.
fn reach(seen: &Seen) -> Reach {
    match seen.also {
        it if it & GUARDED != 0 => Reach::Refused(Refusal::Guarded),
        it if it & NEEDS_USER != 0 => Reach::Refused(Refusal::NeedsUser),
        _ => Reach::Unreachable,
    }
}

impl<M: AppModel> View<'_, M> {
    /// All of it.
    pub(super) fn view(&self) -> AppView {
        let alarms = self.alarms();
        let target = |(index, it): (usize, &Seen)| match it.app & REACHED {
            0 if it.also & STARTING != 0 => self.starting((index, it)),
            0 => Target::silent(self.name(index), reach(it)),
            _ => Target::answered(self.name(index), self.answer((index, it), &alarms)),
        };
        let mut view = AppView::default();
        view.targets = self.slots().map(target).collect();
        view.membership = self.list.then(|| self.membership());
        view.tasks = self.tasks();
        if self.list && self.setting.scenario.silent {
            view.comparisons = vec![self.compare(); 2];
        }
        let own = self.slots().filter(|(_, it)| it.app & (NON_VOTER | VOTER) != 0);
        let own = own.map(|(index, it)| (self.name(index), it.own)).collect();
        view.facts = self.setting.model.facts(own);
        view
    }

    /// One that waits for a quorum. Who learned that it votes before it started does not say that it has no vote.
    fn starting(&self, (index, it): (usize, &Seen)) -> Target {
        let starting = Starting::new(Self::id(index), position(it.position));
        Target::silent(self.name(index), Reach::Unreachable).starting(starting)
    }

    /// Whom the application accuses, unless it does not notice.
    fn alarms(&self) -> Vec<Corruption> {
        if self.setting.scenario.silent {
            return vec![];
        }
        let accused = self.slots().filter(|(_, it)| it.app & ACCUSED != 0);
        let named = accused.map(|(index, _)| Corruption::Of(Self::id(index)));
        named.chain(self.unnamed.then_some(Corruption::Undetermined)).collect()
    }

    /// The data of the voters who answer: what is corrupt is each time something else.
    fn compare(&self) -> Comparison {
        let voters = || self.slots().filter(|(_, it)| it.app & VOTER != 0);
        let digest = |(index, it): (usize, &Seen)| {
            let hash = if it.app & ACCUSED == 0 { 0 } else { index as u64 + 1 };
            (Self::id(index), Digest { since: 1, hash })
        };
        let said = voters().filter(|(_, it)| it.app & REACHED != 0).map(digest);
        Comparison::new(1, voters().map(|(index, _)| Self::id(index)), said)
    }

    /// What the application is at work on, and how far it is.
    fn tasks(&self) -> Vec<Task> {
        let pieces = |it: &Seen| u64::from(self.setting.model.pieces(it.own));
        let all = self.seen().iter().map(pieces).sum();
        let drains = self.slots().filter(|(_, it)| it.work & (DRAINS >> WORK_SHIFT) != 0);
        let drains = drains.map(|(index, it)| {
            Task::new(RequestKind::Drain, self.name(index), all - pieces(it), all)
        });
        let step = |it: &Seen| (it.work >> (OWN_STEP_SHIFT - WORK_SHIFT)).checked_sub(1);
        let own = self.slots().filter_map(|(index, it)| {
            Some(Task::new(self.own(index, step(it)?), self.name(index), 0, 1))
        });
        let watched = self.slots().filter(|(_, it)| it.task & WATCHED != 0);
        let watched =
            watched.map(|(index, _)| Task::new(self.own(index, OPERATION), self.name(index), 0, 1));
        drains.chain(own).chain(watched).collect()
    }

    fn answer(&self, (index, it): (usize, &Seen), alarms: &[Corruption]) -> MemberStatus {
        let standing = match it.app {
            app if app & LEADER != 0 => Standing::Leader,
            app if app & VOTES == 0 => Standing::NonVoter,
            _ => Standing::Voter,
        };
        let id = Self::id(index);
        if it.elsewhere {
            let mut status = MemberStatus::new(id.clone(), OTHER_CLUSTER, Standing::Leader);
            (status.leader, status.position) = (Some(id), Some(position(2)));
            status.version = self.setting.model.version(0);
            return status;
        }
        let alone = it.app & ON_ITS_OWN != 0;
        let mut status = MemberStatus::new(id, CLUSTER, standing);
        status.leader = match it.follows {
            0 => self.leader_of(it).filter(|_| !alone && !self.setting.model.is_appointed()),
            follows => Some(Self::id(usize::from(follows) - 1)),
        };
        status.position = Some(position(it.position));
        status.version = self.setting.model.version(u8::from(it.app & SECOND != 0));
        status.data_size = 1;
        status.corruption = if alone { vec![] } else { alarms.to_vec() };
        status
    }

    /// Who leads the group of a member: of the cluster, where there is one leader.
    fn leader_of(&self, member: &Seen) -> Option<MemberId> {
        let same = |it: &Seen| group(it.role) == group(member.role);
        let mut leads = self.slots().filter(|(_, it)| it.app & LEADER != 0 && same(it));
        leads.next().map(|it| Self::id(it.0))
    }

    fn membership(&self) -> Membership {
        let listed = self.slots().filter(|(_, it)| it.app & (NON_VOTER | VOTER) != 0);
        let entry = |(index, it): (usize, &Seen)| {
            Entry::voter(Self::id(index), self.name(index)).voting(it.app & VOTER != 0)
        };
        let voters = self.seen().iter().filter(|it| it.app & VOTER != 0);
        // Who cannot be elected is asked for the list also when its peers do not reach it.
        let cut = if self.setting.model.is_appointed() { 0 } else { ON_ITS_OWN };
        let agreed = voters.filter(|it| it.app & (REACHED | cut) == REACHED).count();
        Membership::new(CLUSTER, listed.map(entry)).agreed(agreed)
    }
}
