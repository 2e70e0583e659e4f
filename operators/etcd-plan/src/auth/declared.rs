//! What is declared of users, what etcd says of them, and what it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use endstate_core::{AppStep, Beside, Identity, Keys, Password, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind that declares a role.
pub const ROLE_KIND: &str = "EtcdRole";
/// The kind that declares a user.
pub const USER_KIND: &str = "EtcdUser";
/// The argument of a step that holds a [`Change`].
const CHANGE: &str = "change";

/// Whether etcd asks clients who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Whether it does. It is turned on when every member is healthy and has the same data, after everybody who is
    /// declared by an `EtcdUser` has their user; and turned off at once. Members go on meanwhile. Default false. A
    /// cluster without `spec.auth` is left as it is.
    #[serde(default)]
    pub enabled: bool,
    /// A secret with the password of root, under the key `password`. Root is the operator's user; with TLS of the
    /// operator's making it is known by its certificate, too. Without this the operator makes one, in `NAME-root`. It
    /// takes over a cluster where somebody turned authentication on by hand. To change root's password, change it in
    /// the secret and leave the former one there under the key `previous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub root_secret: Option<String>,
}

impl Auth {
    /// The secret with root's password.
    pub fn secret(&self, object: &Identity) -> String {
        self.root_secret.clone().unwrap_or_else(|| format!("{}-root", object.name))
    }
}

/// What a role or a user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Declared {
    /// Its name in etcd; that of the object if there is none.
    pub name: Option<String>,
    /// What a role permits.
    pub permissions: Vec<Keys>,
    /// The roles of a user.
    pub roles: BTreeSet<String>,
    /// The password of a user; without one it is known by its certificate.
    pub password: Option<Password>,
}

impl Declared {
    /// What an object declares, and its name in etcd.
    pub fn of(object: &Beside) -> Option<(Self, String)> {
        let spec: Self = object.spec.read()?;
        let name = spec.name.clone().unwrap_or_else(|| object.name.clone());
        Some((spec, name))
    }
}

/// What etcd says of users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthFacts {
    /// Whether it asks for users.
    pub enabled: bool,
    /// Whether the operator is refused as root: then nothing else is known.
    pub denied: bool,
    /// Root, and the users that are declared, as far as there are such.
    pub users: BTreeMap<String, UserFacts>,
    /// The roles that are declared, as far as there are such, with what they permit.
    pub roles: BTreeMap<String, BTreeSet<Permission>>,
    /// The names of all roles.
    pub all_roles: BTreeSet<String>,
    /// The objects, by uid, whose secret has a password.
    pub passwords: BTreeSet<String>,
}

/// What etcd says of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserFacts {
    /// The roles it has.
    pub roles: BTreeSet<String>,
    /// Whether etcd took the password of its secret; nothing if it was not asked.
    pub password: Option<bool>,
}

/// What etcd is asked for, by the names of users and roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Add a role.
    AddRole(String),
    /// Remove it.
    DeleteRole(String),
    /// Permit a role something.
    Permit(String, Permission),
    /// Permit it no more.
    Forbid(String, Permission),
    /// Add a user with the password at this key of this secret, or one who has only a certificate.
    AddUser(String, Option<(String, String)>),
    /// Remove it.
    DeleteUser(String),
    /// Set a user's password to the one at this key of this secret.
    SetPassword(String, (String, String)),
    /// Give a user a role.
    Give(String, String),
    /// Take it away.
    Take(String, String),
}

impl Change {
    /// As a step that this member is asked for.
    pub(super) fn step(&self, via: &str) -> AppStep {
        AppStep::new("ChangeUsers", via).with(CHANGE, serde_json::json!(self).to_string())
    }

    /// What a step asks for.
    pub fn of(step: &AppStep) -> Option<Self> {
        serde_json::from_str(step.arguments.get(CHANGE)?).ok()
    }
}
