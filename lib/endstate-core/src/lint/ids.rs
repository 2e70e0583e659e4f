//! Ids that are allocated: none that may have been listed is given to another.

use super::{Lint, Rule};
use crate::id::{MemberId, MemberName};
use crate::record::{MemberRecord, Record, Step};
use crate::topology::IdSource;

impl<S> Lint<'_, S> {
    pub(super) fn ids(&mut self) {
        let (old, new) = (&self.snapshot.status.record, &self.plan.status.record);
        self.check(Rule::NoSecondStart, keeps_ids(old, new), || {
            "the highest allocated id decreases".into()
        });
        for spare in &new.spare {
            let holds = old.spare.contains(spare)
                || is_after(old, &spare.id)
                || self.came_to_nothing(&spare.id, Some(&spare.member));
            self.check(Rule::OneIdentity, holds, || {
                format!("the id of {} may have been listed, and is called spare", spare.member)
            });
        }
        let Some(member) = coming(new).filter(|it| old.find(&it.name).is_none()) else { return };
        let role = self.plan.roles.iter().find(|it| it.name == member.role);
        let allocated = role.is_some_and(|it| matches!(it.identity, IdSource::Allocated { .. }));
        let Some(id) = member.id.as_ref().filter(|_| allocated) else { return };
        let gone = |name: &MemberName| self.snapshot.pods.is_some() && self.find(name).is_none();
        let spare = old.spare.iter().any(|it| it.id == *id && gone(&it.member));
        let free = is_after(old, id) || spare || self.came_to_nothing(id, None);
        self.check(Rule::OneIdentity, free, || {
            format!("{} would get an id of another", member.name)
        });
    }

    /// Whether who was coming had this id, the application was never asked for it, and no pod of it is or may come.
    fn came_to_nothing(&self, id: &MemberId, name: Option<&MemberName>) -> bool {
        let known = coming(&self.snapshot.status.record);
        known.is_some_and(|it| {
            let same = it.id.as_ref() == Some(id) && name.is_none_or(|name| it.name == *name);
            let there = self.find(&it.name).is_some();
            let unseen = it.asked.is_some() && it.pod.is_none() && !there;
            same && it.unrequested && !unseen && (name.is_some() || !there)
        })
    }
}

fn coming<S>(record: &Record<S>) -> Option<&MemberRecord> {
    match &record.step {
        Some(Step::Join { member }) => Some(member),
        _ => None,
    }
}

fn is_after<S>(record: &Record<S>, id: &MemberId) -> bool {
    id.parse::<u64>().is_ok_and(|it| it > record.ids)
}

/// Ids are used again only by an attempt to form a cluster that replaces one which came to nothing.
fn keeps_ids<S>(old: &Record<S>, new: &Record<S>) -> bool {
    new.ids >= old.ids || new.cluster_id.is_none() && new.bootstrap != old.bootstrap
}
