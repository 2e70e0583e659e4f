//! A member that nobody here added leaves when a person says so.

use super::proof::Proof;
use super::verdict::Verdict;
use crate::app::App;
use crate::consent::Choice;
use crate::reason::LeaveReason;

pub(super) fn remove<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let (snapshot, record) = (proof.assessed.snapshot, &proof.assessed.record);
    let Some(Choice::Remove(name)) = snapshot.consent.as_ref() else { return Verdict::Pass };
    let stranger = proof.cluster.member(name).filter(|it| !it.recorded);
    match stranger.filter(|_| record.consent != snapshot.consent) {
        Some(member) => proof.leave(member, LeaveReason::Stranger),
        None => Verdict::Pass,
    }
}
