//! Carries out one plan: the status, then the objects around the members, then the actions in order.
//!
//! There are no choices here. The first thing that fails ends it, but for marks, of which none depends on another; the
//! next look decides what then.

use std::time::Duration;

use endstate_core::{
    Action, ActionKey, ActionKind, App, Blocked, Call, Condition, ConditionType, Denial, Identity,
    Launch, LaunchOf, MemberRecord, Plan, Record, Request, Snapshot, Status, Truth, Violation,
    Words,
};
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::declared::Declared;
use super::labels::APP_LABEL;
use super::marks::place;
use super::objects::{Claim, Owner, Wanted};
use super::observe::Look;
use super::operand::{ObjectsOf, Operand, PodRequest, SpecOf};
use super::reconciler::Operator;
use super::rest;
use crate::crash::broken;
use crate::driver::{Driver, Outcome, Target};
use crate::{Context, Error, Next, Notice, ObjectKey, Propagation, template};

/// How long an object that cannot go on waits for what nothing tells of.
const HALTED_WAIT: Duration = Duration::from_secs(2);

/// How long to wait for the view that an action was too old for.
const STALE_WAIT: Duration = Duration::from_millis(50);

/// How long until the next look after a refusal: the answer will not be another one at once.
const REFUSED_WAIT: Duration = Duration::from_millis(700);

/// How long until the next look at what the application is at work on.
const RUNNING_WAIT: Duration = Duration::from_millis(250);

/// What became of a plan's actions.
#[derive(Default)]
struct Acted {
    failures: Vec<Failure>,
    /// Something failed on which the actions after it depend.
    stopped: bool,
    /// The application is at work on something.
    running: bool,
}

/// What failed, and how.
type Failure = (ActionKey, Stopped);

/// What was seen, and the record that was made of it.
type Decided<'a, S> = (&'a Look<S>, &'a Record<S>);

/// How far an action came.
enum Progress {
    Done,
    Running,
}

/// Why an action ended a plan.
pub(super) enum Stopped {
    /// Somebody said no; the next snapshot tells.
    Denied(Denial),
    /// The API said no to a pod, so there is none.
    NotCreated(Words),
    /// The pod is no longer the one that was decided about, or this replica no longer the one that decides.
    Stale,
    /// The API failed.
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        if error.is_not_found() { Self::Stale } else { Self::Failed(error) }
    }
}

