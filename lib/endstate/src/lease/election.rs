//! Who may lead, as a state machine: leases and time go in, what to write comes out.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

/// How patient an election is.
///
/// ```
/// let usual = endstate::lease::Timing::default();
/// assert!(usual.retry < usual.renew_within && usual.renew_within < usual.duration);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a lease that nobody renews is respected.
    pub duration: Duration,
    /// How long after its last renewal the holder believes in it. Less than `duration`.
    pub renew_within: Duration,
    /// How often it is renewed, and looked at.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            duration: Duration::from_secs(15),
            renew_within: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// What to do about a lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Somebody else holds it: who.
    Wait(String),
    /// There is none: make it.
    Create(Box<Lease>),
    /// Take it over, or renew it: guarded by its resource version.
    Replace(Box<Lease>),
}

/// One candidate's view of the lease. Pure: both clocks are arguments.
///
/// ```
/// use std::time::Instant;
/// use endstate::lease::{Election, Step, Timing};
/// let mut election = Election::new("me", Timing::default());
/// assert!(matches!(election.step(None, Instant::now(), jiff::Timestamp::now()), Step::Create(_)));
/// ```
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    /// The version of the lease that was seen last, and when it was first seen.
    seen: Option<(String, Instant)>,
    /// The lease as this candidate wrote it, and when it asked to.
    held: Option<(Lease, Instant)>,
}

impl Election {
    /// A candidate that has seen nothing yet.
    pub fn new(identity: impl Into<String>, timing: Timing) -> Election {
        Election { identity: identity.into(), timing, seen: None, held: None }
    }

