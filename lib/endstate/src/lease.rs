//! Leadership: of several replicas of an operator one acts, and the others stand by with warm caches.
//!
//! A [`Leader`] holds a `Lease` (`coordination.k8s.io/v1`) by renewing it. Clocks of replicas are never compared: a
//! candidate takes a lease over when it has not *seen it change* for the lease's duration, by its own clock. The holder
//! gives up by its own clock earlier than that ([`Timing::renew_within`] < [`Timing::duration`]), so for a short time
//! nobody leads rather than two. Whoever leads gets a token that is cancelled when leadership ends: writes must not go
//! on after it.

mod election;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use election::{Election, Step, Timing};

use crate::{Error, ObjectKey};

/// A candidate for leadership.
///
/// ```no_run
/// # use endstate::{CancellationToken, ObjectKey, lease::Leader};
/// # async fn lead(client: kube::Client, shutdown: CancellationToken) -> Result<(), endstate::Error> {
/// let leader = Leader::new(client, ObjectKey::namespaced("operators", "etcd-operator"), "pod-1");
/// leader.run(shutdown, |leading| async move {
///     // Work, until `leading` is cancelled.
///     leading.cancelled().await;
/// }).await
/// # }
/// ```
pub struct Leader {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
}

impl Leader {
    /// A candidate with the usual timing. Identities must be unique: a pod's name, for one.
    pub fn new(client: Client, lease: ObjectKey, identity: impl Into<String>) -> Leader {
        let namespace = lease.namespace().unwrap_or("default").to_owned();
        let (api, name) = (Api::namespaced(client, &namespace), lease.name().to_owned());
        Leader { api, name, identity: identity.into(), timing: Timing::default() }
    }

    /// With another timing.
    pub fn timing(mut self, timing: Timing) -> Leader {
        self.timing = timing;
        self
    }

    /// Waits for leadership, works, and returns when the work has ended: after shutdown, or because leadership was
    /// lost. The lease is then given up, so that a successor need not wait.
    pub async fn run<F>(
        self,
        shutdown: CancellationToken,
        work: impl FnOnce(CancellationToken) -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = ()>,
    {
        let mut election = Election::new(&self.identity, self.timing);
        let leading = shutdown.child_token();
        if !self.campaign(&mut election, &shutdown).await {
            return Ok(());
        }
        tracing::info!(lease = %self.name, identity = %self.identity, "this replica leads");
        let keeping = async {
            self.keep(&mut election, &leading).await;
            leading.cancel();
        };
        tokio::join!(
            async {
                work(leading.clone()).await;
                leading.cancel();
            },
            keeping
        );
        self.release(&election).await
    }

    /// Tries until it leads; false if shutdown came first.
    async fn campaign(&self, election: &mut Election, shutdown: &CancellationToken) -> bool {
        while !election.is_leading(Instant::now().into_std()) {
            tokio::select! {
                () = shutdown.cancelled() => return false,
                () = self.round(election) => {}
            }
            if !election.is_leading(Instant::now().into_std()) {
                tokio::select! {
                    () = shutdown.cancelled() => return false,
                    () = tokio::time::sleep(self.timing.retry) => {}
                }
            }
        }
        true
    }

    /// Renews until leadership ends.
    async fn keep(&self, election: &mut Election, leading: &CancellationToken) {
        while let Some(left) = election.time_left(Instant::now().into_std()) {
            let next = tokio::time::sleep(self.timing.retry.min(left));
            tokio::select! {
                () = leading.cancelled() => return,
                () = next => {}
            }
            // A renewal that hangs must not outlast the leadership that it is to prolong.
            let left = election.time_left(Instant::now().into_std()).unwrap_or(Duration::ZERO);
            if tokio::time::timeout(left, self.round(election)).await.is_err() {
                tracing::warn!(lease = %self.name, "the lease was not renewed in time");
            }
        }
        tracing::warn!(lease = %self.name, identity = %self.identity, "leadership is lost");
    }

    /// Looks at the lease, and takes or renews it if that is due. Failures are tried again by the caller.
    async fn round(&self, election: &mut Election) {
        // The time before the request: a late answer must not prolong anything.
        let asked = Instant::now().into_std();
        let outcome = match self.api.get_opt(&self.name).await {
            Ok(lease) => match election.step(lease.as_ref(), asked, jiff::Timestamp::now()) {
                Step::Wait => return,
                Step::Create(mut lease) => {
                    lease.metadata.name = Some(self.name.clone());
                    self.api.create(&PostParams::default(), &lease).await
                }
                Step::Replace(lease) => {
                    self.api.replace(&self.name, &PostParams::default(), &lease).await
                }
            },
            Err(error) => Err(error),
        };
        match outcome {
            Ok(lease) => election.wrote(&lease, asked),
            // Somebody else was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => {
                tracing::warn!(lease = %self.name, %error, "the lease could not be taken or renewed");
            }
        }
    }

    async fn release(&self, election: &Election) -> Result<(), Error> {
        let Some(version) = election.held_version() else { return Ok(()) };
        let patch =
            json!({"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": null}});
        match self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            // Somebody else has it.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(Error::other(error)),
        }
    }
}
