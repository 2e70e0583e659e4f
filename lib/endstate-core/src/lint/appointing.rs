//! Who is made to lead, where the application elects nobody.

use std::collections::BTreeSet;

use super::{Lint, Rule};
use crate::comparison::Corruption;
use crate::id::{MemberId, MemberName};
use crate::limits::quorum;
use crate::pod::PodPhase;
use crate::position::Position;
use crate::topology::{Acks, Lead};
use crate::view::{Entry, MemberStatus, Membership};

impl<'a, S> Lint<'a, S> {
    pub(super) fn appoint(
        &mut self,
        list: &'a Membership,
        (member, id): (&MemberName, &MemberId),
        heard: &BTreeSet<MemberId>,
    ) {
        let heir = list.voters().find(|it| it.id == *id && it.name == *member);
        let (Some(heir), Some(acks)) = (heir, self.acks()) else {
            return self.check(Rule::Preconditions, false, || {
                format!("{member} is no voter that is appointed to lead")
            });
        };
        let own = self.leads(list).heard(heir);
        let able = own.is_some_and(|it| it.position.is_some());
        let accused = self.corruption.contains(&Corruption::Of(id.clone()));
        self.check(Rule::KeepsData, able && !accused, || {
            format!("{member} would lead, and does not say what it has, or it is corrupt")
        });
        let answered: BTreeSet<_> = self.heard(list).map(|(it, _)| it.id.clone()).collect();
        let enough = heard.len() >= quorum(list.voters().count());
        self.check(Rule::OneLeader, enough && heard.is_subset(&answered), || {
            format!("{member} would lead by the word of others than a majority that answers")
        });
        self.none_else_leads(list, heir, acks);
        let has = own.and_then(|it| it.position.clone()).unwrap_or_default();
        if !self.leads(list).has_majority(id) {
            self.has_all(list, heir, (&has, acks));
        }
    }

    /// When a leader acknowledges, where the operator chooses it: by the weaker promise, as long as the record has it.
    pub(super) fn acks(&self) -> Option<Acks> {
        let (old, new) = (&self.snapshot.status.record, &self.plan.status.record);
        let alone = old.acks_alone || new.acks_alone;
        match self.plan.roles.iter().find(|it| it.votes)?.lead {
            Lead::Appointed(asked) => Some(if alone { Acks::Leader } else { asked }),
            Lead::Transfers | Lead::Stays => None,
        }
    }

    /// That a leader may have what no other has is forgotten only when all voters work.
    pub(super) fn acks_last(&mut self) {
        let (old, new) = (&self.snapshot.status.record, &self.plan.status.record);
        let appoints = self.plan.roles.iter().any(|it| matches!(it.lead, Lead::Appointed(_)));
        let forgets = old.acks_alone && !new.acks_alone && appoints;
        let works = |list: &Membership| list.voters().all(|it| self.works(it));
        let holds = !forgets || self.proven().is_some_and(works);
        self.check(Rule::OneLeader, holds, || {
            "it is forgotten that a leader may have what no other has".into()
        });
    }

    fn heard(&self, list: &'a Membership) -> impl Iterator<Item = (&'a Entry, &'a MemberStatus)> {
        let leads = self.leads(list);
        list.voters().filter_map(move |it| Some((it, leads.heard(it)?)))
    }

    fn none_else_leads(&mut self, list: &'a Membership, heir: &Entry, acks: Acks) {
        let leads = self.leads(list);
        let others = || leads.claimants().filter(|it| it.id != heir.id);
        let silent = |id: &MemberId| {
            let entry = list.members.iter().find(|it| it.id == *id);
            entry.is_none_or(|it| leads.heard(it).is_none())
        };
        let free = self.heard(list).filter(|it| !it.1.leader.as_ref().is_some_and(silent)).count();
        let known = |it: &Entry| leads.heard(it).is_some() || self.is_off(&it.name);
        let holds = match acks {
            Acks::Leader => {
                others().next().is_none()
                    && list.voters().all(known)
                    && free == self.heard(list).count()
            }
            Acks::Majority => {
                !others().any(|it| leads.has_majority(&it.id))
                    && free >= quorum(list.voters().count())
            }
        };
        self.check(Rule::OneLeader, holds, || format!("{} would lead, and another may", heir.name));
    }

    /// Whether neither a process nor data of a member can be anywhere.
    fn is_off(&self, name: &MemberName) -> bool {
        let unclaimed = !self.snapshot.is_durable(name);
        match self.find(name) {
            None => unclaimed,
            Some(pod) => {
                let ended = matches!(pod.phase, PodPhase::Failed | PodPhase::Succeeded);
                pod.data_lost() || ended && unclaimed
            }
        }
    }

    /// The heir has all that those have who answer. Of those who do not, a majority makes up for what they were known
    /// to have; where a leader acknowledges alone, only a person does.
    fn has_all(&mut self, list: &'a Membership, heir: &Entry, (has, acks): (&Position, Acks)) {
        let leads = self.leads(list);
        let accused = |id: &MemberId| self.corruption.contains(&Corruption::Of(id.clone()));
        let counted = |it: &(&Entry, &MemberStatus)| !accused(&it.0.id);
        let answered = self.heard(list).filter(counted);
        let answered = answered.map(|it| it.1.position.as_ref());
        let consent = self.snapshot.recover_from() == Some(&heir.name);
        let before = |it: &Entry| {
            let row = self.snapshot.status.members.iter().find(|row| row.name == it.name)?;
            row.position.as_ref()
        };
        let silent = list.voters().filter(|it| leads.heard(it).is_none());
        let given_up = acks == Acks::Majority || consent;
        let ahead = answered.into_iter().any(|it| it.is_none_or(|it| !has.dominates(it)))
            || !given_up && silent.filter_map(before).any(|it| !has.dominates(it));
        self.check(Rule::KeepsData, !ahead, || {
            format!("{} would lead, and lacks what another has or had", heir.name)
        });
    }
}
