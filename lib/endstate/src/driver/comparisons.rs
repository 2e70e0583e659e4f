//! Comparing the data of members: now and then, in the background, and never of many clusters at once.

use std::collections::{BTreeSet, HashMap};
use std::fmt::{Debug, Formatter};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use endstate_core::{Comparison, Digest, MemberId, Uid};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long a comparison is waited for at once: of little data it is over within.
const AT_ONCE: Duration = Duration::from_millis(500);
/// How long after one began the next is due. Clusters at rest are looked at every 30 seconds.
const PAUSE: Duration = Duration::from_secs(50);
/// The same while the last one is to be confirmed, or somebody has to know: a member may be at work on its history.
const PAUSE_IN_DOUBT: Duration = Duration::from_secs(10);
/// So many times as long as the last one took the next is put off, if nobody has to know.
const PAUSE_PER_WORK: u32 = 20;
/// How far apart those of all clusters begin that nobody waits for: with more than a hundred clusters each is compared
/// less often.
const APART: Duration = Duration::from_millis(500);
/// What was compared last decides, with the one before.
const KEPT: usize = 2;
/// After that long without a look a cluster is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// What the data of each cluster's members came to when it was compared last. It is compared about once a minute, and
/// soon again when it differs, or when somebody has to know. For all clusters of an operator two comparisons begin a
/// second that nobody waits for, and one takes a twentieth of its members' time.
///
/// ```
/// # use endstate::driver::{Asked, Comparisons};
/// # use endstate_core::Digest;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let comparisons = Comparisons::default();
/// let digest = |id: &str| (id.into(), async { Some(Digest { since: 1, hash: 7 }) });
/// let asked = Asked {
///     voters: ["1".into(), "2".into()].into(),
///     reasons: [].into(),
///     revision: 42,
///     digests: vec![digest("1"), digest("2")],
/// };
/// let seen = comparisons.look(&"0c5f".into(), asked).await;
/// assert_eq!(seen[0].revision, 42);
/// # }
/// ```
#[derive(Default)]
pub struct Comparisons {
    clusters: Mutex<HashMap<Uid, Compared>>,
    /// Before this no other is begun that nobody waits for.
    free_at: Mutex<Option<Instant>>,
}

/// What would be compared now.
#[derive(Debug)]
pub struct Asked<D> {
    /// Who votes.
    pub voters: BTreeSet<MemberId>,
    /// Why somebody has to know: an alarm stands, another version is wanted. What was known before one of them is
    /// forgotten.
    pub reasons: BTreeSet<String>,
    /// At which revision.
    pub revision: u64,
    /// How each member is asked, one after the other; nobody if data cannot be compared now.
    pub digests: Vec<(MemberId, D)>,
}

/// What is known of one cluster.
#[derive(Default)]
struct Compared {
    seen: Vec<Comparison>,
    /// Why somebody had to know at the last look.
    reasons: BTreeSet<String>,
    looked: Option<Instant>,
    began: Option<Instant>,
    took: Duration,
    running: Option<JoinHandle<(Comparison, Duration)>>,
}

impl Debug for Comparisons {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Comparisons").field(&self.clusters().len()).finish()
    }
}

impl Comparisons {
    /// What is known of a cluster; the latest at the end. If another comparison is due it is begun. A panic in one is
    /// one here.
    pub async fn look<D>(&self, cluster: &Uid, asked: Asked<D>) -> Vec<Comparison>
    where
        D: Future<Output = Option<Digest>> + Send + 'static,
    {
        let now = Instant::now();
        let mut taken = Taken::of(self, cluster);
        let known = &mut taken.known;
        if !asked.reasons.is_subset(&known.reasons) {
            known.forget();
        }
        (known.reasons, known.looked) = (asked.reasons.clone(), Some(now));
        let is_due = known.running.is_none() && known.is_due(now, &asked);
        if is_due && (known.is_waited_for(&asked) || self.takes_turn(now)) {
            (known.began, known.running) = (Some(now), Some(tokio::spawn(compare(asked))));
        }
        known.wait().await;
        known.seen.clone()
    }

    /// What is known of a cluster whose data cannot be compared now.
    pub fn known(&self, cluster: &Uid) -> Vec<Comparison> {
        self.clusters().get(cluster).map(|it| it.seen.clone()).unwrap_or_default()
    }

