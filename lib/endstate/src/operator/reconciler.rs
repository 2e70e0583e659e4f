//! One look at one object, from what is observed to what is done.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use endstate_core::{App, Status};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::beside::Besides;
use super::declared::Declared;
use super::evictions::Evictions;
use super::explain::Questions;
use super::gone::Gone;
use super::lines::Lines;
use super::objects::Objects;
use super::operand::{Operand, SpecOf};
use super::refusals::Refusals;
use crate::{Cache, Context, Error, Next, ObjectKey, Reconciler};

/// The reconciler of one operand. Made by [`add`](super::add).
pub struct Operator<O: Operand> {
    pub(super) operand: O,
    pub(super) launcher_image: String,
    pub(super) objects: Cache<Declared<O::Kind>>,
    pub(super) pods: Cache<Pod>,
    pub(super) around: Objects,
    pub(super) beside: Besides,
    pub(super) evictions: Evictions,
    pub(super) nodes: Cache<Node>,
    pub(super) classes: Cache<StorageClass>,
    pub(super) refusals: Mutex<Refusals>,
    pub(super) gone: Mutex<Gone>,
    pub(super) questions: Questions,
    pub(super) lines: Lines,
}

impl<O: Operand> Reconciler for Operator<O>
where
    SpecOf<O>: DeserializeOwned + Serialize,
{
    type Kind = Declared<O::Kind>;

    async fn reconcile(&self, key: ObjectKey, ctx: &Context) -> Result<Next, Error> {
        let Some(object) = self.objects.get(&key) else {
            self.refusals().forget(&key);
            self.forget_gone(&key);
            self.questions.forget(&key);
            self.lines.keep(&key, &BTreeSet::new());
            ctx.metrics.clusters().forget(&Self::told(&key));
            self.beside.leave(&key, self.operand.app().operations(), ctx).await?;
            return Ok(Next::Settled);
        };
        let look = self.observe(&object, ctx).await?;
        self.questions.answer(&key, &self.operand, &look.snapshot);
        let plan = endstate_core::plan(self.operand.app(), &look.snapshot);
        ctx.metrics.clusters().note(Self::told(&key), &look.snapshot, &plan);
        self.lines.keep(&key, &self.idle_ports(&look.pods, &plan.status));
        let violations = endstate_core::lint(&look.snapshot, &plan);
        if !violations.is_empty() {
            return self.stop(&object, &look.snapshot, &violations, ctx).await;
        }
        self.execute(&object, &look, plan, ctx).await
    }
}

impl<O: Operand> Operator<O> {
    /// Where the members that work are connected to, only to see that they are there.
    fn idle_ports(&self, pods: &[Arc<Pod>], status: &Status<SpecOf<O>>) -> BTreeSet<SocketAddr> {
        let Some(port) = self.operand.idle_port() else { return BTreeSet::new() };
        let works = |pod: &&Arc<Pod>| {
            let mut members = status.members.iter();
            members.any(|it| it.healthy && Some(&*it.name) == pod.metadata.name.as_deref())
        };
        let address = |pod: &Arc<Pod>| pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok();
        let pods = pods.iter().filter(works).filter_map(address);
        pods.map(|ip: IpAddr| (ip, port).into()).collect()
    }

    /// As which cluster its figures are told.
    fn told(key: &ObjectKey) -> (String, ObjectKey) {
        (O::Kind::group(&()).into_owned(), key.clone())
    }

    pub(super) fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
