//! What the objects around the members depend on: who has a claim, which claims go with the cluster object, and what is
//! not ours to write.

use std::collections::BTreeSet;

use super::Report;
use crate::app::App;
use crate::assess::Situation;
use crate::assess::awaited::awaited_volumes;
use crate::assess::rebuild::is_lost;
use crate::certificates::{Certificate, Due};
use crate::claim::Claim;
use crate::id::RoleName;
use crate::launch::{Policy, Reclaim};
use crate::limits::quorum;
use crate::member::Cluster;
use crate::objects::Ownership;
use crate::plan::{Issue, LeftClaim, MemberVolume, Surroundings};
use crate::planner::evicting::is_held_up;
use crate::record::MemberRecord;
use crate::request::{ActionKey, ActionKind};
use crate::topology::{Role, Topology};
use crate::view::Membership;

impl<A: App> Report<'_, '_, A> {
    /// Nothing around the members is changed while their names are not ours, the cluster is going, a person paused it,
    /// or the record was lost.
    pub(super) fn surroundings(&self, retention: &[Policy]) -> Option<Surroundings> {
        let target = self.assessed.target.as_ref()?;
        let keep = [Situation::Deleting, Situation::NameTaken, Situation::Paused];
        let lost = is_lost(self.assessed.snapshot);
        let unknown = lost && self.decision.record.found.is_empty();
        let rests = self.rests(ActionKind::ApplyObjects);
        if keep.contains(&self.assessed.situation) || unknown || rests {
            return None;
        }
        let volume = |it: MemberVolume| {
            let ownership = ownership(&it.role, Some(&*it.name), retention);
            it.ownership(ownership)
        };
        let volumes: Vec<_> = self.volumes().into_iter().map(volume).collect();
        let record = &self.decision.record;
        let mut taken = self.assessed.snapshot.conflicts.clone();
        taken.sort();
        Some(Surroundings {
            // Who was let in before the record was lost, or the cluster begins anew, stays in.
            clients: lost || record.restoring.is_some() || record.cluster_id.is_some(),
            min_available: self.min_available(target),
            left: self.left(&volumes, retention),
            volumes,
            taken,
            certificates: self.kept_certificates(),
            issued: self.issued(),
            asked: self.asked(),
            requested: self.requested(),
        })
    }

    /// Those that cert-manager is to fill for whoever runs or is to run.
    fn requested(&self) -> Vec<Certificate> {
        let all = self.assessed.certificates().into_iter().map(|it| it.0);
        all.filter(|it| it.requested.is_some()).collect()
    }

    /// Those of them that it is asked for: by nobody else's object, for no secret that it would take from somebody, and
    /// not a moment after that was refused. It is not known whose an object is that could not be looked for.
    fn asked(&self) -> BTreeSet<String> {
        let snapshot = self.assessed.snapshot;
        if self.rests(ActionKind::RequestCertificates) || snapshot.unasked.is_some() {
            return BTreeSet::new();
        }
        let taken = |it: &Certificate| {
            snapshot.conflicts.iter().any(|of| of.is_request() && of.name == it.secret)
        };
        let all = self.requested().into_iter();
        let asked = all.filter(|it| it.may_be_requested(&snapshot.certificates) && !taken(it));
        asked.map(|it| it.secret).collect()
    }

    /// Those of the operator's own making. A user's secret is not touched.
    fn kept_certificates(&self) -> Vec<Certificate> {
        let all = self.assessed.certificates().into_iter().map(|it| it.0);
        all.filter(|it| it.given.is_none()).collect()
    }

    /// The certificates that are due, in the order in which they are asked for.
    fn issued(&self) -> Vec<Issue> {
        let conflicts = &self.assessed.snapshot.conflicts;
        let taken = |name: &str| conflicts.iter().any(|it| it.kind == "Secret" && it.name == *name);
        let due = self.assessed.certificates().into_iter().filter_map(|(it, due)| match due {
            Due::Now(reason) if !taken(&it.secret) => Some(Issue::new(it, reason)),
            _ => None,
        });
        due.collect()
    }

