//! Hooks and probes of one run of a container: tasks that look and tell the worker.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, Probe};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

use super::{Change, LiveContainer, Note, Readiness, Shared};
use crate::check::Check;
use crate::events::Kind;
use crate::plan::StopReason;

/// The pause between early looks that only open a connection.
const EAGER: Duration = Duration::from_millis(50);
/// The pause before the first early look that runs a command; it doubles. A command costs more of a processor than most
/// programs that are looked at do while they start.
const EAGER_COMMAND: Duration = Duration::from_millis(200);

/// What watches one run.
#[derive(Clone)]
pub(super) struct Watcher {
    pub(super) shared: Arc<Shared>,
    pub(super) pod: Arc<Pod>,
    pub(super) container: Container,
    pub(super) address: Ipv4Addr,
    pub(super) live: Arc<LiveContainer>,
    pub(super) notes: mpsc::Sender<Note>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Startup,
    Liveness,
    Readiness,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}

impl Watcher {
    /// Runs the hook, then the probes, until the run is over.
    pub(super) async fn run(self) {
        let done = self.live.done.clone();
        tokio::select! {
            () = self.watch() => {}
            () = done.cancelled() => {}
        }
    }

    async fn watch(&self) {
        if let Err(message) = self.post_start().await {
            let text = format!("PostStartHook failed: {message}");
            self.emit(Kind::Warning, "FailedPostStartHook", text);
            return self.tell(Change::Unhealthy(StopReason::PostStartFailed)).await;
        }
        self.tell(Change::HookDone).await;
        if let Some(probe) = &self.container.startup_probe
            && !self.startup(probe).await
        {
            return;
        }
        let liveness = async {
            if let Some(probe) = &self.container.liveness_probe {
                self.follow(Purpose::Liveness, probe).await;
            }
        };
        let readiness = async {
            if let Some(probe) = &self.container.readiness_probe {
                self.follow(Purpose::Readiness, probe).await;
            }
        };
        tokio::join!(liveness, readiness);
    }

    async fn post_start(&self) -> Result<(), String> {
        let hook = self.container.lifecycle.as_ref().and_then(|it| it.post_start.as_ref());
        match hook {
            Some(hook) => {
                Check::of_hook(hook, &self.container, self.address)?.run(&self.live.commands).await
            }
            None => Ok(()),
        }
    }

    /// Returns whether the container has started.
    async fn startup(&self, probe: &Probe) -> bool {
        let mut count = Count::of(probe);
        sleep_initially(probe).await;
        loop {
            let verdict = count.add(self.look(Purpose::Startup, probe).await);
            match verdict {
                Some(Verdict::Good) => {
                    self.tell(Change::Started).await;
                    return true;
                }
                Some(Verdict::Bad) => {
                    self.killing(Purpose::Startup);
                    self.tell(Change::Unhealthy(StopReason::StartupFailed)).await;
                    return false;
                }
                None => {}
            }
            if self.look_eagerly(probe).await == Some(Verdict::Good) && count.success == 1 {
                self.tell(Change::Started).await;
                return true;
            }
        }
    }

    async fn follow(&self, purpose: Purpose, probe: &Probe) {
        let (mut count, mut shown) = (Count::of(probe), None);
        sleep_initially(probe).await;
        let mut looks = looks(probe);
        loop {
            looks.tick().await;
            let verdict = count.add(self.look(purpose, probe).await);
            match (purpose, verdict) {
                (Purpose::Liveness, Some(Verdict::Bad)) => {
                    self.killing(purpose);
                    return self.tell(Change::Unhealthy(StopReason::LivenessFailed)).await;
                }
                (Purpose::Readiness, Some(verdict)) if shown != Some(verdict) => {
                    shown = Some(verdict);
                    let ready =
                        if verdict == Verdict::Good { Readiness::Yes } else { Readiness::No };
                    self.tell(Change::Ready(ready)).await;
                }
                _ => {}
            }
            let first = purpose == Purpose::Readiness && shown.is_none() && count.success == 1;
            if first && self.look_eagerly(probe).await == Some(Verdict::Good) {
                shown = Some(Verdict::Good);
                self.tell(Change::Ready(Readiness::Yes)).await;
            }
        }
    }