impl<O: Operand> Operator<O>
where
    SpecOf<O>: DeserializeOwned + Serialize,
{
    pub(super) async fn execute(
        &self,
        object: &Declared<O::Kind>,
        look: &Look<SpecOf<O>>,
        plan: Plan<SpecOf<O>>,
        ctx: &Context,
    ) -> Result<Next, Error> {
        let snapshot = &look.snapshot;
        let (key, term) = (ObjectKey::of(object), ctx.fence().term());
        self.publish(object, snapshot, &plan, ctx).await?;
        if snapshot.object.deleting {
            // The garbage collector takes what the object owns; there is nothing to keep up.
            self.tend(object, look, &plan, ctx).await?;
            return Ok(Next::Settled);
        }
        for event in &plan.events {
            ctx.notice(object, Notice::of(event.clone(), "Observe"));
        }
        // Members are repaired whatever becomes of the objects around them.
        let around = self.surround(object, look, &plan, ctx).await;
        self.refusals().ask_again(&key);
        let mut acted = self.act_in_order(object, look, &plan, ctx).await;
        acted.failures.extend(around);
        let tended = self.tend(object, look, &plan, ctx).await;
        self.tell_evictions(&key, &plan, ctx).await;
        let answered = answered(snapshot, &plan.actions, &acted);
        self.refusals().forget_actions(&key, &answered);
        if !acted.failures.is_empty() {
            return self.ended(&key, acted.failures, (term, ctx.now()));
        }
        let asked = tended?;
        let learned = plan.status.record != snapshot.status.record;
        if acted.running {
            return Ok(Next::After(RUNNING_WAIT));
        }
        if asked || learned || !answered.is_empty() || !plan.actions.is_empty() {
            return Ok(Next::Again);
        }
        let clusters = self.objects.len();
        let again = plan.look_again_ms.map(|it| rest::after(it, clusters));
        Ok(again.map_or(Next::Settled, Next::After))
    }

    /// Answers those who ask that pods go.
    async fn tell_evictions(&self, key: &ObjectKey, plan: &Plan<SpecOf<O>>, ctx: &Context) {
        let namespace = key.namespace().unwrap_or_default();
        let answers = plan.heartbeats.iter().map(|it| self.evictions.answer(namespace, it, ctx));
        join_all(answers).await;
    }

    /// What failed of the objects around the members; those by which cert-manager is asked come last, and hold up
    /// nothing else.
    async fn surround(
        &self,
        object: &Declared<O::Kind>,
        look: &Look<SpecOf<O>>,
        plan: &Plan<SpecOf<O>>,
        ctx: &Context,
    ) -> Vec<Failure> {
        let wanted = plan.status.record.in_force();
        let Some((spec, surroundings)) = wanted.zip(plan.surroundings.as_ref()) else {
            return vec![];
        };
        let identity = object.identity();
        let of = ObjectsOf::new(&identity, spec, surroundings).beside(&look.snapshot.beside);
        let owner = Owner::of(object, self.operand.app().name());
        let kept = self.keep_around(&owner, (look, &of), ctx).await;
        let asked = self.ask(&owner, &of, ctx).await;
        let all = [(ActionKind::ApplyObjects, kept), (ActionKind::RequestCertificates, asked)];
        let failed = all.into_iter().filter_map(|(kind, it)| Some((kind, it.err()?)));
        failed.map(|(kind, it)| (of_cluster(object, kind), denied(it))).collect()
    }

    /// As the plan says: makes the certificates that are due, applies the objects around the members but those that are
    /// taken, gives the claims that were left their owner, and deletes what is no longer wanted.
    async fn keep_around(
        &self,
        owner: &Owner,
        (look, of): (&Look<SpecOf<O>>, &ObjectsOf<'_, SpecOf<O>>),
        ctx: &Context,
    ) -> Result<(), Error> {
        let (wanted, surroundings) = (self.wanted(of)?, of.surroundings);
        let others: Vec<_> = surroundings.taken.iter().filter(|it| !it.is_request()).collect();
        let taken = |it: &Wanted| others.iter().any(|other| it.is(&other.kind, &other.name));
        let mut secrets = look.certificates.clone();
        self.around.issue(owner, (&surroundings.issued, &mut secrets), ctx).await?;
        let free = wanted.iter().filter(|it| !taken(it));
        let free: Vec<_> = free.map(|it| it.clone().filled(&secrets)).collect();
        self.around.apply(owner, &free, ctx).await?;
        self.around.own_claims_left(owner, (&surroundings.left, &wanted), ctx).await?;
        self.around.prune(owner, &wanted, ctx).await
    }

    /// Asks cert-manager as the plan says, by no object that somebody else made since; and no more for what is no
    /// longer wanted.
    async fn ask(
        &self,
        owner: &Owner,
        of: &ObjectsOf<'_, SpecOf<O>>,
        ctx: &Context,
    ) -> Result<(), Error> {
        let requested = self.requests(of)?;
        let mut requests = requested.clone();
        requests.retain(|it| of.surroundings.asked.contains(it.name()));
        let taken = self.around.conflicts(owner, &requests, ctx).await?;
        requests.retain(|it| taken.iter().all(|other| other.name != it.name()));
        let applied = self.around.apply(owner, &requests, ctx).await;
        self.around.prune_requests(owner, &requested, ctx).await?;
        applied
    }

    /// Remembers what was refused, whatever else went wrong beside it, and says what is next.
    fn ended(
        &self,
        key: &ObjectKey,
        failures: Vec<Failure>,
        (term, now): (u64, Timestamp),
    ) -> Result<Next, Error> {
        let blocked = refused(&failures, now);
        let next = Next::After(if blocked.is_empty() { STALE_WAIT } else { REFUSED_WAIT });
        for blocked in blocked {
            tracing::info!(%key, action = %blocked.action, why = %blocked.denial, "blocked");
            self.refusals().note(key, blocked, term);
        }
        let failed = failures.into_iter().find_map(|(_, it)| match it {
            Stopped::Failed(error) => Some(error),
            _ => None,
        });
        failed.map_or(Ok(next), Err)
    }

    /// Carries out the actions up to the first that fails. Pods that are created one after the other are created at
    /// once: none depends on another, and the first start waits for all of them; so several may fail.
    async fn act_in_order(
        &self,
        object: &Declared<O::Kind>,
        look: &Look<SpecOf<O>>,
        plan: &Plan<SpecOf<O>>,
        ctx: &Context,
    ) -> Acted {
        let creates = |it: &Action| matches!(it, Action::CreatePod { .. });
        let alike = |a: &Action, b: &Action| creates(a) && creates(b) || a.is_mark() && b.is_mark();
        let (mut acted, decided) = (Acted::default(), (look, &plan.status.record));
        for group in plan.actions.chunk_by(alike) {
            let acts = group
                .iter()
                .map(|it| async move { (it, self.act(object, decided, it, ctx).await) });
            for (action, result) in join_all(acts).await {
                match result {
                    Ok(Progress::Running) => acted.running = true,
                    Ok(Progress::Done) if action.is_mark() => {}
                    Ok(Progress::Done) => ctx.notice(object, done(action)),
                    Err(stopped) => {
                        acted.stopped |= !action.is_independent();
                        acted.failures.push((action.key(), stopped));
                    }
                }
            }
            if acted.stopped {
                break;
            }
        }
        acted
    }

    /// Writes the status if it differs, on the condition that the object is still the one that was planned for.
    async fn publish(
        &self,
        object: &Declared<O::Kind>,
        snapshot: &Snapshot<SpecOf<O>>,
        plan: &Plan<SpecOf<O>>,
        ctx: &Context,
    ) -> Result<(), Error> {
        if plan.status == snapshot.status {
            return Ok(());
        }
        let wanted = object.with_status(self.operand.publish(&snapshot.object, &plan.status));
        ctx.update_status(object, &wanted).await.map(drop)
    }

    /// Says that the linter rejected a plan, and does nothing else.
    pub(super) async fn stop(
        &self,
        object: &Declared<O::Kind>,
        snapshot: &Snapshot<SpecOf<O>>,
        violations: &[Violation],
        ctx: &Context,
    ) -> Result<Next, Error> {
        ctx.metrics.rejected(self.operand.app().name());
        let what: Vec<_> = violations.iter().map(ToString::to_string).collect();
        let what = what.join("; ");
        tracing::error!(key = %ObjectKey::of(object), %what, "a plan breaks the rules and is not carried out");
        let note =
            format!("a plan breaks the rules and is not carried out, please report this: {what}");
        self.halt(object, snapshot, ("PlanRejected", note), ctx).await
    }

    /// Says in the status that nothing goes on, and why. What was recorded stays as it was.
    async fn halt(
        &self,
        object: &Declared<O::Kind>,
        snapshot: &Snapshot<SpecOf<O>>,
        (reason, message): (&str, String),
        ctx: &Context,
    ) -> Result<Next, Error> {
        let mut status = snapshot.status.clone();
        halted(&mut status, &snapshot.object, (reason, &message), ctx.now());
        if status != snapshot.status {
            ctx.notice(object, Notice::warning(reason, "Reconcile", message));
            let wanted = object.with_status(self.operand.publish(&snapshot.object, &status));
            ctx.update_status(object, &wanted).await?;
        }
        Ok(Next::After(HALTED_WAIT))
    }

    async fn act(
        &self,
        object: &Declared<O::Kind>,
        (look, record): Decided<'_, SpecOf<O>>,
        action: &Action,
        ctx: &Context,
    ) -> Result<Progress, Stopped> {
        match action {
            Action::CreatePod { member, start, launch } => {
                let request = PodRequest::new(&look.snapshot.object, (member, start), launch);
                let application = self.operand.container();
                let mut pod = template::pod(application, &self.launcher_image, &request);
                place(&mut pod, &launch.role, launch.group);
                own(&mut pod, object, self.operand.app().name());
                let respond = |it: &mut _| self.evictions.respond(it);
                ctx.of(()).create_with(&pod, respond).await.map_err(not_created)?;
            }
            Action::MarkPod { pod, marks } => {
                let observed = self.exactly(look, pod)?;
                let record = &look.snapshot.status.record;
                let wanted = self.belonging(object, record).marked(&observed, marks);
                ctx.update(&observed, &wanted).await.map_err(denied)?;
            }
            Action::UpdatePod { pod, launch } | Action::RestartPod { pod, launch } => {
                let observed = self.exactly(look, pod)?;
                let wanted = self.changed_pod(&observed, launch, &look.snapshot.object);
                ctx.update(&observed, &wanted).await.map_err(denied)?;
            }
            Action::DeletePod { pod, .. } => {
                let observed = self.exactly(look, pod)?;
                ctx.delete(&observed, Propagation::Background).await.map_err(denied)?;
            }
            Action::DeleteClaim { claim } => {
                let owner = Owner::of(object, self.operand.app().name());
                let claims = self.around.claims(&owner);
                let observed = claims.iter().find(|it| is_as_seen(it, claim));
                let observed = observed.ok_or(Stopped::Stale)?;
                self.around.delete_claim(observed, ctx).await.map_err(denied)?;
            }
            Action::AdoptClaim { claim } => {
                let owner = Owner::of(object, self.operand.app().name());
                let claims = self.around.former(&owner);
                let observed = claims.iter().find(|it| is_as_seen(it, claim));
                let observed = observed.ok_or(Stopped::Stale)?;
                self.around.adopt(&owner, observed, ctx).await.map_err(denied)?;
            }
            Action::Call(call) => return self.call(object, (look, record), call, ctx).await,
        }
        Ok(Progress::Done)
    }

    /// A running pod as it should be now.
    fn changed_pod(&self, pod: &Pod, launch: &Launch, object: &Identity) -> Pod {
        let spec = pod.annotations().get(Launch::ANNOTATION);
        let spec = spec.and_then(|it| serde_json::from_str(it).ok());
        let member = MemberRecord::new(pod.name_any(), launch.role.clone());
        let before =
            |spec| self.operand.app().launch(&LaunchOf::new(object, &spec, &member)).policy;
        template::changed(pod, launch, spec.map(before))
    }

    /// Asks the application, as long as this replica is the one that decides. What was decided on is the record of the
    /// plan, which may have accepted another spec than the one that was looked by.
    async fn call(
        &self,
        object: &Declared<O::Kind>,
        (look, record): Decided<'_, SpecOf<O>>,
        call: &Call,
        ctx: &Context,
    ) -> Result<Progress, Stopped> {
        if !ctx.fence().is_open() {
            return Err(Stopped::Stale);
        }
        let (snapshot, pods) = (&look.snapshot, self.newest(&look.pods));
        let spec = decided_spec(snapshot, record);
        let secrets = match record.in_force() == snapshot.status.record.in_force() {
            true => look.secrets.clone(),
            false => self.secrets(object, (&snapshot.object, spec, &snapshot.beside), ctx).await?,
        };
        let members = self.addresses(snapshot, record, &pods);
        let beside = snapshot.beside.clone();
        let target = Target { members, secrets, beside, ..Target::new(&snapshot.object, spec) };
        let begun = ctx.calls.begin(&call.request);
        let outcome = self.operand.driver().act(&target, call).await;
        match begun.answered(outcome, || Outcome::blocked(broken())) {
            Outcome::Done => {
                if let Request::App(step) = &call.request
                    && let Some(operation) = step.operation()
                {
                    self.beside.note_answer(operation, &step.member);
                }
                Ok(Progress::Done)
            }
            Outcome::Running => Ok(Progress::Running),
            Outcome::Blocked(message) => Err(Stopped::Denied(Denial::Application { message })),
            Outcome::NeedsUser(message) => Err(Stopped::Denied(Denial::NeedsUser { message })),
        }
    }

    /// The very pod that was decided about, or a refusal.
    fn exactly(
        &self,
        look: &Look<SpecOf<O>>,
        wanted: &endstate_core::PodRef,
    ) -> Result<Pod, Stopped> {
        let pods = self.newest(&look.pods);
        let same = |it: &Pod| {
            it.metadata.uid.as_deref() == Some(wanted.uid.as_str())
                && it.metadata.resource_version.as_deref() == Some(wanted.resource_version.as_str())
        };
        match pods.iter().find(|it| same(it)) {
            Some(pod) => Ok(Pod::clone(pod)),
            None => Err(Stopped::Stale),
        }
    }
}

fn is_as_seen(claim: &Claim, seen: &endstate_core::Claim) -> bool {
    let version = seen.resource_version.as_str();
    claim.uid() == seen.uid.as_str() && claim.resource_version() == version
}

/// The spec that is worked towards by this record.
pub(super) fn decided_spec<'a, S>(snapshot: &'a Snapshot<S>, record: &'a Record<S>) -> &'a S {
    record.in_force().unwrap_or(&snapshot.spec)
}

/// What was refused before, rests no more, and was answered better since or is not due any more.
fn answered<S>(snapshot: &Snapshot<S>, actions: &[Action], acted: &Acted) -> Vec<ActionKey> {
    let failed = |key: &ActionKey| acted.failures.iter().any(|(it, _)| it == key);
    let untried = |key: &ActionKey| acted.stopped && actions.iter().any(|it| it.key() == *key);
    let over = snapshot.blocked.iter().filter(|it| !it.rests(snapshot.now));
    let over = over.filter(|it| !failed(&it.action) && !untried(&it.action));
    over.map(|it| it.action.clone()).collect()
}

/// The refusals among failures; of pods that were not made there is one, with all of them.
fn refused(failures: &[Failure], now: Timestamp) -> Vec<Blocked> {
    let denied = failures.iter().filter_map(|(action, it)| match it {
        Stopped::Denied(denial) => Some(Blocked::new(action.clone(), denial.clone(), now)),
        _ => None,
    });
    let mut not_made = failures.iter().filter_map(|(action, it)| match it {
        Stopped::NotCreated(message) => Some((action, message)),
        _ => None,
    });
    let not_created = not_made.clone().map(|(action, _)| action.member.clone()).collect();
    let pods = not_made.next().map(|(action, message)| {
        let denial = Denial::Api { message: message.clone() };
        Blocked::new(action.clone(), denial, now).not_created(not_created)
    });
    denied.chain(pods).collect()
}

/// A refusal is certain if the API says that the request is at fault: then there is no pod. A conflict says that there
/// is one, and everything else that it is not known.
fn not_created(error: Error) -> Stopped {
    match error.code() {
        Some(400 | 403 | 404 | 413 | 422) => Stopped::NotCreated(Words::of(&error.chain())),
        _ => Stopped::Failed(error),
    }
}

/// What is done for a cluster as a whole, as one action.
fn of_cluster<K>(object: &Declared<K>, kind: ActionKind) -> ActionKey {
    let name = object.metadata.name.clone().unwrap_or_default();
    ActionKey { kind, member: name.into() }
}

/// What the API refuses to write.
fn denied(error: Error) -> Stopped {
    match error.code() {
        _ if error.is_conflict() || error.is_not_found() => Stopped::Stale,
        Some(400..500) => Stopped::Denied(Denial::Api { message: Words::of(&error.chain()) }),
        _ => Stopped::Failed(error),
    }
}

/// Makes an object go with its owner, and be found by its operator.
pub(super) fn own<K: Resource, T: Resource<DynamicType = ()>>(
    object: &mut K,
    owner: &Declared<T>,
    app: &str,
) {
    let meta = object.meta_mut();
    meta.namespace = owner.metadata.namespace.clone();
    meta.labels.get_or_insert_default().insert(APP_LABEL.to_owned(), app.to_owned());
    meta.owner_references = Some(vec![owner.as_controller()]);
}

fn halted<S>(
    status: &mut Status<S>,
    object: &Identity,
    (reason, message): (&str, &str),
    now: Timestamp,
) {
    let before = status.condition(ConditionType::Progressing);
    let since = before.filter(|it| it.status == Truth::False).map(|it| it.last_transition_time);
    let now =
        Timestamp::from_second(now.as_second()).expect("whole seconds of a valid time are valid");
    let condition = Condition {
        kind: ConditionType::Progressing,
        status: Truth::False,
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: Some(object.generation),
        last_transition_time: since.unwrap_or(now),
    };
    status.observed_generation = Some(object.generation);
    status.conditions.retain(|it| it.kind != ConditionType::Progressing);
    status.conditions.push(condition);
    status.conditions.sort_by_key(|it| it.kind);
}

fn done(action: &Action) -> Notice {
    Notice::normal(action.reason(), "Reconcile", action.to_string())
}

#[cfg(test)]
mod tests {
    use endstate_core::{LeaveReason, PodRef};

    use super::*;

    #[test]
    fn everything_that_was_refused_is_noted_beside_a_create_that_was_not_answered() {
        let action = |name: &str| {
            let pod = PodRef { name: name.into(), uid: "u".into(), resource_version: "1".into() };
            Action::DeletePod { pod, reason: LeaveReason::Dead }
        };
        let (silent, first, second, fourth) = (action("a"), action("b"), action("c"), action("d"));
        let denial = Denial::Api { message: Words::of("not now") };
        let failures = [
            (silent.key(), Stopped::Failed(Error::other("no answer"))),
            (first.key(), Stopped::NotCreated(Words::of("no"))),
            (second.key(), Stopped::NotCreated(Words::of("never"))),
            (fourth.key(), Stopped::Denied(denial)),
        ];
        let now = Timestamp::UNIX_EPOCH;
        let blocked = refused(&failures, now);
        let told = |it: &Blocked| (it.action.clone(), it.denial.to_string());
        let marked = (fourth.key(), "not now".to_owned());
        assert_eq!(
            blocked.iter().map(told).collect::<Vec<_>>(),
            [marked, (first.key(), "no".to_owned())]
        );
        assert_eq!(blocked[1].not_created, ["b".into(), "c".into()]);
        assert_eq!(refused(&failures[..1], now), []);
    }

    #[test]
    fn a_request_is_made_by_the_spec_that_the_plan_accepted() {
        let accepted = |spec| Some(endstate_core::Accepted { generation: 1, spec });
        let mut snapshot = Snapshot::new(Timestamp::UNIX_EPOCH, Identity::new("a", "b", "u"), 5);
        snapshot.status.record.accepted = accepted(3);
        let record = Record { accepted: accepted(5), ..Record::default() };
        assert_eq!(*decided_spec(&snapshot, &record), 5);
        assert_eq!(*decided_spec(&snapshot, &snapshot.status.record), 3, "a later one is refused");
    }

    #[test]
    fn a_refusal_is_forgotten_when_it_was_answered_and_not_when_its_action_was_not_tried() {
        let action = |name: &str| {
            let pod = PodRef { name: name.into(), uid: "u".into(), resource_version: "1".into() };
            Action::DeletePod { pod, reason: LeaveReason::Dead }
        };
        let (done, failed, untried) = (action("a"), action("b"), action("c"));
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let identity = Identity::new("default", "demo", "u");
        let mut snapshot = Snapshot::new(now, identity, 3_u32);
        let denial = || Denial::Api { message: Words::of("no") };
        let long_ago = now - jiff::SignedDuration::from_secs(60);
        let actions = [done, failed, untried];
        snapshot.blocked =
            actions.iter().map(|it| Blocked::new(it.key(), denial(), long_ago)).collect();
        let failures = vec![(actions[1].key(), Stopped::Denied(denial()))];
        let acted = Acted { failures, stopped: true, running: false };
        assert_eq!(answered(&snapshot, &actions[1..], &acted), [actions[0].key()]);
        for blocked in &mut snapshot.blocked {
            blocked.at = now;
        }
        assert_eq!(answered(&snapshot, &actions[1..], &acted), [], "it rests");
    }
}
