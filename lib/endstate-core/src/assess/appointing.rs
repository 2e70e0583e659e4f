//! Who leads where the application elects nobody, and who is to.
//!
//! What a person would do after the primary is lost, and is afraid to get wrong: is it really gone, and who has all
//! that was acknowledged? The two answers follow from when a leader acknowledges ([`Acks`]).
//!
//! - By a majority: a leader that no majority follows acknowledges nothing. So it does not matter what becomes of one
//!   that does not answer while a majority of the others follows nobody; and each majority has among it one that has
//!   what was acknowledged, so that who has all that those have has all.
//! - By itself: a leader that does not answer may take writes, and have what nobody else has. So no voter may be
//!   silent, unless its data is lost, and its process with it.

use jiff::SignedDuration;

use super::rules::is_in_doubt;
use super::{Assessed, Situation};
use crate::app::App;
use crate::comparison::Corruption;
use crate::id::MemberName;
use crate::leads::Leads;
use crate::limits::{OVERDUE_SECONDS, quorum};
use crate::member::{Cluster, Health, Member};
use crate::pod::PodPhase;
use crate::position::Position;
use crate::topology::{Acks, Lead, Topology};
use crate::view::{Entry, MemberStatus, Membership};
use crate::waiting::{AppointmentLack, Waiting};

impl<'a, A: App> Assessed<'a, A> {
    /// When a leader acknowledges, where the operator chooses it: not what is asked for now, but the weakest of what
    /// processes may do.
    pub(crate) fn acks(&self) -> Option<Acks> {
        let asked = acks_of(self.target.as_ref()?)?;
        Some(if self.record.acks_alone { Acks::Leader } else { asked })
    }

    /// Remembers that a leader may acknowledge by itself: by the spec that was accepted before, by the one that is now,
    /// or by one that a pod was made from. An edit does not reach one that does not answer.
    pub(super) fn note_acks(&mut self) {
        if self.target.as_ref().and_then(acks_of).is_none() {
            self.record.acks_alone = false;
            return;
        }
        let before = self.snapshot.status.record.accepted.as_ref().map(|it| &it.spec);
        let now = self.record.accepted.as_ref().map(|it| &it.spec);
        let pods = self.snapshot.pods.iter().flatten().filter_map(|it| it.spec.as_ref());
        let mut specs = before.into_iter().chain(now).chain(pods);
        self.record.acks_alone |= specs.any(|it| !self.acks_by_majority(it));
    }

    /// Forgets it when one leads, and each voter works, on data that is good, by a spec that says otherwise.
    pub(super) fn note_acks_of(&mut self, cluster: &Cluster) {
        let accepted = self.record.accepted.as_ref();
        let asked = accepted.is_some_and(|it| self.acks_by_majority(&it.spec));
        let sound = !cluster.corruption.contains(&Corruption::Undetermined);
        let runs = |it: &Member| {
            let made_from = self.snapshot.pod(&it.name).and_then(|it| it.spec.as_ref());
            let known = self.record.members.iter().find(|known| known.name == it.name);
            it.health.is_healthy()
                && known.is_some_and(|it| it.restarted.is_none())
                && made_from.is_some_and(|it| self.acks_by_majority(it))
        };
        if asked && sound && cluster.voters().all(runs) {
            self.record.acks_alone = false;
        }
    }

    fn acks_by_majority(&self, spec: &A::Spec) -> bool {
        acks_of(&self.app.topology(spec)) == Some(Acks::Majority)
    }