    /// Waits for the time of the next look, but until a first success looks already before. Most programs are up long
    /// before a period of seconds is over. Failures found early do not count: the thresholds are
    /// about looks that are a period apart.
    async fn look_eagerly(&self, probe: &Probe) -> Option<Verdict> {
        let end = tokio::time::Instant::now() + period(probe);
        let is_command = probe.exec.is_some();
        let mut pause = if is_command { EAGER_COMMAND } else { EAGER };
        loop {
            if tokio::time::Instant::now() + pause >= end {
                tokio::time::sleep_until(end).await;
                return None;
            }
            tokio::time::sleep(pause).await;
            if self.attempt(probe).await.is_ok() {
                return Some(Verdict::Good);
            }
            if is_command {
                pause *= 2;
            }
        }
    }

    async fn look(&self, purpose: Purpose, probe: &Probe) -> Verdict {
        match self.attempt(probe).await {
            Ok(()) => Verdict::Good,
            Err(why) => {
                let text = format!("{} probe failed: {why}", purpose.name());
                self.emit(Kind::Warning, "Unhealthy", text);
                Verdict::Bad
            }
        }
    }

    async fn attempt(&self, probe: &Probe) -> Result<(), String> {
        let timeout = seconds(probe.timeout_seconds, 1);
        let check = Check::of_probe(probe, &self.container, self.address)?;
        match tokio::time::timeout(timeout, check.run(&self.live.commands)).await {
            Ok(result) => result,
            Err(_) => Err(format!("timed out after {}s", timeout.as_secs())),
        }
    }

    fn killing(&self, purpose: Purpose) {
        let (name, what) = (&self.container.name, purpose.name().to_lowercase());
        let text = format!("Container {name} failed {what} probe, will be restarted");
        self.emit(Kind::Normal, "Killing", text);
    }

    async fn tell(&self, change: Change) {
        let (container, run) = (self.container.name.clone(), self.live.run);
        // The worker may have ended.
        let _ = self.notes.send(Note::Health { container, run, change }).await;
    }

    fn emit(&self, kind: Kind, reason: &'static str, text: String) {
        self.shared.events.emit((&self.pod, &self.container.name), kind, reason, text);
    }
}

fn seconds(value: Option<i32>, default: u64) -> Duration {
    let given = value.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0);
    Duration::from_secs(given.unwrap_or(default))
}

async fn sleep_initially(probe: &Probe) {
    let delay = probe.initial_delay_seconds.and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
    tokio::time::sleep(Duration::from_secs(delay)).await;
}

/// When a probe looks: by the clock, as a kubelet does, so that a look that takes a whole period does not put the next
/// one off.
fn looks(probe: &Probe) -> Interval {
    let mut looks = tokio::time::interval(period(probe));
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    looks
}

fn period(probe: &Probe) -> Duration {
    seconds(probe.period_seconds, 10)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
}

/// Counts equal results in a row against the thresholds.
struct Count {
    last: Option<Verdict>,
    in_a_row: u64,
    success: u64,
    failure: u64,
}

impl Count {
    fn of(probe: &Probe) -> Self {
        let threshold = |value: Option<i32>, default| {
            value.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0).unwrap_or(default)
        };
        Self {
            last: None,
            in_a_row: 0,
            success: threshold(probe.success_threshold, 1),
            failure: threshold(probe.failure_threshold, 3),
        }
    }

    /// The verdict once its threshold is reached.
    fn add(&mut self, verdict: Verdict) -> Option<Verdict> {
        self.in_a_row = if self.last == Some(verdict) { self.in_a_row + 1 } else { 1 };
        self.last = Some(verdict);
        let needed = if verdict == Verdict::Good { self.success } else { self.failure };
        (self.in_a_row >= needed).then_some(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_count_in_a_row() {
        let probe =
            Probe { failure_threshold: Some(2), success_threshold: Some(2), ..Probe::default() };
        let mut count = Count::of(&probe);
        let (good, bad) = (Verdict::Good, Verdict::Bad);
        let seen: Vec<_> =
            [bad, good, bad, bad, bad, good, good].into_iter().map(|it| count.add(it)).collect();
        assert_eq!(seen, [None, None, None, Some(bad), Some(bad), None, Some(good)]);
    }

    /// Two that fail by a timeout as long as the period end after two periods, not after three.
    #[tokio::test(start_paused = true)]
    async fn a_slow_look_does_not_put_the_next_one_off() {
        let probe = Probe { period_seconds: Some(1), ..Probe::default() };
        let mut looks = looks(&probe);
        let start = tokio::time::Instant::now();
        for _ in 0..2 {
            looks.tick().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        looks.tick().await;
        looks.tick().await;
        assert_eq!(start.elapsed(), Duration::from_secs(3), "a quick one waits for its time");
    }
}
