//! Who may lead, as a state machine: leases and time go in, what to write comes out.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::Moment;

/// The time limits of an election. All candidates for a lease have the same timing.
///
/// ```
/// let usual = endstate::lease::Timing::default();
/// assert!(usual.retry < usual.renew_within && usual.renew_within < usual.duration);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a lease that nobody renews is respected. A lease says it in whole seconds, so it is rounded up to
    /// those, and to one at least.
    pub duration: Duration,
    /// How long after its last renewal the holder believes in it. Two thirds of `duration` unless it is less than that.
    pub renew_within: Duration,
    /// How often it is renewed, and read by candidates.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_within: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

impl Timing {
    /// With limits under which no two can lead at once.
    fn sound(self) -> Self {
        let part = u64::from(self.duration.subsec_nanos() > 0);
        let seconds = self.duration.as_secs().saturating_add(part).clamp(1, DURATION_MAX);
        let duration = Duration::from_secs(seconds);
        let is_less = self.renew_within < duration;
        let renew_within = if is_less { self.renew_within } else { duration * 2 / 3 };
        Self { duration, renew_within, ..self }
    }
}

/// What the API's field holds: its seconds are 32 bits with a sign.
const DURATION_MAX: u64 = i32::MAX as u64;

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
/// use endstate::lease::{Election, Moment, Step, Timing};
/// let mut election = Election::new("me", Timing::default());
/// assert!(matches!(election.step(None, Moment::now(), jiff::Timestamp::now()), Step::Create(_)));
/// ```
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    /// The version of the lease that was seen last, and when it was first seen.
    seen: Option<(String, Moment)>,
    /// The lease as this candidate wrote it, and when it asked to.
    held: Option<(Lease, Moment)>,
    /// How often it became the holder.
    term: u64,
}

impl Election {
    /// A candidate that has seen nothing yet.
    pub fn new(identity: impl Into<String>, timing: Timing) -> Self {
        let timing = timing.sound();
        Self { identity: identity.into(), timing, seen: None, held: None, term: 0 }
    }

    /// Who it is.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Its timing, within the limits that [`Timing`] names.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// How often it became the holder. What it learned in an earlier term may be outdated.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// What to do about the lease as it was at some time before `now`.
    pub fn step(&mut self, lease: Option<&Lease>, now: Moment, time: Timestamp) -> Step {
        let Some(lease) = lease else {
            self.held = None;
            return Step::Create(Box::new(self.taken(None, time)));
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
        let is_free =
            holder.is_empty() || holder == self.identity || self.unchanged_for(now) >= patience;
        if is_free {
            Step::Replace(Box::new(self.taken(Some(lease), time)))
        } else {
            Step::Wait(holder)
        }
    }

    /// Takes over the lease that [`step`](Election::step) saw from a holder that nothing restarts, once that holder
    /// must have stopped even if its process still runs. `None` before that.
    pub fn succeed(&self, lease: &Lease, now: Moment, time: Timestamp) -> Option<Step> {
        let is_over = self.unchanged_for(now) >= self.timing.renew_within;
        is_over.then(|| Step::Replace(Box::new(self.taken(Some(lease), time))))
    }

    fn unchanged_for(&self, now: Moment) -> Duration {
        self.seen.as_ref().map_or(Duration::ZERO, |(_, since)| now.since(*since))
    }

    /// The lease was written, by a request that began at `asked`.
    pub fn wrote(&mut self, lease: &Lease, asked: Moment) {
        self.term += u64::from(self.held.is_none());
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        self.seen = Some((version, asked));
        self.held = Some((lease.clone(), asked));
    }

    /// Whether this candidate leads.
    pub fn is_leading(&self, now: Moment) -> bool {
        self.time_left(now).is_some()
    }

    /// How long it leads if it does not renew; `None` if it does not lead.
    pub fn time_left(&self, now: Moment) -> Option<Duration> {
        let (_, since) = self.held.as_ref()?;
        self.timing.renew_within.checked_sub(now.since(*since)).filter(|left| !left.is_zero())
    }

    /// The lease that it holds, without a holder: guarded by the version that it wrote.
    pub fn given_up(&self) -> Option<Lease> {
        let (mut lease, _) = self.held.clone()?;
        lease.spec.get_or_insert_default().holder_identity = None;
        Some(lease)
    }

    fn taken(&self, current: Option<&Lease>, time: Timestamp) -> Lease {
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
        now: Moment,
    }

    impl World {
        fn new() -> Self {
            Self { lease: None, version: 0, now: Moment::now() }
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
            self.now = self.now + Duration::from_secs(seconds);
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
    fn a_successor_of_one_that_is_gone_waits_until_that_one_gave_up() {
        let mut world = World::new();
        let (mut a, mut b) = candidates();
        world.round(&mut a);
        let lease = world.lease.clone().unwrap();
        for second in 0..10 {
            let step = b.step(Some(&lease), world.now, Timestamp::UNIX_EPOCH);
            assert_eq!(step, Step::Wait("a".to_owned()));
            assert_eq!(b.succeed(&lease, world.now, Timestamp::UNIX_EPOCH), None, "{second}");
            assert!(a.is_leading(world.now));
            world.pass(1);
        }
        let step = b.succeed(&lease, world.now, Timestamp::UNIX_EPOCH).unwrap();
        world.write(&mut b, step);
        assert!(b.is_leading(world.now) && !a.is_leading(world.now));
    }

    #[test]
    fn a_term_ends_when_another_held_the_lease_and_not_with_a_late_renewal() {
        let mut world = World::new();
        let (mut a, mut b) = candidates();
        assert_eq!(a.term(), 0);
        world.round(&mut a);
        world.pass(14);
        world.round(&mut a);
        assert_eq!(a.term(), 1);
        world.round(&mut b);
        world.pass(15);
        world.round(&mut b);
        let given_up = Step::Replace(Box::new(b.given_up().unwrap()));
        world.write(&mut b, given_up);
        world.round(&mut a);
        assert_eq!((a.term(), b.term()), (2, 1));
    }

    #[test]
    fn no_timing_lets_two_lead() {
        let millis = Duration::from_millis;
        for (duration, renew_within) in [(1900, 1500), (15_000, 15_000), (500, 600), (0, 500)] {
            let mut world = World::new();
            let timing = Timing {
                duration: millis(duration),
                renew_within: millis(renew_within),
                retry: millis(50),
            };
            let (mut a, mut b) = (Election::new("a", timing), Election::new("b", timing));
            world.round(&mut a);
            for _ in 0..400 {
                world.now = world.now + millis(50);
                world.round(&mut b);
                assert!(!(a.is_leading(world.now) && b.is_leading(world.now)), "{timing:?}");
            }
            assert!(b.is_leading(world.now), "{timing:?}");
        }
    }
}
