//! Every role and binding of a cluster, and what follows from them.
//!
//! Bindings are found by whom they are for: a decision looks at those of the user and of the user's groups,
//! cluster-wide and in the namespace of the request, and at each role among them once. The number of other bindings
//! costs nothing.

mod subjects;

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use crate::rule::{Asked, Rule, rules_of};
use subjects::Subjects;
pub use subjects::{Binding, RoleRef, Subject};

/// Who asks, as far as rules care.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    pub name: &'a str,
    pub groups: &'a [String],
}

/// What is asked. Parts that do not apply are empty.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    Resource {
        verb: &'a str,
        group: &'a str,
        resource: &'a str,
        subresource: &'a str,
        /// `None` for requests on the whole cluster.
        namespace: Option<&'a str>,
        name: &'a str,
    },
    Path {
        verb: &'a str,
        path: &'a str,
    },
}

/// Whether it is allowed, and why.
#[derive(Debug)]
pub enum Decision<'a> {
    Allow(Reason<'a>),
    /// No rule allows it.
    Deny(Reason<'a>),
}

impl Decision<'_> {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allow(_))
    }
}

/// Why a decision is as it is; made into text only when it is shown.
#[derive(Debug)]
pub enum Reason<'a> {
    AllowedBy {
        binding: &'a Binding,
        subject: &'a Subject,
    },
    /// Nothing but that perhaps these are missing.
    Missing(Missing<'a>),
}

/// Roles that bindings of somebody lead to, and that are not there.
#[derive(Debug, Default)]
pub struct Missing<'a>(Vec<&'a RoleRef>);

impl<'a> Missing<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, role: &'a RoleRef) {
        if !self.0.contains(&role) {
            self.0.push(role);
        }
    }
}

/// The rules of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// By namespace, empty for ClusterRoles, and name.
    roles: HashMap<String, HashMap<String, Vec<Rule>>>,
    /// By namespace, empty for ClusterRoleBindings.
    bindings: HashMap<String, Subjects>,
}

impl Policy {
    /// Takes over an object of one of the four kinds, by its plural. `namespace` is empty for those of the cluster.
    pub fn apply(&mut self, plural: &str, namespace: &str, object: &Value) {
        let name = object["metadata"]["name"].as_str().unwrap_or("");
        match plural {
            "roles" | "clusterroles" => {
                let roles = self.roles.entry(namespace.to_owned()).or_default();
                roles.insert(name.to_owned(), rules_of(object));
            }
            "rolebindings" | "clusterrolebindings" => {
                let bindings = self.bindings.entry(namespace.to_owned()).or_default();
                bindings.insert(Binding::from_value(namespace, object));
            }
            _ => {}
        }
    }

    /// Forgets an object.
    pub fn remove(&mut self, plural: &str, namespace: &str, name: &str) {
        match plural {
            "roles" | "clusterroles" => {
                if let Some(roles) = self.roles.get_mut(namespace) {
                    roles.remove(name);
                    if roles.is_empty() {
                        self.roles.remove(namespace);
                    }
                }
            }
            "rolebindings" | "clusterrolebindings" => {
                if let Some(bindings) = self.bindings.get_mut(namespace) {
                    bindings.remove(name);
                    if bindings.is_empty() {
                        self.bindings.remove(namespace);
                    }
                }
            }
            _ => {}
        }
    }

    /// Decides a request.
    pub fn decide<'a>(&'a self, user: &User<'_>, request: &Request<'_>) -> Decision<'a> {
        let mut missing = Missing::default();
        let namespace = match request {
            Request::Resource { namespace, .. } => namespace.filter(|it| !it.is_empty()),
            Request::Path { .. } => None,
        };
        for grant in self.grants(user, namespace) {
            match self.rules(grant.role) {
                None => missing.add(grant.role),
                Some(rules) if rules.iter().any(|it| allows(it, request)) => {
                    let (binding, subject) = grant.first;
                    return Decision::Allow(Reason::AllowedBy { binding, subject });
                }
                Some(_) => {}
            }
        }
        Decision::Deny(Reason::Missing(missing))
    }

    /// All that somebody may do in a namespace, or on the whole cluster, as far as the roles are there.
    pub fn rules_for(&self, user: &User<'_>, namespace: Option<&str>) -> (Vec<Rule>, Missing<'_>) {
        let namespace = namespace.filter(|it| !it.is_empty());
        let (mut rules, mut missing) = (Vec::new(), Missing::default());
        for grant in self.grants(user, namespace) {
            match self.rules(grant.role) {
                None => missing.add(grant.role),
                Some(more) => rules.extend_from_slice(more),
            }
        }
        (rules, missing)
    }

    /// The rules of a role by kind (`ClusterRole`, or `Role` in a namespace) and name; `None` if there is no such role.
    pub fn role_rules(&self, kind: &str, namespace: &str, name: &str) -> Option<&[Rule]> {
        let namespace = if kind == "ClusterRole" { "" } else { namespace };
        Some(self.roles.get(namespace)?.get(name)?)
    }

    fn rules(&self, role: &RoleRef) -> Option<&Vec<Rule>> {
        self.roles.get(role.namespace.as_str())?.get(role.name.as_str())
    }

    /// The roles that somebody has, those of the cluster first.
    fn grants<'a>(
        &'a self,
        user: &User<'_>,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = subjects::Grant<'a>> {
        let of_cluster = self.bindings.get("");
        let of_namespace = namespace.and_then(|it| self.bindings.get(it));
        let user = *user;
        [of_cluster, of_namespace].into_iter().flatten().flat_map(move |it| it.grants(user))
    }
}

fn allows(rule: &Rule, request: &Request<'_>) -> bool {
    match *request {
        Request::Resource { verb, group, resource, subresource, name, .. } => {
            rule.allows(&Asked { verb, group, resource, subresource, name })
        }
        Request::Path { verb, path } => rule.allows_path(verb, path),
    }
}

/// As kube-apiserver says it; nothing where it says nothing.
impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::AllowedBy { binding, subject } => {
                write!(f, "RBAC: allowed by {binding} to {subject}")
            }
            Reason::Missing(missing) if missing.is_empty() => Ok(()),
            Reason::Missing(missing) => write!(f, "RBAC: {missing}"),
        }
    }
}

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> =
            self.0.iter().map(|it| format!("{} not found", it.described())).collect();
        match texts.as_slice() {
            [one] => f.write_str(one),
            many => write!(f, "[{}]", many.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests;
