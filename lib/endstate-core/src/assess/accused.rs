//! Whose data is corrupt, where no quorum can be asked.

use super::Assessed;
use crate::app::App;
use crate::id::MemberId;

impl<A: App> Assessed<'_, A> {
    /// Whether any member says that this one's data is corrupt, or one did when the status was last written: whoever
    /// said so may have lost its data since, or its pod to a recovery. Only a quorum withdraws that: without one an
    /// application may say nothing of it.
    pub(crate) fn is_accused(&self, name: &str) -> bool {
        let cluster = self.record.cluster_id.as_ref();
        let said = cluster
            .zip(self.id_of(name))
            .is_some_and(|(cluster, id)| self.snapshot.view.accuses(cluster, id));
        let rows = &self.snapshot.status.members;
        let before = || rows.iter().any(|it| *it.name == *name && it.corrupt);
        said || self.cluster.is_none() && before()
    }

    fn id_of(&self, name: &str) -> Option<&MemberId> {
        let recorded = self.record.find(name).and_then(|it| it.id.as_ref());
        let listed = || self.list()?.id_of(name);
        let answered = || self.snapshot.view.answer(name).map(|it| &it.id);
        recorded.or_else(listed).or_else(answered)
    }
}
