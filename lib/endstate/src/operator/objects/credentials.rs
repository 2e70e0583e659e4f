//! Passwords that an operator makes for itself, and changes while members run.

use std::collections::BTreeMap;

use endstate_core::{Credentials, Password};

use super::{Generated, Ownership, Secrets, Wanted};

/// How many random bytes a password is made of.
const RANDOM_BYTES: usize = 24;

impl Wanted {
    /// A secret with a random password, which goes with the cluster object.
    ///
    /// ```
    /// let wanted = endstate::operator::Wanted::password("demo-root".into());
    /// assert_eq!(wanted.to_string(), "Secret demo-root");
    /// ```
    #[must_use]
    pub fn password(secret: String) -> Self {
        let keys = vec![Generated::new(Password::KEY, RANDOM_BYTES)];
        Self::generated(&secret, keys, Ownership::Owned)
    }

    /// The secrets of these passwords, each with one more value, made of the password: what members are started with.
    ///
    /// ```
    /// use endstate::operator::Wanted;
    /// use endstate_core::{Credentials, Password};
    /// let option = |values: &std::collections::BTreeMap<_, _>| format!("--admin={}", values[Credentials::PASSWORD]);
    /// let wanted = Wanted::credentials(&Credentials::of("demo", 1), "option", option);
    /// assert_eq!(wanted[0].to_string(), "Secret demo-admin-1");
    /// ```
    #[must_use]
    pub fn credentials(
        credentials: &Credentials<'_>,
        key: &str,
        of: fn(&BTreeMap<String, String>) -> String,
    ) -> Vec<Self> {
        let secret = |name: &String| {
            let keys = vec![Generated::new(Credentials::PASSWORD, RANDOM_BYTES)];
            Self::generated(name, keys, Ownership::Owned).derived(key, of)
        };
        credentials.names().iter().map(secret).collect()
    }
}

impl Secrets {
    /// These passwords, the newest first.
    #[must_use]
    pub fn passwords(&self, credentials: &Credentials<'_>) -> Vec<String> {
        let password =
            |name: String| String::from_utf8(self.get(&name, Credentials::PASSWORD)?.to_vec()).ok();
        credentials.names().into_iter().filter_map(password).collect()
    }
}
