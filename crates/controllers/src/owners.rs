//! Owner references: who controls what, adoption and release.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::{Metadata, Resource};

use crate::labels::Selector;
use crate::plan::Write;

pub fn uid(meta: &ObjectMeta) -> &str {
    meta.uid.as_deref().unwrap_or_default()
}

pub fn name(meta: &ObjectMeta) -> &str {
    meta.name.as_deref().unwrap_or_default()
}

pub fn is_deleting(meta: &ObjectMeta) -> bool {
    meta.deletion_timestamp.is_some()
}

/// The reference to the object's controller.
pub fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

pub fn is_controlled_by(meta: &ObjectMeta, uid: &str) -> bool {
    controller(meta).is_some_and(|owner| owner.uid == uid)
}

/// The reference that makes `owner` an object's controller.
pub fn controller_reference<K: Resource + Metadata<Ty = ObjectMeta>>(owner: &K) -> OwnerReference {
    OwnerReference {
        api_version: K::API_VERSION.to_owned(),
        kind: K::KIND.to_owned(),
        name: name(owner.metadata()).to_owned(),
        uid: uid(owner.metadata()).to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// A reference to an object, as events and endpoints carry it.
pub fn reference<K: Resource + Metadata<Ty = ObjectMeta>>(object: &K) -> ObjectReference {
    let meta = object.metadata();
    ObjectReference {
        kind: Some(K::KIND.to_owned()),
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        ..Default::default()
    }
}

/// Which objects are the owner's, and what must be written for it to be so.
pub struct Claims<K> {
    /// Controlled by the owner and selected by it, ordered by name.
    pub mine: Vec<Arc<K>>,
    /// Orphans to adopt.
    pub adopt: Vec<Write<K>>,
    /// Objects that are not selected any more.
    pub release: Vec<Write<K>>,
}

/// Sorts out the objects of the owner's namespace. An owner that is being deleted neither adopts nor releases.
pub fn claim<O, K>(owner: &O, selector: &Selector, objects: &[Arc<K>]) -> Claims<K>
where
    O: Resource + Metadata<Ty = ObjectMeta>,
    K: Clone + Metadata<Ty = ObjectMeta>,
{
    let meta = owner.metadata();
    let mut claims = Claims { mine: vec![], adopt: vec![], release: vec![] };
    for object in objects.iter().filter(|it| it.metadata().namespace == meta.namespace) {
        let is_selected = selector.matches_meta(object.metadata());
        match controller(object.metadata()) {
            Some(other) if other.uid != uid(meta) => {}
            Some(_) if is_selected => claims.mine.push(object.clone()),
            Some(_) if !is_deleting(meta) => {
                claims.release.push(Write::update(object, released(object, uid(meta))))
            }
            None if is_selected && !is_deleting(meta) && !is_deleting(object.metadata()) => {
                claims.adopt.push(Write::update(object, adopted(object, owner)));
            }
            _ => {}
        }
    }
    claims.mine.sort_by(|a, b| a.metadata().name.cmp(&b.metadata().name));
    claims
}

fn adopted<O, K>(object: &Arc<K>, owner: &O) -> K
where
    O: Resource + Metadata<Ty = ObjectMeta>,
    K: Clone + Metadata<Ty = ObjectMeta>,
{
    let mut wanted = K::clone(object);
    wanted
        .metadata_mut()
        .owner_references
        .get_or_insert_default()
        .push(controller_reference(owner));
    wanted
}

fn released<K: Clone + Metadata<Ty = ObjectMeta>>(object: &Arc<K>, uid: &str) -> K {
    let mut wanted = K::clone(object);
    let owners = &mut wanted.metadata_mut().owner_references;
    owners.get_or_insert_default().retain(|owner| owner.uid != uid);
    if owners.as_ref().is_some_and(Vec::is_empty) {
        *owners = None;
    }
    wanted
}
