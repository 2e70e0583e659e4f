//! Passwords that an operator makes for itself, and changes while members run.

use std::collections::BTreeMap;

use super::{Generated, Ownership, Secrets, Wanted};

/// How many random bytes a password is made of.
const RANDOM_BYTES: usize = 24;

/// The passwords of one cluster, counted from 1, each in a secret of its own. A member knows the one that it was
/// started with; the operator keeps the newest and the one before, so that it can ask members of both kinds while they
/// restart one by one. The count may only go up by one.
///
/// ```
/// use endstate::operator::Credentials;
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

    /// The secrets, each with one more value, made of the password: what members are started with.
    ///
    /// ```
    /// use endstate::operator::Credentials;
    /// let option = |values: &std::collections::BTreeMap<_, _>| format!("--admin={}", values[Credentials::PASSWORD]);
    /// let wanted = Credentials::of("demo", 1).wanted("option", option);
    /// assert_eq!(wanted[0].to_string(), "Secret demo-admin-1");
    /// ```
    pub fn wanted(&self, key: &str, of: fn(&BTreeMap<String, String>) -> String) -> Vec<Wanted> {
        let secret = |name: &String| {
            let keys = vec![Generated::new(Self::PASSWORD, RANDOM_BYTES)];
            Wanted::generated(name, keys, Ownership::Owned).derived(key, of)
        };
        self.names().iter().map(secret).collect()
    }

    /// The passwords, the newest first.
    pub fn passwords(&self, secrets: &Secrets) -> Vec<String> {
        let password =
            |name: String| String::from_utf8(secrets.get(&name, Self::PASSWORD)?.to_vec()).ok();
        self.names().into_iter().filter_map(password).collect()
    }
}
