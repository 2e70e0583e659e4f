//! From the store to the rules in force.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::StreamExt as _;
use rbac::Policy;
use store::{Error, ListOptions, Object, Prefix, Revision, Signal, Store, Watch};
use tokio_util::sync::CancellationToken;

use super::{Authorizer, GROUP};

/// Between two attempts to read the rules of a store that fails.
const RETRY: Duration = Duration::from_millis(200);

static PREFIX: LazyLock<Prefix> =
    LazyLock::new(|| Prefix::new(&[GROUP]).expect("a constant segment is valid"));

/// Where all rules are.
pub(super) fn prefix() -> &'static Prefix {
    &PREFIX
}

/// What follows the rules of a store.
pub(crate) struct Feed {
    store: Arc<dyn Store>,
    authorizer: Arc<Authorizer>,
}

/// Puts the rules of a store in force, and follows them until the shutdown.
pub(crate) async fn follow(
    store: Arc<dyn Store>,
    authorizer: Arc<Authorizer>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let feed = Feed { store, authorizer };
    let watch = feed.load().await?;
    tokio::spawn(async move {
        let followed = Followed(feed.authorizer.clone());
        tokio::select! {
            () = feed.run(watch) => {}
            () = shutdown.cancelled() => {}
        }
        drop(followed);
    });
    Ok(())
}

/// As long as it is there, the rules are followed. Nobody waits for what nobody follows any more, whatever ended it.
struct Followed(Arc<Authorizer>);

impl Drop for Followed {
    fn drop(&mut self) {
        self.0.seen.send_replace(Revision(u64::MAX));
    }
}

impl Feed {
    /// Reads all rules, and watches from there.
    async fn load(&self) -> Result<Watch, Error> {
        let page = self.store.list(prefix(), ListOptions::default()).await?;
        let mut policy = Policy::default();
        for object in &page.objects {
            apply(&mut policy, object);
        }
        *self.authorizer.policy_mut() = policy;
        self.authorizer.seen.send_replace(page.revision);
        self.store.watch(prefix(), page.revision).await
    }

    /// Follows the rules until the store stops.
    async fn run(&self, mut watch: Watch) {
        loop {
            match self.take(&mut watch).await {
                Some(error @ Error::Stopped(_)) => return stopped(&error),
                why => {
                    tracing::warn!(?why, "the watch of the access rules ended; they are read anew")
                }
            }
            watch = loop {
                match self.load().await {
                    Ok(watch) => break watch,
                    Err(error @ Error::Stopped(_)) => return stopped(&error),
                    Err(error) => tracing::warn!(%error, "the access rules cannot be read"),
                }
                tokio::time::sleep(RETRY).await;
            };
        }
    }

    /// Follows a watch to its end.
    async fn take(&self, watch: &mut Watch) -> Option<Error> {
        let mut last = Revision(0);
        while let Some(signal) = watch.next().await {
            match signal {
                Err(error) => return Some(error),
                Ok(Signal::Progress(revision)) => self.reach(revision),
                Ok(Signal::Event(event)) => {
                    // A commit may have more than one event, and is in force with its last.
                    if event.revision > last {
                        self.reach(last);
                        last = event.revision;
                    }
                    let mut policy = self.authorizer.policy_mut();
                    match &event.object {
                        Some(object) => apply(&mut policy, object),
                        None => remove(&mut policy, event.subject()),
                    }
                }
            }
        }
        None
    }

    fn reach(&self, revision: Revision) {
        self.authorizer.seen.send_if_modified(|seen| {
            let further = revision > *seen;
            *seen = revision.max(*seen);
            further
        });
    }
}

/// The rules in force are the last ones: a store that stopped takes no others.
fn stopped(error: &Error) {
    tracing::info!(%error, "the access rules are followed no more");
}

fn apply(policy: &mut Policy, object: &Object) {
    let Some((plural, namespace, _)) = place(object) else { return };
    match serde_json::from_slice(object.bytes()) {
        Ok(value) => policy.apply(plural, namespace, &value),
        Err(error) => {
            tracing::error!(%error, key = %object.key(), "a stored access rule cannot be decoded")
        }
    }
}

fn remove(policy: &mut Policy, object: &Object) {
    if let Some((plural, namespace, name)) = place(object) {
        policy.remove(plural, namespace, name);
    }
}

/// Plural, namespace and name of an object of the rules, by its key.
fn place(object: &Object) -> Option<(&str, &str, &str)> {
    let rest = object.key().as_str().strip_prefix(prefix().as_str())?;
    let parts: Vec<&str> = rest.split('/').collect();
    match parts.as_slice() {
        [plural, name] => Some((plural, "", name)),
        [plural, namespace, name] => Some((plural, namespace, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