    /// Forgets what is known of a cluster: something happened that it says nothing of.
    pub fn forget(&self, cluster: &Uid) {
        if let Some(it) = self.clusters().get_mut(cluster) {
            it.forget();
        }
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

/// What is known of a cluster, put back when the look is over or given up.
struct Taken<'a> {
    all: &'a Comparisons,
    cluster: Uid,
    known: Compared,
}

impl<'a> Taken<'a> {
    fn of(all: &'a Comparisons, cluster: &Uid) -> Self {
        let known = all.clusters().remove(cluster).unwrap_or_default();
        Self { all, cluster: cluster.clone(), known }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut clusters = self.all.clusters();
        clusters.retain(|_, it| it.looked.is_some_and(|it| it.elapsed() < FORGOTTEN));
        clusters.insert(self.cluster.clone(), std::mem::take(&mut self.known));
    }
}

/// One member after the other: to read all of its data holds up what else a member does.
async fn compare<D: Future<Output = Option<Digest>>>(asked: Asked<D>) -> (Comparison, Duration) {
    let (began, mut digests) = (Instant::now(), vec![]);
    for (id, digest) in asked.digests {
        digests.extend(digest.await.map(|it| (id, it)));
    }
    (Comparison::new(asked.revision, asked.voters, digests), began.elapsed())
}

impl Compared {
    fn forget(&mut self) {
        self.running.take().inspect(JoinHandle::abort);
        *self = Self { took: self.took, looked: self.looked, ..Self::default() };
    }

    fn is_due<D>(&self, now: Instant, asked: &Asked<D>) -> bool {
        // Of one alone there is nothing to compare.
        let useful = asked.voters.len() > 1 || !asked.reasons.is_empty();
        let pause = match self.is_waited_for(asked) {
            true => PAUSE_IN_DOUBT.max(self.took),
            false => PAUSE.max(self.took * PAUSE_PER_WORK),
        };
        let rested = self.began.is_none_or(|it| now.duration_since(it) >= pause);
        !asked.digests.is_empty() && useful && rested
    }

    /// Whether somebody has to know more than is known, and all can be asked.
    fn is_waited_for<D>(&self, asked: &Asked<D>) -> bool {
        let says = |it: &Comparison| it.is_same(&asked.voters).is_some();
        let complete = self.seen.len() == KEPT && self.seen.iter().all(says);
        let all = asked.digests.len() == asked.voters.len();
        Comparison::is_unconfirmed(&self.seen) || !self.reasons.is_empty() && !complete && all
    }

