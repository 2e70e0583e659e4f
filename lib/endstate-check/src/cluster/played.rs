//! A model of an application driven by hand, to be held against the real one.

use super::bits::*;
use super::first;
use super::model::AppModel;
use super::request::{Answer, Request};
use super::scenario::Scenario;
use super::script::{AppMove, Ran};
use super::setting::Setting;
use super::slot::{Slot, StartKind};
use super::state::State;

/// The members of an application by its model, without an API server, a kubelet and an operator. A member is meant by
/// its index in [`State::members`]; members keep theirs, also when they were removed.
///
/// Whoever compares asks the same of the real application, tells who leads there, and looks at both:
///
/// ```
/// # use endstate_check::cluster::{Answer, AppModel, Played, Ran, Request, Scenario};
/// fn replaced(scenario: &Scenario, model: impl AppModel) {
///     let mut played = Played::new(scenario, model);
///     played.stop(0);
///     played.calm();
///     let new = played.come();
///     assert_eq!(played.ask(Request::Join, new), Answer::Done);
///     assert_eq!(played.start(new), Ran::Empty);
///     assert!(played.state().can_commit());
/// }
/// ```
pub struct Played<M> {
    setting: Setting<M>,
    state: State,
}

impl<M: AppModel> Played<M> {
    /// Where the scenario begins.
    pub fn new(scenario: &Scenario, model: M) -> Self {
        let setting = Setting::new(scenario, model);
        let state = first::state(&setting);
        Self { setting, state }
    }

    /// How it is now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// One more member, which is not listed, has no data and was never started. There is room for twelve in all.
    pub fn come(&mut self) -> usize {
        let tag = self.state.tags;
        self.state.tags += 1;
        let made = StartKind::Existing as u8;
        self.state.slots.push(Slot { pod: EXISTS, made, tag, ..Slot::default() });
        self.state.slots.len() - 1
    }

    /// Its process starts, on what is on its disk; says how.
    pub fn start(&mut self, member: usize) -> Ran {
        let ran = self.setting.model.start(&self.state, member);
        self.state.slots[member].start_process(ran);
        self.state.meet();
        ran
    }

    /// Its process ends. Its disk stays.
    pub fn stop(&mut self, member: usize) {
        self.state.slots[member].stop();
    }

    /// A request about a member.
    pub fn ask(&mut self, request: Request, member: usize) -> Answer {
        self.setting.model.request(&mut self.state, request, member)
    }

    /// All that the application does by itself, and at once: who is elected, if anybody is, is one of those who may be.
    /// Nobody settles by it.
    pub fn calm(&mut self) {
        while let Some(next) = self.next() {
            self.state = next;
        }
        for member in 0..self.state.slots.len() {
            if self.setting.model.exits(&self.state, member) {
                self.state.slots[member].stop();
            }
        }
    }

    /// So much time passes as the application asks for before it counts on a member.
    pub fn settle(&mut self) {
        self.state.slots.iter_mut().for_each(Slot::settle);
    }

    /// This one was elected.
    pub fn elected(&mut self, member: usize) {
        self.state.lead(member);
    }

    fn next(&self) -> Option<State> {
        let mut next = None;
        self.setting.model.steps(&self.state, |step, after| {
            if step != AppMove::Settle && after != self.state {
                next.get_or_insert(after);
            }
        });
        next
    }
}
