//! Plans are made, checked, and carried out.

use std::fmt::Write as _;

use endstate_core::{
    Action, ActionKey, ActionKind, Blocked, Denial, Entry, MemberName, Plan, Pod, PodPhase,
    Position, Request, RequestKind, STABLE_SECONDS, Snapshot, Surroundings, Task, Waiting, Words,
    lint, plan,
};
use jiff::SignedDuration;

use super::{Told, World};

/// When a refusal was.
#[derive(Clone, Copy)]
pub(super) enum When {
    /// It rests no more when the next plan is made.
    AWhileAgo,
    Now,
}

/// Of how much a request that takes long is made.
const WORK: u64 = 10;

impl<A: Told> World<A> {
    pub(super) fn plan(&mut self) -> String {
        let (seen, plan) = self.marked();
        self.hold(&seen, &plan);
        let mut told = String::new();
        for action in &plan.actions {
            writeln!(told, "{action}").unwrap();
        }
        for wait in &plan.waits {
            writeln!(told, "{wait}").unwrap();
        }
        for beat in &plan.heartbeats {
            writeln!(told, "answer eviction {}: {}", beat.eviction, beat.message).unwrap();
        }
        for event in &plan.events {
            writeln!(told, "{:?} event {}: {}", event.kind, event.reason, event.message).unwrap();
        }
        if told.is_empty() {
            let changed = plan.status != seen.status;
            told += if changed { "only the status changes\n" } else { "nothing to do\n" };
        }
        for violation in lint(&seen, &plan) {
            writeln!(told, "REFUSED BY THE LINTER {violation}").unwrap();
        }
        self.carry_out(plan);
        told
    }

    /// What is so of every plan.
    fn hold(&self, seen: &Snapshot<A::Spec>, made: &Plan<A::Spec>) {
        assert!(*made == plan(&self.app, &reversed(seen)), "lists have no order");
        let status = serde_json::to_string(&made.status).unwrap();
        assert!(made.status == serde_json::from_str(&status).unwrap(), "it is read as written");
        // A plan that does nothing has said all that there is to say, once or twice.
        let mut seen = seen.clone();
        seen.status = made.status.clone();
        for _ in 0..3 {
            let again = plan(&self.app, &seen);
            if !made.actions.is_empty() || !again.actions.is_empty() || again.status == seen.status
            {
                return;
            }
            seen.status = again.status;
        }
        panic!("it writes without end, and nothing has changed");
    }

    /// Plans on pods that carry what is known of their members, unless marks are told of.
    fn marked(&mut self) -> (Snapshot<A::Spec>, Plan<A::Spec>) {
        let seen = self.seen();
        let planned = plan(&self.app, &seen);
        let marks = |it: &Action| matches!(it, Action::MarkPod { .. });
        if self.marks_told || !planned.actions.iter().any(marks) {
            return (seen, planned);
        }
        assert!(lint(&seen, &planned).is_empty());
        for action in planned.actions.into_iter().filter(marks) {
            self.act(action);
        }
        let seen = self.seen();
        let planned = plan(&self.app, &seen);
        (seen, planned)
    }

    /// Plans; the status is published, and then the first action is refused.
    pub(super) fn plan_refused(&mut self, denial: Denial, when: When) -> String {
        let (_, planned) = self.marked();
        let action = planned.actions.first().map(Action::key);
        let times = action.as_ref().and_then(|it| self.snapshot.refusal(it));
        let times = times.map_or(0, |it| it.times);
        let before = self.clone();
        let told = self.plan();
        let status = std::mem::take(&mut self.snapshot.status);
        *self = before;
        self.snapshot.status = status;
        let at = match when {
            When::Now => self.snapshot.now,
            When::AWhileAgo => self.snapshot.now - SignedDuration::from_secs(1),
        };
        if let Some(action) = action {
            let mut blocked = Blocked::new(action, denial, at);
            blocked.times = times + 1;
            self.refuse(blocked);
        }
        told
    }

    /// Plans again and again; new pods start at once, and what takes long is done at once.
    pub(super) fn plan_until_idle(&mut self) -> String {
        let mut told = String::new();
        for _ in 0..100 {
            let before = (self.snapshot.status.clone(), self.snapshot.beside.clone());
            let answer = self.plan();
            let idle = answer == "nothing to do\n";
            if self.timed {
                self.snapshot.now += SignedDuration::from_secs(STABLE_SECONDS);
            } else if before.0 == self.snapshot.status
                && before.1 == self.snapshot.beside
                && self.snapshot.view.tasks.is_empty()
            {
                return told + if idle { "" } else { &answer };
            }
            told += &answer.replace("only the status changes\n", "");
            self.work(WORK);
            let pods = self.snapshot.pods.iter().flatten();
            let new = pods.filter(|it| it.phase == PodPhase::Pending && it.trouble.is_none());
            let mut ready: Vec<_> = new.map(|it| it.name.clone()).collect();
            ready.append(&mut self.changed);
            for name in ready {
                self.start(&name);
            }
            self.elect();
        }
        panic!("it never ends:\n{told}");
    }