    /// Who it is.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What to do about the lease as it is now.
    pub fn step(&mut self, lease: Option<&Lease>, now: Instant, time: Timestamp) -> Step {
        let Some(lease) = lease else {
            self.held = None;
            return Step::Create(Box::new(self.lease(None, time)));
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, now));
        }
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        if holder != self.identity {
            self.held = None;
        }
        let patience = spec.lease_duration_seconds.and_then(|it| u64::try_from(it).ok());
        let patience = patience.map_or(self.timing.duration, Duration::from_secs);
        let since = self.seen.as_ref().map_or(now, |(_, since)| *since);
        let is_free =
            holder.is_empty() || holder == self.identity || now.duration_since(since) >= patience;
        if is_free { self.succeed(Some(lease.clone()), time) } else { Step::Wait(holder) }
    }

    /// Takes the lease over from a holder that is known to be gone.
    pub fn succeed(&self, lease: Option<Lease>, time: Timestamp) -> Step {
        Step::Replace(Box::new(self.lease(lease.as_ref(), time)))
    }

    /// The lease was written, by a request that began at `asked`.
    pub fn wrote(&mut self, lease: &Lease, asked: Instant) {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        self.seen = Some((version, asked));
        self.held = Some((lease.clone(), asked));
    }

    /// Whether this candidate leads.
    pub fn is_leading(&self, now: Instant) -> bool {
        self.time_left(now).is_some()
    }

    /// How long it leads if it does not renew; `None` if it does not lead.
    pub fn time_left(&self, now: Instant) -> Option<Duration> {
        let (_, since) = self.held.as_ref()?;
        self.timing
            .renew_within
            .checked_sub(now.duration_since(*since))
            .filter(|left| !left.is_zero())
    }

    /// The lease that it holds, without a holder: guarded by the version that it wrote.
    pub fn given_up(&self) -> Option<Lease> {
        let (mut lease, _) = self.held.clone()?;
        lease.spec.get_or_insert_default().holder_identity = None;
        Some(lease)
    }

    fn lease(&self, current: Option<&Lease>, time: Timestamp) -> Lease {
        let old = current.and_then(|it| it.spec.clone()).unwrap_or_default();
        let is_mine = old.holder_identity.as_deref() == Some(&*self.identity);
        let transitions = old.lease_transitions.unwrap_or(0);
        Lease {
            metadata: current.map_or_else(ObjectMeta::default, |it| it.metadata.clone()),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(self.timing.duration.as_secs()).ok(),
                acquire_time: if is_mine { old.acquire_time } else { Some(MicroTime(time)) },
                renew_time: Some(MicroTime(time)),
                lease_transitions: Some(if is_mine || current.is_none() {
                    transitions
                } else {
                    transitions + 1
                }),
                ..Default::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two candidates and an API that refuses stale writes.
    struct World {
        lease: Option<Lease>,
        version: u64,
        now: Instant,
    }

    impl World {
        fn new() -> World {
            World { lease: None, version: 0, now: Instant::now() }
        }

        fn round(&mut self, candidate: &mut Election) {
            let observed = self.lease.clone();
            let step = candidate.step(observed.as_ref(), self.now, Timestamp::UNIX_EPOCH);
            self.write(candidate, step);
        }

        fn write(&mut self, candidate: &mut Election, step: Step) {
            let current = self.lease.as_ref().and_then(|it| it.metadata.resource_version.clone());
            let (guard, mut lease) = match step {
                Step::Wait(_) => return,
                Step::Create(lease) => (None, *lease),
                Step::Replace(lease) => (lease.metadata.resource_version.clone(), *lease),
            };
            if guard != current {
                return;
            }
            self.version += 1;
            lease.metadata.resource_version = Some(self.version.to_string());
            candidate.wrote(&lease, self.now);
            self.lease = Some(lease);
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    fn candidates() -> (Election, Election) {
        (Election::new("a", Timing::default()), Election::new("b", Timing::default()))
    }

    #[test]
    fn one_leads_and_the_other_waits_while_it_is_renewed() {
        let mut world = World::new();
        let (mut a, mut b) = candidates();
        for _ in 0..50 {
            world.round(&mut a);
            world.round(&mut b);
            assert!(a.is_leading(world.now) && !b.is_leading(world.now));
            world.pass(5);
        }
        assert_eq!(world.lease.unwrap().spec.unwrap().lease_transitions, Some(0));
    }

    #[test]
    fn a_silent_leader_has_given_up_before_it_is_replaced() {
        let mut world = World::new();
        let (mut a, mut b) = candidates();
        world.round(&mut a);
        let mut both = 0;
        while !b.is_leading(world.now) {
            world.round(&mut b);
            both += usize::from(a.is_leading(world.now) && b.is_leading(world.now));
            world.pass(1);
        }
        assert_eq!(both, 0);
        assert!(!a.is_leading(world.now));
        assert_eq!(world.lease.as_ref().unwrap().spec.as_ref().unwrap().lease_transitions, Some(1));
        world.round(&mut a);
        assert!(!a.is_leading(world.now), "it comes back as a follower");
    }

    #[test]
    fn a_takeover_loses_against_a_renewal() {
        let mut world = World::new();
        let (mut a, mut b) = candidates();
        world.round(&mut a);
        b.step(world.lease.as_ref(), world.now, Timestamp::UNIX_EPOCH);
        world.pass(15);
        let observed = world.lease.clone();
        let late = b.step(observed.as_ref(), world.now, Timestamp::UNIX_EPOCH);
        assert!(matches!(late, Step::Replace(_)));
        world.round(&mut a);
        world.write(&mut b, late);
        assert!(a.is_leading(world.now) && !b.is_leading(world.now));
    }

    #[test]
    fn what_was_given_up_is_taken_at_once() {
        let mut world = World::new();
        let (mut a, mut b) = candidates();
        world.round(&mut a);
        let given_up = Step::Replace(Box::new(a.given_up().unwrap()));
        world.write(&mut a, given_up);
        world.round(&mut b);
        assert!(b.is_leading(world.now));
    }

    #[test]
    fn who_comes_back_under_its_own_name_goes_on_at_once() {
        let mut world = World::new();
        let (mut a, _) = candidates();
        world.round(&mut a);
        world.pass(1);
        let mut again = Election::new("a", Timing::default());
        world.round(&mut again);
        assert!(again.is_leading(world.now));
        assert_eq!(world.lease.unwrap().spec.unwrap().lease_transitions, Some(0));
    }

    #[test]
    fn a_successor_of_one_that_is_gone_need_not_wait() {
        let mut world = World::new();
        let (mut a, mut b) = candidates();
        world.round(&mut a);
        let lease = world.lease.clone();
        let step = b.step(lease.as_ref(), world.now, Timestamp::UNIX_EPOCH);
        assert_eq!(step, Step::Wait("a".to_owned()));
        let step = b.succeed(lease, Timestamp::UNIX_EPOCH);
        world.write(&mut b, step);
        assert!(b.is_leading(world.now));
        world.round(&mut a);
        assert!(!a.is_leading(world.now), "it hears of it at its next look");
    }
}
