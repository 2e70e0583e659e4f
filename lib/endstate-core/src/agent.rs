//! Agents: programs in pods of their own beside a cluster, each for one object, such as one that keeps backups.
//!
//! What an agent is told is in its pod, and what it does it says when it is asked. So this is all that has to be
//! decided: whether there is a pod, and whether it is the one that the object asks for now.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::beside::Verdict;
use crate::exit::Words;
use crate::progress::{Progress, State, seconds};

/// How soon an agent that is at work is asked again, in milliseconds.
const BUSY_MS: u32 = 3_000;
/// The shortest and the longest time between two questions to one that rests.
const REST_MS: (u32, u32) = (15_000, 600_000);
/// How long a pod that ended is left there, from when it was made.
const ENDED_SECONDS: i64 = 30;
/// How soon one that does not answer is asked again, which is doubled up to the longest time.
const SILENT_MS: u32 = 2_000;
/// How often in a row it may say nothing before that is told.
const MISSED_MAX: u32 = 4;

/// What is known of an agent.
///
/// ```
/// use endstate_core::{AgentSeen, AgentStep, Progress};
/// let now = "2026-01-01T00:00:00Z".parse().unwrap();
/// let progress = &Progress::default();
/// let seen = AgentSeen { now, progress, wanted: Ok("1"), pod: None, told: None, missed: 0 };
/// assert_eq!(endstate_core::plan_agent(&seen).step, AgentStep::Create);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AgentSeen<'a> {
    /// The time.
    pub now: Timestamp,
    /// How far the object is, by its status.
    pub progress: &'a Progress,
    /// What its pod is made from, in short; or why it cannot be made.
    pub wanted: Result<&'a str, &'a Verdict>,
    /// Its pod.
    pub pod: Option<&'a AgentPod>,
    /// What the agent in it says.
    pub told: Option<&'a Told>,
    /// How often in a row it was asked and said nothing.
    pub missed: u32,
}

/// The pod of an agent.
///
/// ```
/// let pod = endstate_core::AgentPod::default();
/// assert!(!pod.deleting && !pod.ended);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentPod {
    /// What it was made from, in short.
    pub made_from: String,
    /// Whether it is to go.
    pub deleting: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it runs nothing any more and never will.
    pub ended: bool,
    /// What it waits for, or how its program ended last.
    pub words: Words,
}

/// What an agent says.
///
/// ```
/// use endstate_core::{Told, Verdict};
/// let told = Told { verdict: Verdict::ready("BackedUp", "a minute ago"), complete: false, next: None };
/// assert!(!told.complete);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How things stand.
    pub verdict: Verdict,
    /// Whether all is done that the object asks for.
    pub complete: bool,
    /// When it does the next; nothing while it is at work.
    pub next: Option<Timestamp>,
}

/// What is done.
///
/// ```
/// assert_ne!(endstate_core::AgentStep::Nothing, endstate_core::AgentStep::Create);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentStep {
    /// Nothing.
    Nothing,
    /// Its pod is made.
    Create,
    /// Its pod is deleted.
    Delete,
}

/// What is done for an object, and what its status says.
///
/// ```
/// fn waits(plan: &endstate_core::AgentPlan) -> bool {
///     plan.step == endstate_core::AgentStep::Nothing && plan.look_again_ms.is_some()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentPlan {
    /// What is done. The status is written before.
    pub step: AgentStep,
    /// How things stand; nothing if what was said before still holds.
    pub verdict: Option<Verdict>,
    /// How far the object is.
    pub progress: Progress,
    /// When to look again, if nothing changes before.
    pub look_again_ms: Option<u32>,
}

