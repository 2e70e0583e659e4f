//! Carries a plan out: guarded writes in order, and the events they are worth. The first failure ends it.

use controllers::{Action, Notice, Plan, Propagation, Write};
use endstate::{Context, Error, Object, ObjectKey};

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
    for step in plan.steps {
        match act(ctx, step.action).await {
            Ok(name) => {
                if let Some(mut notice) = step.done {
                    notice.note = notice.note.replace("{name}", &name);
                    announce(ctx, object, notice);
                }
            }
            Err(error) => {
                if let Some(reason) = step.failed.filter(|_| !error.is_conflict()) {
                    announce(ctx, object, Notice::warning(reason, error.chain()));
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

fn announce<K: Object<DynamicType: Default>>(ctx: &Context, object: &K, notice: Notice) {
    let make = if notice.is_warning { endstate::Notice::warning } else { endstate::Notice::normal };
    ctx.notice(object, make(notice.reason, "Reconcile", notice.note));
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

macro_rules! each_kind {
    ($ctx:expr, $action:expr, $($kind:ident),* $(,)?) => {
        match $action {
            $(Action::$kind(write) => perform($ctx, write).await,)*
        }
    };
}

/// Does one step and gives the name of the written object.
async fn act(ctx: &Context, action: Action) -> Result<String, Error> {
    each_kind!(
        ctx,
        action,
        ConfigMap,
        ControllerRevision,
        Deployment,
        EndpointSlice,
        Endpoints,
        Job,
        PersistentVolumeClaim,
        Pod,
        PodDisruptionBudget,
        ReplicaSet,
        ServiceAccount,
        StatefulSet,
    )
}

async fn perform<K>(ctx: &Context, write: Write<K>) -> Result<String, Error>
where
    K: Object<DynamicType: Default>,
{
    let name = |object: &K| object.meta().name.clone().unwrap_or_default();
    match write {
        Write::Create(object) => Ok(name(&*ctx.create(&*object).await?)),
        Write::Update { observed, wanted } => Ok(name(&*ctx.update(&*observed, &*wanted).await?)),
        Write::UpdateStatus { observed, wanted } => {
            Ok(name(&*ctx.update_status(&*observed, &*wanted).await?))
        }
        Write::Delete { observed, propagation } => {
            ctx.delete(&*observed, policy(propagation)).await?;
            Ok(name(&observed))
        }
    }
}

fn policy(propagation: Propagation) -> endstate::Propagation {
    match propagation {
        Propagation::Background => endstate::Propagation::Background,
        Propagation::Foreground => endstate::Propagation::Foreground,
        Propagation::Orphan => endstate::Propagation::Orphan,
    }
}
