//! What is wanted, for whom, and whether it is somebody else's. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use endstate_core::{LABEL_GROUP, LABEL_ROLE, MemberVolume, Ownership, Reclaim, Trusted};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ApiResource, DynamicObject, ObjectMeta, TypeMeta};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use super::fields;
use crate::operator::declared::Declared;
use crate::operator::labels::APP_LABEL;
use crate::{Cache, Error, ObjectKey};

/// The label that names the cluster that an object belongs to.
pub const CLUSTER_LABEL: &str = endstate_core::LABEL_CLUSTER;

/// The label with the uid of the cluster object: it tells the objects of this very cluster from those of one that had
/// its name before.
pub const UID_LABEL: &str = endstate_core::LABEL_UID;

/// The label with the name of the member that an object belongs to.
pub const MEMBER_LABEL: &str = "endstate.dev/member";

/// The label on the claim of a member that says `true` if it is kept when the member has left the cluster.
pub const RETAINED_LABEL: &str = "endstate.dev/retained";

/// The annotation on the claim of a member with the names of the other volumes that the member has its data on.
pub(super) const BESIDE: &str = "endstate.dev/volumes-beside";

/// A random value in a secret that is created once.
///
/// ```
/// let password = endstate::operator::Generated::new("password", 24);
/// assert_eq!(password.key, "password");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generated {
    /// The key in the secret's `data`.
    pub key: String,
    /// How many random bytes; the value is their hexadecimal text.
    pub random_bytes: usize,
}

impl Generated {
    /// So many random bytes under this key.
    pub fn new(key: impl Into<String>, random_bytes: usize) -> Self {
        Self { key: key.into(), random_bytes }
    }
}

/// A value in such a secret that is made of the random ones, which are given by key.
#[derive(Clone)]
pub(super) struct Derived {
    pub(super) key: String,
    pub(super) of: fn(&BTreeMap<String, String>) -> String,
}

impl PartialEq for Derived {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && std::ptr::fn_addr_eq(self.of, other.of)
    }
}

#[derive(Clone, PartialEq)]
pub(super) enum Content {
    Applied,
    Generated {
        keys: Vec<Generated>,
        derived: Vec<Derived>,
    },
    /// A certificate: what is in it is the plan's to say.
    Issued,
    /// The certificates of these authorities.
    Bundle {
        authorities: Vec<Trusted>,
    },
}

/// An object that a cluster needs. What it prints as has no contents, which may be secret.
#[derive(Clone, PartialEq)]
pub struct Wanted {
    object: DynamicObject,
    types: TypeMeta,
    ownership: Ownership,
    content: Content,
}

impl Wanted {
    /// An object as JSON, with `apiVersion`, `kind` and `metadata.name`, that is kept as it is given.
    ///
    /// ```
    /// use endstate::operator::{Ownership, Wanted};
    /// let map = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap",
    ///     "metadata": {"name": "demo-config"}, "data": {"a": "1"}});
    /// assert_eq!(Wanted::new(map, Ownership::Owned).unwrap().to_string(), "ConfigMap demo-config");
    /// assert!(Wanted::new(serde_json::json!({"data": {}}), Ownership::Owned).is_err());
    /// ```
    pub fn new(body: Value, ownership: Ownership) -> Result<Self, Error> {
        let object: DynamicObject = serde_json::from_value(body).map_err(Error::other)?;
        let is_named = object.metadata.name.as_ref().is_some_and(|name| !name.is_empty());
        match object.types.clone().filter(|_| is_named) {
            Some(types) => Ok(Self { object, types, ownership, content: Content::Applied }),
            None => Err(Error::other("a wanted object has no apiVersion, kind or name")),
        }
    }

