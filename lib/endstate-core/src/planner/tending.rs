//! What becomes of the objects beside a cluster.

use jiff::Timestamp;

use crate::app::App;
use crate::assess::{Assessed, Situation};
use crate::beside::{Beside, Tended, Verdict};
use crate::status::Truth;

/// How soon to look again where only a person or the API can lead on.
pub(super) const LATER_MS: u32 = 5_000;

/// What becomes of each that is no operation. Where the application cannot be asked they wait; a cluster that goes
/// keeps none of them.
pub(super) fn tend<A: App>(assessed: &Assessed<'_, A>) -> Vec<Tended> {
    let spec = assessed.record.in_force();
    let tended = match (&assessed.situation, spec, &assessed.cluster) {
        (Situation::Quorum, Some(spec), Some(cluster)) => assessed.app.tend(spec, cluster),
        _ => vec![],
    };
    let of = |it: &Tended| assessed.snapshot.beside.iter().find(|other| other.uid == it.uid);
    let told = tended.iter().filter_map(|it| Some(paced(assessed.snapshot.now, of(it)?, it)));
    let others = assessed.snapshot.beside.iter();
    let others = others.filter(|it| !tended.iter().any(|other| other.uid == it.uid));
    let others = others.filter(|it| !is_operation(assessed, it));
    told.chain(others.map(|it| waiting(assessed, it))).collect()
}

/// Whether it is carried out once.
fn is_operation<A: App>(assessed: &Assessed<'_, A>, object: &Beside) -> bool {
    assessed.app.operations().is_some_and(|it| it.of(object).is_some())
}

/// What the application refused stays said until it takes it, and is not asked for again at once unless the object is
/// another by now. What only a person or the API can bring on is looked at now and then.
fn paced(now: Timestamp, object: &Beside, tended: &Tended) -> Tended {
    let mut tended = tended.clone();
    if tended.verdict.status != Truth::True {
        tended.look_again_ms.get_or_insert(LATER_MS);
    }
    let refused = object.refused.as_ref().filter(|it| it.generation == object.generation);
    if let Some(refused) = refused.filter(|_| !tended.steps.is_empty()) {
        let said = format!("the cluster refuses it: {}", refused.said);
        tended.verdict = Verdict::waits("Refused", said);
        if let Some(rest) = refused.rests(now) {
            tended.steps.clear();
            tended.look_again_ms = Some(rest);
        }
    }
    tended
}

pub(super) fn waiting<A: App>(assessed: &Assessed<'_, A>, object: &Beside) -> Tended {
    let verdict = match &assessed.situation {
        Situation::Deleting => Verdict::waits("ClusterDeleting", "its cluster is being deleted"),
        Situation::Paused => Verdict::unknown("ClusterPaused", "its cluster is paused"),
        Situation::Hibernating => Verdict::unknown("ClusterHibernating", "no member runs"),
        Situation::Quorum => Verdict::waits("NotKnown", "the cluster has no such objects"),
        _ => Verdict::unknown("ClusterNotReady", "its cluster cannot be asked now"),
    };
    let goes = assessed.situation == Situation::Deleting;
    object.tended(verdict).held(object.held && !goes)
}
