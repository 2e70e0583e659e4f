//! The calls that make room, and what came of them.

use std::time::Duration;

use endstate::driver::Remembered;
use endstate_core::{AppStep, MemberName, Uid};
use etcd_plan::{DEFRAGMENT, REVISION};

use crate::client::{Connection, Failure};

/// What a defragmentation came to is remembered so long: where it freed nothing another is asked for after that.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// History is given up again after that: by then clients may have deleted what there is.
const PAUSE: Duration = Duration::from_secs(60);

/// What came of the last calls, of all clusters.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    compacted: Remembered<Uid, ()>,
    /// The size of a member's database, and how much of it was in use, right after it was defragmented.
    defragmented: Remembered<(Uid, MemberName), (u64, u64)>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { compacted: Remembered::of(PAUSE), defragmented: Remembered::of(REMEMBERED) }
    }
}

impl Rooms {
    /// What the database of a member was right after it was defragmented.
    pub(super) fn after(&self, cluster: &Uid, member: &str) -> Option<(u64, u64)> {
        self.defragmented.get(&(cluster.clone(), member.into()))
    }

    /// Whether history was given up a moment ago.
    pub(super) fn is_compacted(&self, cluster: &Uid) -> bool {
        self.compacted.get(cluster).is_some()
    }

    /// Makes room as a step says, and remembers what came of it.
    pub(super) async fn make(
        self,
        connection: Connection,
        (cluster, step): (Uid, AppStep),
    ) -> Result<(), Failure> {
        if step.name == DEFRAGMENT {
            connection.defragment().await?;
            let it = connection.status().await?.database;
            self.defragmented.note((cluster, step.member), (it.size, it.in_use));
            return Ok(());
        }
        let revision = step.arguments.get(REVISION).and_then(|it| it.parse().ok());
        connection.compact(revision.ok_or_else(|| Failure::unknown("no revision"))?).await?;
        self.compacted.note(cluster, ());
        Ok(())
    }
}
