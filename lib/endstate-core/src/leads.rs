//! Who leads, by the members' own words. Assessment, planner and linter judge differently what follows from it, but
//! they mean the same.

use crate::id::MemberId;
use crate::limits::quorum;
use crate::topology::Acks;
use crate::view::{Entry, MemberStatus, Membership, Reach, View};

/// What the members of a list say of themselves.
#[derive(Clone, Copy)]
pub(crate) struct Leads<'a> {
    view: &'a View,
    list: &'a Membership,
}

impl<'a> Leads<'a> {
    pub(crate) fn new(view: &'a View, list: &'a Membership) -> Self {
        Self { view, list }
    }

    /// What a member says, as this very member of this cluster.
    pub(crate) fn heard(self, entry: &Entry) -> Option<&'a MemberStatus> {
        let target = self.view.target(&entry.name).filter(|it| it.reach == Reach::Reachable)?;
        let ours = |it: &&MemberStatus| it.id == entry.id && it.cluster == self.list.cluster;
        target.status.as_ref().filter(ours)
    }

    /// Whom it says it follows.
    pub(crate) fn followed(self, entry: &Entry) -> Option<&'a MemberId> {
        self.heard(entry)?.leader.as_ref()
    }

    /// Whether it says that it leads.
    pub(crate) fn claims(self, entry: &Entry) -> bool {
        self.followed(entry) == Some(&entry.id)
    }

    /// The voters that say they lead.
    pub(crate) fn claimants(self) -> impl Iterator<Item = &'a Entry> {
        self.list.voters().filter(move |it| self.claims(it))
    }

    /// The voters that follow this one.
    pub(crate) fn followers(self, leader: &MemberId) -> impl Iterator<Item = &'a Entry> {
        self.list.voters().filter(move |it| self.followed(it) == Some(leader))
    }

    /// Whether a majority follows this one.
    pub(crate) fn has_majority(self, leader: &MemberId) -> bool {
        self.followers(leader).count() >= quorum(self.list.voters().count())
    }

    /// Who leads the cluster: the voter that says so; if several do, the one that most voters follow. Where each group
    /// has a leader of its own, that is one of them.
    pub(crate) fn leader(self) -> Option<&'a MemberId> {
        self.most_followed(|it| it.votes, |it| it.votes)
    }

    /// The same of a group that has a leader of its own: its voter, or whoever says so if the group has none.
    pub(crate) fn leader_of(self, of: impl Fn(&Entry) -> bool) -> Option<&'a MemberId> {
        let has_voter = self.list.voters().any(&of);
        self.most_followed(|it| of(it) && (it.votes || !has_voter), &of)
    }

    /// Whether one voter leads. Where the operator chooses it there may be two that say so: then the one that a
    /// majority follows does, if no other can acknowledge anything, or nobody.
    pub(crate) fn is_led(self, acks: Option<Acks>) -> bool {
        let Some(leader) = self.leader() else { return false };
        match acks {
            None => true,
            Some(Acks::Leader) => self.claimants().count() == 1,
            Some(Acks::Majority) => self.has_majority(leader),
        }
    }

    /// Who of those that are able says it leads; if several do, the one that most of these follow.
    fn most_followed(
        self,
        able: impl Fn(&Entry) -> bool,
        counts: impl Fn(&Entry) -> bool,
    ) -> Option<&'a MemberId> {
        let follows = |it: &&Entry, id: &MemberId| counts(it) && self.followed(it) == Some(id);
        let votes = |id: &MemberId| self.list.members.iter().filter(|it| follows(it, id)).count();
        let claims = self.list.members.iter().filter(|it| able(it) && self.claims(it));
        claims.map(|it| &it.id).max_by_key(|id| (votes(id), *id))
    }
}
