//! Whether etcd asks for users, which is a part of its data: every member that has the data has it.

use std::collections::BTreeMap;

use endstate_check::cluster::{AppMove, State};
use endstate_core::{AppStep, Facts, MemberName, Precondition};
use etcd_plan::auth::{Auth, AuthFacts, DISABLE_AUTH, ENABLE_AUTH, UserFacts};
use etcd_plan::{ClusterFacts, ROOT};

/// The role of etcd's members.
const ROLE: &str = "member";

/// [`Slot::own`](endstate_check::cluster::Slot::own) of a member whose data says that it does.
const ON: u8 = 1;

/// What the spec says of it.
pub(super) fn asked(enabled: bool) -> Auth {
    Auth { enabled, root_secret: None }
}

/// What is asked of etcd, in the order of the numbers.
pub(super) fn steps(member: &MemberName) -> Vec<AppStep> {
    let healthy = Precondition::Healthy { role: ROLE.into() };
    let enable = AppStep::new(ENABLE_AUTH, member.clone()).needs(healthy);
    vec![enable, AppStep::new(DISABLE_AUTH, member.clone())]
}

/// What the operator is told, as root, by whoever has the data.
pub(super) fn facts(own: &BTreeMap<MemberName, u8>) -> Facts {
    let root = UserFacts { password: Some(true), ..UserFacts::default() };
    let enabled = own.values().any(|it| it & ON != 0);
    let users = BTreeMap::from([(ROOT.to_owned(), root)]);
    let auth = Some(AuthFacts { enabled, users, ..AuthFacts::default() });
    Facts::of(&ClusterFacts { same_data: Some(true), auth, ..ClusterFacts::default() })
}

pub(super) fn is_on(state: &State) -> bool {
    state.leader().is_some_and(|it| state.members()[it].own() & ON != 0)
}

/// Who has caught up has that of the leader, too.
pub(super) fn copied(mut state: State) -> State {
    let Some(own) = state.leader().map(|it| state.members()[it].own()) else { return state };
    let has = |it: &endstate_check::cluster::Slot| it.is_listed() && it.is_caught_up();
    state.members_mut().iter_mut().filter(|it| has(it)).for_each(|it| it.set_own(own));
    state
}

/// What etcd was asked for is done, or lost with the member that was asked.
pub(super) fn work(state: &State, add: &mut impl FnMut(AppMove, State)) {
    for (index, slot) in state.members().iter().enumerate() {
        let Some(number) = slot.own_step() else { continue };
        let mut after = *state;
        after.members_mut()[index].end_own_step();
        if slot.works() && state.can_commit() {
            let on = if number == 0 { ON } else { 0 };
            let has =
                after.members_mut().iter_mut().filter(|it| it.is_listed() && it.is_caught_up());
            has.for_each(|it| it.set_own(on));
        }
        add(AppMove::Work(slot.tag()), after);
    }
}