    /// A quorum of the most voters that there are or should be. While a member is moved from a node that somebody
    /// empties nobody else needs to stop: it is let go when its successor votes. Where that does not succeed, what a
    /// quorum bears is let through.
    fn min_available(&self, target: &Topology) -> u32 {
        let voters = |it: &Role| if it.is_led() { it.groups as usize } else { it.size };
        let wanted = target.voting().map_or(0, voters);
        // Taken from the record too, so that it does not sink when members cannot be seen.
        let listed = self.assessed.list().map_or(0, |it: &Membership| it.voters().count());
        let most = listed.max(self.assessed.voting_members().count()).max(wanted);
        let moves = |it: &Cluster| it.voters().any(|it| it.recorded && it.vacates);
        let held_up = is_held_up(&self.decision.record, self.assessed.snapshot);
        let needed = match self.cluster().is_some_and(moves) && !held_up {
            true => listed,
            false => quorum(most),
        };
        u32::try_from(needed).unwrap_or(u32::MAX)
    }

    /// What the accepted spec says of claims, where there are any or are to be.
    pub(super) fn retention(&self) -> Vec<Policy> {
        let any = !self.assessed.snapshot.claims.is_empty() || !self.volumes().is_empty();
        if any { self.assessed.retention() } else { vec![] }
    }

    /// Whether what is done for the cluster as a whole was refused a moment ago.
    fn rests(&self, kind: ActionKind) -> bool {
        let snapshot = self.assessed.snapshot;
        snapshot.rests(&ActionKey { kind, member: snapshot.object.name.as_str().into() })
    }

    /// The volumes that have a claim, and those that members are to start with, also when the claim was refused, or
    /// deleted, and their pod waits for it: by the size and the class that are in force, which may be how a refusal was
    /// mended. A member that was started without one, or whose claim is gone, gets none: its data would not be on it.
    fn volumes(&self) -> Vec<MemberVolume> {
        let record = &self.decision.record;
        let claims = &self.assessed.snapshot.claims;
        let has = |it: &MemberVolume| claims.iter().any(|claim| claim.name == it.claim());
        let belongs = |it: &MemberRecord| record.members.iter().any(|other| other.name == it.name);
        let volumes = |member: &MemberRecord| {
            let (app, snapshot) = (self.assessed.app, self.assessed.snapshot);
            let resumes = snapshot.pod(&member.name).is_some_and(|it| it.resumes);
            let starts = member.pod.is_none() && !belongs(member) && !resumes;
            let waits = if resumes { vec![] } else { awaited_volumes(app, snapshot, member) };
            let awaited = |it: &MemberVolume| waits.iter().any(|other| other.name == it.name);
            let all = MemberVolume::all_of(member, &self.assessed.launch(member, None));
            let wanted = |it: &MemberVolume| starts || has(it) || awaited(it);
            all.into_iter().filter(wanted).collect::<Vec<_>>()
        };
        record.everyone().flat_map(volumes).collect()
    }

    /// The claims that are no such volume's, by name. What goes already has no owner to be given.
    fn left(&self, volumes: &[MemberVolume], retention: &[Policy]) -> Vec<LeftClaim> {
        let is_volume = |it: &Claim| volumes.iter().any(|one| one.claim() == it.name);
        let claims = self.assessed.snapshot.claims.iter();
        let left = claims.filter(|it| !it.deleting && !is_volume(it));
        let left = left.map(|it| LeftClaim::new(it.clone(), self.ownership_left(it, retention)));
        let mut left: Vec<_> = left.collect();
        left.sort_by(|a, b| (&a.claim.name, &a.claim.uid).cmp(&(&b.claim.name, &b.claim.uid)));
        left
    }

    /// Of a claim that a member left behind only its own word tells the role, so what the policy of any role keeps is
    /// kept.
    fn ownership_left(&self, claim: &Claim, retention: &[Policy]) -> Ownership {
        let volume = claim.name_of_volume();
        if let Some(member) = self.decision.record.find(&claim.member) {
            return ownership(&member.role, volume, retention);
        }
        let mut all = Policy::of(retention, None, volume).into_iter();
        let any_keeps = all.any(|it| it.when_deleted == Reclaim::Retain);
        let role = claim.role.as_ref().filter(|_| !any_keeps);
        role.map_or(Ownership::Kept, |it| ownership(it, volume, retention))
    }
}

/// The claim of a member ends with the cluster object if the policy of its role says so. Where none speaks it is kept.
fn ownership(role: &RoleName, volume: Option<&str>, retention: &[Policy]) -> Ownership {
    let known = retention.iter().any(|it| it.role == *role);
    let mut policies = Policy::of(retention, Some(role), volume).into_iter();
    let ends = known && policies.all(|it| it.when_deleted == Reclaim::Delete);
    if ends { Ownership::Owned } else { Ownership::Kept }
}