    /// Takes what the one that runs came to, if it is over within a moment.
    async fn wait(&mut self) {
        let Some(running) = &mut self.running else { return };
        let Ok(ended) = tokio::time::timeout(AT_ONCE, running).await else { return };
        self.running = None;
        let ended = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        self.took = ended.1;
        // Where nobody could say anything nothing was compared.
        self.seen.extend(Some(ended.0).filter(|it| !it.digests.is_empty()));
        self.seen.drain(..self.seen.len().saturating_sub(KEPT));
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use super::*;

    const IDS: [&str; 3] = ["1", "2", "3"];

    fn digest(hash: u64) -> Digest {
        Digest { since: 1, hash }
    }

    fn compared(hashes: [u64; 3]) -> Comparison {
        Comparison::new(7, IDS, IDS.into_iter().zip(hashes.map(digest)))
    }

    fn asked(reasons: &[&str], hashes: [u64; 3]) -> Asked<Ready<Option<Digest>>> {
        let digests = IDS.into_iter().zip(hashes);
        Asked {
            voters: IDS.map(MemberId::from).into(),
            reasons: reasons.iter().map(|it| (*it).to_owned()).collect(),
            revision: 7,
            digests: digests.map(|(id, hash)| (id.into(), ready(Some(digest(hash))))).collect(),
        }
    }

    /// A cluster whose last comparisons came to these.
    fn known(seen: &[[u64; 3]], reasons: &[&str]) -> Compared {
        let seen = seen.iter().map(|it| compared(*it)).collect();
        let reasons = reasons.iter().map(|it| (*it).to_owned()).collect();
        Compared { seen, began: Some(Instant::now()), reasons, ..Compared::default() }
    }

    /// Whether another is due so many seconds after the last one began.
    fn is_due<D>(known: &Compared, seconds: u64, asked: &Asked<D>) -> bool {
        let began = known.began.unwrap_or_else(Instant::now);
        known.is_due(began + Duration::from_secs(seconds), asked)
    }

    #[test]
    fn data_is_compared_once_a_minute_and_soon_where_it_differs_or_somebody_has_to_know() {
        let (same, differs) = ([5, 5, 5], [5, 5, 6]);
        let is_due = |seen: &[_], reasons: &[&str], seconds| {
            is_due(&known(seen, reasons), seconds, &asked(reasons, same))
        };
        assert!(!is_due(&[same], &[], 49) && is_due(&[same], &[], 50));
        assert!(!is_due(&[differs], &[], 9) && is_due(&[differs], &[], 10));
        assert!(is_due(&[same, differs], &[], 10), "to be confirmed");
        assert!(!is_due(&[differs, differs], &[], 49), "it is certain");
        assert!(is_due(&[same], &["alarm"], 10), "two are needed");
        assert!(!is_due(&[same, same], &["alarm"], 10));
    }

    #[test]
    fn nothing_is_compared_where_nobody_can_say_or_one_is_alone() {
        let same = [5, 5, 5];
        let never = Compared::default();
        assert!(is_due(&never, 0, &asked(&[], same)), "nothing was compared yet");
        let none = Asked { digests: vec![], ..asked(&["alarm"], same) };
        assert!(!is_due(&never, 0, &none), "nobody can say");
        let alone = |reasons| Asked { voters: ["1".into()].into(), ..asked(reasons, same) };
        assert!(!is_due(&never, 0, &alone(&[])) && is_due(&never, 0, &alone(&["version"])));
    }

    #[test]
    fn what_took_long_is_put_off_unless_somebody_has_to_know() {
        let (same, differs) = ([5, 5, 5], [5, 5, 6]);
        let took = |seen: &[_]| Compared { took: Duration::from_secs(9), ..known(seen, &[]) };
        let is_due = |seen: &[_], seconds| is_due(&took(seen), seconds, &asked(&[], same));
        assert!(!is_due(&[same, same], 179) && is_due(&[same, same], 180));
        assert!(is_due(&[same, differs], 10));
    }

    /// One that lacks an answer, and one that others voted in, say nothing of what somebody has to know. They are made
    /// again soon if all can be asked.
    #[test]
    fn an_incomplete_comparison_is_not_the_last() {
        let twice = || known(&[[5, 5, 5], [5, 5, 5]], &["alarm"]);
        let all = || asked(&["alarm"], [5, 5, 5]);
        let mut half = twice();
        half.seen[1].digests.remove(&MemberId::from("3"));
        assert!(is_due(&half, 10, &all()));
        let mut grown = all();
        grown.voters.insert("4".into());
        assert!(!is_due(&twice(), 49, &grown), "one of four cannot be asked");
        grown.digests.push(("4".into(), ready(None)));
        assert!(is_due(&twice(), 10, &grown));
    }

    #[tokio::test]
    async fn what_was_known_before_a_reason_is_forgotten() {
        let comparisons = Comparisons::default();
        let cluster = Uid::from("0c5f");
        let look = async |reasons: &[&str], hash| {
            comparisons.look(&cluster, asked(reasons, [5, 5, hash])).await
        };
        let (same, differs) = (compared([5, 5, 5]), compared([5, 5, 6]));
        let (same, differs) = (vec![same], vec![differs]);
        assert_eq!(look(&["version"], 5).await, same);
        assert_eq!(look(&["version"], 6).await, same, "none is due");
        assert_eq!(look(&["alarm 1", "version"], 6).await, differs);
        assert_eq!(look(&["alarm 1"], 5).await, differs, "one less is no news");
        assert_eq!(look(&["alarm 1", "alarm 2"], 5).await, same);
        comparisons.forget(&cluster);
        assert!(comparisons.known(&cluster).is_empty());
    }

    #[tokio::test]
    async fn one_that_takes_long_is_waited_for_by_a_later_look_also_where_one_was_given_up() {
        let comparisons = Comparisons::default();
        let cluster = Uid::from("0c5f");
        let (send, end) = tokio::sync::oneshot::channel();
        let digests = vec![(MemberId::from("1"), async { end.await.ok() })];
        let voters = ["1".into(), "2".into()].into();
        let long = Asked { voters, reasons: [].into(), revision: 7, digests };
        let given_up = tokio::time::timeout(Duration::ZERO, comparisons.look(&cluster, long));
        assert!(given_up.await.is_err());
        send.send(digest(5)).unwrap();
        let seen = comparisons.look(&cluster, asked(&[], [6, 6, 6])).await;
        assert_eq!(seen, [Comparison::new(7, ["1", "2"], [("1", digest(5))])]);
    }
}
