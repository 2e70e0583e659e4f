//! Calls that may take minutes.

use std::collections::HashMap;
use std::fmt::{Debug, Formatter};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use endstate_core::{AppStep, MemberName, RequestKind, Task, Uid};
use tokio::task::JoinHandle;

/// How long a call is waited for at once: most end within.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Calls that may take minutes, so that the cluster, and others, are looked at meanwhile. A driver makes such a call
/// through this, answers [`Outcome::Running`](super::Outcome::Running) as long as there is no result, and tells of
/// those that run in [`View::tasks`](endstate_core::View::tasks). The planner waits for them, and asks for the same
/// again when none runs any more: then it gets the result. Where the operator ends meanwhile the call is made again.
///
/// ```
/// # use endstate::driver::LongCalls;
/// # use endstate_core::AppStep;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let calls = LongCalls::default();
/// let step = AppStep::new("Compact", "example-x7k2p");
/// assert_eq!(calls.run(&"0c5f".into(), &step, async { 12 }).await, Some(12), "it was quick");
/// assert!(calls.tasks(&"0c5f".into()).is_empty());
/// # }
/// ```
pub struct LongCalls<T> {
    /// By cluster, by the name of the step, and by member.
    calls: Mutex<HashMap<Key, Begun<T>>>,
    at_once: Duration,
}

type Key = (Uid, String, MemberName);

/// A call that was begun for a step.
struct Begun<T> {
    step: AppStep,
    call: JoinHandle<T>,
}

impl<T> Default for LongCalls<T> {
    fn default() -> Self {
        Self { calls: Mutex::default(), at_once: AT_ONCE }
    }
}

impl<T> Debug for LongCalls<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LongCalls").field(&self.calls().len()).finish()
    }
}

impl<T: Send + 'static> LongCalls<T> {
    /// The result of the call that was begun for a step, or of this one if none was; `None` if it takes long. A panic
    /// in the call is one here.
    pub async fn run(
        &self,
        cluster: &Uid,
        step: &AppStep,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let key = (cluster.clone(), step.name.clone(), step.member.clone());
        let before = self.calls().remove(&key);
        // What runs for another step of the name is waited for; its result is not this one's.
        let before = before.filter(|it| it.step == *step || !it.call.is_finished());
        let begin = || Begun { step: step.clone(), call: tokio::spawn(call) };
        let mut begun = before.unwrap_or_else(begin);
        match tokio::time::timeout(self.at_once, &mut begun.call).await {
            Ok(Ok(result)) if begun.step == *step => Some(result),
            Ok(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            Ok(Ok(_)) => None,
            Err(_) => {
                self.calls().insert(key, begun);
                None
            }
        }
    }

    /// The calls of a cluster that run.
    pub fn tasks(&self, cluster: &Uid) -> Vec<Task> {
        let calls = self.calls();
        let running = calls.iter().filter(|(key, it)| key.0 == *cluster && !it.call.is_finished());
        let task = |step: &AppStep| {
            Task::new(RequestKind::App(step.name.clone()), step.member.clone(), 0, 1)
        };
        running.map(|(_, it)| task(&it.step)).collect()
    }
}

impl<T> LongCalls<T> {
    fn calls(&self) -> MutexGuard<'_, HashMap<Key, Begun<T>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_call_that_takes_long_runs_on_and_its_result_is_had_by_whom_it_was_begun_for() {
        let calls = LongCalls::<u32> { at_once: Duration::from_millis(1), ..Default::default() };
        let (cluster, step) = (Uid::from("0c5f"), AppStep::new("Compact", "a").with("n", "1"));
        let (send, end) = oneshot::channel();
        assert_eq!(calls.run(&cluster, &step, async { end.await.unwrap() }).await, None);
        assert_eq!(calls.tasks(&cluster).len(), 1);
        assert!(calls.tasks(&"other".into()).is_empty());
        assert_eq!(calls.run(&cluster, &step, async { 0 }).await, None, "it is not begun twice");
        let other = AppStep::new("Compact", "a").with("n", "2");
        assert_eq!(calls.run(&cluster, &other, async { 2 }).await, None, "nor beside another");
        send.send(1).unwrap();
        while !calls.tasks(&cluster).is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(calls.run(&cluster, &step, async { 0 }).await, Some(1));
        let calls = LongCalls::default();
        assert_eq!(calls.run(&cluster, &other, async { 2 }).await, Some(2));
    }
}
