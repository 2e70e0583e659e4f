//! The class of claims that name none.

use anyhow::{Context, Result};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};

/// Makes the default class, unless the cluster has it or another default: what its user decided stays.
pub(crate) async fn ensure_default_class(client: &Client) -> Result<()> {
    let wanted = manager::default_class();
    let classes: Api<StorageClass> = Api::all(client.clone());
    let cannot = "cannot make the default storage class";
    let there = classes.list(&ListParams::default()).await.context(cannot)?.items;
    let is_there = there.iter().any(|it| it.metadata.name == wanted.metadata.name);
    if is_there || manager::the_default(there.iter()).is_some() {
        return Ok(());
    }
    classes.create(&PostParams::default(), &wanted).await.context(cannot).map(drop)
}
