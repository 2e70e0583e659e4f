//! Accepting connections, over errors that pass.

use std::io;
use std::time::Duration;

/// How long nothing is accepted after an error: out of descriptors, most likely, and connections need time to end.
const REST: Duration = Duration::from_millis(100);

/// The next connection of a listener that is called `what` in logs.
pub(crate) async fn next<T, F>(what: &str, mut accept: impl FnMut() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match accept().await {
            Ok(connection) => return connection,
            Err(error) => {
                tracing::warn!(%error, what, "cannot accept a connection");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn errors_do_not_spin() {
        let start = tokio::time::Instant::now();
        let mut left = 20;
        let accepted = next("a test", || {
            left -= 1;
            let fails = left > 0;
            async move { if fails { Err(io::Error::other("too many open files")) } else { Ok(7) } }
        });
        assert_eq!(accepted.await, 7);
        assert_eq!(start.elapsed(), REST * 19);
    }
}
