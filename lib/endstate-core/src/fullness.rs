//! How full what a member keeps is, where it has a bound that counts the file and not what is in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::MemberName;
use crate::limits::quorum;
use crate::member::{Cluster, Member};

/// From so many hundredths of its bound on it is said to be short of space.
const SHORT: u64 = 80;
/// Below so many it has room.
const ROOM: u64 = 90;
/// To write a file anew that does not free so many is not worth it.
const WORTH: u64 = 5;

/// How full the file of a member is, in bytes. What is removed from it leaves room inside; only if it is written anew
/// it becomes smaller, and until then its member serves nobody.
///
/// ```
/// use endstate_core::Fullness;
/// let file = Fullness { size: 95, in_use: 40, bound: 100, rewritten: None };
/// assert!(file.is_short() && !file.has_room() && file.frees(40));
/// let again = Fullness { rewritten: Some((95, 40)), ..file };
/// assert!(!again.frees(40), "it freed nothing before");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fullness {
    /// Of the file.
    pub size: u64,
    /// Of what is in it.
    pub in_use: u64,
    /// How large the file may be; 0 if the member does not say.
    pub bound: u64,
    /// The size, and how much was in use, right after it was written anew, as long as that is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewritten: Option<(u64, u64)>,
}

impl Fullness {
    /// The hundredths of its bound.
    pub fn hundredths(&self) -> u64 {
        self.size / (self.bound / 100).max(1)
    }

    /// Whether somebody should know: it is at 80 hundredths or more.
    pub fn is_short(&self) -> bool {
        self.hundredths() >= SHORT
    }

    /// Whether it is below 90 hundredths.
    pub fn has_room(&self) -> bool {
        self.size < self.part(ROOM)
    }

    /// Whether it becomes smaller, by 5 hundredths at least, if it is written anew: by what the data needs, and by what
    /// came of the last time. It is asked for again only if the file has grown since, or less of it is in use.
    pub fn frees(&self, needed: u64) -> bool {
        let beyond = |it: u64, what: u64| it > what.saturating_add(self.part(WORTH));
        let has_changed = |(size, in_use)| beyond(self.size, size) || beyond(in_use, self.in_use);
        beyond(self.size, needed) && self.rewritten.is_none_or(has_changed)
    }

    fn part(&self, hundredths: u64) -> u64 {
        self.bound / 100 * hundredths
    }
}

/// The files of voters that all hold the same.
#[derive(Debug)]
pub struct Files<'c> {
    known: Vec<(&'c Member, Fullness)>,
    /// What the data needs: some have given more of what they do not use back than others.
    needed: u64,
    voters: usize,
}

/// What becomes of files of which one has no room.
///
/// ```
/// use endstate_core::{Cluster, Files, Fullness, Member, FilesRoom};
/// let mut cluster = Cluster::default();
/// cluster.members = ["a", "b", "c"].map(|it| Member::new(it, it, "server").voting(true)).into();
/// cluster.members[0].leads = true;
/// let file = Fullness { size: 95, in_use: 40, bound: 100, rewritten: None };
/// let files = Files::of(&cluster, |_| Some(file));
/// assert_eq!(files.room(&cluster.members[0], 1000, None), FilesRoom::Rewrite("b".into()), "who leads comes last");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesRoom {
    /// Each has room.
    Enough,
    /// The file of this member is written anew next.
    Rewrite(MemberName),
    /// No file becomes smaller.
    Exhausted,
    /// One would be written anew if it did not lack this.
    Lacks(&'static str),
}

impl<'c> Files<'c> {
    /// Those of the voters of which it is known.
    pub fn of(cluster: &'c Cluster, file: impl Fn(&Member) -> Option<Fullness>) -> Self {
        let known: Vec<_> = cluster.voters().filter_map(|it| Some((it, file(it)?))).collect();
        let needed = known.iter().map(|it| it.1.in_use).min().unwrap_or_default();
        Self { known, needed, voters: cluster.voters().count() }
    }

    /// The fullest.
    pub fn fullest(&self) -> Option<&(&'c Member, Fullness)> {
        self.known.iter().rev().max_by_key(|it| it.1.hundredths())
    }

    /// Whether one becomes smaller if it is written anew.
    pub fn shrinks(&self, file: &Fullness) -> bool {
        file.frees(self.needed)
    }

    /// Whether what is in them would leave one with little room, or none, were it written anew.
    pub fn are_crowded(&self) -> bool {
        self.known.iter().any(|it| self.needed >= it.1.part(ROOM - WORTH))
    }

    /// What becomes of them: those that have no room and would become smaller are written anew one by one, who leads
    /// last. None is beside a quorum that needs its member, of a member that is so many entries behind, or where its
    /// volume, if its size is known, does not hold a copy.
    pub fn room(&self, leader: &Member, behind_max: u64, volume: Option<u64>) -> FilesRoom {
        if self.known.len() < self.voters {
            return FilesRoom::Lacks("not every member says how full it is");
        }
        if self.known.iter().all(|it| it.1.has_room()) {
            return FilesRoom::Enough;
        }
        let due = self.known.iter().filter(|it| !it.1.has_room() && self.shrinks(&it.1));
        // Who still uses more than the others may be about to remove it.
        let uses_more = |it: &Fullness| it.in_use > self.needed.saturating_add(it.part(WORTH));
        let next = due.min_by_key(|it| (it.0.leads, uses_more(&it.1), &it.0.name));
        let Some((member, file)) = next else {
            return FilesRoom::Exhausted;
        };
        // Who has more than the leader said a moment before is not behind.
        let positions = member.position.as_ref().zip(leader.position.as_ref());
        let behind = positions.and_then(|(has, ahead)| has.behind(ahead));
        let copy = file.size.saturating_add(file.in_use);
        if self.voters.saturating_sub(1) < quorum(self.voters) {
            FilesRoom::Lacks(
                "that blocks its member, and the others are no quorum: scale to 3 (spec.size)",
            )
        } else if behind.is_some_and(|it| it > behind_max) {
            FilesRoom::Lacks("a member has to catch up before its file is written anew")
        } else if volume.is_some_and(|it| it <= copy) {
            FilesRoom::Lacks(
                "grow the volume first (spec.storage.volume.size): a copy is written beside the file",
            )
        } else {
            FilesRoom::Rewrite(member.name.clone())
        }
    }
}

/// Who does what puts something right that may cost something.
///
/// ```
/// assert!(endstate_core::Remedy::default().is_auto());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Remedy {
    /// The operator.
    #[default]
    Auto,
    /// A person.
    Manual,
}

impl Remedy {
    /// Whether the operator does it.
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}
