//! Volumes of a cluster of this name that was deleted. They are kept, and this cluster starts without them, unless a
//! person says that it goes on with them: then they are its own, and its members start on them.

use std::collections::BTreeSet;

use super::verdict::{Move, Verdict};
use crate::app::App;
use crate::assess::Assessed;
use crate::claim::Claim;
use crate::consent::Choice;
use crate::id::Uid;
use crate::plan::Action;
use crate::waiting::Waiting;

pub(super) fn adopt<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let (snapshot, record) = (assessed.snapshot, &assessed.record);
    let Some(Choice::Adopt(of)) = &snapshot.consent else { return Verdict::Pass };
    if record.bootstrap.is_some() || record.consent == snapshot.consent {
        return Verdict::Pass;
    }
    let named = |it: &&Claim| of.is_none() || it.of_another == *of;
    let mut claims: Vec<_> = snapshot.former.iter().filter(named).collect();
    let clusters: BTreeSet<&Uid> = claims.iter().filter_map(|it| it.of_another.as_ref()).collect();
    if clusters.len() > 1 {
        let clusters = clusters.into_iter().cloned().collect();
        return Verdict::wait(Waiting::ForFormer { clusters });
    }
    claims.sort_by(|a, b| a.name.cmp(&b.name));
    let adopt = |it: &Claim| Action::AdoptClaim { claim: it.clone() };
    let wanted = claims.into_iter().fold(Move::default(), |wanted, it| wanted.acts(adopt(it)));
    match (wanted.actions.is_empty(), snapshot.claims.is_empty()) {
        (true, true) => Verdict::wait(Waiting::ForFormer { clusters: vec![] }),
        (true, false) => Verdict::Pass,
        (false, _) => Verdict::Only(wanted),
    }
}
