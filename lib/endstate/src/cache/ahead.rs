//! What own writes said and the watch has not shown yet, at most one record a key.

use std::collections::{BTreeSet, HashMap};

use crate::ObjectKey;

/// What the newest own write to a key said.
#[derive(Clone, Hash)]
pub(super) struct Ahead {
    pub(super) uid: String,
    /// The newest revision that own writes know of the object.
    pub(super) revision: u64,
    pub(super) said: Said,
}

#[derive(Clone, Hash)]
pub(super) enum Said {
    /// It is so. The revisions of own writes whose echo is still to come.
    Written { echoes: Vec<u64> },
    /// It no longer belongs here. What the watch shows after that revision is news.
    Left,
    /// It is gone. Once the watch has shown it to be there, it will show its end too.
    Erased { is_shown: bool },
}

impl Ahead {
    pub(super) fn is_written(&self) -> bool {
        matches!(self.said, Said::Written { .. })
    }

    pub(super) fn is_erased(&self) -> bool {
        matches!(self.said, Said::Erased { .. })
    }

    /// Whether a version of an object is of before it went.
    pub(super) fn outlives(&self, uid: &str, version: u64) -> bool {
        let is_it = self.is_erased() && self.uid == uid;
        !self.is_written() && (is_it || version <= self.revision)
    }

    /// What the watch showed is no longer so.
    pub(super) fn unshown(mut self) -> Self {
        if let Said::Erased { is_shown } = &mut self.said {
            *is_shown = false;
        }
        self
    }

    /// The revision by which the watch shows the object, if it ever does.
    fn due(&self) -> Option<u64> {
        match self.said {
            Said::Erased { is_shown: true } => None,
            _ => Some(self.revision),
        }
    }

    /// Whether a revision was one of ours; it is then forgotten.
    pub(super) fn forget(&mut self, revision: u64) -> bool {
        let Said::Written { echoes } = &mut self.said else { return false };
        let before = echoes.len();
        echoes.retain(|it| *it != revision);
        echoes.len() < before
    }
}

/// The records, by key and by when they are due.
#[derive(Clone, Default)]
pub(super) struct Records {
    by_key: HashMap<ObjectKey, Ahead>,
    due: BTreeSet<(u64, ObjectKey)>,
}

impl Records {
    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Ahead> {
        self.by_key.get(key)
    }

    pub(super) fn put(&mut self, key: ObjectKey, ahead: Ahead) {
        self.take(&key);
        self.due.extend(ahead.due().map(|due| (due, key.clone())));
        self.by_key.insert(key, ahead);
    }

    pub(super) fn take(&mut self, key: &ObjectKey) -> Option<Ahead> {
        let ahead = self.by_key.remove(key)?;
        if let Some(due) = ahead.due() {
            self.due.remove(&(due, key.clone()));
        }
        Some(ahead)
    }

    /// Takes what was due by a revision.
    pub(super) fn take_due(&mut self, shown: u64) -> Vec<(ObjectKey, Ahead)> {
        let mut taken = Vec::new();
        while self.due.first().is_some_and(|(due, _)| *due <= shown) {
            let Some((_, key)) = self.due.pop_first() else { break };
            if let Some(ahead) = self.by_key.remove(&key) {
                taken.push((key, ahead));
            }
        }
        taken
    }

    /// A list did not show these: what was erased is due again.
    pub(super) fn unlisted(&mut self, listed: &BTreeSet<ObjectKey>) {
        for (key, ahead) in &mut self.by_key {
            if let Said::Erased { is_shown } = &mut ahead.said
                && !listed.contains(key)
            {
                *is_shown = false;
                self.due.insert((ahead.revision, key.clone()));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Ahead)> {
        self.by_key.iter()
    }
}