/// Says what to do for an object that an agent works for.
pub fn plan_agent(seen: &AgentSeen<'_>) -> AgentPlan {
    let progress = seen.progress.clone();
    if progress.state.is_over() {
        // What it did is in the status.
        let step = match seen.pod {
            Some(pod) if !pod.deleting => AgentStep::Delete,
            _ => AgentStep::Nothing,
        };
        return AgentPlan { step, verdict: None, progress, look_again_ms: None };
    }
    match (seen.wanted, seen.pod) {
        (Err(why), pod) => {
            let goes = pod.is_some_and(|it| !it.deleting);
            let step = if goes { AgentStep::Delete } else { AgentStep::Nothing };
            AgentPlan { step, verdict: Some(why.clone()), progress, look_again_ms: None }
        }
        (Ok(_), None) => begun(seen, AgentStep::Create, "it begins"),
        (Ok(_), Some(pod)) if pod.ended && !pod.deleting && is_young(pod, seen.now) => {
            // Whatever ended it may end the next as fast.
            let progress = seen.progress.clone();
            let verdict = Verdict::waits("AgentEnded", format!("its pod ended: {}", pod.words));
            let (step, verdict) = (AgentStep::Nothing, Some(verdict));
            AgentPlan { step, verdict, progress, look_again_ms: Some(BUSY_MS) }
        }
        (Ok(wanted), Some(pod)) if pod.ended || pod.made_from != wanted => {
            let step = if pod.deleting { AgentStep::Nothing } else { AgentStep::Delete };
            begun(seen, step, "its pod is made anew")
        }
        (Ok(_), Some(pod)) if pod.deleting => {
            begun(seen, AgentStep::Nothing, "its pod is made anew")
        }
        (Ok(_), Some(pod)) => match seen.told {
            None => silent(seen, pod),
            Some(told) => heard(seen, told),
        },
    }
}

/// Whether a pod was made a short while ago.
fn is_young(pod: &AgentPod, now: Timestamp) -> bool {
    now.duration_since(pod.created) < SignedDuration::from_secs(ENDED_SECONDS)
}

fn begun(seen: &AgentSeen<'_>, step: AgentStep, message: &str) -> AgentPlan {
    let mut progress = seen.progress.clone();
    progress.state = State::Running;
    progress.start_time.get_or_insert(seconds(seen.now));
    // One that is made anew goes on with what it did, and that it does not run for a moment is no news.
    let fresh = !seen.progress.is_started();
    let verdict = fresh.then(|| Verdict::waits("Starting", message));
    AgentPlan { step, verdict, progress, look_again_ms: None }
}

fn silent(seen: &AgentSeen<'_>, pod: &AgentPod) -> AgentPlan {
    let verdict = match (pod.words.is_empty(), seen.missed > MISSED_MAX) {
        (false, _) => {
            Some(Verdict::waits("AgentNotRunning", format!("its pod says: {}", pod.words)))
        }
        (true, true) => Some(Verdict::unknown("AgentSilent", SILENT)),
        (true, false) => None,
    };
    let progress = seen.progress.clone();
    let wait = SILENT_MS.saturating_mul(1 << seen.missed.saturating_sub(1).min(8)).min(REST_MS.1);
    AgentPlan { step: AgentStep::Nothing, verdict, progress, look_again_ms: Some(wait) }
}

/// What is said of an agent that does not answer.
const SILENT: &str = "its pod does not answer the operator: see the log of the pod, and whether a network policy keeps the \
                      operator from its port";

fn heard(seen: &AgentSeen<'_>, told: &Told) -> AgentPlan {
    let mut progress = seen.progress.clone();
    let mut look_again_ms = Some(again(seen.now, told.next));
    if told.complete {
        progress.state = State::Complete;
        progress.completion_time = Some(seconds(seen.now));
        look_again_ms = Some(0);
    }
    let verdict = Some(told.verdict.clone());
    AgentPlan { step: AgentStep::Nothing, verdict, progress, look_again_ms }
}

