//! Comparing the data of members: now and then, in the background, and never of many clusters at once.

use std::collections::{BTreeSet, HashMap};
use std::fmt::{Debug, Formatter};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use endstate_core::{Comparison, Digest, MemberId, Uid};
use futures::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long a comparison is waited for at once: of little data it is over within.
const AT_ONCE: Duration = Duration::from_millis(500);
/// How long after one began the next is due. Clusters at rest are looked at every 30 seconds.
const PAUSE: Duration = Duration::from_secs(50);
/// The same while the last one is to be confirmed.
const PAUSE_IN_DOUBT: Duration = Duration::from_secs(4);
/// So many times as long as the last one took the next is put off, at the least: to read all data is work.
const PAUSE_PER_WORK: u32 = 20;
/// How far apart those of all clusters begin: with more than a hundred clusters each is compared less often.
const APART: Duration = Duration::from_millis(500);
/// What was compared last decides, with the one before.
const KEPT: usize = 2;
/// After that long without a look a cluster is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// What the data of each cluster's members came to when it was compared last. It is compared about once a minute, again
/// a few seconds later when it differs, and twice as soon as somebody has to know. For all clusters of an operator two
/// comparisons begin a second, and one takes a twentieth of its members' time.
///
/// ```
/// # use endstate::driver::Comparisons;
/// # use endstate_core::Digest;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let comparisons = Comparisons::default();
/// let digest = async { Some(Digest { since: 1, hash: 7 }) };
/// let (cluster, voters) = ("0c5f".into(), ["1".into()].into());
/// let seen = comparisons.look(&cluster, (&voters, false), (42, vec![("1".into(), digest)])).await;
/// assert_eq!(seen[0].revision, 42);
/// # }
/// ```
#[derive(Default)]
pub struct Comparisons {
    clusters: Mutex<HashMap<Uid, Compared>>,
    /// Before this no other is begun.
    free_at: Mutex<Option<Instant>>,
}

/// What is known of one cluster.
#[derive(Default)]
struct Compared {
    seen: Vec<Comparison>,
    /// Somebody had to know at the last look.
    wanted: bool,
    looked: Option<Instant>,
    began: Option<Instant>,
    took: Duration,
    running: Option<JoinHandle<Comparison>>,
}

impl Debug for Comparisons {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Comparisons").field(&self.clusters().len()).finish()
    }
}

impl Comparisons {
    /// What is known of a cluster that has these voters now; the latest at the end. If another comparison is due, the
    /// digests at this revision are asked for; with none data cannot be compared now. From when on somebody has to
    /// know, since an alarm stands say, what was known before is forgotten. A panic in a comparison is one here.
    pub async fn look(
        &self,
        cluster: &Uid,
        (voters, wanted): (&BTreeSet<MemberId>, bool),
        (revision, digests): (
            u64,
            Vec<(MemberId, impl Future<Output = Option<Digest>> + Send + 'static)>,
        ),
    ) -> Vec<Comparison> {
        let now = Instant::now();
        let mut known = self.clusters().remove(cluster).unwrap_or_default();
        if wanted && !known.wanted {
            known = Compared::default();
        }
        (known.wanted, known.looked) = (wanted, Some(now));
        if known.running.is_none() && known.is_due(now, voters) && self.takes_turn(now) {
            let compare = compare(revision, voters.clone(), digests);
            (known.began, known.running) = (Some(now), Some(tokio::spawn(compare)));
        }
        known.wait().await;
        let seen = known.seen.clone();
        let mut clusters = self.clusters();
        clusters.retain(|_, it| it.looked.is_some_and(|it| now.duration_since(it) < FORGOTTEN));
        clusters.insert(cluster.clone(), known);
        seen
    }

    /// Whether one may begin now.
    fn takes_turn(&self, now: Instant) -> bool {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let free = free_at.is_none_or(|it| it <= now);
        if free {
            *free_at = Some(now + APART);
        }
        free
    }

    fn clusters(&self) -> MutexGuard<'_, HashMap<Uid, Compared>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn compare(
    revision: u64,
    voters: BTreeSet<MemberId>,
    digests: Vec<(MemberId, impl Future<Output = Option<Digest>>)>,
) -> Comparison {
    let digests = digests.into_iter().map(|(id, digest)| async { Some((id, digest.await?)) });
    Comparison::new(revision, voters, join_all(digests).await.into_iter().flatten())
}

impl Compared {
    fn is_due(&self, now: Instant, voters: &BTreeSet<MemberId>) -> bool {
        let last = self.seen.last().map(Comparison::corruption).unwrap_or_default();
        let confirmed = self.seen.len() == KEPT && self.seen[0].corruption() == last;
        let current = self.seen.len() == KEPT && self.seen.iter().all(|it| it.voters == *voters);
        let in_doubt = !last.is_empty() && !confirmed || self.wanted && !current;
        let pause = if in_doubt { PAUSE_IN_DOUBT } else { PAUSE };
        let pause = pause.max(self.took * PAUSE_PER_WORK);
        self.began.is_none_or(|it| now.duration_since(it) >= pause)
    }

