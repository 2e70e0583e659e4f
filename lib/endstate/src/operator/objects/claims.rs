//! The claims of a cluster: which there are, and their end.
//!
//! A claim belongs to the cluster object whose uid it carries. That of a cluster which had this name before is not this
//! cluster's: its data is another cluster's data. While the cluster object is there a claim goes by an explicit act
//! only. Whether it goes with the object is told by an owner reference, as a StatefulSet does it: then the garbage
//! collector does the rest, also while no operator runs, and no finalizer holds the object up. Which claims have one
//! is in the plan.

use std::sync::Arc;

use endstate_core::{LABEL_ROLE, LeftClaim, VolumeSpec};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};

use super::wanted::{BESIDE, MEMBER_LABEL, RETAINED_LABEL};
use super::{Objects, Owner, Wanted, is_of_claims};
use crate::{Cache, Context, Error, Propagation};

/// The annotation by which the scheduler says for which node a volume is made.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// A claim of a cluster.
///
/// ```
/// # use endstate::operator::Claim;
/// fn row(claim: &Claim) -> String {
///     format!("{} of {}", claim.name(), claim.member().unwrap_or("no member"))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Claim {
    object: Arc<DynamicObject>,
}

impl Claim {
    #[cfg(test)]
    pub(super) fn of(object: DynamicObject) -> Self {
        Self { object: Arc::new(object) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its uid: another claim of the same name has other data.
    pub fn uid(&self) -> &str {
        crate::object::uid(&*self.object)
    }

    /// Its version: what it is deleted as.
    pub fn resource_version(&self) -> &str {
        self.object.metadata.resource_version.as_deref().unwrap_or_default()
    }

    /// Whether it is kept when its member has left the cluster. One that does not say is.
    pub fn is_retained(&self) -> bool {
        self.object.labels().get(RETAINED_LABEL).is_none_or(|it| it != "false")
    }

    /// The member whose data it holds.
    pub fn member(&self) -> Option<&str> {
        self.object.labels().get(MEMBER_LABEL).map(String::as_str)
    }

    /// The uid of the cluster object that it was made for.
    pub fn cluster(&self) -> Option<&str> {
        self.object.labels().get(super::UID_LABEL).map(String::as_str)
    }

    /// The role of that member.
    pub fn role(&self) -> Option<&str> {
        self.object.labels().get(LABEL_ROLE).map(String::as_str)
    }

    /// The node that its first pod was on, when its volume was made for that.
    pub fn node(&self) -> Option<&str> {
        self.object.annotations().get(SELECTED_NODE).map(String::as_str)
    }

    /// The volume that it asks for.
    pub fn volume(&self) -> Option<VolumeSpec> {
        let spec = self.parse().ok()?.spec?;
        let size = spec.resources?.requests?.get("storage")?.0.clone();
        Some(VolumeSpec::new(size).class(spec.storage_class_name))
    }

    /// The other volumes of its member, by name.
    pub fn beside(&self) -> Vec<String> {
        let names = self.object.annotations().get(BESIDE).map(String::as_str).unwrap_or_default();
        names.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }

    /// Whether it is to go as soon as no pod uses it.
    pub fn is_deleting(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    /// The claim in full.
    pub fn parse(&self) -> Result<PersistentVolumeClaim, Error> {
        DynamicObject::clone(&self.object).try_parse().map_err(Error::other)
    }
}

impl Objects {
    /// The claims that carry the uid of this very cluster object, by name.
    pub fn claims(&self, owner: &Owner) -> Vec<Claim> {
        let found = self.claim_cache().map(|cache| owner.labelled_in(cache));
        found.into_iter().flatten().map(|object| Claim { object }).collect()
    }

    /// The claims that clusters of this name left which were deleted: they carry the uid of another object, and no
    /// object owns them.
    pub fn former(&self, owner: &Owner) -> Vec<Claim> {
        let found = self.claim_cache().map(|cache| owner.named_in(cache));
        let left =
            |it: &Arc<DynamicObject>| owner.is_of_another(it) && it.owner_references().is_empty();
        found.into_iter().flatten().filter(left).map(|object| Claim { object }).collect()
    }

    /// Makes a claim one of this cluster, on the condition that it is still as it was seen.
    pub async fn adopt(&self, owner: &Owner, claim: &Claim, ctx: &Context) -> Result<(), Error> {
        let kind = ApiResource::erase::<PersistentVolumeClaim>(&());
        let mut object = DynamicObject::clone(&claim.object);
        object.labels_mut().insert(super::UID_LABEL.to_owned(), owner.uid().to_owned());
        ctx.of(kind).update(&*claim.object, &object).await.map(drop)
    }

    /// The claim of a member's volume by its name, whatever labels somebody took away: what the watch does not show is
    /// read from the API itself. The name of a member is used once, so only another cluster's uid says that it is not
    /// its own.
    pub async fn claim_of(
        &self,
        owner: &Owner,
        (volume, member): (&str, &str),
        ctx: &Context,
    ) -> Result<Option<Claim>, Error> {
        let Some(cache) = self.claim_cache() else { return Ok(None) };
        let key = owner.key(&super::claim_of(volume, member));
        let found = match cache.get(&key) {
            Some(object) => Some(object),
            None => ctx.of(cache.kind().clone()).get_live(&key).await?.map(Arc::new),
        };
        Ok(found.filter(|it| !owner.is_of_another(it)).map(|object| Claim { object }))
    }

    /// Gives claims that are no member's any more the owner that the plan says, or takes it away. One of another uid by
    /// now is left as it is, and so is one that is wanted: what an operand wants besides its members' volumes may be a
    /// claim, of which the plan knows no member.
    pub async fn own_claims_left(
        &self,
        owner: &Owner,
        (left, wanted): (&[LeftClaim], &[Wanted]),
        ctx: &Context,
    ) -> Result<(), Error> {
        let Some(cache) = self.claim_cache() else { return Ok(()) };
        let is_wanted = |claim: &Claim| {
            wanted.iter().any(|it| it.is_of(cache.kind()) && it.name() == claim.name())
        };
        for claim in self.claims(owner).iter().filter(|it| !is_wanted(it)) {
            let said = left.iter().find(|it| it.claim.uid.as_str() == claim.uid());
            let Some(said) = said else { continue };
            let mut object = DynamicObject::clone(&claim.object);
            owner.set(&mut object, said.ownership);
            ctx.of(cache.kind().clone()).update(&*claim.object, &object).await?;
        }
        Ok(())
    }

    /// Deletes a claim, on the condition that it is still as it was seen; its data goes as its class says.
    pub async fn delete_claim(&self, claim: &Claim, ctx: &Context) -> Result<(), Error> {
        let kind = ApiResource::erase::<PersistentVolumeClaim>(&());
        ctx.of(kind).delete(&*claim.object, Propagation::Background).await
    }

    fn claim_cache(&self) -> Option<&Cache<DynamicObject>> {
        self.caches.iter().find(|cache| is_of_claims(cache.kind()))
    }
}
