//! The names of the passwords that an operator makes for itself, and changes while members run.

/// The passwords of one cluster, counted from 1, each in a secret of its own. A member knows the one that it was
/// started with; the operator keeps the newest and the one before, so that it can ask members of both kinds while they
/// restart one by one. The count may only go up by one.
///
/// ```
/// use endstate_core::Credentials;
/// assert_eq!(Credentials::of("demo", 1).names(), ["demo-admin-1"]);
/// assert_eq!(Credentials::of("demo", 3).names(), ["demo-admin-3", "demo-admin-2"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    cluster: &'a str,
    newest: u32,
}

impl<'a> Credentials<'a> {
    /// The key of the password in its secret.
    pub const PASSWORD: &'static str = "password";

    /// So many passwords were made for this cluster.
    pub fn of(cluster: &'a str, newest: u32) -> Self {
        Self { cluster, newest }
    }

    /// The secret of the newest.
    pub fn newest(&self) -> String {
        format!("{}-admin-{}", self.cluster, self.newest)
    }

    /// The secrets in use, the newest first.
    pub fn names(&self) -> Vec<String> {
        let before = Self { newest: self.newest.saturating_sub(1), ..*self };
        let names = [Some(self.newest()), (before.newest > 0).then(|| before.newest())];
        names.into_iter().flatten().collect()
    }
}
