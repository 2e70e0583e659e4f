//! Whether somebody may do something: the rules (RBAC) as the store has them.
//!
//! Invariants: this is the one place where that is decided; members of `system:masters` may do everything, whatever the
//! rules say; a rule is in force for every request that comes after the answer to the one that wrote it, because a
//! commit of rules ends only once they are ([`Ruled`]).

mod feed;
mod guard;
mod ruled;

use std::sync::{PoisonError, RwLock};

use machinery::error::ApiError;
use rbac::{Decision, Policy, Rule, User};
use store::Revision;
use tokio::sync::watch;

use crate::authn::Identity;

pub(crate) use feed::follow;
pub(crate) use guard::{Grant, check as check_escalation};
pub(crate) use ruled::Ruled;

/// The group whose kinds say what is allowed.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";

/// Paths that say whether the server is alive: a cluster without any rules is not one that is down.
const HEALTH: [&str; 3] = ["/healthz", "/livez", "/readyz"];

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action<'a> {
    Resource(On<'a>),
    Path { verb: &'a str, path: &'a str },
}

/// Something done to a resource. Parts that do not apply are empty.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct On<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// What is decided, and why.
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    pub(crate) reason: String,
}

/// What somebody may do.
pub(crate) struct Rights {
    pub(crate) rules: Vec<Rule>,
    /// Which roles would have said more and are not there, in upstream's words.
    pub(crate) missing: Option<String>,
}

/// The rules in force.
pub(crate) struct Authorizer {
    policy: RwLock<Policy>,
    /// Up to which revision of the store.
    seen: watch::Sender<Revision>,
}

impl Default for Authorizer {
    fn default() -> Self {
        Self { policy: RwLock::default(), seen: watch::Sender::new(Revision(0)) }
    }
}

impl Authorizer {
    /// Refuses what is not allowed.
    pub(crate) fn authorize(
        &self,
        identity: &Identity,
        action: &Action<'_>,
    ) -> Result<(), ApiError> {
        // Why something is allowed is text that nobody reads here.
        if self.allows(identity, action) {
            return Ok(());
        }
        Err(refusal(identity, action, &self.decide(identity, action).reason))
    }

    pub(crate) fn decide(&self, identity: &Identity, action: &Action<'_>) -> Verdict {
        if identity.is_master() || is_health(action) {
            return Verdict { allowed: true, reason: String::new() };
        }
        let policy = self.policy();
        match policy.decide(&user(identity), &request(action)) {
            Decision::Allow(reason) => Verdict { allowed: true, reason: reason.to_string() },
            Decision::Deny(reason) => Verdict { allowed: false, reason: reason.to_string() },
        }
    }

    fn allows(&self, identity: &Identity, action: &Action<'_>) -> bool {
        identity.is_master()
            || is_health(action)
            || self.policy().decide(&user(identity), &request(action)).is_allowed()
    }

    /// What somebody may do in a namespace, or everywhere.
    pub(crate) fn rights(&self, identity: &Identity, namespace: Option<&str>) -> Rights {
        let policy = self.policy();
        let (rules, missing) = policy.rules_for(&user(identity), namespace);
        let missing = (!missing.is_empty()).then(|| missing.to_string());
        Rights { rules, missing }
    }

    /// The rules of a role; `None` if there is no such role.
    fn role_rules(&self, kind: &str, namespace: &str, name: &str) -> Option<Vec<Rule>> {
        self.policy().role_rules(kind, namespace, name).map(<[Rule]>::to_vec)
    }

    fn policy(&self) -> std::sync::RwLockReadGuard<'_, Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn policy_mut(&self) -> std::sync::RwLockWriteGuard<'_, Policy> {
        self.policy.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything up to a revision is in force.
    pub(crate) async fn reached(&self, revision: Revision) {
        // Its sender is part of self: it does not fail.
        let _ = self.seen.subscribe().wait_for(|seen| *seen >= revision).await;
    }
}

fn is_health(action: &Action<'_>) -> bool {
    matches!(action, Action::Path { path, .. } if HEALTH.contains(path))
}

fn user(identity: &Identity) -> User<'_> {
    User { name: &identity.user, groups: &identity.groups }
}

fn request<'a>(action: &Action<'a>) -> rbac::Request<'a> {
    match *action {
        Action::Path { verb, path } => rbac::Request::Path { verb, path },
        Action::Resource(On { verb, group, resource, subresource, namespace, name }) => {
            let namespace = Some(namespace).filter(|it| !it.is_empty());
            rbac::Request::Resource { verb, group, resource, subresource, namespace, name }
        }
    }
}

/// The answer to who may not.
pub(crate) fn refusal(identity: &Identity, action: &Action<'_>, reason: &str) -> ApiError {
    let why = why(&identity.user, action);
    let why = if reason.is_empty() { why } else { format!("{why}: {reason}") };
    match action {
        Action::Path { .. } => ApiError::forbidden("", "", "", &why),
        Action::Resource(on) => ApiError::forbidden(on.group, on.resource, on.name, &why),
    }
}

/// What may not be done, in upstream's words. Names come from the request, so what HTML would read in them is escaped.
fn why(user: &str, action: &Action<'_>) -> String {
    let text = match *action {
        Action::Path { verb, path } => format!("User {user:?} cannot {verb} path {path:?}"),
        Action::Resource(On { verb, group, resource, subresource, namespace, .. }) => {
            let slash = if subresource.is_empty() { "" } else { "/" };
            let place = match namespace {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace {namespace:?}"),
            };
            let resource = format!("{resource}{slash}{subresource}");
            format!(
                "User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {place}"
            )
        }
    };
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
