//! What stands between a process and its effects.

use tokio::sync::watch;

use super::Moment;

/// What the owner of a fence reports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lead {
    /// Until when it leads; it keeps moving this ahead.
    pub(super) until: Option<Moment>,
    /// Which of its terms this is.
    pub(super) term: u64,
}

impl Lead {
    fn is_on(&self) -> bool {
        self.until.is_some_and(|until| Moment::now() < until)
    }
}

/// Open while its owner leads. It asks the clock, not the task that renews the lease: after a pause both run at once.
///
/// ```
/// use endstate::lease::Fence;
/// assert!(Fence::open().is_open());
/// ```
#[derive(Clone, Debug)]
pub struct Fence(Option<watch::Receiver<Lead>>);

impl Fence {
    /// Always open: for what cannot run twice.
    pub fn open() -> Self {
        Self(None)
    }

    /// Open while its owner says so.
    pub(super) fn of(lead: watch::Receiver<Lead>) -> Self {
        Self(Some(lead))
    }

    /// Whether it is open now.
    pub fn is_open(&self) -> bool {
        self.0.as_ref().is_none_or(|lead| lead.borrow().is_on())
    }

    /// How often leadership was won. What was learned in an earlier term may be outdated.
    pub fn term(&self) -> u64 {
        self.0.as_ref().map_or(0, |lead| lead.borrow().term)
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        let Some(lead) = &self.0 else { return };
        if lead.clone().wait_for(Lead::is_on).await.is_err() {
            // Nothing will open it any more.
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
        let (sender, receiver) = watch::channel(Lead::default());
        let fence = Fence::of(receiver);
        assert!(!fence.is_open());
        let opened = tokio::spawn({
            let fence = fence.clone();
            async move { fence.opened().await }
        });
        let until = |until| Lead { until: Some(until), term: 1 };
        sender.send_replace(until(Moment::now() + Duration::from_secs(60)));
        tokio::time::timeout(Duration::from_secs(10), opened).await.unwrap().unwrap();
        assert!(fence.is_open() && fence.term() == 1);
        // The owner is paused and says nothing; the clock goes on.
        sender.send_replace(until(Moment::now()));
        assert!(!fence.is_open());
    }
}
