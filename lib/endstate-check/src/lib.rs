//! The model checker of the Endstate SDK: a pure planner, driven through every order of events of a
//! small world.
//!
//! A [`World`] says where it begins, what can happen next in a state, and when it is at rest as
//! declared. [`check`] visits every state that can be reached, breadth first, and looks for
//!
//! - a step that breaks a safety property of the world ([`Broken`]), and
//! - a state from which, with no further fault, the world does not come to rest: eventually stable
//!   reconciliation (ESR). In the graph of the steps that are no faults, every state of every bottom
//!   strongly connected component must be at rest.
//!
//! [`walk`] takes one random way with many faults instead, then lets the world come to rest. What
//! is found is a [`Finding`]: the shortest script of named steps that leads there.
//!
//! # An application of your own
//!
//! [`cluster`] is the world of a cluster with members. API, pods, claims, processes, faults and properties are there;
//! the planner and the linter are those that ship. What an author adds is an [`AppModel`](cluster::AppModel): the
//! rules of the application that no `App` holds, because no operator decides them.
//!
//! - What a process does at its start ([`start`](cluster::AppModel::start)): on its data, on an empty directory that
//!   counts as data from now on, without any, or not at all. The launcher's refusals come before it.
//! - What the application does by itself ([`steps`](cluster::AppModel::steps)): [`cluster::steps`] has what most do.
//! - Which request it carries out, and which it refuses ([`request`](cluster::AppModel::request)).
//! - Who answers an operator, and when the list of members is to be had; both have defaults.
//! - Where the operator chooses who leads ([`is_appointed`](cluster::AppModel::is_appointed)): whom members follow, who
//!   gets a write before it is acknowledged, and what a request leaves that is cut short.
//!
//! - What it places on members and no other has ([`pieces`](cluster::AppModel::pieces)), and steps of its own
//!   ([`own_steps`](cluster::AppModel::own_steps)); none by default. The world remembers what the application is
//!   at work on, and `steps` goes on with it:
//!
//! ```
//! use endstate_check::cluster::{AppMove, Slot, State};
//!
//! /// A piece moves from each member that is drained to each that takes it: how many one holds is kept in mind of it.
//! fn drain(state: &State, mut add: impl FnMut(AppMove, State)) {
//!     let takes = |it: &Slot| it.is_listed() && it.works() && !it.is_draining();
//!     for (from, slot) in state.members().iter().enumerate() {
//!         if !slot.is_draining() || !slot.works() || slot.own() == 0 {
//!             continue;
//!         }
//!         for (to, other) in state.members().iter().enumerate().filter(|(_, it)| takes(it)) {
//!             let mut after = *state;
//!             after.members_mut()[from].set_own(slot.own() - 1);
//!             after.members_mut()[to].set_own(other.own() + 1);
//!             if slot.own() == 1 {
//!                 after.members_mut()[from].end_drain();
//!             }
//!             add(AppMove::Move(slot.tag(), other.tag()), after);
//!         }
//!     }
//! }
//! ```
//!
//! A model is trusted: compare it with the real application on the same operations. Where a document leaves something
//! open, the model allows both. Then a scenario says what starts, what may be declared, and how often each fault may
//! happen, anywhere. Begin with one fault of each kind; two at a time find the rest.
//!
//! ```
//! use endstate_check::cluster::{
//!     Answer, AppModel, AppMove, Budgets, Declared, Planner, Ran, Request, Scenario, Slot, Start, StartKind, State,
//!     Volumes, check, steps,
//! };
//! use endstate_core::{
//!     App, Guard, Identity, Launch, LaunchOf, MemberName, Role, Topology, VolumeSpec,
//! };
//!
//! /// What ships: members on volumes, that join without a vote and hand their lead over.
//! struct Toy;
//!
//! impl App for Toy {
//!     type Spec = u8;
//!     fn name(&self) -> &'static str {
//!         "toy"
//!     }
//!     fn topology(&self, size: &u8) -> Topology {
//!         Topology::new("1", [Role::voting("member", (*size).into())])
//!     }
//!     fn launch(&self, member: &LaunchOf<'_, u8>) -> Launch {
//!         Launch::new("toy:1", Guard::new("/data", &["log/*"]), member).storage(VolumeSpec::new("1Gi"))
//!     }
//!     fn address(&self, _: &Identity, _: &Self::Spec, member: &MemberName) -> String {
//!         member.to_string()
//!     }
//! }
//!
//! /// How the toy behaves.
//! struct Model;
//!
//! impl AppModel for Model {
//!     type App = Toy;
//!     fn app(&self) -> &Toy {
//!         &Toy
//!     }
//!     fn spec(&self, declared: Declared) -> u8 {
//!         declared.sizes[0]
//!     }
//!     fn declared(&self, spec: &u8) -> Declared {
//!         Declared { sizes: [*spec, 0], rev: 0 }
//!     }
//!
//!     /// Who joins an existing cluster is blank until it has copied from the leader.
//!     fn start(&self, state: &State, member: usize) -> Ran {
//!         let slot = &state.members()[member];
//!         match slot.start() {
//!             StartKind::Recover if slot.has_data() && !slot.is_recovered() => Ran::Alone,
//!             _ if slot.has_data() => Ran::OnItsData,
//!             StartKind::New if !state.is_formed() || slot.is_listed() => Ran::Empty,
//!             StartKind::New => Ran::Crashed,
//!             _ => Ran::Blank,
//!         }
//!     }
//!
//!     fn steps(&self, state: &State, mut add: impl FnMut(AppMove, State)) {
//!         steps::form(state, &mut add);
//!         steps::elect(state, &mut add);
//!         steps::copy_from_leader(state, Slot::is_listed, &mut add);
//!         steps::settle(state, &mut add);
//!     }
//!
//!     fn request(&self, state: &mut State, request: Request, member: usize) -> Answer {
//!         let slot = state.members()[member];
//!         let ready = slot.works() && slot.is_caught_up();
//!         match request {
//!             _ if !state.can_commit() => return Answer::Refused,
//!             Request::Join if !slot.is_listed() => state.members_mut()[member].list(),
//!             Request::Promote if ready && slot.is_non_voter() => state.members_mut()[member].give_vote(),
//!             Request::Transfer if ready && slot.votes() => state.lead(member),
//!             Request::Leave if slot.is_listed() => state.members_mut()[member].unlist(),
//!             _ => return Answer::Refused,
//!         }
//!         Answer::Done
//!     }
//! }
//!
//! let budgets = Budgets { wipe: 1, abort: 1, ..Budgets::NONE };
//! let scenario = Scenario::new("1 to 3", Start::Running([1, 0]), &[[3, 0]], budgets);
//! let report = check(&scenario.on(Volumes::Claims), Model, Planner::shipped());
//! assert!(report.is_fine(), "{report}");
//! assert!(report.explored.states > 1_000);
//! ```
//!
//! A check that cannot fail is worth nothing: hand a spoilt planner to
//! [`Planner::with_bug`](cluster::Planner::with_bug) for each property, and see it found.
//!
//! # How it works
//!
//! States are told apart by 128-bit fingerprints ([`Print`]), and only those that are still to be
//! visited are held in memory. The library is pure and deterministic: how long it took, and what a
//! user may choose, is measured and read by who calls it.

#![warn(missing_docs)]

pub mod cluster;

mod explore;
mod finding;
mod graph;
mod print;
mod visited;
mod walk;
mod world;

pub use explore::{STATES_MAX, check};
pub use finding::{Finding, Report};
pub use print::Print;
pub use walk::{CALM_STEPS, WILD_STEPS, walk};
pub use world::{Broken, Move, Next, Property, State, World};
