//! What is no member's any more: a pod, then a claim.

use crate::app::App;
use crate::assess::Assessed;
use crate::claim::Claim;
use crate::pod::Pod;

/// Something that nobody needs.
pub(super) enum Stray<'s, S> {
    Pod(&'s Pod<S>),
    Claim(&'s Claim),
}

impl<A: App> Assessed<'_, A> {
    /// The first of what belongs to none of these. A claim waits for its pod to be gone, and one that is retained is
    /// for people to delete.
    pub(super) fn stray(&self, belongs: impl Fn(&str) -> bool) -> Option<Stray<'_, A::Spec>> {
        let snapshot = self.snapshot;
        let pods = snapshot.pods.iter().flatten();
        let pod = pods.filter(|it| !belongs(&it.name) && !it.deleting).min_by_key(|it| &it.name);
        let kept =
            |it: &&Claim| belongs(&it.member) || it.deleting || snapshot.pod(&it.member).is_some();
        let strays = || snapshot.claims.iter().filter(|it| !kept(it));
        let claims = || strays().filter(|it| self.is_given_up(it)).min_by_key(|it| &it.name);
        pod.map(Stray::Pod).or_else(|| claims().map(Stray::Claim))
    }
}