    /// Takes what the one that runs came to, if it is over within a moment.
    async fn wait(&mut self) {
        let Some(running) = &mut self.running else { return };
        let Ok(ended) = tokio::time::timeout(AT_ONCE, running).await else { return };
        self.running = None;
        self.took = self.began.map(|it| it.elapsed()).unwrap_or_default();
        let ended = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        // Where nobody could say anything nothing was compared.
        self.seen.extend(Some(ended).filter(|it| !it.digests.is_empty()));
        self.seen.drain(..self.seen.len().saturating_sub(KEPT));
    }
}

#[cfg(test)]
mod tests {
    use endstate_core::Digest;

    use super::*;

    fn compared(hashes: [u64; 3]) -> Comparison {
        let digests = ["1", "2", "3"].into_iter().zip(hashes);
        let digests = digests.map(|(id, hash)| (id, Digest { since: 1, hash }));
        Comparison::new(7, ["1", "2", "3"], digests)
    }

    /// A cluster whose last comparisons, the first of which began so long ago, came to these.
    fn known(seen: &[[u64; 3]], began: u64) -> Compared {
        let seen = seen.iter().map(|it| compared(*it)).collect();
        let began = Instant::now().checked_sub(Duration::from_secs(began));
        Compared { seen, began, ..Compared::default() }
    }

    #[test]
    fn data_is_compared_once_a_minute_and_soon_where_it_differs() {
        let voters: BTreeSet<MemberId> = ["1", "2", "3"].map(MemberId::from).into();
        let grown: BTreeSet<MemberId> = ["1", "2", "3", "4"].map(MemberId::from).into();
        let is_due = |it: &Compared| it.is_due(Instant::now(), &voters);
        let (same, differs) = ([5, 5, 5], [5, 5, 6]);
        assert!(is_due(&Compared::default()), "nothing was compared yet");
        assert!(!is_due(&known(&[same], 49)) && is_due(&known(&[same], 50)));
        assert!(!is_due(&known(&[differs], 3)) && is_due(&known(&[differs], 4)));
        assert!(is_due(&known(&[same, differs], 4)) && is_due(&known(&[differs, same], 50)));
        assert!(!is_due(&known(&[differs, differs], 49)), "it is certain");
        let wanted = |it: Compared| Compared { wanted: true, ..it };
        assert!(is_due(&wanted(known(&[same], 4))), "two are needed");
        assert!(!is_due(&wanted(known(&[same, same], 4))));
        let other = wanted(known(&[same, same], 4));
        assert!(other.is_due(Instant::now(), &grown), "others vote by now");
        let took = Compared { took: Duration::from_secs(10), ..known(&[differs], 199) };
        assert!(!is_due(&took), "it is work");
    }

    #[tokio::test]
    async fn what_was_known_before_somebody_has_to_know_is_forgotten() {
        let comparisons = Comparisons::default();
        let (cluster, voters) = ("0c5f".into(), ["1", "2", "3"].map(MemberId::from).into());
        let look = async |wanted, hashes: [u64; 3]| {
            let digests = compared(hashes).digests.into_iter();
            let digests = digests.map(|(id, it)| (id, async move { Some(it) })).collect();
            comparisons.look(&cluster, (&voters, wanted), (7, digests)).await
        };
        assert_eq!(look(false, [5, 5, 5]).await, [compared([5, 5, 5])]);
        assert_eq!(look(false, [5, 5, 6]).await, [compared([5, 5, 5])], "none is due");
        assert!(
            look(true, [5, 5, 6]).await.is_empty(),
            "one of this operator's began a moment ago"
        );
        *comparisons.free_at.lock().unwrap() = None;
        assert_eq!(look(true, [5, 5, 6]).await, [compared([5, 5, 6])]);
    }

    #[tokio::test]
    async fn one_that_takes_long_is_waited_for_by_a_later_look() {
        let comparisons = Comparisons::default();
        let (cluster, voters) = ("0c5f".into(), ["1".into()].into());
        let (send, end) = tokio::sync::oneshot::channel();
        let digests = vec![("1".into(), async { end.await.ok() })];
        assert!(comparisons.look(&cluster, (&voters, false), (7, digests)).await.is_empty());
        let digest = Digest { since: 1, hash: 5 };
        send.send(digest).unwrap();
        let none = Vec::<(MemberId, std::future::Ready<Option<Digest>>)>::new();
        let seen = comparisons.look(&cluster, (&voters, false), (8, none)).await;
        assert_eq!(seen, [Comparison::new(7, ["1"], [("1", digest)])]);
    }
}
