//! The step under way: carried on.

use super::proof::Proof;
use super::verdict::Verdict;
use crate::app::App;
use crate::record::Step;

/// Goes on with the step that is recorded. Whoever finds it half done finishes it before anything else; whether it is
/// over, or has lost its reason, was assessed before.
pub(super) fn go_on<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    match &proof.assessed.record.step {
        None => Verdict::Pass,
        Some(Step::Join { member }) => match proof.go_on_joining(member) {
            Verdict::Only(wanted) if wanted.only_waits() => proof.start_beside(member, wanted),
            verdict => verdict,
        },
        Some(Step::Leave { name, reason, .. }) => match proof.cluster.member(name) {
            Some(member) => proof.go_on_leaving(member, *reason),
            None => proof.clear_away(name, *reason),
        },
        Some(Step::Restart { name }) => {
            proof.cluster.member(name).map_or(Verdict::Pass, |it| proof.go_on_restarting(it))
        }
        Some(Step::App { step }) => proof.go_on_with(step),
        Some(Step::Recover { .. }) => proof.end_recovery(),
    }
}
