//! What an `EtcdTask` asks for.

use std::collections::BTreeMap;

use endstate_check::cluster::{Asks, Slot};
use endstate_core::{AppStep, Facts, MemberName, Precondition};
use etcd_plan::DEFRAGMENT;

/// The role of etcd's members.
const ROLE: &str = "member";

/// So many entries of its log etcd keeps for those who are behind.
const ENTRIES: u64 = 5_000;

/// The spec of the object.
pub(super) fn asked(asks: Asks) -> Option<Facts> {
    let field = match asks {
        Asks::Nothing => return None,
        Asks::Step => "defragment",
    };
    Some(Facts::of(&BTreeMap::from([(field, BTreeMap::<&str, &str>::new())])))
}

/// What is asked of a member.
pub(super) fn defragment(member: &MemberName) -> AppStep {
    let step = AppStep::new(DEFRAGMENT, member.clone()).dangerous();
    let step = step.needs(Precondition::Healthy { role: ROLE.into() });
    let step = step.needs(Precondition::UpToDate { role: ROLE.into() });
    step.needs(Precondition::CaughtUp { role: ROLE.into(), entries: ENTRIES })
}

/// A database that is sent meanwhile may be spoiled: to a learner, or to who lacks more than etcd's log still has. Of
/// the writes of a scenario only the first is so far behind the rest.
pub(super) fn is_harmless(slot: &Slot) -> bool {
    slot.votes() && (slot.is_caught_up() || slot.log() > 0)
}
