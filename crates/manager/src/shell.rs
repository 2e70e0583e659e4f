//! What all controllers share: look, plan, execute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use controllers::Plan;
use endstate::{Cache, Context, Error, Failure, Next, Notice, Object, ObjectKey, Reconciler};
use jiff::Timestamp;

use crate::execute::{execute, execute_absent};

/// A controller: how its snapshot is made of caches. Its plan is pure.
pub(crate) trait Controller: Send + Sync + 'static {
    type Kind: Object<DynamicType: Default>;

    fn plan(&self, look: &Look<'_, Self::Kind>) -> Plan;

    /// What is left to do for an object that is gone.
    fn plan_absent(&self, key: &ObjectKey) -> Plan {
        let _ = key;
        Plan::default()
    }
}

/// What every snapshot has.
pub(crate) struct Look<'a, K> {
    pub(crate) object: &'a Arc<K>,
    pub(crate) now: Timestamp,
    /// Why the last plan for the object failed, if it did.
    pub(crate) last_failure: Option<&'a str>,
}

/// A controller on the engine.
pub(crate) struct Shell<C: Controller> {
    controller: C,
    objects: Cache<C::Kind>,
    /// Object → why its last plan failed.
    failures: Mutex<HashMap<ObjectKey, String>>,
}

impl<C: Controller> Shell<C> {
    pub(crate) fn new(controller: C, objects: &Cache<C::Kind>) -> Self {
        Self { controller, objects: objects.clone(), failures: Mutex::default() }
    }

    fn remember(&self, key: &ObjectKey, outcome: &Result<(), Error>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Err(error) if !error.is_conflict() => drop(failures.insert(key.clone(), error.chain())),
            _ => drop(failures.remove(key)),
        }
    }

    fn last_failure(&self, key: &ObjectKey) -> Option<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

impl<C: Controller> Reconciler for Shell<C> {
    type Kind = C::Kind;

    async fn reconcile(&self, key: ObjectKey, ctx: &Context) -> Result<Next, Error> {
        let Some(object) = self.objects.get(&key) else {
            self.remember(&key, &Ok(()));
            execute_absent::<C::Kind>(ctx, &key, self.controller.plan_absent(&key)).await?;
            return Ok(Next::Settled);
        };
        let last_failure = self.last_failure(&key);
        let look = Look { object: &object, now: ctx.now(), last_failure: last_failure.as_deref() };
        let plan = self.controller.plan(&look);
        let is_empty = plan.is_empty();
        let look_again = plan.look_again;
        let outcome = execute(ctx, &*object, plan).await;
        self.remember(&key, &outcome);
        outcome?;
        Ok(match look_again {
            // What was done may decide what is next.
            _ if !is_empty => Next::Again,
            Some(delay) => Next::After(delay),
            None => Next::Settled,
        })
    }

    /// Steps that fail tell so themselves; their reasons are what tools look for.
    fn failed(&self, _object: Option<&C::Kind>, failure: &Failure) -> Option<Notice> {
        let reason = match failure {
            Failure::Error(_) => return None,
            Failure::Panic(_) => "ReconcilePanicked",
            Failure::Deadline(_) => "ReconcileTimedOut",
        };
        Some(Notice::warning(reason, "Reconcile", failure.message()))
    }
}