    /// What the members of a list say of who leads.
    pub(crate) fn leads(&self, list: &'a Membership) -> Leads<'a> {
        Leads::new(&self.snapshot.view, list)
    }

    /// The cluster without a leader, if the operator is to choose one.
    pub(crate) fn leaderless(&self) -> Option<Leaderless<'_, 'a, A>> {
        let (acks, list) = (self.acks()?, self.list()?);
        let leaderless = match &self.situation {
            Situation::NoQuorum(lack) => *lack == Waiting::ForLeader,
            Situation::Formed => self.cluster.is_none(),
            _ => false,
        };
        leaderless.then(|| {
            let mut voters: Vec<_> = list.voters().collect();
            voters.sort_by(|a, b| a.name.cmp(&b.name));
            let leads = self.leads(list);
            Leaderless { assessed: self, list, leads, voters, acks, cluster: self.join(list) }
        })
    }
}

/// When a leader acknowledges by a spec, where the operator chooses it.
fn acks_of(target: &Topology) -> Option<Acks> {
    match target.voting()?.lead {
        Lead::Appointed(acks) => Some(acks),
        Lead::Transfers | Lead::Stays => None,
    }
}

/// A list that enough voters gave, and nobody who leads.
pub(crate) struct Leaderless<'s, 'a, A: App> {
    assessed: &'s Assessed<'a, A>,
    list: &'a Membership,
    leads: Leads<'a>,
    /// In the order of their names.
    voters: Vec<&'a Entry>,
    acks: Acks,
    cluster: Cluster,
}

impl<'a, A: App> Leaderless<'_, 'a, A> {
    /// Who is to lead.
    pub(crate) fn heir(&self) -> Result<&Member, AppointmentLack> {
        let target = self.assessed.target.as_ref();
        if target.is_none_or(|it| is_in_doubt(&self.cluster, it)) {
            return Err(AppointmentLack::Doubt);
        }
        self.check_that_none_leads()?;
        self.check_that_all_tell()?;
        let (heir, position) = self.furthest()?;
        self.check_the_silent(heir, position)?;
        Ok(heir)
    }

    /// The voters that answer.
    pub(crate) fn heard(&self) -> impl Iterator<Item = (&'a Entry, &'a MemberStatus)> {
        let answer = |it: &'a Entry| Some((it, self.leads.heard(it)?));
        self.voters.iter().copied().filter_map(answer)
    }