    /// An object of a kind that is known at compile time.
    pub fn of<K>(object: &K, ownership: Ownership) -> Result<Self, Error>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let mut body = serde_json::to_value(object).map_err(Error::other)?;
        body["apiVersion"] = K::api_version(&()).into();
        body["kind"] = K::kind(&()).into();
        Self::new(body, ownership)
    }

    /// A secret with random values, which is created once and never written again: a password that members were started
    /// with must not change beneath them.
    ///
    /// ```
    /// use endstate::operator::{Generated, Ownership, Wanted};
    /// let keys = vec![Generated::new("password", 24)];
    /// assert_eq!(Wanted::generated("demo-admin", keys, Ownership::Owned).to_string(), "Secret demo-admin");
    /// ```
    pub fn generated(name: &str, keys: Vec<Generated>, ownership: Ownership) -> Self {
        let content = Content::Generated { keys, derived: vec![] };
        Self::bare("Secret", name, serde_json::json!({"type": "Opaque"}), (ownership, content))
    }

    /// A secret with a certificate, which is made apart.
    pub(super) fn issued(name: &str, ownership: Ownership) -> Self {
        let data = serde_json::json!({"type": "kubernetes.io/tls"});
        Self::bare("Secret", name, data, (ownership, Content::Issued))
    }

    /// A map whose key [`AUTHORITIES`](super::AUTHORITIES) holds the certificates of authorities, by their secrets: for
    /// whoever is to believe a server and shows no certificate itself. It is there when all of them are.
    ///
    /// ```
    /// use endstate::operator::Wanted;
    /// assert_eq!(Wanted::bundle("demo-trust", vec!["demo-ca".into()]).to_string(), "ConfigMap demo-trust");
    /// ```
    pub fn bundle(name: &str, authorities: Vec<Trusted>) -> Self {
        let content = (Ownership::Owned, Content::Bundle { authorities });
        Self::bare("ConfigMap", name, serde_json::json!({}), content)
    }

    /// The same, holding this.
    pub(super) fn holding(mut self, data: Value) -> Self {
        (self.object.data, self.content) = (data, Content::Applied);
        self
    }

    fn bare(kind: &str, name: &str, data: Value, content: (Ownership, Content)) -> Self {
        let types = TypeMeta { api_version: "v1".to_owned(), kind: kind.to_owned() };
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let object = DynamicObject { types: Some(types.clone()), metadata, data };
        Self { object, types, ownership: content.0, content: content.1 }
    }

    /// Whether one that is there is not written any more, or not here.
    pub(super) fn is_final(&self) -> bool {
        self.content != Content::Applied
    }

    /// The same, with one more value, which is made of the random ones when the secret is.
    ///
    /// ```
    /// use endstate::operator::{Generated, Ownership, Wanted};
    /// let keys = vec![Generated::new("password", 24)];
    /// let wanted = Wanted::generated("demo-admin", keys, Ownership::Owned)
    ///     .derived("options", |values| format!("--password={}", values["password"]));
    /// assert_eq!(wanted.name(), "demo-admin");
    /// ```
    #[must_use]
    pub fn derived(mut self, key: &str, of: fn(&BTreeMap<String, String>) -> String) -> Self {
        if let Content::Generated { derived, .. } = &mut self.content {
            derived.push(Derived { key: key.to_owned(), of });
        }
        self
    }

    /// The claim of a volume on which a member keeps data, named by [`claim_of`](endstate_core::claim_of). The plan
    /// says whether it goes with the cluster object.
    ///
    /// ```
    /// use endstate::operator::{Ownership, Wanted};
    /// use endstate_core::{MemberVolume, VolumeSpec};
    /// let member = MemberVolume::new("demo-x7k2p", ("member", 0), VolumeSpec::new("1Gi"));
    /// let claim = Wanted::claim(&member).unwrap();
    /// assert_eq!(claim.to_string(), "PersistentVolumeClaim data-demo-x7k2p");
    /// assert_eq!(claim.ownership(), Ownership::Kept);
    /// ```
    pub fn claim(of: &MemberVolume) -> Result<Self, Error> {
        let volume = &of.volume;
        let retained = volume.retention.when_scaled == Reclaim::Retain;
        let mut spec = serde_json::json!({
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": volume.size}},
        });
        if let Some(class) = &volume.class {
            spec["storageClassName"] = class.as_str().into();
        }
        let labels = serde_json::json!({
            RETAINED_LABEL: retained.to_string(),
            LABEL_ROLE: of.role,
            LABEL_GROUP: of.group.to_string(),
        });
        let mut body = serde_json::json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": of.claim(), "labels": labels},
            "spec": spec,
        });
        if !of.beside.is_empty() {
            body["metadata"]["annotations"] = serde_json::json!({BESIDE: of.beside.join(",")});
        }
        Ok(Self::new(body, of.ownership)?.of_member(&of.member))
    }

    /// The same object, of a member.
    #[must_use]
    pub fn of_member(mut self, member: &str) -> Self {
        self.object.labels_mut().insert(MEMBER_LABEL.to_owned(), member.to_owned());
        self
    }

    /// The member that it is for; nothing if the cluster as a whole needs it.
    pub fn member(&self) -> Option<&str> {
        self.object.labels().get(MEMBER_LABEL).map(String::as_str)
    }

    /// Whether it is the one of this kind and name.
    pub(in crate::operator) fn is(&self, kind: &str, name: &str) -> bool {
        self.types.kind == kind && self.name() == name
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// Whether it goes with its cluster.
    pub fn ownership(&self) -> Ownership {
        self.ownership
    }

    pub(super) fn is_of(&self, kind: &ApiResource) -> bool {
        self.types.api_version == kind.api_version && self.types.kind == kind.kind
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// The object in full, as it is sent.
    pub(super) fn intent(&self, owner: &Owner) -> DynamicObject {
        let mut object = self.object.clone();
        object.metadata.namespace = Some(owner.namespace.clone());
        let labels = object.metadata.labels.get_or_insert_default();
        labels.extend(owner.labels().map(|(label, value)| (label.to_owned(), value.to_owned())));
        owner.set(&mut object, self.ownership);
        if self.content == Content::Applied {
            fields::mark(&mut object);
        }
        object
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.types.kind, self.name())
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({:?})", self.ownership)
    }
}

