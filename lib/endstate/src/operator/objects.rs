//! What a cluster needs besides its pods: claims, services, budgets, configuration, secrets, anything of the API.
//!
//! An object is wanted as data ([`Wanted`]) and applied in full by server-side apply. It counts as up to date while it
//! carries the mark of just this intent and our field manager still owns every field of it: whoever changes such a
//! field takes its ownership, so nothing has to be compared that the API may have completed or normalized, and nothing
//! is sent at rest. A field that is no longer wanted leaves with the next intent.
//!
//! Invariants: an object of the same name that belongs to somebody else is never written ([`conflicts`]), not even one
//! that appears in the moment of the write; what is pruned belongs to this very cluster object, by uid; what is
//! [`Kept`](Ownership::Kept) is never pruned, and a claim in no case: its deletion is an act of its own
//! ([`delete_claim`](Objects::delete_claim)), or goes with the cluster object if it is [`Owned`](Ownership::Owned); a
//! [generated](Wanted::generated) secret is created once and never written again.

mod certificates;
mod claims;
mod credentials;
mod fields;
mod origin;
mod secrets;
mod wanted;

use endstate_core::Words;
pub use endstate_core::{Ownership, claim_of};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};

use super::labels::APP_LABEL;
use crate::{Cache, Context, Engine, Error, ObjectKey, Propagation, Scope};
pub use certificates::{AUTHORITIES, CERTIFICATE, KEY, requests};
pub use claims::Claim;
use fields::is_applied;
pub use secrets::Secrets;
use wanted::Content;
pub use wanted::{
    CLUSTER_LABEL, Conflict, Generated, MEMBER_LABEL, Owner, RETAINED_LABEL, UID_LABEL, Wanted,
    conflicts,
};

/// A resource version that no object has. An apply that carries it creates the object, or fails if there is one.
const NO_VERSION: &str = "1";

/// The caches of the kinds of objects that an application may want. Kinds are declared once, since every change of such
/// an object wakes the reconcile of its cluster.
///
/// ```
/// # use endstate::operator::{Objects, Owner, Wanted};
/// # use endstate::{Context, Error};
/// # async fn step(objects: &Objects, owner: &Owner, wanted: &[Wanted], ctx: &Context) -> Result<(), Error> {
/// if objects.conflicts(owner, wanted, ctx).await?.is_empty() {
///     objects.apply(owner, wanted, ctx).await?; // sends nothing if nothing differs
///     objects.prune(owner, wanted, ctx).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Objects {
    caches: Vec<Cache<DynamicObject>>,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = self.caches.iter().map(|cache| cache.kind().kind.as_str());
        f.debug_tuple("Objects").field(&kinds.collect::<Vec<_>>()).finish()
    }
}

impl Objects {
    /// Watches the objects of these kinds that carry the application's label.
    pub fn open(engine: &mut Engine, app: &str, kinds: &[ApiResource]) -> Self {
        let scope = Scope::all().label(APP_LABEL, app).with_managed_fields();
        let of = |it: &ApiResource| {
            let scope = scope.clone();
            if *it == requests() { scope.optional() } else { scope }
        };
        let caches = kinds.iter().map(|kind| engine.cache_of(kind.clone(), of(kind)));
        Self { caches: caches.collect() }
    }

    /// The caches, to be woken by.
    pub fn caches(&self) -> &[Cache<DynamicObject>] {
        &self.caches
    }

    /// Whether cert-manager can be asked: its kind is installed, and may be listed.
    pub(super) fn has_cert_manager(&self) -> bool {
        self.requests().is_some()
    }

    /// What cert-manager says of what it is asked for by this name, in the condition `Ready`.
    pub(super) fn ready(&self, owner: &Owner, name: &str) -> Option<Words> {
        certificates::ready(&*self.requests()?.get(&owner.key(name))?)
    }

    fn requests(&self) -> Option<&Cache<DynamicObject>> {
        let open = |it: &&Cache<_>| *it.kind() == requests() && it.is_synced() && !it.is_refused();
        self.caches.iter().find(open)
    }

    /// The objects of wanted names that belong to somebody else.
    pub async fn conflicts(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        ctx: &Context,
    ) -> Result<Vec<Conflict>, Error> {
        let current = try_join_all(wanted.iter().map(|it| self.current(owner, it, ctx))).await?;
        Ok(conflicts(owner, wanted, &current))
    }

    /// Applies what is missing or differs. Of a kind that is optional and not there nothing is.
    pub async fn apply(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        ctx: &Context,
    ) -> Result<(), Error> {
        try_join_all(wanted.iter().map(|it| self.keep(owner, it, ctx))).await.map(drop)
    }

    /// Deletes what the cluster owns and is no longer wanted, but claims, and by what cert-manager is asked.
    pub async fn prune(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        ctx: &Context,
    ) -> Result<(), Error> {
        let kept = |it: &ApiResource| is_of_claims(it) || *it == requests();
        for cache in self.caches.iter().filter(|it| !kept(it.kind())) {
            prune_kind(cache, (owner, wanted), ctx).await?;
        }
        Ok(())
    }