    fn silent(&self) -> impl Iterator<Item = &'a Entry> {
        let voters = self.voters.iter().copied();
        voters.filter(|it| self.leads.heard(it).is_none())
    }

    /// Whether nobody else can acknowledge anything, by the word of a majority.
    fn check_that_none_leads(&self) -> Result<(), AppointmentLack> {
        let may_lead = |member: MemberName| AppointmentLack::MayLead { member };
        let free = self.heard().filter(|it| self.follows_silent(it.1).is_none()).count();
        if free >= quorum(self.voters.len()) {
            return match self.acks {
                Acks::Majority => Ok(()),
                Acks::Leader => self.check_that_none_leads_alone(),
            };
        }
        let followed = self.heard().find_map(|it| self.follows_silent(it.1));
        let silent = || self.silent().next().map(|it| it.name.clone());
        Err(followed.or_else(silent).map_or(AppointmentLack::NoHeir, may_lead))
    }

    /// Whether every voter says that it does not lead, or has neither process nor data.
    fn check_that_none_leads_alone(&self) -> Result<(), AppointmentLack> {
        let mut claims: Vec<_> = self.leads.claimants().collect();
        claims.sort_by(|a, b| a.name.cmp(&b.name));
        if let [one, other, ..] = &claims[..] {
            let (one, other) = (one.name.clone(), other.name.clone());
            return Err(AppointmentLack::Rivals { one, other });
        }
        if let Some(member) = self.heard().find_map(|it| self.follows_silent(it.1)) {
            return Err(AppointmentLack::MayLead { member });
        }
        let Some(entry) = self.silent().find(|it| !self.is_off(it)) else { return Ok(()) };
        let member = entry.name.clone();
        Err(match self.may_run(entry) {
            true => AppointmentLack::MayLead { member },
            false => AppointmentLack::MayBeAhead { member },
        })
    }

    /// The one that somebody follows and that does not say itself whether it leads.
    fn follows_silent(&self, answer: &MemberStatus) -> Option<MemberName> {
        let leader = answer.leader.as_ref()?;
        let entry = self.list.members.iter().find(|it| it.id == *leader);
        match entry {
            Some(it) if self.leads.heard(it).is_some() => None,
            Some(it) => Some(it.name.clone()),
            None => Some(leader.as_str().into()),
        }
    }

    /// Whether a member lost its data, and its process with it.
    fn is_off(&self, entry: &Entry) -> bool {
        let ended = match self.assessed.snapshot.pod(&entry.name) {
            None => true,
            Some(pod) => {
                pod.data_lost() || matches!(pod.phase, PodPhase::Failed | PodPhase::Succeeded)
            }
        };
        ended && self.health(entry).is_lost()
    }

    fn may_run(&self, entry: &Entry) -> bool {
        let pod = self.assessed.snapshot.pod(&entry.name);
        pod.is_some_and(|it| it.deleting || it.node_fault.is_some())
            || !self.health(entry).is_stopped()
    }

    fn health(&self, entry: &Entry) -> Health {
        let member = self.cluster.member(&entry.name);
        member.map_or(Health::Leaderless, |it| it.health.clone())
    }

    /// Whether a member is not waited for any more: it is given up, or has said nothing for a while.
    fn is_gone_for_long(&self, entry: &Entry) -> bool {
        let patience = SignedDuration::from_secs(OVERDUE_SECONDS);
        let since = self.assessed.record.find(&entry.name).and_then(|it| it.failing_since);
        let now = self.assessed.snapshot.now;
        self.health(entry).is_given_up()
            || since.is_some_and(|it| now.duration_since(it) >= patience)
    }

    /// Whether everybody that answers says how far it is, unless what it has is worth nothing.
    fn check_that_all_tell(&self) -> Result<(), AppointmentLack> {
        let tells = |it: &Entry, status: &MemberStatus| {
            status.position.is_some() || self.health(it) == Health::Corrupt
        };
        let quiet = self.heard().find(|(entry, status)| !tells(entry, status));
        quiet.map_or(Ok(()), |(it, _)| Err(AppointmentLack::MayBeAhead { member: it.name.clone() }))
    }

    /// The voter that has all that any that answers has. Among equals the one that a person names, then the one that
    /// says it leads, then one that need not be restarted.
    fn furthest(&self) -> Result<(&Member, &Position), AppointmentLack> {
        let heard = |it: &Member| self.heard().any(|(entry, _)| entry.name == it.name);
        let counts = |it: &&Member| heard(it) && it.health != Health::Corrupt;
        let told = || {
            let members = self.cluster.members.iter().filter(counts);
            members.filter_map(|it| Some((it, it.position.as_ref()?)))
        };
        let able = || told().filter(|(it, _)| it.recorded && it.health.is_alive());
        let has_all = |it: &Position| told().all(|(_, other)| it.dominates(other));
        let furthest = able().filter(|it| has_all(it.1)).rev();
        if let Some(heir) =
            furthest.max_by_key(|(it, _)| (self.is_named(it), it.leads, !it.outdated))
        {
            return Ok(heir);
        }
        let most = able().max_by_key(|it| it.1.count()).ok_or(AppointmentLack::NoHeir)?;
        let ahead = told().find(|it| !most.1.dominates(it.1)).ok_or(AppointmentLack::NoHeir)?;
        let (one, other) = (most.0.name.clone(), ahead.0.name.clone());
        match able().any(|it| it.0.name == other) {
            true => Err(AppointmentLack::Diverged { one, other }),
            false => Err(AppointmentLack::MayBeAhead { member: other }),
        }
    }

    /// Whether a person consents to go on with what it has.
    fn is_named(&self, heir: &Member) -> bool {
        let snapshot = self.assessed.snapshot;
        let used = self.assessed.record.consent == snapshot.consent;
        snapshot.recover_from() == Some(&heir.name) && !used
    }

    /// Whether the heir has all that those who do not answer were known to have. A majority would have what was
    /// acknowledged by one, and who may come back with the rest is waited for only for a while.
    fn check_the_silent(&self, heir: &Member, has: &Position) -> Result<(), AppointmentLack> {
        let snapshot = self.assessed.snapshot;
        let ahead = |it: &&Entry| {
            let row = snapshot.status.members.iter().find(|row| row.name == it.name);
            row.and_then(|it| it.position.as_ref()).is_some_and(|it| !has.dominates(it))
        };
        for entry in self.silent().filter(ahead) {
            let member = entry.name.clone();
            match self.acks {
                Acks::Leader if !self.is_named(heir) => {
                    return Err(AppointmentLack::LostAhead { member, heir: heir.name.clone() });
                }
                Acks::Majority if !self.is_gone_for_long(entry) => {
                    return Err(AppointmentLack::MayBeAhead { member });
                }
                Acks::Leader | Acks::Majority => {}
            }
        }
        Ok(())
    }
}