    fn carry_out(&mut self, plan: Plan<A::Spec>) {
        self.snapshot.status = plan.status;
        self.look_again_ms = plan.look_again_ms;
        let timed =
            |it: &Waiting| matches!(it, Waiting::ForStability { .. } | Waiting::ForRetry { .. });
        self.timed = plan.waits.iter().any(timed);
        self.rest();
        self.surround(plan.surroundings);
        self.written = plan.tended;
        let now = self.snapshot.now;
        for beat in plan.heartbeats {
            let pods = self.snapshot.pods.as_mut().unwrap();
            let mut evictions = pods.iter_mut().filter_map(|it| it.eviction.as_mut());
            evictions.find(|it| it.name == beat.eviction).unwrap().heartbeat = Some(now);
        }
        for action in plan.actions {
            self.act(action);
        }
        self.tell_operations();
        self.elect();
    }

    fn surround(&mut self, wanted: Option<Surroundings>) {
        let Some(wanted) = wanted else { return };
        if self.unwritable {
            let member = self.snapshot.object.name.as_str().into();
            let key = ActionKey { kind: ActionKind::ApplyObjects, member };
            let denial = Denial::Api { message: Words::of("the class cannot expand volumes") };
            return self.refuse(Blocked::new(key, denial, self.snapshot.now));
        }
        for it in wanted.volumes {
            self.claim(it);
        }
    }

    fn act(&mut self, action: Action) {
        let version = self.version();
        match action {
            Action::CreatePod { member, launch, start } => {
                let spec = serde_json::from_str(&launch.spec).unwrap();
                let uid = format!("pod-{version}");
                let node = self.emptiest();
                let pod = Pod {
                    spec: Some(spec),
                    node,
                    surveyed: true,
                    resumes: !start.may_be_blank(),
                    ..Pod::new(member.clone(), uid, version)
                };
                self.snapshot.pods.as_mut().unwrap().push(pod);
                self.starts.insert(member, start);
            }
            Action::UpdatePod { pod, launch } => {
                self.pod(&pod.name).spec = Some(serde_json::from_str(&launch.spec).unwrap());
            }
            Action::RestartPod { pod, launch } => {
                let seen = self.pod(&pod.name);
                seen.spec = Some(serde_json::from_str(&launch.spec).unwrap());
                seen.trouble = None;
                self.changed.push(pod.name);
            }
            Action::DeletePod { pod, .. } => self.evict(&pod.name),
            Action::MarkPod { pod, .. } if self.unmarkable.contains(&pod.name) => {
                let key = Action::MarkPod { pod, marks: Default::default() }.key();
                let denial = Denial::Api { message: Words::of("denied by a webhook") };
                self.refuse(Blocked::new(key, denial, self.snapshot.now));
            }
            Action::MarkPod { pod, marks } => self.pod(&pod.name).marks = marks,
            Action::DeleteClaim { claim } => self.drop_claim(&claim.name, &claim.member),
            Action::AdoptClaim { mut claim } => {
                self.snapshot.former.retain(|it| it.name != claim.name);
                claim.of_another = None;
                self.snapshot.claims.push(claim);
            }
            Action::Call(call) => self.call(call.request),
        }
    }

    fn call(&mut self, request: Request) {
        let kind = request.kind();
        match request {
            Request::Join { member, id, votes, .. } => {
                let id = id.unwrap_or_else(|| self.next_id());
                self.list().members.push(Entry::voter(id, member).voting(votes));
            }
            Request::Promote { member, .. } => self.promote(&member),
            Request::Transfer { to, .. } => self.leader = Some(to),
            Request::Appoint { member, .. } => {
                self.misled.clear();
                self.leader = Some(member);
            }
            Request::Leave { member, .. } => self.unlist(&member),
            Request::Drain { member, .. } => self.begin_task(kind, member),
            // A mend: over at once, and left in the history of its member.
            Request::App(step) if self.leader.is_none() => {
                let position = self.position(&step.member).and(&Position::of(step.name, 1, 1));
                self.positions.insert(step.member, position);
            }
            Request::App(step) if step.operation().is_some() => self.operate(&step),
            Request::App(step) if A::do_at_once(&mut self.memory, &step) => {}
            Request::App(step) => self.begin_task(kind, step.member),
            Request::AllClear { alarm, .. } => self.alarms.retain(|it| *it != alarm),
            Request::Cancel { request, member } => {
                let other = |it: &Task| it.request != request || it.member != member;
                self.snapshot.view.tasks.retain(other);
            }
            other => panic!("nobody here can {}", other.kind()),
        }
    }

    pub(super) fn begin_task(&mut self, request: RequestKind, member: MemberName) {
        self.snapshot.view.tasks.push(Task::new(request, member, 0, WORK));
    }

    /// So much more of what takes long is done.
    pub(super) fn work(&mut self, share: u64) {
        for mut task in std::mem::take(&mut self.snapshot.view.tasks) {
            task.done += share;
            match task.request {
                _ if task.done < task.of => self.snapshot.view.tasks.push(task),
                RequestKind::App(name) => {
                    self.history = self.history.clone().and(&Position::of(name, 1, 1));
                }
                _ => drop(self.positions.insert(task.member, Position::default())),
            }
        }
    }
}

/// The same snapshot with every list that came from outside the other way round.
fn reversed<S: Clone>(snapshot: &Snapshot<S>) -> Snapshot<S> {
    let mut snapshot = snapshot.clone();
    snapshot.pods.iter_mut().for_each(|it| it.reverse());
    snapshot.claims.reverse();
    snapshot.blocked.reverse();
    snapshot.beside.reverse();
    snapshot.view.targets.reverse();
    snapshot.view.tasks.reverse();
    snapshot.view.membership.iter_mut().for_each(|it| it.members.reverse());
    snapshot
}
