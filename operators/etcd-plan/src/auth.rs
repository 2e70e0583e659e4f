//! Users and roles: what is declared, what etcd has, and what it is asked for to make the one of the other.
//!
//! Objects are tended whether authentication is on or not, so that everybody has their user before it is turned on.
//! What no object declares is left alone. Of a role that is declared every permission is declared with it, and of a
//! user every role. Passwords are never here: a request names the secret, and the driver reads it.
//!
//! What a password is cannot be read from etcd, only whether it takes one; while authentication is off it takes none,
//! so what was changed meanwhile is set once it is on.

mod declared;
mod tending;

use endstate_core::{AppStep, Beside, Cluster, Precondition, Problem, Tended, Verdict, Version};

use crate::facts::ClusterFacts;
use crate::spec::{EtcdClusterSpec, ROLE, ROOT};
pub use declared::{Auth, AuthFacts, Change, Declared, ROLE_KIND, USER_KIND, UserFacts};
use tending::Tending;

/// Turns authentication on, with the user root, whose password is in the cluster's secret.
pub const ENABLE_AUTH: &str = "EnableAuthentication";
/// Turns it off.
pub const DISABLE_AUTH: &str = "DisableAuthentication";
/// Sets root's password to that of the cluster's secret.
pub const SET_ROOT_PASSWORD: &str = "SetRootPassword";

/// What becomes of the objects: those that go first, then roles before the users that have them.
pub(crate) fn tend(spec: &EtcdClusterSpec, cluster: &Cluster) -> Vec<Tended> {
    let facts = cluster.facts.read::<ClusterFacts>().and_then(|it| it.auth);
    let via = cluster.leader().map(|it| it.name.to_string()).unwrap_or_default();
    let known = facts.as_ref().filter(|it| !it.denied);
    let tend = |it: &Beside| match known {
        None => unknown(it, facts.is_some()),
        Some(facts) => Tending { spec, beside: &cluster.beside, via: &via, facts }.tend(it),
    };
    let of = |kind: &'static str, goes: bool| {
        cluster.beside.iter().filter(move |it| it.kind == kind && it.deleting == goes)
    };
    let order = of(USER_KIND, true).chain(of(ROLE_KIND, true));
    order.chain(of(ROLE_KIND, false)).chain(of(USER_KIND, false)).map(tend).collect()
}

fn unknown(object: &Beside, denied: bool) -> Tended {
    let verdict = match denied {
        true => Verdict::unknown("OperatorIsNotRoot", NOT_ROOT),
        false => Verdict::unknown("ClusterNotReady", "etcd was not asked for its users yet"),
    };
    object.tended(verdict).held(object.held)
}

/// What to do where the operator is not let in.
const NOT_ROOT: &str = "authentication is on, and etcd refuses the operator as root: put root's password into a secret \
                        (key \"password\") and name it in the cluster's spec.auth.rootSecret";

/// What is asked of etcd for the cluster as a whole. It is turned on with all members healthy, with the same data, and
/// when everybody who is declared has their user.
pub(crate) fn steps(spec: &EtcdClusterSpec, cluster: &Cluster) -> Option<AppStep> {
    let auth = spec.auth.as_ref()?;
    let facts = cluster.facts.read::<ClusterFacts>()?;
    let known = facts.auth.filter(|it| !it.denied)?;
    let step = |name| Some(AppStep::new(name, cluster.leader()?.name.clone()));
    let password = known.users.get(ROOT).and_then(|it| it.password);
    match (auth.enabled, known.enabled) {
        (true, false) if facts.same_data == Some(true) && is_everybody_there(spec, cluster) => {
            Some(step(ENABLE_AUTH)?.needs(Precondition::Healthy { role: ROLE.into() }))
        }
        (false, true) => step(DISABLE_AUTH),
        (true, true) if password == Some(false) => step(SET_ROOT_PASSWORD),
        _ => None,
    }
}

/// Whether nothing is due for any object. What waits for a person does not count.
fn is_everybody_there(spec: &EtcdClusterSpec, cluster: &Cluster) -> bool {
    let refused = |it: &Tended| {
        let object = cluster.beside.iter().find(|object| object.uid == it.uid);
        object.is_some_and(|it| it.refused.is_some())
    };
    tend(spec, cluster).iter().all(|it| it.steps.is_empty() || refused(it))
}

/// What a person has to know about authentication, if anything.
pub(crate) fn lacks(spec: &EtcdClusterSpec, cluster: &Cluster) -> Option<String> {
    let facts = cluster.facts.read::<ClusterFacts>()?;
    let known = facts.auth?;
    let wanted = spec.auth.as_ref().is_some_and(|it| it.enabled);
    if known.denied {
        return Some(NOT_ROOT.to_owned());
    }
    let differ = wanted && !known.enabled && facts.same_data == Some(false);
    let why = "the data of the members differs: authentication is turned on when it is the same";
    differ.then(|| why.to_owned())
}

/// Why a version cannot be gone to.
pub(crate) fn refuses(from: Version, to: Version, auths: [Option<&Auth>; 2]) -> Option<Problem> {
    let is_on = auths.into_iter().flatten().any(|it| it.enabled);
    let why = "etcd 3.4 cannot read what 3.5 keeps of users: turn authentication off first (spec.auth.enabled)";
    let back = from.minor == 5 && to.minor == 4 && is_on;
    back.then(|| Problem::refused("spec.version", why))
}
