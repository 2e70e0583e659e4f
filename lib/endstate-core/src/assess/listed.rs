//! Whether the list has a member, however the list calls it.
//!
//! Somebody may list a member by an address that says nothing of its pod: by a number, or by another name. Then it has
//! its vote all the same, and its pod must not be taken for one that is nobody's.

use super::Assessed;
use crate::app::App;
use crate::member::{Cluster, Member};
use crate::record::Step;

impl<A: App> Assessed<'_, A> {
    /// Whether the list has a member under its name, or under another with its id.
    pub(crate) fn is_listed(&self, cluster: &Cluster, name: &str) -> bool {
        cluster.members.iter().any(|it| *it.name == *name || self.is_known_as(name, it))
    }

    /// Whether the one that is listed has the id of this member: by the record, or else by its own word, now or
    /// earlier. Pods of an attempt to form the cluster that came to nothing may say ids that others have.
    fn is_known_as(&self, name: &str, listed: &Member) -> bool {
        let (id, snapshot) = (&listed.id, self.snapshot);
        if let Some(known) = self.record.members.iter().find(|it| it.id.as_ref() == Some(id)) {
            return *known.name == *name;
        }
        if self.record.find(&listed.name).is_some() || snapshot.pod(&listed.name).is_some() {
            return false;
        }
        let leaves = matches!(&self.record.step, Some(Step::Leave { name: it, id: Some(known), .. })
            if **it == *name && known == id);
        let marked = snapshot.pod(name).and_then(|it| it.marks.started.as_ref());
        let ours = self.record.cluster_id.as_ref();
        let answer = snapshot.view.answer(name).filter(|it| ours == Some(&it.cluster));
        leaves || marked == Some(id) || answer.is_some_and(|it| it.id == *id)
    }
}
