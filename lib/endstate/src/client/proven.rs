//! Passwords that an application took a while ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// For how long a password that was taken is not tried again.
const PROVEN_FOR: Duration = Duration::from_secs(600);

/// The passwords that an application took in the last ten minutes, as hashes, by whose they are: a try is work for it,
/// on purpose.
///
/// ```
/// # async fn test(proven: &endstate::client::Proven) -> Result<(), String> {
/// let asked = proven.ask("anna".into(), "secret", async || Ok::<_, String>(true)).await?;
/// // Nobody is asked again.
/// let again = proven.ask("anna".into(), "secret", async || Err("no answer".to_owned())).await?;
/// assert!(asked && again);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Proven(Mutex<HashMap<String, (Vec<u8>, Instant)>>);

impl Proven {
    /// Whether a password is somebody's, by the word of the application if that was not asked a while ago.
    pub async fn ask<E>(
        &self,
        whose: String,
        password: &str,
        ask: impl AsyncFnOnce() -> Result<bool, E>,
    ) -> Result<bool, E> {
        let hash = Sha256::digest(password).to_vec();
        let is_known = |it: &(Vec<u8>, Instant)| it.0 == hash && it.1.elapsed() < PROVEN_FOR;
        if self.all().get(&whose).is_some_and(is_known) {
            return Ok(true);
        }
        let taken = ask().await?;
        let mut all = self.all();
        all.retain(|other, it| *other != whose && it.1.elapsed() < PROVEN_FOR);
        if taken {
            all.insert(whose, (hash, Instant::now()));
        }
        Ok(taken)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, (Vec<u8>, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_that_was_taken_is_not_tried_again_and_another_is() {
        let proven = Proven::default();
        let ask = async |password: &str, answer: Result<bool, &'static str>| {
            proven.ask("anna".into(), password, async move || answer).await
        };
        assert_eq!(ask("first", Ok(true)).await, Ok(true));
        assert_eq!(ask("first", Err("asked")).await, Ok(true));
        assert_eq!(ask("second", Ok(false)).await, Ok(false));
        assert_eq!(ask("first", Err("asked")).await, Err("asked"), "it may be over by now");
    }
}
