//! A connection to each member that says nothing: when it breaks, its cluster is looked at.
//!
//! A member that is cut off together with its node shows nowhere: its kubelet cannot say so, and Kubernetes waits 50
//! seconds before it doubts the node. Nor does the operator look at a cluster at rest. So the kernel does: it asks the
//! other end of an idle connection whether it is there (TCP keepalive, [RFC 9293] 3.8.4), and ends the connection if
//! nothing comes. A broken connection is no evidence of anything; the look that it leads to is.
//!
//! [RFC 9293]: https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::ObjectKey;
use crate::client::CONNECT_TIMEOUT;

/// How long nothing is heard before the other end is asked, how long an answer may take, and when a lost connection is
/// opened again.
const KEEPALIVE: Duration = Duration::from_secs(1);
/// How many of these may stay without an answer.
const UNANSWERED_MAX: u32 = 2;
/// How often a connection wakes its cluster at most: a member may end idle ones, or nobody may be let in there.
const WAKES_APART: Duration = Duration::from_secs(60);
/// Each takes a file descriptor. What is above has none, and shows when Kubernetes doubts the node.
const LINES_MAX: usize = 4_096;

type Wake = Box<dyn Fn(ObjectKey) + Send + Sync>;

/// The connections of all clusters.
#[derive(Clone, Default)]
pub(super) struct Lines {
    wake: Arc<OnceLock<Wake>>,
    open: Arc<Mutex<HashMap<ObjectKey, HashMap<SocketAddr, Line>>>>,
}

/// One of them; it ends with this.
struct Line(JoinHandle<()>);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Lines {
    /// Who is told. Without it nobody is.
    pub(super) fn tell(&self, wake: Wake) {
        let _ = self.wake.set(wake);
    }

    /// Has a connection to each of these, and to nobody else of this cluster.
    pub(super) fn keep(&self, key: &ObjectKey, wanted: &BTreeSet<SocketAddr>) {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let free = LINES_MAX.saturating_sub(all.values().map(HashMap::len).sum());
        let own = all.entry(key.clone()).or_default();
        own.retain(|at, _| wanted.contains(at));
        let missing: Vec<_> = wanted.iter().filter(|at| !own.contains_key(*at)).collect();
        for at in missing.into_iter().take(free) {
            let line = hold(*at, key.clone(), Arc::clone(&self.wake));
            own.insert(*at, Line(tokio::spawn(line)));
        }
        if own.is_empty() {
            all.remove(key);
        }
    }
}

/// Keeps a connection open, and tells when there is none, at most once in a while: whoever is looked at again and does
/// not work is not wanted any more.
async fn hold(at: SocketAddr, key: ObjectKey, wake: Arc<OnceLock<Wake>>) {
    let mut woken: Option<Instant> = None;
    loop {
        if let Some(stream) = open(at).await {
            broken(stream).await;
        }
        if woken.is_none_or(|it| it.elapsed() >= WAKES_APART) {
            tracing::debug!(cluster = %key, member = %at, "no idle connection");
            woken = Some(Instant::now());
            if let Some(wake) = wake.get() {
                wake(key.clone());
            }
        }
        sleep(KEEPALIVE).await;
    }
}

async fn open(at: SocketAddr) -> Option<TcpStream> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(at)).await.ok()?.ok()?;
    set_tcp_keepidle(&stream, KEEPALIVE).ok()?;
    set_tcp_keepintvl(&stream, KEEPALIVE).ok()?;
    set_tcp_keepcnt(&stream, UNANSWERED_MAX).ok()?;
    set_socket_keepalive(&stream, true).ok()?;
    Some(stream)
}

/// Returns when the connection has ended. What comes on it is read and forgotten.
async fn broken(mut stream: TcpStream) {
    let mut bytes = [0; 256];
    while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
}

#[cfg(test)]
mod tests {
    use rustix::net::sockopt::{socket_keepalive, tcp_keepcnt, tcp_keepidle, tcp_keepintvl};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn key() -> ObjectKey {
        ObjectKey::namespaced("default", "example")
    }

    #[tokio::test]
    async fn a_connection_that_breaks_wakes_its_cluster_and_one_that_is_not_wanted_nobody() {
        let lines = Lines::default();
        let (sender, mut woken) = mpsc::unbounded_channel();
        lines.tell(Box::new(move |key| drop(sender.send(key))));
        let member = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = member.local_addr().unwrap();
        lines.keep(&key(), &[at].into());
        let (held, _) = timeout(PATIENCE, member.accept()).await.unwrap().unwrap();
        lines.keep(&key(), &[at].into());
        assert!(woken.try_recv().is_err(), "it is the same connection");
        drop(held);
        assert_eq!(timeout(PATIENCE, woken.recv()).await.unwrap(), Some(key()));
        let (held, _) = timeout(PATIENCE, member.accept()).await.unwrap().unwrap();
        drop(held);
        let (mut held, _) = timeout(PATIENCE, member.accept()).await.unwrap().unwrap();
        assert!(woken.try_recv().is_err(), "it was woken a moment ago");
        lines.keep(&key(), &BTreeSet::new());
        assert_eq!(timeout(PATIENCE, held.read(&mut [0])).await.unwrap().unwrap(), 0, "it ended");
        assert!(woken.try_recv().is_err(), "nobody wanted it");
    }

    #[tokio::test]
    async fn the_kernel_asks_after_a_second_and_gives_up_two_later() {
        let member = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = open(member.local_addr().unwrap()).await.unwrap();
        assert!(socket_keepalive(&stream).unwrap());
        let waits = [tcp_keepidle(&stream).unwrap(), tcp_keepintvl(&stream).unwrap()];
        assert_eq!((waits, tcp_keepcnt(&stream).unwrap()), ([KEEPALIVE; 2], 2));
    }
}
