//! What becomes of claims, by the word of the accepted spec: labels can be edited, and may be older than the spec.

use super::Assessed;
use super::rules::units;
use crate::app::App;
use crate::claim::Claim;
use crate::launch::{LaunchOf, Policy, Reclaim};
use crate::record::{MemberRecord, Step};
use crate::topology::Edge;

impl<A: App> Assessed<'_, A> {
    /// What the accepted spec says of the claims of each volume of each role, whether it has members or not.
    pub(crate) fn retention(&self) -> Vec<Policy> {
        let Some((accepted, target)) = self.record.accepted.as_ref().zip(self.target.as_ref())
        else {
            return vec![];
        };
        let object = &self.snapshot.object;
        let mut retention = vec![];
        for (role, group) in units(target, Edge::Starts) {
            let member = MemberRecord::new(object.name.as_str(), role.name.clone());
            let member = MemberRecord { group, ..member };
            let launch = self.app.launch(&LaunchOf::new(object, &accepted.spec, &member));
            for (volume, it) in launch.volumes() {
                let said = Policy::new(role.name.clone(), volume, it.retention);
                if !retention.contains(&said) {
                    retention.push(said);
                }
            }
        }
        retention
    }

    /// Whether a claim goes when its member has left: its label says so, and each policy that may speak of it. That is
    /// the one of its volume, for the role that the step under way names, or else those of all roles. Where none speaks
    /// it is kept.
    pub(crate) fn is_given_up(&self, claim: &Claim) -> bool {
        if claim.retained || self.record.kept.contains(&claim.member) {
            return false;
        }
        let leaves = match &self.record.step {
            Some(Step::Leave { name, role, .. }) if *name == claim.member => Some(role),
            _ => None,
        };
        let all = self.retention();
        let policies = Policy::of(&all, leaves, claim.name_of_volume());
        !policies.is_empty() && policies.iter().all(|it| it.when_scaled == Reclaim::Delete)
    }
}
