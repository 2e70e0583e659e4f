//! What stands between a process and its effects.

use tokio::sync::watch;
use tokio::time::Instant;

/// Open while its owner leads. It asks the clock, not the task that renews the lease: after a pause both run at once.
///
/// ```
/// use endstate::lease::Fence;
/// assert!(Fence::open().is_open());
/// ```
#[derive(Clone, Debug)]
pub struct Fence(Option<watch::Receiver<Option<Instant>>>);

impl Fence {
    /// Always open: for what cannot run twice.
    pub fn open() -> Fence {
        Fence(None)
    }

    /// Open until a moment that somebody keeps moving ahead.
    pub(super) fn until(moment: watch::Receiver<Option<Instant>>) -> Fence {
        Fence(Some(moment))
    }

    /// Whether it is open now.
    pub fn is_open(&self) -> bool {
        let Some(moment) = &self.0 else { return true };
        moment.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        let Some(moment) = &self.0 else { return };
        let is_ahead = |until: &Option<Instant>| until.is_some_and(|it| Instant::now() < it);
        if moment.clone().wait_for(is_ahead).await.is_err() {
            // Nobody will open it any more.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_is_open_until_its_moment_whatever_its_owner_does() {
        let (sender, receiver) = watch::channel(None);
        let fence = Fence::until(receiver);
        assert!(!fence.is_open());
        let opened = tokio::spawn({
            let fence = fence.clone();
            async move { fence.opened().await }
        });
        sender.send_replace(Some(Instant::now() + Duration::from_secs(60)));
        tokio::time::timeout(Duration::from_secs(10), opened).await.unwrap().unwrap();
        assert!(fence.is_open());
        // The owner is paused and says nothing; the clock goes on.
        sender.send_replace(Some(Instant::now()));
        assert!(!fence.is_open());
    }
}
