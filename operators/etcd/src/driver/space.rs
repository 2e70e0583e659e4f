//! Where no space is left: what is known of it, and the calls that make room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use endstate::driver::Target;
use endstate_core::{MemberName, Uid};
use etcd_plan::{EtcdClusterSpec, NoSpace};
use tokio::time::Instant;

use super::{Answer, EtcdDriver, hex};
use crate::client::{Connection, Failure};

/// What a defragmentation came to is remembered so long: where it freed nothing another is asked for after that.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// History is given up again after that: by then clients may have deleted what there is.
const PAUSE: Duration = Duration::from_secs(60);

/// What came of the last calls, of all clusters.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms(Arc<Mutex<Made>>);

#[derive(Debug, Default)]
struct Made {
    compacted: HashMap<Uid, Instant>,
    defragmented: HashMap<(Uid, MemberName), (Instant, (u64, u64))>,
}

impl Rooms {
    /// The size of a member's database, and how much of it was in use, right after it was defragmented.
    pub(super) fn after(&self, cluster: &Uid, member: &str) -> Option<(u64, u64)> {
        let made = self.made();
        let (at, sizes) = made.defragmented.get(&(cluster.clone(), member.into()))?;
        (at.elapsed() < REMEMBERED).then_some(*sizes)
    }

    fn is_compacted(&self, cluster: &Uid) -> bool {
        self.made().compacted.get(cluster).is_some_and(|it| it.elapsed() < PAUSE)
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a member write its database anew, and remembers what came of it.
    pub(super) async fn defragment(
        self,
        connection: Connection,
        (cluster, member): (Uid, MemberName),
    ) -> Result<(), Failure> {
        connection.defragment().await?;
        let status = connection.status().await?;
        let mut made = self.made();
        made.defragmented.retain(|_, it| it.0.elapsed() < REMEMBERED);
        let sizes = (status.db_size_bytes, status.db_used_bytes);
        made.defragmented.insert((cluster, member), (Instant::now(), sizes));
        Ok(())
    }

    /// Has the members give up all history before a revision.
    pub(super) async fn compact(
        self,
        connection: Connection,
        (cluster, revision): (Uid, i64),
    ) -> Result<(), Failure> {
        connection.compact(revision).await?;
        let mut made = self.made();
        made.compacted.retain(|_, it| it.elapsed() < PAUSE);
        made.compacted.insert(cluster, Instant::now());
        Ok(())
    }
}

impl EtcdDriver {
    /// What is known where an alarm says that a member has no space left.
    pub(super) async fn no_space(
        &self,
        target: &Target<'_, EtcdClusterSpec>,
        answers: &[Answer],
    ) -> Option<NoSpace> {
        let told = answers.iter().filter_map(|it| it.status.as_ref());
        let (_, alarms) = told.max_by_key(|it| it.1.no_space.len())?;
        let full: Vec<_> = alarms.no_space.iter().map(|it| hex(*it)).collect();
        if full.is_empty() {
            return None;
        }
        let leader = answers.iter().find(|it| it.leads());
        let (revision, compacted) = match leader.and_then(|it| Some((it, &it.status.as_ref()?.0))) {
            Some((leader, status)) => {
                let asked = self.asked(target, (leader, status.revision)).await;
                (status.revision, asked.ok())
            }
            None => (0, None),
        };
        let revision = u64::try_from(revision).unwrap_or_default();
        Some(NoSpace { full, revision, compacted })
    }

    async fn asked(
        &self,
        target: &Target<'_, EtcdClusterSpec>,
        (leader, revision): (&Answer, i64),
    ) -> Result<bool, Failure> {
        if self.rooms.is_compacted(&target.object.uid) {
            return Ok(true);
        }
        let address = target.address(&leader.name).ok_or_else(super::no_address)?;
        self.open(target, address).await?.is_compacted(revision).await
    }
}