/// A moment after what it does next was begun.
fn again(now: Timestamp, next: Option<Timestamp>) -> u32 {
    let Some(next) = next else { return BUSY_MS };
    let wait = next.duration_since(now) + SignedDuration::from_secs(2);
    u32::try_from(wait.as_millis()).unwrap_or(0).clamp(REST_MS.0, REST_MS.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn pod() -> AgentPod {
        AgentPod { made_from: "1".into(), ..AgentPod::default() }
    }

    fn planned(
        progress: &Progress,
        wanted: Result<&str, &Verdict>,
        (pod, told): (Option<&AgentPod>, Option<&Told>),
    ) -> AgentPlan {
        plan_agent(&AgentSeen { now: NOW, progress, wanted, pod, told, missed: 1 })
    }

    fn running() -> Progress {
        Progress { state: State::Running, start_time: Some(NOW), ..Progress::default() }
    }

    #[test]
    fn there_is_one_pod_and_it_is_made_from_what_is_asked_for_now() {
        let new = planned(&Progress::default(), Ok("1"), (None, None));
        assert_eq!((new.step, new.progress.state), (AgentStep::Create, State::Running));
        let same = planned(&running(), Ok("1"), (Some(&pod()), None));
        assert_eq!((same.step, same.look_again_ms), (AgentStep::Nothing, Some(SILENT_MS)));
        let other = planned(&running(), Ok("2"), (Some(&pod()), None));
        assert_eq!((other.step, other.verdict), (AgentStep::Delete, None));
        let ended = AgentPod { ended: true, ..pod() };
        assert_eq!(planned(&running(), Ok("1"), (Some(&ended), None)).step, AgentStep::Nothing);
        let old = Timestamp::from_second(-ENDED_SECONDS).unwrap();
        let ended = AgentPod { created: old, ..ended };
        assert_eq!(planned(&running(), Ok("1"), (Some(&ended), None)).step, AgentStep::Delete);
        let goes = AgentPod { deleting: true, ..pod() };
        for wanted in ["1", "2"] {
            let plan = planned(&running(), Ok(wanted), (Some(&goes), None));
            assert_eq!(plan.step, AgentStep::Nothing, "{wanted}");
        }
    }

    #[test]
    fn one_that_says_nothing_for_long_is_told_and_asked_less_often() {
        let asked = |pod: &AgentPod, missed| {
            let progress = &running();
            let seen = AgentSeen {
                now: NOW,
                progress,
                wanted: Ok("1"),
                pod: Some(pod),
                told: None,
                missed,
            };
            let plan = plan_agent(&seen);
            (plan.verdict.map(|it| it.reason), plan.look_again_ms)
        };
        assert_eq!(asked(&pod(), MISSED_MAX), (None, Some(16_000)));
        let silent = Some("AgentSilent".to_owned());
        assert_eq!(asked(&pod(), MISSED_MAX + 1), (silent.clone(), Some(32_000)));
        assert_eq!(asked(&pod(), 1_000), (silent, Some(512_000)));
        let waits = AgentPod { words: Words::of("no node has room"), ..pod() };
        assert_eq!(asked(&waits, 1).0.as_deref(), Some("AgentNotRunning"));
    }

    #[test]
    fn without_what_it_needs_there_is_no_pod() {
        let why = Verdict::waits("ClusterNotFound", "there is no cluster demo");
        let plan = planned(&Progress::default(), Err(&why), (None, None));
        assert_eq!((plan.step, plan.verdict), (AgentStep::Nothing, Some(why.clone())));
        let plan = planned(&running(), Err(&why), (Some(&pod()), None));
        assert_eq!(plan.step, AgentStep::Delete);
    }

    #[test]
    fn what_is_over_is_written_down_before_the_pod_goes_and_never_begun_again() {
        let verdict = Verdict::ready("BackedUp", "a moment ago");
        let told = Told { verdict: verdict.clone(), complete: true, next: None };
        let plan = planned(&running(), Ok("1"), (Some(&pod()), Some(&told)));
        assert_eq!((plan.step, plan.progress.state), (AgentStep::Nothing, State::Complete));
        assert_eq!((plan.verdict, plan.look_again_ms), (Some(verdict), Some(0)));
        let plan = planned(&plan.progress, Ok("2"), (Some(&pod()), None));
        assert_eq!((plan.step, plan.verdict), (AgentStep::Delete, None));
        let why = Verdict::waits("ClusterNotFound", "there is no cluster demo");
        let plan = planned(&plan.progress, Err(&why), (None, None));
        assert_eq!((plan.step, plan.verdict, plan.look_again_ms), (AgentStep::Nothing, None, None));
    }

    #[test]
    fn it_is_asked_when_there_is_news_and_not_by_the_clock() {
        let told = |next: Option<i64>| {
            let next = next.map(|it| Timestamp::from_second(it).unwrap());
            Told { verdict: Verdict::ready("BackedUp", ""), complete: false, next }
        };
        for (next, wait) in [
            (None, BUSY_MS),
            (Some(-5), REST_MS.0),
            (Some(1), REST_MS.0),
            (Some(60), 62_000),
            (Some(86_400), REST_MS.1),
        ] {
            let plan = planned(&running(), Ok("1"), (Some(&pod()), Some(&told(next))));
            assert_eq!(plan.look_again_ms, Some(wait), "{next:?}");
        }
    }
}
