//! Carries a plan out: guarded writes in order, and the events they are worth. The first failure ends it.
//!
//! Neighbouring creates run together, and so do deletes, in groups of 1, 2, 4, ...: many pods are made fast, but if the
//! first one fails (a quota, a bad template) hundreds more are not tried.

use controllers::{Action, Event, Plan, Propagation, Step, Write, volume};
use endstate::{Context, Error, Object, ObjectKey};
use futures::future::join_all;
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, Preconditions};

/// The same for the write of every kind.
macro_rules! for_each_kind {
    ($action:expr, $write:ident => $body:expr) => {
        match $action {
            Action::ClusterRole($write) => $body,
            Action::ConfigMap($write) => $body,
            Action::ControllerRevision($write) => $body,
            Action::Deployment($write) => $body,
            Action::EndpointSlice($write) => $body,
            Action::Endpoints($write) => $body,
            Action::Job($write) => $body,
            Action::Node($write) => $body,
            Action::PersistentVolume($write) => $body,
            Action::PersistentVolumeClaim($write) => $body,
            Action::Pod($write) => $body,
            Action::PodDisruptionBudget($write) => $body,
            Action::ReplicaSet($write) => $body,
            Action::ServiceAccount($write) => $body,
            Action::StatefulSet($write) => $body,
        }
    };
}

pub(crate) async fn execute<K>(ctx: &Context, object: &K, plan: Plan) -> Result<(), Error>
where
    K: Object<DynamicType: Default>,
{
    for notice in plan.notices {
        announce(ctx, object, notice);
    }
    if plan.check_owner && !plan.steps.is_empty() {
        check_owner(ctx, object).await?;
    }
    if let Some(node) = plan.absent_node.as_deref().filter(|_| !plan.steps.is_empty()) {
        check_absent(ctx, node).await?;
    }
    if let Some(claim) = plan.unused_claim.as_deref().filter(|_| !plan.steps.is_empty()) {
        check_unused(ctx, claim).await?;
    }
    carry_out(ctx, Some(object), plan.steps).await
}

/// Carries out a plan about an object that is gone, if the API agrees that it is.
pub(crate) async fn execute_absent<K>(
    ctx: &Context,
    key: &ObjectKey,
    plan: Plan,
) -> Result<(), Error>
where
    K: Object<DynamicType: Default>,
{
    if !plan.steps.is_empty() && ctx.get_live::<K>(key).await?.is_some() {
        return Err(Error::other(format!("{key} is there again")));
    }
    carry_out::<K>(ctx, None, plan.steps).await
}

/// Carries out a plan that is about no object in particular.
pub(crate) async fn execute_all(ctx: &Context, plan: Plan) -> Result<(), Error> {
    carry_out::<Node>(ctx, None, plan.steps).await
}

async fn carry_out<K>(ctx: &Context, object: Option<&K>, steps: Vec<Step>) -> Result<(), Error>
where
    K: Object<DynamicType: Default>,
{
    for group in groups(steps) {
        let outcomes = join_all(group.into_iter().map(|step| take(ctx, object, step))).await;
        outcomes.into_iter().collect::<Result<(), Error>>()?;
    }
    Ok(())
}

/// Cuts steps, in their order, into those that run together.
fn groups(steps: Vec<Step>) -> Vec<Vec<Step>> {
    let mut groups: Vec<Vec<Step>> = Vec::new();
    let mut group_max = 1;
    for step in steps {
        let sort = Sort::of(&step.action);
        let is_like =
            |it: &Vec<Step>| it.first().is_some_and(|first| Sort::of(&first.action) == sort);
        match groups.last_mut().filter(|it| sort != Sort::Other && is_like(it)) {
            Some(group) if group.len() < group_max => group.push(step),
            Some(_) => {
                group_max *= 2;
                groups.push(vec![step]);
            }
            None => {
                group_max = 1;
                groups.push(vec![step]);
            }
        }
    }
    groups
}

async fn take<K>(ctx: &Context, object: Option<&K>, step: Step) -> Result<(), Error>
where
    K: Object<DynamicType: Default>,
{
    match Box::pin(act(ctx, step.action)).await {
        Ok(name) => {
            if let Some((object, mut notice)) = object.zip(step.done) {
                notice.message = notice.message.replace("{name}", &name);
                announce(ctx, object, notice);
            }
            Ok(())
        }
        Err(error) => {
            let reason = step.failed.filter(|_| !error.is_conflict());
            if let Some((object, reason)) = object.zip(reason) {
                announce(ctx, object, Event::warning(reason, error.chain()));
            }
            Err(error)
        }
    }
}

