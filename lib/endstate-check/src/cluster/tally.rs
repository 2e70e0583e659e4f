//! What the operator did to each object.

use std::collections::BTreeMap;
use std::fmt;

use super::bits::*;
use super::slot::Slot;
use super::state::State;

/// How often the operator did what, by member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally(BTreeMap<(u8, Deed), u32>);

/// What the operator can do that is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    CreatePod,
    DeletePod,
    ChangePod,
    CreateClaim,
    DeleteClaim,
    List,
    GiveVote,
    Unlist,
    MakeLead,
    BeginStep,
}

impl Tally {
    /// Takes note of what one call of the operator changed. Of a member that is forgotten with it these claims stay.
    pub(crate) fn note(&mut self, before: &State, after: &State, kept: u8) {
        let find = |state: &State, tag: u8| state.slots.iter().copied().find(|it| it.tag == tag);
        for old in before.slots.iter().filter(|it| find(after, it.tag).is_none()) {
            self.add(old, &Slot { made: old.made & kept, tag: old.tag, ..Slot::default() });
        }
        for new in after.slots.iter() {
            self.add(&find(before, new.tag).unwrap_or_default(), new);
        }
    }

    fn add(&mut self, old: &Slot, new: &Slot) {
        for deed in deeds(old, new) {
            *self.0.entry((new.tag, deed)).or_default() += 1;
        }
    }

    /// What differs, for people: what was done here, and what there. Members are compared in their order; those that
    /// this one gave up are left out, whatever became of them.
    pub(crate) fn difference(&self, other: &Self, given_up: &[u8]) -> Vec<String> {
        let (mut here, there) = (self.by_member(given_up), other.by_member(&[]));
        if !given_up.is_empty() {
            for ((_, here), (_, there)) in here.iter_mut().zip(&there) {
                join_as_founder(here, there);
            }
        }
        let nothing = (0, Deeds::new());
        let both = (0..here.len().max(there.len()))
            .map(|it| (here.get(it).unwrap_or(&nothing), there.get(it).unwrap_or(&nothing)));
        let differs = both.filter(|((_, here), (_, there))| here != there);
        differs
            .map(|((member, here), (other, there))| {
                format!("of m{member}: {}; of m{other} undisturbed: {}", told(here), told(there))
            })
            .collect()
    }

    /// What was created of a member that was given up, and not deleted again by the operator.
    pub(crate) fn left_of(&self, member: u8) -> Option<String> {
        let count = |deed| self.0.get(&(member, deed)).copied().unwrap_or(0);
        let pods = (count(Deed::CreatePod), count(Deed::DeletePod));
        let claims = (count(Deed::CreateClaim), count(Deed::DeleteClaim));
        let fine = pods.0 == pods.1 && pods.0 <= 1 && claims.0 == claims.1;
        (!fine)
            .then(|| format!("of m{member}, which was given up: {pods:?} pods, {claims:?} claims"))
    }

    fn by_member(&self, given_up: &[u8]) -> Vec<(u8, Deeds)> {
        let mut members: BTreeMap<u8, Deeds> = BTreeMap::new();
        for ((member, deed), count) in self.0.iter().filter(|((it, _), _)| !given_up.contains(it)) {
            members.entry(*member).or_default().insert(*deed, *count);
        }
        members.into_iter().collect()
    }
}

/// Who takes the place of a founder joins, if the others have formed a cluster meanwhile.
fn join_as_founder(here: &mut Deeds, there: &Deeds) {
    let joined = [Deed::List, Deed::GiveVote];
    if joined.iter().all(|it| here.get(it) == Some(&1) && !there.contains_key(it)) {
        here.retain(|it, _| !joined.contains(it));
    }
}

type Deeds = BTreeMap<Deed, u32>;

fn told(deeds: &Deeds) -> String {
    let told: Vec<_> = deeds.iter().map(|(deed, count)| format!("{count} {deed}")).collect();
    if told.is_empty() { "nothing".into() } else { told.join(", ") }
}

/// The claims that it has and keeps.
fn staying(slot: &Slot) -> u8 {
    slot.claims() & !slot.claims_going()
}

fn deeds(old: &Slot, new: &Slot) -> Vec<Deed> {
    let came = |old: u8, new: u8| (new & !old).count_ones() as usize;
    let listed = VOTER | NON_VOTER;
    let counts = [
        (Deed::CreatePod, came(old.pod & EXISTS, new.pod & EXISTS)),
        (Deed::DeletePod, came(old.pod & DELETING, new.pod & DELETING)),
        (Deed::ChangePod, usize::from(old.exists() && (old.pod ^ new.pod) & REV != 0)),
        (Deed::CreateClaim, came(old.claims(), new.claims())),
        (Deed::DeleteClaim, came(staying(new), staying(old))),
        (Deed::List, usize::from(old.list & listed == 0 && new.list & listed != 0)),
        (Deed::GiveVote, came(old.list & VOTER, new.list & VOTER)),
        (Deed::Unlist, usize::from(old.list & listed != 0 && new.list & listed == 0)),
        (Deed::MakeLead, came(old.list & LEADER, new.list & LEADER)),
        (Deed::BeginStep, usize::from(old.list & WORK == 0 && new.list & WORK != 0)),
    ];
    counts.into_iter().flat_map(|(deed, count)| std::iter::repeat_n(deed, count)).collect()
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreatePod => "pods created",
            Self::DeletePod => "pods deleted",
            Self::ChangePod => "pods changed",
            Self::CreateClaim => "claims created",
            Self::DeleteClaim => "claims deleted",
            Self::List => "times listed",
            Self::GiveVote => "votes given",
            Self::Unlist => "times taken off the list",
            Self::MakeLead => "times made to lead",
            Self::BeginStep => "steps begun",
        })
    }
}
