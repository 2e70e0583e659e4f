//! Bindings of one scope, found by whom they are for.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::User;

/// Which role a binding gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleRef {
    /// Empty for a ClusterRole.
    pub(super) namespace: String,
    pub(super) name: String,
}

/// For whom a binding is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    User(String),
    Group(String),
    ServiceAccount { namespace: String, name: String },
}

/// A binding: who has which role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Empty for a ClusterRoleBinding.
    namespace: String,
    name: String,
    role: RoleRef,
    subjects: Vec<Subject>,
}

/// The bindings of a namespace, or of the cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Subjects {
    by_name: HashMap<String, Arc<Binding>>,
    users: HashMap<String, Grants>,
    groups: HashMap<String, Grants>,
}

/// What one subject was given: the bindings of each role by their names, and which of their subjects it is.
type Grants = BTreeMap<RoleRef, BTreeMap<String, (Arc<Binding>, usize)>>;

/// A role that somebody has, and the first binding that gives it.
pub(super) struct Grant<'a> {
    pub(super) role: &'a RoleRef,
    pub(super) first: (&'a Binding, &'a Subject),
}

impl RoleRef {
    /// Its kind and name as upstream writes them where it finds none.
    pub(super) fn described(&self) -> String {
        let kind = if self.namespace.is_empty() { "clusterrole" } else { "role" };
        format!("{kind}.rbac.authorization.k8s.io {:?}", self.name)
    }
}

impl Binding {
    /// Reads a RoleBinding or ClusterRoleBinding. Subjects of unknown kinds are nobody, and so are all of a binding
    /// that leads to no kind of role: a ClusterRoleBinding never leads to a Role.
    pub(super) fn from_value(namespace: &str, object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let role = &object["roleRef"];
        let own = match role["kind"].as_str() {
            Some("ClusterRole") => Some(""),
            Some("Role") if !namespace.is_empty() => Some(namespace),
            _ => None,
        };
        let subjects = object["subjects"].as_array().filter(|_| own.is_some());
        Self {
            namespace: namespace.to_owned(),
            name: text(&object["metadata"]["name"]),
            role: RoleRef { namespace: own.unwrap_or("").to_owned(), name: text(&role["name"]) },
            subjects: subjects
                .into_iter()
                .flatten()
                .filter_map(|it| Subject::from_value(namespace, it))
                .collect(),
        }
    }
}

impl Subject {
    fn from_value(namespace: &str, subject: &Value) -> Option<Self> {
        let name = subject["name"].as_str()?.to_owned();
        match subject["kind"].as_str()? {
            "User" => Some(Self::User(name)),
            "Group" => Some(Self::Group(name)),
            "ServiceAccount" => {
                // One without a namespace is of the binding's own; cluster-wide there is none.
                let own = subject["namespace"].as_str().filter(|it| !it.is_empty());
                let namespace = own.unwrap_or(namespace).to_owned();
                (!namespace.is_empty()).then_some(Self::ServiceAccount { namespace, name })
            }
            _ => None,
        }
    }
}

impl Subjects {
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn insert(&mut self, binding: Binding) {
        self.remove(&binding.name);
        let binding = Arc::new(binding);
        for (index, subject) in binding.subjects.iter().enumerate() {
            let (map, key) = self.place(subject);
            let roles = map.entry(key).or_default().entry(binding.role.clone()).or_default();
            roles.entry(binding.name.clone()).or_insert_with(|| (binding.clone(), index));
        }
        self.by_name.insert(binding.name.clone(), binding);
    }

    pub(super) fn remove(&mut self, name: &str) {
        let Some(binding) = self.by_name.remove(name) else { return };
        for subject in &binding.subjects {
            let (map, key) = self.place(subject);
            let Some(grants) = map.get_mut(&key) else { continue };
            if let Some(bindings) = grants.get_mut(&binding.role) {
                bindings.remove(name);
                if bindings.is_empty() {
                    grants.remove(&binding.role);
                }
            }
            if grants.is_empty() {
                map.remove(&key);
            }
        }
    }

    /// What somebody was given here. Nothing is allocated.
    pub(super) fn grants(&self, user: User<'_>) -> impl Iterator<Item = Grant<'_>> {
        let own = self.users.get(user.name);
        let groups = user.groups.iter().filter_map(|it| self.groups.get(it));
        own.into_iter().chain(groups).flatten().filter_map(|(role, bindings)| {
            let (binding, index) = bindings.values().next()?;
            Some(Grant { role, first: (binding, binding.subjects.get(*index)?) })
        })
    }

    /// The map that has a subject, and under which key: a service account is the user that its tokens are for.
    fn place(&mut self, subject: &Subject) -> (&mut HashMap<String, Grants>, String) {
        match subject {
            Subject::User(name) => (&mut self.users, name.clone()),
            Subject::Group(name) => (&mut self.groups, name.clone()),
            Subject::ServiceAccount { namespace, name } => {
                (&mut self.users, format!("system:serviceaccount:{namespace}:{name}"))
            }
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.role.namespace.is_empty() { "ClusterRole" } else { "Role" };
        let role = &self.role.name;
        match self.namespace.as_str() {
            "" => write!(f, "ClusterRoleBinding {:?} of {kind} {role:?}", self.name),
            namespace => {
                let name = format!("{}/{namespace}", self.name);
                write!(f, "RoleBinding {name:?} of {kind} {role:?}")
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "User {name:?}"),
            Self::Group(name) => write!(f, "Group {name:?}"),
            Self::ServiceAccount { namespace, name } => {
                write!(f, "ServiceAccount {:?}", format!("{name}/{namespace}"))
            }
        }
    }
}
