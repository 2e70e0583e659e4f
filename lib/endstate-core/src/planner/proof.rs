//! What a step of the plan is, and what it is given.

use super::verdict::Verdict;
use crate::app::App;
use crate::assess::Assessed;
use crate::member::Cluster;
use crate::topology::Topology;

/// A step that needs no more than what was seen.
pub(super) type Step<A> = fn(&Assessed<'_, A>) -> Verdict;

/// A step that changes a cluster: it needs the proof of a quorum.
pub(super) type ProvenStep<A> = fn(&Proof<'_, '_, A>) -> Verdict;

/// The members as a quorum lists them, and what is asked for.
pub(super) struct Proof<'p, 'a, A: App> {
    pub(super) assessed: &'p Assessed<'a, A>,
    pub(super) cluster: &'p Cluster,
    pub(super) target: &'p Topology,
}
