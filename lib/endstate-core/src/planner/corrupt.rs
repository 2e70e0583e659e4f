//! Members with corrupt data: told, led away from, and replaced by the ordinary move of a member.
//!
//! The application's own alarm is the accusation, nothing here compares data. The order is what keeps
//! good data: a corrupt member does not lead while another copies the data, its successor joins before it
//! leaves, and nobody is replaced unless those with good data are a majority.

use super::Draft;
use crate::{
    app::App,
    cluster::{Cluster, Health, Member},
    id::MemberId,
    waiting::Waiting,
};

/// The application accuses nobody by name.
const NOBODY: MemberId = MemberId(0);

impl<A: App> Draft<'_, A> {
    /// Says what of corrupt data only a person can lead on, and whether nothing is certain before.
    pub(super) fn is_in_doubt(&mut self, cluster: &Cluster) -> bool {
        let corrupt = cluster.voters().filter(|it| it.health == Health::Corrupt).count();
        let (good, of) = (cluster.healthy_voters(), cluster.voters().count());
        let few_good = corrupt > 0 && !cluster.has_good_majority();
        if few_good {
            self.wait(Waiting::ForGoodData { corrupt, good, of });
        }
        // Then any of them may hold the only good data.
        let unnamed = cluster.accused.contains(&NOBODY);
        let listed = |id: MemberId| cluster.members.iter().any(|it| it.id == id);
        if unnamed {
            self.wait(Waiting::ForCulprit);
        } else if corrupt == 0 && cluster.accused.iter().any(|it| !listed(*it)) {
            self.wait(Waiting::ForAllClear);
        }
        few_good || unnamed
    }

    /// Moves the lead away from a corrupt member: who joins copies from who leads.
    pub(super) fn leave_corrupt_leader(&mut self, cluster: &Cluster) -> bool {
        let leader = cluster.leader().filter(|it| is_replaced(cluster, it));
        leader.is_some_and(|it| self.move_lead(cluster, it))
    }
}

/// Whether a member is replaced because its data is corrupt.
pub(super) fn is_replaced(cluster: &Cluster, member: &Member) -> bool {
    member.health == Health::Corrupt && cluster.has_good_majority()
}
