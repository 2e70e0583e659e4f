//! How full the databases of a story's members are, in hundredths of the quota.

use std::collections::BTreeMap;

use endstate_core::{AppStep, Fullness, MemberName};
use etcd_plan::{COMPACT, DEFRAGMENT, Etcd, NoSpace, WITHDRAW_NOSPACE};

use super::engine::World;

const QUOTA: u64 = 2 << 30;

#[derive(Clone, Default)]
pub(crate) struct Space {
    /// What the keys need, and the history before the last revision.
    data: u64,
    history: u64,
    /// The size of the files, and of those that were defragmented.
    file: u64,
    files: BTreeMap<MemberName, u64>,
    /// Whose alarm stands.
    full: Vec<String>,
    /// Whether a defragmentation frees nothing.
    stuck: bool,
    revision: u64,
}

impl Space {
    pub(crate) fn database(&self, member: &MemberName) -> Fullness {
        let part = |it: u64| QUOTA / 100 * it;
        let after = self.files.get(member);
        let in_use = part(self.data + self.history);
        let size = part(*after.unwrap_or(&self.file));
        Fullness { size, in_use, bound: 0, rewritten: after.map(|_| (size, in_use)) }
    }

    pub(crate) fn no_space(&self) -> Option<NoSpace> {
        let compacted = Some(self.history == 0);
        let known = NoSpace { full: self.full.clone(), revision: self.revision, compacted };
        (!self.full.is_empty()).then_some(known)
    }

    /// Carries out a step that makes room; says whether it is one.
    pub(crate) fn takes(&mut self, step: &AppStep) -> bool {
        match step.name.as_str() {
            COMPACT => self.history = 0,
            WITHDRAW_NOSPACE => self.full.clear(),
            DEFRAGMENT => {
                let file = if self.stuck { self.file } else { self.data + self.history };
                self.files.insert(step.member.clone(), file);
            }
            _ => return false,
        }
        true
    }
}

/// "space file 100 data 20 history 70 alarm 1 2 stuck": sets what is named, and forgets what was defragmented.
pub(crate) fn tell(world: &mut World<Etcd>, words: &[&str]) -> String {
    let space = world.memory.space.get_or_insert_default();
    space.files.clear();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || words.next().unwrap().parse().unwrap();
        match *word {
            "file" => space.file = number(),
            "data" => space.data = number(),
            "history" => space.history = number(),
            "stuck" => space.stuck = true,
            "alarm" => {
                space.full = words.map(|it| (*it).to_owned()).collect();
                space.revision = 7;
                break;
            }
            other => panic!("no such word: {other}"),
        }
    }
    String::new()
}
