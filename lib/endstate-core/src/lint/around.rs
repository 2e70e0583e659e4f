//! What is around the members: what is written there at all, and the ends of claims.

use super::{Lint, Rule};
use crate::claim::Claim;
use crate::id::{MemberName, RoleName};
use crate::launch::{Policy, Reclaim};
use crate::objects::Ownership;
use crate::plan::{Issue, MemberVolume, Surroundings};
use crate::record::Step;

impl<S> Lint<'_, S> {
    pub(super) fn around(&mut self) {
        let Some(around) = &self.plan.surroundings else { return };
        let accepted = self.plan.status.record.accepted.is_some();
        self.check(Rule::HandsOff, accepted && !self.snapshot.object.deleting, || {
            "objects would be applied and pruned of a cluster that is going or was never accepted"
                .into()
        });
        for conflict in &self.snapshot.conflicts {
            self.check(Rule::HandsOff, around.taken.contains(conflict), || {
                format!("{conflict} is somebody else's and would be written")
            });
        }
        self.certificates(around);
        self.requests(around);
        for claim in self.snapshot.claims.iter().filter(|it| !it.deleting) {
            self.check(Rule::KeepsClaims, stays(around, claim), || {
                format!("claim {} is not among those that stay", claim.name)
            });
        }
        let is_there = |it: &MemberVolume| {
            let mut claims = self.snapshot.claims.iter();
            claims.any(|claim| claim.name == it.claim())
        };
        let resumes =
            |it: &MemberVolume| self.snapshot.pod(&it.member).is_some_and(|it| it.resumes);
        let bad: Vec<_> = around.volumes.iter().filter(|it| resumes(it) && !is_there(it)).collect();
        let bad: Vec<_> = bad.into_iter().map(MemberVolume::claim).collect();
        self.check(Rule::OneIdentity, bad.is_empty(), || {
            format!("{bad:?} would be made blank under pods that go on with their data")
        });
        let owned = |it: &&MemberVolume| it.ownership != Ownership::Kept;
        for volume in around.volumes.iter().filter(owned) {
            self.ends((&volume.claim(), Some(&volume.name)), (&volume.member, None));
        }
        for left in around.left.iter().filter(|it| it.ownership != Ownership::Kept) {
            let claim = &left.claim;
            let whose = (&claim.member, claim.role.as_ref());
            self.ends((&claim.name, claim.name_of_volume()), whose);
        }
    }

    /// What is made was looked for; an authority was not there; and who signs is trusted by who had the certificate
    /// before.
    fn certificates(&mut self, around: &Surroundings) {
        let seen = |name: &str| self.snapshot.certificates.iter().find(|it| it.secret == name);
        let facts = |name: &str| seen(name).and_then(|it| it.facts.as_ref());
        let bad = |it: &&Issue| match (&it.certificate.issuer, facts(&it.certificate.secret)) {
            _ if seen(&it.certificate.secret).is_none_or(|it| it.given) => true,
            _ if it.certificate.given.is_some() => true,
            (None, before) => before.is_some(),
            (Some(issuer), Some(before)) => {
                facts(issuer).is_none_or(|it| !before.trusts.contains(&it.key))
            }
            (Some(_), None) => false,
        };
        let bad: Vec<_> =
            around.issued.iter().filter(bad).map(|it| &it.certificate.secret).collect();
        self.check(Rule::KeepsAuthorities, bad.is_empty(), || {
            format!("{bad:?} would be made anew, and somebody may not trust it")
        });
    }

    /// What cert-manager is asked for is wanted, was looked for, as was the object by which it is asked, and takes no
    /// secret and no object from anybody; and it was not refused a moment ago.
    fn requests(&mut self, around: &Surroundings) {
        let wanted = |name: &str| around.requested.iter().find(|it| it.secret == *name);
        let is_free = |name: &String| {
            let wanted = wanted(name).filter(|it| it.requested.is_some());
            let mut seen = self.snapshot.certificates.iter().filter(|it| it.secret == *name);
            wanted.is_some() && seen.next().is_some_and(|it| it.origin.is_free_for(name))
        };
        let unseen = self.snapshot.unasked.is_some();
        let taken =
            |it: &String| unseen || around.taken.iter().any(|of| of.is_request() && of.name == *it);
        let bad: Vec<_> = around.asked.iter().filter(|it| !is_free(it) || taken(it)).collect();
        self.check(Rule::HandsOff, bad.is_empty(), || {
            format!(
                "cert-manager would be asked to fill {bad:?}, which nobody asks for or others have"
            )
        });
    }

    /// Every policy that may speak of a claim gives it up: that of its member's role, or if the member is not recorded
    /// any more those of all roles, and the one that the claim names among them; of these the ones of its volume.
    fn ends(
        &mut self,
        (claim, volume): (&str, Option<&str>),
        (member, said): (&MemberName, Option<&RoleName>),
    ) {
        let retention = &self.plan.retention;
        let known = self.plan.status.record.find(member).map(|it| &it.role);
        let of = |role: Option<&RoleName>| retention.iter().any(|it| Some(&it.role) == role);
        let of_role: Vec<_> =
            retention.iter().filter(|it| known.is_none_or(|of| *of == it.role)).collect();
        let of_volume = |it: &&Policy| Some(it.volume.as_str()) == volume;
        let told = of_role.iter().any(of_volume);
        let mut policies = of_role.into_iter().filter(|it| !told || of_volume(it));
        let keeps = policies.any(|it| it.retention.when_deleted == Reclaim::Retain);
        self.check(Rule::KeepsClaims, of(known.or(said)) && !keeps, || {
            format!("claim {claim} would end with the cluster, and not every policy says so")
        });
    }

    /// The same when a member has left. Its role is the one that the step under way names: a claim's own word and its
    /// label can be edited.
    pub(super) fn is_given_up(&mut self, claim: &Claim) {
        let leaves = match &self.plan.status.record.step {
            Some(Step::Leave { name, role, .. }) if *name == claim.member => Some(role),
            _ => None,
        };
        let (told, others): (Vec<_>, Vec<_>) =
            self.plan.retention.iter().partition(|it| Some(&it.role) == leaves);
        let of_role = if told.is_empty() { others } else { told };
        let (told, others): (Vec<_>, Vec<_>) =
            of_role.into_iter().partition(|it| Some(&*it.volume) == claim.name_of_volume());
        let policies = if told.is_empty() { others } else { told };
        let kept = policies.iter().any(|it| it.retention.when_scaled == Reclaim::Retain);
        self.check(Rule::KeepsClaims, !policies.is_empty() && !kept, || {
            format!("claim {} would be deleted, and not every policy says so", claim.name)
        });
    }
}

/// Whether a claim that was seen is told of.
fn stays(around: &Surroundings, claim: &Claim) -> bool {
    let of_member = |it: &MemberVolume| it.claim() == claim.name;
    around.volumes.iter().any(of_member) || around.left.iter().any(|it| it.claim == *claim)
}