    /// Deletes those by which cert-manager is asked for what is no longer wanted.
    pub(super) async fn prune_requests(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        ctx: &Context,
    ) -> Result<(), Error> {
        match self.requests() {
            Some(cache) => prune_kind(cache, (owner, wanted), ctx).await,
            None => Ok(()),
        }
    }

    /// The contents of secrets by name; what is not there is not in the answer.
    pub async fn secrets(
        &self,
        owner: &Owner,
        names: &[&str],
        ctx: &Context,
    ) -> Result<Secrets, Error> {
        let mut secrets = Secrets::default();
        for name in names {
            let key = owner.key(name);
            let kind = ApiResource::erase::<Secret>(&());
            let cached = self.caches.iter().find(|cache| *cache.kind() == kind);
            let secret = match cached.and_then(|cache| cache.get(&key)) {
                Some(object) => {
                    Some(DynamicObject::clone(&object).try_parse().map_err(Error::other)?)
                }
                // One that its user made carries no label of ours.
                None => ctx.get_live::<Secret>(&key).await?,
            };
            secrets.add(name, secret);
        }
        Ok(secrets)
    }

    async fn keep(&self, owner: &Owner, wanted: &Wanted, ctx: &Context) -> Result<(), Error> {
        let cache = self.cache(wanted)?;
        if cache.is_refused() {
            return Ok(());
        }
        let kind = cache.kind().clone();
        let mut intent = wanted.intent(owner);
        let Some(current) = self.current(owner, wanted, ctx).await? else {
            return create(wanted, intent, &ctx.of(kind)).await;
        };
        if let Some(conflict) = owner.conflict(wanted, &current) {
            // It came since the plan was made.
            return Err(Error::other(conflict));
        }
        let is_going = current.metadata.deletion_timestamp.is_some();
        if is_going || wanted.is_final() || is_applied(&current, &intent, &ctx.field_manager) {
            return Ok(());
        }
        intent.metadata.uid = current.metadata.uid;
        ctx.of(kind).apply(&intent).await.map(drop)
    }

    async fn current(
        &self,
        owner: &Owner,
        wanted: &Wanted,
        ctx: &Context,
    ) -> Result<Option<DynamicObject>, Error> {
        let (cache, key) = (self.cache(wanted)?, owner.key(wanted.name()));
        match cache.get(&key) {
            Some(object) => Ok(Some(DynamicObject::clone(&object))),
            None if cache.is_refused() => Ok(None),
            // The cache holds only what carries our label; an object of somebody else does not.
            None => ctx.of(cache.kind().clone()).get_live(&key).await,
        }
    }

    fn cache(&self, wanted: &Wanted) -> Result<&Cache<DynamicObject>, Error> {
        let undeclared = || {
            Error::other(format!(
                "{wanted} is wanted, but the operator does not declare its kind: it would not be watched"
            ))
        };
        self.caches.iter().find(|cache| wanted.is_of(cache.kind())).ok_or_else(undeclared)
    }
}

/// Deletes what the cluster owns of a kind and is no longer wanted.
async fn prune_kind(
    cache: &Cache<DynamicObject>,
    (owner, wanted): (&Owner, &[Wanted]),
    ctx: &Context,
) -> Result<(), Error> {
    let kind = cache.kind();
    let is_wanted = |object: &DynamicObject| {
        wanted.iter().any(|it| it.is_of(kind) && it.name() == object.name_any())
    };
    for object in cache.owned_by(owner.uid()) {
        let is_going = object.metadata.deletion_timestamp.is_some();
        if owner.made(&object) && !is_going && !is_wanted(&object) {
            ctx.of(kind.clone()).delete(&*object, Propagation::Background).await?;
        }
    }
    Ok(())
}

/// Creates an object that is not there; fails if there is one by now, whoever made it.
async fn create(
    wanted: &Wanted,
    mut intent: DynamicObject,
    writer: &crate::Writer<'_, DynamicObject>,
) -> Result<(), Error> {
    match wanted.content() {
        Content::Applied => {
            intent.metadata.resource_version = Some(NO_VERSION.to_owned());
            writer.apply(&intent).await.map(drop)
        }
        // What is in it comes from elsewhere, and with that the object.
        Content::Issued | Content::Bundle { .. } => Ok(()),
        Content::Generated { keys, derived } => {
            secrets::fill(&mut intent, keys, derived)?;
            writer.create(&intent).await.map(drop)
        }
    }
}

/// The cluster of an object that nobody owns, by its labels: what a change of it wakes.
pub(super) fn cluster_of(object: &DynamicObject) -> Vec<ObjectKey> {
    let name = object.labels().get(CLUSTER_LABEL);
    let key = name.map(|it| ObjectKey::new(object.metadata.namespace.as_deref(), it));
    key.into_iter().collect()
}

/// Whether objects of a kind hold data.
fn is_of_claims(kind: &ApiResource) -> bool {
    *kind == ApiResource::erase::<PersistentVolumeClaim>(&())
}
