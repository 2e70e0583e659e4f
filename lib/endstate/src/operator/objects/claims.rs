//! The claims of a cluster: which there are, and their end, which is always an explicit act.
//!
//! A claim belongs to the cluster object whose uid it carries. That of a cluster which had this name before is not this
//! cluster's: its data is another cluster's data.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};

use super::wanted::{MEMBER_LABEL, RETAINED_LABEL};
use super::{Objects, Owner};
use crate::{Cache, Context, Error, Propagation};

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

    /// Whether it is kept when its member has left the cluster.
    pub fn is_retained(&self) -> bool {
        self.object.labels().get(RETAINED_LABEL).is_some_and(|it| it == "true")
    }

    /// The member whose data it holds.
    pub fn member(&self) -> Option<&str> {
        self.object.labels().get(MEMBER_LABEL).map(String::as_str)
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

    /// Deletes a claim, on the condition that it is still as it was seen; its data goes as its class says.
    pub async fn delete_claim(&self, claim: &Claim, ctx: &Context) -> Result<(), Error> {
        let kind = ApiResource::erase::<PersistentVolumeClaim>(&());
        ctx.of(kind).delete(&*claim.object, Propagation::Background).await
    }

    fn claim_cache(&self) -> Option<&Cache<DynamicObject>> {
        self.caches.iter().find(|cache| is_of_claims(cache.kind()))
    }
}

/// Whether objects of a kind hold data.
pub(super) fn is_of_claims(kind: &ApiResource) -> bool {
    *kind == ApiResource::erase::<PersistentVolumeClaim>(&())
}