/// The cluster object for which objects are wanted, and the application.
///
/// ```
/// # use endstate::operator::{Declared, Owner};
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// let object = serde_json::json!({"metadata": {"namespace": "default", "name": "demo", "uid": "9b1d"}});
/// let object: Declared<ConfigMap> = serde_json::from_value(object).unwrap();
/// assert_eq!(Owner::of(&object, "etcd").uid(), "9b1d");
/// ```
#[derive(Clone, Debug)]
pub struct Owner {
    app: String,
    namespace: String,
    reference: OwnerReference,
}

impl Owner {
    /// The owner of what an application's object needs.
    pub fn of<T: Resource<DynamicType = ()>>(object: &Declared<T>, app: &str) -> Self {
        Self {
            app: app.to_owned(),
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            reference: object.as_controller(),
        }
    }

    /// The uid of the cluster object.
    pub fn uid(&self) -> &str {
        &self.reference.uid
    }

    pub(super) fn key(&self, name: &str) -> ObjectKey {
        ObjectKey::namespaced(self.namespace.as_str(), name)
    }

    fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = [
            (APP_LABEL, self.app.as_str()),
            (CLUSTER_LABEL, &self.reference.name),
            (UID_LABEL, self.uid()),
        ];
        labels.into_iter()
    }

    fn is_labelled(&self, object: &DynamicObject) -> bool {
        object.labels().get(UID_LABEL).is_some_and(|uid| uid == self.uid())
    }

    /// Whether the cluster object controls an object, and the object says so itself.
    pub(super) fn made(&self, object: &DynamicObject) -> bool {
        controller(object) == Some(self.uid()) && self.is_labelled(object)
    }

    /// The objects of the cluster by its label, ordered by name.
    pub(super) fn labelled_in(&self, cache: &Cache<DynamicObject>) -> Vec<Arc<DynamicObject>> {
        cache.labelled(&self.namespace, UID_LABEL, self.uid())
    }

    /// The objects that carry the name of the cluster, ordered by name.
    pub(super) fn named_in(&self, cache: &Cache<DynamicObject>) -> Vec<Arc<DynamicObject>> {
        cache.labelled(&self.namespace, CLUSTER_LABEL, &self.reference.name)
    }

    /// Makes the cluster object an owner of an object, or not.
    pub(super) fn set(&self, object: &mut DynamicObject, ownership: Ownership) {
        let owners = object.owner_references_mut();
        owners.retain(|it| it.uid != self.reference.uid);
        if ownership == Ownership::Owned {
            owners.push(self.reference.clone());
        }
        if owners.is_empty() {
            object.metadata.owner_references = None;
        }
    }

    /// Whether an object carries the uid of another cluster object.
    pub(super) fn is_of_another(&self, object: &DynamicObject) -> bool {
        object.labels().get(UID_LABEL).is_some_and(|uid| uid != self.uid())
    }

    /// Whether an object without labels has the mark of what was applied: the label with the uid is part of that. With
    /// whom it goes may be another thing by now.
    fn applied(&self, wanted: &Wanted, object: &DynamicObject) -> bool {
        let intents = [Ownership::Owned, Ownership::Kept].map(|ownership| {
            let wanted = Wanted { ownership, ..wanted.clone() };
            wanted.intent(self)
        });
        let is_bare = !object.labels().contains_key(UID_LABEL);
        is_bare && intents.iter().any(|it| fields::has_mark(object, it))
    }

    /// Why an object is not this cluster's to write. One whose owner somebody removed is still known by its label,
    /// and one whose labels somebody removed by the mark of what was applied. With whom it is to go says nothing of
    /// whose it is.
    pub(super) fn conflict(&self, wanted: &Wanted, current: &DynamicObject) -> Option<Conflict> {
        let is_ours = match controller(current) {
            Some(uid) => uid == self.uid(),
            None => self.is_labelled(current) || self.applied(wanted, current),
        };
        (!is_ours).then(|| Conflict {
            kind: wanted.types.kind.clone(),
            namespace: self.namespace.clone(),
            name: wanted.name().to_owned(),
        })
    }
}

fn controller(object: &DynamicObject) -> Option<&str> {
    let owner = object.owner_references().iter().find(|owner| owner.controller == Some(true))?;
    Some(&owner.uid)
}

/// A name that is taken: the object belongs to somebody else.
///
/// ```
/// use endstate::operator::Conflict;
/// let conflict = Conflict { kind: "Service".into(), namespace: "ns".into(), name: "demo".into() };
/// assert_eq!(conflict.to_string(), "Service ns/demo exists and has another owner");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{kind} {namespace}/{name} exists and has another owner")]
pub struct Conflict {
    /// The kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The wanted objects whose names are taken; `current` has the object of each wanted one, if there is one.
pub fn conflicts(
    owner: &Owner,
    wanted: &[Wanted],
    current: &[Option<DynamicObject>],
) -> Vec<Conflict> {
    let found = wanted.iter().zip(current);
    found.filter_map(|(wanted, current)| owner.conflict(wanted, current.as_ref()?)).collect()
}

#[cfg(test)]
mod tests;
