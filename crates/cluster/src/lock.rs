//! One cluster per state directory.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Held as long as this lives; the kernel gives it back when the process dies, however it dies.
pub(crate) struct Lock(#[expect(dead_code, reason = "an open file is the lock")] File);

/// Whether a state directory is free.
pub(crate) enum Taken {
    Free(Lock),
    InUse,
}

impl Lock {
    pub(crate) fn take(state: &Path) -> Result<Self> {
        match Self::try_take(state)? {
            Taken::Free(lock) => Ok(lock),
            Taken::InUse => bail!(
                "another `endstate up` uses the state directory {}; stop it, or take another with --state-dir",
                state.display()
            ),
        }
    }

    pub(crate) fn try_take(state: &Path) -> Result<Taken> {
        let path = state.join("lock");
        let file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Taken::Free(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(Taken::InUse),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lock;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_gone() {
        let state = tempfile::tempdir().unwrap();
        let first = Lock::take(state.path()).unwrap();
        assert!(Lock::take(state.path()).is_err());
        drop(first);
        assert!(Lock::take(state.path()).is_ok());
    }
}
