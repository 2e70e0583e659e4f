//! From the world to what the operator sees of it.

use endstate_core::{MemberId, MemberName, RequestKind};

use super::bits::*;
use super::declared::Declared;
use super::model::AppModel;
use super::setting::Setting;
use super::slot::{Slot, StartKind};
use super::slots::SLOTS;
use super::stages::Stages;
use super::state::State;
use super::task::Task;
use crate::Print;

pub(super) const CLUSTER: &str = "c1";

/// Bits of what a member shows to the driver, beside those of the list.
pub(super) const REACHED: u8 = 8;
/// It says that it votes, whether a list is to be had or not.
pub(super) const VOTES: u8 = 16;
/// It follows no leader.
pub(super) const ON_ITS_OWN: u8 = 32;
pub(super) const SECOND: u8 = 64;
/// Its data is corrupt, and the application says so, or a comparison of the data does.
pub(super) const ACCUSED: u8 = 128;

/// Bits of what it shows, beside those of `Slot::also`: it serves, and says no more without a user.
pub(super) const GUARDED: u8 = 64;
/// It says nothing without a user.
pub(super) const NEEDS_USER: u8 = 128;
/// It waits for a quorum, and answers nobody before.
pub(super) const STARTING: u8 = 32;

/// What the operator sees: the object, the pods and the claims as cached, the application as it is.
pub(crate) struct View<'a, M> {
    pub(super) setting: &'a Setting<M>,
    pub(super) spec: Declared,
    pub(super) accepted: Declared,
    pub(super) stages: Stages,
    pub(super) flags: u8,
    pub(super) task: Task,
    /// A list of members is to be had.
    pub(super) list: bool,
    /// An alarm about corrupt data names nobody.
    pub(super) unnamed: bool,
    /// The pods that the API refused to make, by slot.
    pub(super) refused: u16,
    pub(super) len: usize,
    pub(super) slots: [Seen; SLOTS],
    /// How many members have appeared. For people.
    pub(super) tags: u8,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) pod: u8,
    pub(super) made: u8,
    pub(super) also: u8,
    pub(super) record: u8,
    pub(super) reason: u8,
    pub(super) role: u8,
    pub(super) app: u8,
    /// How far it is by its own answer, and by the status, as numbers.
    pub(super) position: u8,
    pub(super) row: u8,
    /// Whom it says it follows, from 1, where the operator chooses who leads.
    pub(super) follows: u8,
    /// What the application is at work on about it.
    pub(super) work: u8,
    /// An operation's step about it, as far as the operator knows.
    pub(super) task: u8,
    /// What the model keeps in mind of it.
    pub(super) own: u8,
    pub(super) elsewhere: bool,
    pub(super) tag: u8,
}

impl<'a, M: AppModel> View<'a, M> {
    /// Looks. `blind` is the slot of a member that cannot be reached although it works.
    pub(crate) fn of(state: &State, setting: &'a Setting<M>, blind: Option<usize>) -> Self {
        let list = setting.model.shows_list(state) && !state.guarded;
        let appointed = setting.model.is_appointed();
        let mut slots = [Seen::default(); SLOTS];
        let mut refused = 0;
        for (index, slot) in state.slots.iter().enumerate() {
            let answers = setting.model.answers(state, index)
                && !slot.is_left_behind()
                && !slot.is_away()
                && blind != Some(index);
            let shut_out = answers && state.guarded && !setting.model.waits(state, index);
            let starting = answers && setting.model.waits(state, index);
            let answers = answers && !state.guarded && !starting;
            slots[index] = Seen::of(slot, list, answers);
            if starting {
                slots[index].also |= STARTING;
                slots[index].position = slot.position();
            }
            if shut_out {
                // Who serves together with a quorum says that much to anybody.
                let serves = slot.works() && slot.is_listed() && state.can_commit();
                slots[index].also |= if serves { GUARDED } else { NEEDS_USER };
            }
            if list && setting.has_facts {
                slots[index].own = slot.own;
            }
            if appointed && answers && list {
                let follows = setting.model.follows(state, index);
                slots[index].follows = follows.map_or(0, |it| u8::try_from(it + 1).expect("few"));
            }
            // Until it is listed it is in a cluster of its own, whatever the others follow.
            let alone = setting.led && answers && !slot.is_listed();
            slots[index].app |= if alone { ON_ITS_OWN } else { 0 };
            refused |= if slot.ills & REFUSED != 0 { 1 << index } else { 0 };
        }
        Self {
            setting,
            spec: state.cached_spec,
            accepted: state.cached_accepted,
            stages: state.cached_stages,
            flags: state.cached_flags & (ID | BOOT | ACCEPTED | ENDING),
            task: state.task,
            list,
            unnamed: list && state.has_unnamed_alarm(),
            refused,
            len: state.slots.len(),
            slots,
            tags: state.tags,
        }
    }

