//! Leader election: one replica of an operator acts, and the others stand by with warm caches.
//!
//! A [`Leader`] holds a `Lease` (`coordination.k8s.io/v1`) by renewing it. Clocks of replicas are never compared: a
//! candidate takes a lease over when it has not *seen it change* for the lease's duration, by its own clock. The holder
//! stops earlier than that, by its own clock ([`Timing::renew_within`] < [`Timing::duration`]): for a short time
//! there is no leader rather than two.
//!
//! A [`Fence`] guards the writes of the holder and asks the clock before each: a process that was stopped past the
//! end of its lease, or whose machine was suspended, finds the fence closed. A virtual machine that is paused from
//! outside notices only if its host advances its clock. The API has no fencing tokens, so a write that was already
//! sent cannot be recalled; the uid and resourceVersion in every write protect against that.
//!
//! A successor does not wait if the lease was released. If the holder was a pod ([`Candidate::Pod`]) that no longer
//! exists, it waits for [`Timing::renew_within`] instead of [`Timing::duration`]: the process of a pod that was
//! deleted by force, or with its node, may still run, and its fence stays open that long.

mod candidate;
mod election;
mod fence;
mod moment;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use candidate::Candidate;
pub use election::{Election, Step, Timing};
pub use fence::Fence;
pub use moment::Moment;

use crate::ObjectKey;
use fence::Lead;

/// How long one look at the lease may take.
const ROUND_MAX: Duration = Duration::from_secs(5);

/// A candidate for leadership. Give it to [`Engine::leading`](crate::Engine::leading), which runs it.
///
/// ```no_run
/// # use endstate::{CancellationToken, Engine, Error, ObjectKey, Options, lease::{Candidate, Leader}};
/// # async fn run(client: kube::Client, shutdown: CancellationToken) -> Result<(), Error> {
/// let pod = Candidate::Pod { name: "etcd-operator-x7k2p".into(), uid: "9b1d".into() };
/// let lease = ObjectKey::namespaced("operators", "etcd-operator");
/// let leader = Leader::new(client.clone(), &lease, &pod);
/// let engine = Engine::leading(client, Options::new("etcd-operator"), leader);
/// // Add reconcilers: they run while this process leads.
/// engine.run(shutdown).await
/// # }
/// ```
pub struct Leader {
    leases: Api<Lease>,
    pods: Api<Pod>,
    name: String,
    election: Election,
    lead: watch::Sender<Lead>,
}

impl Leader {
    /// A candidate with the usual timing.
    pub fn new(client: Client, lease: &ObjectKey, candidate: &Candidate) -> Self {
        let namespace = lease.namespace().unwrap_or("default");
        Self {
            leases: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client, namespace),
            name: lease.name().to_owned(),
            election: Election::new(candidate.to_string(), Timing::default()),
            lead: watch::Sender::default(),
        }
    }

    /// With another timing, within the limits that [`Timing`] names.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.election = Election::new(self.election.identity(), timing);
        self
    }

    /// The fence that is open while this candidate leads.
    pub fn fence(&self) -> Fence {
        Fence::of(self.lead.subscribe())
    }

    /// Takes the lease and keeps renewing it until `end`; then releases it, so that a successor does not wait. End it
    /// after everything that the fence guards has ended.
    pub async fn run(mut self, end: CancellationToken) {
        while !end.is_cancelled() {
            // A renewal that hangs must not outlast the leadership that it would extend.
            let left = self.election.time_left(Moment::now());
            let patience = left.unwrap_or(ROUND_MAX).min(ROUND_MAX);
            if tokio::time::timeout(patience, self.round()).await.is_err() {
                tracing::warn!(lease = %self.name, "the API server did not answer about the lease in time");
            }
            self.tell();
            let left = self.election.time_left(Moment::now());
            let retry = self.election.timing().retry;
            let rest = retry.min(left.unwrap_or(retry));
            tokio::select! {
                () = end.cancelled() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
        self.lead.send_modify(|lead| lead.until = None);
        if tokio::time::timeout(ROUND_MAX, self.give_up()).await.is_err() {
            tracing::warn!(lease = %self.name, "the lease was not released in time");
        }
    }

    /// Looks at the lease, and takes or renews it if that is due. Failures are tried again by the caller.
    async fn round(&mut self) {
        // The time before the request: a late answer must not extend the lease.
        let asked = Moment::now();
        let lease = match self.leases.get_opt(&self.name).await {
            Ok(lease) => lease,
            Err(error) => return self.complain(&error),
        };
        let step = self.decide(lease.as_ref()).await;
        let written = match step {
            Step::Wait(_) => return,
            Step::Create(mut lease) => {
                lease.metadata.name = Some(self.name.clone());
                self.leases.create(&PostParams::default(), &lease).await
            }
            Step::Replace(lease) => {
                self.leases.replace(&self.name, &PostParams::default(), &lease).await
            }
        };
        match written {
            Ok(lease) => self.election.wrote(&lease, asked),
            // Another candidate was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => self.complain(&error),
        }
    }

    /// What to do about a lease that was just read. The wait of other candidates begins now, after the answer: the
    /// holder may have renewed it after the request.
    async fn decide(&mut self, lease: Option<&Lease>) -> Step {
        let (now, time) = (Moment::now(), jiff::Timestamp::now());
        let step = self.election.step(lease, now, time);
        let (Step::Wait(holder), Some(lease)) = (&step, lease) else { return step };
        match self.election.succeed(lease, now, time) {
            Some(taken) if self.is_gone(holder).await => taken,
            _ => step,
        }
    }

    fn complain(&self, error: &kube::Error) {
        tracing::warn!(lease = %self.name, %error, "the lease could not be taken or renewed");
    }

    /// Whether the holder is a pod that does not exist any more, so that nothing restarts it.
    async fn is_gone(&self, holder: &str) -> bool {
        let Some(Candidate::Pod { name, uid }) = Candidate::parse(holder) else { return false };
        match self.pods.get_metadata_opt(&name).await {
            Ok(pod) => pod.is_none_or(|it| it.metadata.uid.as_deref() != Some(&uid)),
            Err(_) => false,
        }
    }

    /// Opens or closes the fence.
    fn tell(&self) {
        let now = Moment::now();
        let until = self.election.time_left(now).map(|left| now + left);
        let lead = Lead { until, term: self.election.term() };
        let before = self.lead.send_replace(lead).until.is_some();
        match (before, until.is_some()) {
            (false, true) => tracing::info!(lease = %self.name, "this replica leads"),
            (true, false) => tracing::warn!(lease = %self.name, "this replica no longer leads"),
            (true, true) | (false, false) => {}
        }
    }

    async fn give_up(&self) {
        let Some(lease) = self.election.given_up() else { return };
        match self.leases.replace(&self.name, &PostParams::default(), &lease).await {
            Ok(_) => {}
            // Another candidate has it.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => {
                tracing::warn!(lease = %self.name, %error, "the lease could not be released");
            }
        }
    }
}