/// Which steps may run together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Create,
    Delete,
    Other,
}

impl Sort {
    fn of(action: &Action) -> Self {
        fn of_write<K>(write: &Write<K>) -> Sort {
            match write {
                Write::Create(_) => Sort::Create,
                Write::Delete { .. } | Write::DeleteNow { .. } => Sort::Delete,
                Write::Update { .. } | Write::UpdateStatus { .. } => Sort::Other,
            }
        }
        for_each_kind!(action, write => of_write(write))
    }
}

fn announce<K: Object<DynamicType: Default>>(ctx: &Context, object: &K, notice: Event) {
    ctx.notice(object, endstate::Notice::of(notice, "Reconcile"));
}

/// Ties nothing to an object that is gone or was replaced: the cache may be behind.
async fn check_owner<K: Object<DynamicType: Default>>(
    ctx: &Context,
    object: &K,
) -> Result<(), Error> {
    let key = ObjectKey::of(object);
    let live: Option<K> = ctx.get_live(&key).await?;
    let same = live.is_some_and(|it| {
        it.meta().uid == object.meta().uid && it.meta().deletion_timestamp.is_none()
    });
    if same { Ok(()) } else { Err(Error::other(format!("{key} is gone or is being deleted"))) }
}

/// The cache may be behind: only the API can say that there is no such node.
async fn check_absent(ctx: &Context, node: &str) -> Result<(), Error> {
    match ctx.get_live::<Node>(&ObjectKey::cluster(node)).await? {
        None => Ok(()),
        Some(_) => Err(Error::other(format!("node {node} is there"))),
    }
}

/// The cache may be behind: only the API can say that no pod uses a claim.
async fn check_unused(ctx: &Context, claim: &PersistentVolumeClaim) -> Result<(), Error> {
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    let pods = ctx.list_live::<Pod>(namespace).await?;
    match pods.iter().find(|it| volume::uses(it, claim)) {
        None => Ok(()),
        Some(pod) => Err(Error::other(format!("pod {} uses the claim", ObjectKey::of(pod)))),
    }
}

/// Does one step and gives the name of the written object.
async fn act(ctx: &Context, action: Action) -> Result<String, Error> {
    for_each_kind!(action, write => perform(ctx, write).await)
}

async fn perform<K>(ctx: &Context, write: Write<K>) -> Result<String, Error>
where
    K: Object<DynamicType: Default>,
{
    let name = |object: &K| object.meta().name.clone().unwrap_or_default();
    match write {
        Write::Create(object) => match ctx.create(&*object).await {
            // Somebody else made it, as the API server makes the account of a namespace.
            Err(error) if error.is_already_exists() && is_account::<K>() => Ok(name(&object)),
            made => Ok(name(&*made?)),
        },
        Write::Update { observed, wanted } => Ok(name(&*ctx.update(&*observed, &*wanted).await?)),
        Write::UpdateStatus { observed, wanted } => {
            Ok(name(&*ctx.update_status(&*observed, &*wanted).await?))
        }
        Write::Delete { observed, propagation } => {
            ctx.delete(&*observed, policy(propagation)).await?;
            Ok(name(&observed))
        }
        Write::DeleteNow { observed } => {
            let preconditions = Preconditions {
                uid: observed.meta().uid.clone(),
                resource_version: observed.meta().resource_version.clone(),
            };
            let params =
                DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            let params = params.grace_period(0);
            ctx.of::<K>(K::DynamicType::default()).delete_with(&*observed, &params).await?;
            Ok(name(&observed))
        }
    }
}

fn is_account<K: Object<DynamicType: Default>>() -> bool {
    K::kind(&K::DynamicType::default()) == "ServiceAccount"
}

/// As the client has it.
pub(crate) fn policy(propagation: Propagation) -> endstate::Propagation {
    match propagation {
        Propagation::Background => endstate::Propagation::Background,
        Propagation::Foreground => endstate::Propagation::Foreground,
        Propagation::Orphan => endstate::Propagation::Orphan,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_grow_and_do_not_mix() {
        let pod = || std::sync::Arc::new(Pod::default());
        let mut plan = Plan::default();
        (0..6).for_each(|_| plan.push(Write::create(Pod::default())));
        plan.push(Write::update_status(&pod(), Pod::default()));
        plan.push(Write::update_status(&pod(), Pod::default()));
        (0..3).for_each(|_| plan.push(Write::delete(&pod())));
        let sizes: Vec<_> = groups(plan.steps).iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 2, 3, 1, 1, 1, 2]);
    }
}