    pub(super) fn seen(&self) -> &[Seen] {
        &self.slots[..self.len]
    }

    /// What tells views apart.
    pub(crate) fn fingerprint(&self) -> u128 {
        let keeps = self.seen().iter().any(|it| it.own != 0);
        let more = self.seen().iter().any(|it| it.also | it.task != 0);
        let seen = u64::from(self.list) | u64::from(self.unnamed) << 1;
        let seen = seen | u64::from(keeps) << 2 | u64::from(more) << 3 | self.stages.word() << 4;
        let head = u64::from(self.flags) | seen << 8 | u64::from(self.refused) << 16;
        let head = head | (self.task as u64) << 32;
        let slots = self.seen().iter().map(|it| {
            u64::from_le_bytes([
                it.pod,
                it.made,
                it.record,
                it.reason,
                it.role | it.work << 2,
                it.app,
                1 | it.row << 1,
                u8::from(it.elsewhere) | it.position << 1 | it.follows << 4,
            ])
        });
        let own = self.seen().iter().filter(|_| keeps).map(|it| u64::from(it.own));
        let specs = self.spec.word() << 32 | self.accepted.word();
        let also = |it: &Seen| u64::from(it.also) | u64::from(it.task) << 8;
        let also = self.seen().iter().filter(|_| more).map(also);
        Print::of([head, specs].into_iter().chain(slots).chain(own).chain(also))
    }

    pub(super) fn app(&self) -> &'a M::App {
        self.setting.model.app()
    }

    pub(super) fn named(&self, flag: u8) -> Option<MemberName> {
        self.slots().find(|(_, it)| it.reason & flag != 0).map(|(index, _)| self.name(index))
    }

    /// Whether a person consents to a recovery.
    pub(super) fn is_consented(&self) -> bool {
        self.slots().any(|(_, it)| it.reason & CONSENT != 0)
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn name(&self, index: usize) -> MemberName {
        self.setting.names[index].clone()
    }

    pub(super) fn id(index: usize) -> MemberId {
        (index + 1).to_string().into()
    }

    /// Each with its index.
    pub(super) fn slots(&self) -> impl Iterator<Item = (usize, &Seen)> {
        self.seen().iter().enumerate()
    }

    pub(super) fn own(&self, index: usize, number: u8) -> RequestKind {
        RequestKind::App(self.setting.own_step(number, &self.name(index)).name)
    }

    /// The names of members in a text, as scripts call them: new ones are numbered on.
    pub(crate) fn readable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let tags = self.seen().iter().map(|it| it.tag).chain(self.tags..);
        for (name, tag) in self.setting.names.iter().zip(tags) {
            text = text.replace(name.as_str(), &format!("m{tag}"));
        }
        text
    }
}

impl Seen {
    fn of(slot: &Slot, list: bool, answers: bool) -> Self {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let elsewhere = slot.ills & ELSEWHERE != 0 && slot.pod & STARTED != 0;
        // How it was told to start nobody asks any more when it has, unless it was for a recovery.
        let told = match StartKind::of(slot.cached_made) {
            StartKind::Recover => true,
            StartKind::Resume => slot.cached_pod & STARTED == 0,
            StartKind::New | StartKind::Existing => false,
        };
        let mut app = bit(list, slot.list & (NON_VOTER | VOTER));
        app |= bit(slot.is_listed() && slot.is_accused(), ACCUSED);
        if answers {
            app |= REACHED | bit(list, slot.list & LEADER);
            app |= bit(slot.is_cut(), ON_ITS_OWN) | bit(slot.votes(), VOTES);
            app |= bit(slot.process & RUNS_REV != 0, SECOND);
        } else if elsewhere {
            app |= REACHED;
        }
        Self {
            pod: slot.cached_pod,
            made: slot.cached_made & !if told { 0 } else { START },
            also: slot.cached_also,
            record: slot.cached_record,
            reason: slot.cached_reason,
            role: slot.role,
            app,
            position: if answers { slot.position() } else { 0 },
            row: slot.cached_row,
            follows: 0,
            work: bit(list, slot.list >> WORK_SHIFT),
            task: slot.task & (BEGUN | DONE | HAS_ANSWER)
                | bit(slot.is_at_work() && slot.task & WATCHED != 0, WATCHED),
            own: 0,
            elsewhere,
            tag: slot.tag,
        }
    }

    pub(super) fn role(&self) -> u8 {
        self.role & ROLE
    }

    /// Whether its pod is told of a recovery.
    pub(super) fn is_alone(&self) -> bool {
        self.made & START == START
    }
}
