//! Who exists, and who names whom as an owner.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The identity of an object. Cheap to clone.
pub type Uid = Arc<str>;

/// What names an object, and guards writes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The resource: `deployments.apps`; `pods` in the core group.
    pub resource: Arc<str>,
    pub namespace: Option<Arc<str>>,
    pub name: Arc<str>,
    pub uid: Uid,
    pub resource_version: Arc<str>,
}

/// A reference to an owner, as an object carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: Uid,
    pub is_controller: Option<bool>,
    /// `blockOwnerDeletion`: foreground deletion of the owner waits for this object.
    pub blocks: bool,
}

/// An object of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub object: Object,
    pub owners: Vec<Owner>,
    pub finalizers: Vec<String>,
    pub is_deleting: bool,
}

impl Node {
    pub fn has_finalizer(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|it| it == finalizer)
    }
}

/// Every object that is watched.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: HashMap<Uid, Node>,
    /// Uids by the owner they name, whether that exists or not.
    dependents: HashMap<Uid, BTreeSet<Uid>>,
    namespaces: HashMap<Arc<str>, BTreeSet<Uid>>,
}

impl Graph {
    pub fn get(&self, uid: &Uid) -> Option<&Node> {
        self.nodes.get(uid)
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The objects that name an owner.
    pub fn dependents(&self, uid: &Uid) -> impl Iterator<Item = &Node> {
        self.dependents.get(uid).into_iter().flatten().filter_map(|it| self.nodes.get(it))
    }

    /// The objects of a namespace.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Node> {
        self.namespaces.get(namespace).into_iter().flatten().filter_map(|it| self.nodes.get(it))
    }

    /// The owner that a reference means: it has the uid, and is of the object's namespace or of none.
    pub fn owner_of(&self, dependent: &Node, owner: &Owner) -> Option<&Node> {
        let found = self.nodes.get(&owner.uid)?;
        let is_reachable = found.object.namespace.is_none()
            || found.object.namespace == dependent.object.namespace;
        is_reachable.then_some(found)
    }

    /// Takes in the state of an object. Returns which objects need a plan because of it.
    pub fn insert(&mut self, node: Node) -> Vec<Uid> {
        let uid = node.object.uid.clone();
        let old = self.remove_links(&uid);
        for owner in &node.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(uid.clone());
        }
        if let Some(namespace) = &node.object.namespace {
            self.namespaces.entry(namespace.clone()).or_default().insert(uid.clone());
        }
        let mut visit = vec![uid.clone()];
        // A dependent that lets go of its owner may have been the last that blocked it.
        visit.extend(
            old.iter()
                .flat_map(|it| &it.owners)
                .filter(|it| !node.owners.contains(it))
                .map(|it| it.uid.clone()),
        );
        self.nodes.insert(uid, node);
        visit
    }

    /// Takes in that an object is gone. Returns which objects need a plan because of it.
    pub fn remove(&mut self, uid: &Uid) -> Vec<Uid> {
        let Some(node) = self.remove_links(uid) else { return vec![] };
        let mut visit: Vec<_> = self.dependents.get(uid).into_iter().flatten().cloned().collect();
        visit.extend(node.owners.into_iter().map(|it| it.uid));
        visit
    }

    fn remove_links(&mut self, uid: &Uid) -> Option<Node> {
        let node = self.nodes.remove(uid)?;
        for owner in &node.owners {
            discard(&mut self.dependents, &owner.uid, uid);
        }
        if let Some(namespace) = &node.object.namespace {
            discard(&mut self.namespaces, namespace, uid);
        }
        Some(node)
    }

    /// How many objects of each resource a namespace holds, how many of those are on their way out, and the finalizers.
    pub fn content(&self, namespace: &str) -> Vec<crate::namespace::Content> {
        let mut content: BTreeMap<&str, crate::namespace::Content> = BTreeMap::new();
        for node in self.in_namespace(namespace) {
            let resource = &*node.object.resource;
            let entry = content.entry(resource).or_insert_with(|| crate::namespace::Content {
                resource: resource.to_owned(),
                objects: 0,
                deleting: 0,
                finalizers: BTreeMap::new(),
            });
            entry.objects += 1;
            entry.deleting += usize::from(node.is_deleting);
            for finalizer in &node.finalizers {
                *entry.finalizers.entry(finalizer.clone()).or_default() += 1;
            }
        }
        content.into_values().collect()
    }
}

fn discard(sets: &mut HashMap<Arc<str>, BTreeSet<Uid>>, word: &Arc<str>, uid: &Uid) {
    let Some(set) = sets.get_mut(word) else { return };
    set.remove(uid);
    if set.is_empty() {
        sets.remove(word);
    }
}
