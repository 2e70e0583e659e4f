//! A toy that spreads its data over groups, as Redis Cluster does: each has a leader of its own, and the leaders vote.

use endstate_check::cluster::{
    Answer, AppModel, AppMove, Declared, Ran, Request, Slot, SpecOf, StartKind, State, steps,
};
use endstate_core::{
    App, Formation, Growth, Guard, Launch, LaunchOf, Role, Topology, VolumeSpec, Voters,
};

/// What ships: so many groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toy {
    pub(crate) groups: u32,
    pub(crate) durable: bool,
}

/// How many members a group has, and the number of the version.
type Spec = (u8, u8);

impl App for Toy {
    type Spec = Spec;

    fn name(&self) -> &'static str {
        "shards"
    }

    fn topology(&self, (size, version): &Spec) -> Topology {
        let shards = Role::voting("shard", (*size).into()).groups(self.groups);
        let shards = shards.voters(Voters::Leaders).growth(Growth::Alone);
        Topology::new(version.to_string(), [shards.formation(Formation::One)])
    }

    fn launch(&self, member: &LaunchOf<'_, Spec>) -> Launch {
        let volume = self.durable.then(|| VolumeSpec::new("1Gi"));
        let image = format!("shards:{}", member.spec.1);
        Launch::new(image, Guard::new("/data", &["log/*"]), member).storage(volume)
    }
}

/// How it behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shards(pub(crate) Toy);

impl AppModel for Shards {
    type App = Toy;

    fn app(&self) -> &Toy {
        &self.0
    }

    fn spec(&self, it: Declared) -> SpecOf<Self> {
        (it.sizes[0], it.rev)
    }

    fn declared(&self, spec: &SpecOf<Self>) -> Declared {
        Declared { sizes: [spec.0, 0], rev: spec.1 }
    }

    /// A start without data is one of a node of its own, until it is met. The first member owns all there is.
    fn start(&self, state: &State, member: usize) -> Ran {
        let slot = &state.members()[member];
        match slot.start() {
            _ if slot.has_data() => Ran::OnItsData,
            StartKind::New if state.is_formed() && !slot.is_listed() => Ran::Crashed,
            StartKind::New => Ran::Empty,
            _ => Ran::Blank,
        }
    }

    fn steps(&self, state: &State, mut add: impl FnMut(AppMove, State)) {
        form(state, &mut add);
        for (index, slot) in state.members().iter().enumerate() {
            if state.is_formed() && can_lead(state, slot) {
                let mut after = *state;
                after.lead_group(index);
                // The first of a group is given what it is to hold.
                after.members_mut()[index].fill();
                add(AppMove::Elect(slot.tag()), after);
            }
            if let Some(leader) = copies_from(state, slot) {
                let mut after = *state;
                after.members_mut()[index].copy(&state.members()[leader]);
                add(AppMove::CatchUp(slot.tag()), after);
            }
        }
        steps::settle(state, &mut add);
    }

    fn request(&self, state: &mut State, request: Request, member: usize) -> Answer {
        let slot = state.members()[member];
        let able = slot.works() && slot.is_caught_up() && slot.is_listed();
        match request {
            _ if !state.can_commit() => return Answer::Refused,
            Request::Join if slot.runs() && !slot.is_listed() => state.members_mut()[member].list(),
            Request::Transfer if able && state.leader_of(slot.group()).is_some() => {
                state.lead_group(member);
            }
            Request::Leave if slot.is_listed() => state.members_mut()[member].unlist(),
            _ => return Answer::Refused,
        }
        Answer::Done
    }

    /// Also one that nobody has met yet.
    fn answers(&self, state: &State, member: usize) -> bool {
        state.members()[member].runs() && state.is_formed()
    }
}

fn form(state: &State, add: &mut impl FnMut(AppMove, State)) {
    let ready = |it: &Slot| it.is_first() && it.works();
    let Some(first) = state.members().iter().position(ready) else { return };
    if !state.is_formed() {
        let mut after = *state;
        after.form();
        after.members_mut()[first].fill();
        after.members_mut()[first].give_vote();
        after.lead_group(first);
        add(AppMove::Form(state.members()[first].tag()), after);
    }
}

/// Whether a member takes the lead of its group, which nobody leads: it led it last, a majority of the other leaders
/// elects it, or the group is new.
fn can_lead(state: &State, slot: &Slot) -> bool {
    let of_group = || state.members().iter().filter(|it| it.is_listed() && it.is_beside(slot));
    if !slot.is_listed() || slot.is_cut() || state.leader_of(slot.group()).is_some() {
        return false;
    }
    let has_all = slot.works() && slot.is_caught_up();
    let is_new = !of_group().any(|it| it.votes() || it.has_data());
    has_all && (slot.votes() || state.has_quorum()) || is_new && slot.runs() && state.can_commit()
}

/// Whom a member copies from: the leader of its group, once it is met.
fn copies_from(state: &State, slot: &Slot) -> Option<usize> {
    let copies = slot.is_listed() && slot.runs() && !slot.is_cut() && !slot.is_caught_up();
    state.leader_of(slot.group()).filter(|_| copies)
}
