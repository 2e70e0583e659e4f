//! The world of the stories: a cluster in which whatever is asked for works at once.

use std::{collections::BTreeMap, fmt::Write as _};

use endstate_core::{
    Action, ActionKey, ActionKind, App, Blocked, Corruption, Denial, Entry, Evidence, Exit,
    Identity, LaunchOf, MemberId, MemberName, MemberRecord, MemberStatus, Membership, Peer, Plan,
    Pod, PodPhase, Position, Reach, Refusal, Request, STABLE_SECONDS, Snapshot, Standing, Start,
    Status, Target, Trouble, Words, lint, member_name, plan,
};
use etcd_plan::{Etcd, EtcdClusterSpec};
use jiff::SignedDuration;

const CLUSTER: &str = "c1";

#[derive(Clone)]
pub(crate) struct World {
    snapshot: Snapshot<EtcdClusterSpec>,
    /// Members whose process works.
    working: Vec<MemberName>,
    /// Those of them that their peers do not reach.
    cut: Vec<MemberName>,
    /// Members answer nobody without a user.
    guarded: bool,
    leader: Option<MemberName>,
    /// Those who say that somebody else leads.
    misled: BTreeMap<MemberName, MemberId>,
    /// What each member's process runs.
    running: BTreeMap<MemberName, String>,
    /// Whom the alarms that stand accuse of corrupt data.
    alarms: Vec<Corruption>,
    /// What images hold, whatever their tags say.
    mislabelled: Option<String>,
    /// When the last plan wants to look again.
    look_again_ms: Option<u32>,
    /// Pods that were changed in place and not restarted yet.
    changed: Vec<MemberName>,
    versions: u64,
}

impl Default for World {
    fn default() -> Self {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let object = Identity::new("default", "demo", "0c5f");
        let snapshot = Snapshot::new(now, object, EtcdClusterSpec::new(3, "3.5.16"));
        Self {
            snapshot,
            working: vec![],
            cut: vec![],
            guarded: false,
            leader: None,
            misled: BTreeMap::new(),
            running: BTreeMap::new(),
            alarms: vec![],
            mislabelled: None,
            look_again_ms: None,
            changed: vec![],
            versions: 1,
        }
    }
}

impl World {
    /// Does what a line says; answers with what there is to see.
    pub(crate) fn tell(&mut self, line: &str) -> String {
        let words: Vec<_> = line.split_whitespace().collect();
        let answer =
            match words.as_slice() {
                ["spec", fields @ ..] => self.edit(fields),
                ["plan"] => self.plan(),
                ["plan", "refused"] => self
                    .plan_refused(Denial::Application { message: Words::of("unhealthy cluster") }),
                ["plan", "without", "user"] => self
                    .plan_refused(Denial::NeedsUser { message: Words::of("user name is empty") }),
                ["guard"] => self.set_guarded(true),
                ["unguard"] => self.set_guarded(false),
                ["plan", "until", "idle"] => self.plan_until_idle(),
                ["status"] => self.status(),
                ["next", "look"] => format!("{} ms\n", self.look_again_ms.unwrap()),
                ["launch", version, start] => self.launch(version, start),
                ["start", names @ ..] => self.each(names, Self::start),
                ["stop", names @ ..] => self.each(names, Self::stop),
                ["wipe", names @ ..] => self.each(names, Self::wipe),
                ["cut", names @ ..] => self.each(names, |it, name| it.cut.push(name.clone())),
                ["mislead", id, names @ ..] => self.each(names, |it, name| {
                    it.misled.insert(name.clone(), (*id).into());
                }),
                ["follow", names @ ..] => self.each(names, |it, name| {
                    it.misled.remove(name);
                }),
                ["mend", names @ ..] => self.each(names, |it, name| it.cut.retain(|it| it != name)),
                ["evict", names @ ..] => self.each(names, Self::evict),
                ["crash", names @ ..] => self.each(names, Self::crash),
                ["end", words @ ..] => self.end(words, line),
                ["not-created", names @ ..] => self.not_created(names),
                ["alarm", id] => {
                    self.alarms.push(Corruption::Of((*id).into()));
                    String::new()
                }
                ["alarm"] => {
                    self.alarms.push(Corruption::Undetermined);
                    String::new()
                }
                ["disarm"] => {
                    self.alarms.clear();
                    String::new()
                }
                ["images", "hold", version] => {
                    self.mislabelled = Some((*version).to_owned());
                    String::new()
                }
                ["no-image", names @ ..] => self.each(names, Self::no_image),
                ["no-node", names @ ..] => self.each(names, Self::no_node),
                ["node-lost", names @ ..] => self.each(names, Self::lose_node),
                ["unlist", names @ ..] => self.each(names, Self::unlist),
                ["list", name] => self.list(name, true),
                ["list-learner", name] => self.list(name, false),
                ["promote", names @ ..] => self.each(names, Self::promote),
                ["wait", seconds] => {
                    let seconds = SignedDuration::from_secs(seconds.parse().unwrap());
                    self.snapshot.now += seconds;
                    String::new()
                }
                ["delete"] => {
                    self.snapshot.object.deleting = true;
                    String::new()
                }
                ["forget", "status"] => {
                    self.snapshot.status = Status::default();
                    String::new()
                }
                ["no", "pods", "listed"] => {
                    self.snapshot.pods = None;
                    String::new()
                }
                _ => panic!("no such command: {line}"),
            };
        self.elect();
        self.readable(&answer)
    }

    fn each(&mut self, names: &[&str], mut act: impl FnMut(&mut Self, &MemberName)) -> String {
        for name in names {
            let serial: u64 = name.strip_prefix('m').unwrap().parse().unwrap();
            let name = member_name("demo", self.snapshot.seed, serial);
            act(self, &name);
        }
        String::new()
    }

    fn edit(&mut self, fields: &[&str]) -> String {
        let spec = &mut self.snapshot.spec;
        for field in fields {
            match field.split_once('=').unwrap() {
                ("size", value) => spec.size = value.parse().unwrap(),
                ("version", value) => spec.version = value.into(),
                ("paused", value) => spec.paused = value.parse().unwrap(),
                ("label", value) => drop(spec.pod.labels.insert("team".into(), value.into())),
                ("selector", value) => {
                    drop(spec.pod.node_selector.insert("disk".into(), value.into()));
                }
                ("env", name) => spec.env = vec![(name.into(), "1".into())],
                (key, _) => panic!("no such field: {key}"),
            }
        }
        self.snapshot.object.generation += 1;
        String::new()
    }

    fn pod(&mut self, name: &MemberName) -> &mut Pod<EtcdClusterSpec> {
        self.versions += 1;
        let pods = self.snapshot.pods.as_mut().unwrap();
        let pod = pods.iter_mut().find(|it| it.name == *name).unwrap();
        pod.resource_version = self.versions.to_string().into();
        pod
    }

    fn start(&mut self, name: &MemberName) {
        let pod = self.pod(name);
        pod.restarts += u32::from(pod.started);
        (pod.phase, pod.started, pod.ready) = (PodPhase::Running, true, true);
        (pod.trouble, pod.exit) = (None, None);
        let asked = pod.spec.as_ref().unwrap().version.clone();
        self.running.insert(name.clone(), self.mislabelled.clone().unwrap_or(asked));
        self.working.push(name.clone());
        // The first members form the cluster when a quorum of them works.
        if self.snapshot.view.membership.is_none()
            && let Some(first) = &self.snapshot.status.record.bootstrap
        {
            let names: Vec<_> = first.members.iter().map(|it| it.name.clone()).collect();
            let up = names.iter().filter(|it| self.working.contains(it)).count();
            if up > names.len() / 2 {
                let entry = |(id, name): (u64, _)| Entry::voter(id.to_string(), name);
                let members = (1..).zip(names).map(entry);
                self.snapshot.view.membership = Some(Membership::new(CLUSTER, members));
            }
        }
    }

    fn stop(&mut self, name: &MemberName) {
        self.pod(name).ready = false;
        self.working.retain(|it| it != name);
    }

    fn wipe(&mut self, name: &MemberName) {
        self.stop(name);
        let pod = self.pod(name);
        let lost = Evidence::DataLost;
        let message = lost.message("its directory is empty");
        pod.exit = Some(Exit::of(lost.exit_code().into(), None, &message));
        pod.trouble = Some(Trouble::from_reason("CrashLoopBackOff", &message));
    }

    fn evict(&mut self, name: &MemberName) {
        self.working.retain(|it| it != name);
        self.snapshot.pods.as_mut().unwrap().retain(|it| it.name != *name);
    }

    /// The API refused to make these pods.
    fn not_created(&mut self, names: &[&str]) -> String {
        let mut not_created = vec![];
        self.each(names, |it, name| {
            it.evict(name);
            not_created.push(name.clone());
        });
        let action = ActionKey { kind: ActionKind::CreatePod, member: not_created[0].clone() };
        let denial = Denial::Api { message: Words::of("exceeded quota") };
        let blocked = Blocked::new(action, denial, self.snapshot.now);
        self.snapshot.blocked = Some(blocked.not_created(not_created));
        String::new()
    }

    fn list(&mut self, name: &str, votes: bool) -> String {
        let list = self.snapshot.view.membership.as_mut().unwrap();
        let id = (list.members.len() + 20).to_string();
        list.members.push(Entry { votes, ..Entry::voter(id, name) });
        String::new()
    }

    fn promote(&mut self, name: &MemberName) {
        let list = self.snapshot.view.membership.as_mut().unwrap();
        list.members.iter_mut().find(|it| it.name == *name).unwrap().votes = true;
    }

    fn unlist(&mut self, name: &MemberName) {
        let list = self.snapshot.view.membership.as_mut().unwrap();
        list.members.retain(|it| it.name != *name);
    }

    fn crash(&mut self, name: &MemberName) {
        self.stop(name);
        let pod = self.pod(name);
        pod.trouble = Some(Trouble::from_reason("CrashLoopBackOff", "exit 2"));
        pod.started = true;
        pod.exit = Some(Exit::of(2, None, "starting\nunknown flag: --colour\n"));
        pod.restarts += 3;
    }

    /// The containers of these end with an exit code and a message: "end m0 m1 137 message".
    fn end(&mut self, words: &[&str], line: &str) -> String {
        let is_name = |it: &&&str| it.starts_with('m') && it[1..].parse::<u64>().is_ok();
        let names = words.iter().take_while(is_name).count();
        let code = words[names];
        let message = line.split_once(&format!(" {code} ")).unwrap().1;
        self.each(&words[..names], |it, name| {
            it.stop(name);
            let pod = it.pod(name);
            pod.exit = Some(Exit::of(code.parse().unwrap(), None, message));
            pod.trouble = Some(Trouble::from_reason("CrashLoopBackOff", message));
            pod.restarts += 1;
        })
    }

    fn no_image(&mut self, name: &MemberName) {
        self.stop(name);
        self.pod(name).trouble = Some(Trouble::from_reason("ErrImagePull", "not found"));
    }

    fn no_node(&mut self, name: &MemberName) {
        let trouble = Trouble::from_reason("Unschedulable", "0/1 nodes are available");
        self.pod(name).trouble = Some(trouble);
    }

    fn lose_node(&mut self, name: &MemberName) {
        self.stop(name);
        self.pod(name).node_lost = true;
    }

    /// Makes the view what the members that work would say now.
    fn elect(&mut self) {
        let working = &self.working;
        let view = &mut self.snapshot.view;
        let Some(list) = &mut view.membership else {
            let pods = self.snapshot.pods.iter().flatten().filter(|it| !working.contains(&it.name));
            let silent = |it: &Pod<_>| Target::silent(it.name.clone(), Reach::Unreachable);
            view.targets = pods.map(silent).collect();
            return;
        };
        let voters: Vec<_> = list.voters().map(|it| it.name.clone()).collect();
        let meets = |it: &MemberName| working.contains(it) && !self.cut.contains(it);
        let up = voters.iter().filter(|it| meets(it)).count();
        let leads = |it: &MemberName| meets(it) && voters.contains(it);
        if up <= voters.len() / 2 {
            self.leader = None;
        } else if !self.leader.as_ref().is_some_and(leads) {
            self.leader = voters.iter().find(|it| meets(it)).cloned();
        }
        list.agreed = if self.leader.is_some() { up } else { 0 };
        let leader = self.leader.as_ref().and_then(|it| list.id_of(it));
        let target = |entry: &Entry| {
            if !working.contains(&entry.name) {
                return Target::silent(entry.name.clone(), Reach::Unreachable);
            }
            let standing = match entry {
                it if !it.votes => Standing::NonVoter,
                it if leader == Some(&it.id) => Standing::Leader,
                _ => Standing::Voter,
            };
            let follows = self.misled.get(&entry.name);
            let follows = follows.or_else(|| leader.filter(|_| meets(&entry.name)));
            let mut status = MemberStatus::new(entry.id.clone(), CLUSTER, standing)
                .at(Position::at(1_000))
                .runs(self.running.get(&entry.name).cloned().unwrap_or_default())
                .holds(20_480)
                .reports(self.alarms.clone());
            status.leader = follows.cloned();
            Target::answered(entry.name.clone(), status)
        };
        view.targets = list.members.iter().map(target).collect();
    }

    fn set_guarded(&mut self, guarded: bool) -> String {
        self.guarded = guarded;
        String::new()
    }

    /// What of the world is shown to somebody without a user.
    fn seen(&self) -> Snapshot<EtcdClusterSpec> {
        let mut snapshot = self.snapshot.clone();
        if self.guarded {
            snapshot.view.membership = None;
            for target in snapshot.view.targets.iter_mut().filter(|it| it.status.is_some()) {
                let serves = self.leader.is_some() && !self.cut.contains(&target.name);
                let refusal = if serves { Refusal::Guarded } else { Refusal::NeedsUser };
                (target.reach, target.status) = (Reach::Refused(refusal), None);
            }
        }
        snapshot
    }

    fn plan(&mut self) -> String {
        let (seen, plan) = self.marked();
        assert_eq!(plan, endstate_core::plan(&Etcd, &reversed(&seen)), "lists have no order");
        let mut told = String::new();
        let changed = plan.status != seen.status;
        for action in &plan.actions {
            writeln!(told, "{action}").unwrap();
        }
        for wait in &plan.waits {
            writeln!(told, "{wait}").unwrap();
        }
        for event in &plan.events {
            writeln!(told, "{:?} event {}: {}", event.kind, event.reason, event.message).unwrap();
        }
        if told.is_empty() {
            told += if changed { "only the status changes\n" } else { "nothing to do\n" };
        }
        for violation in lint(&seen, &plan) {
            writeln!(told, "REFUSED BY THE LINTER {violation}").unwrap();
        }
        self.carry_out(plan);
        told
    }

    /// Plans on pods that carry what is known of their members: marks are written first, and are no news.
    fn marked(&mut self) -> (Snapshot<EtcdClusterSpec>, Plan<EtcdClusterSpec>) {
        let seen = self.seen();
        let planned = plan(&Etcd, &seen);
        let marks = planned.actions.iter().filter_map(|it| match it {
            Action::MarkPod { pod, marks } => Some((pod.clone(), marks.clone())),
            _ => None,
        });
        let marks: Vec<_> = marks.collect();
        if marks.is_empty() {
            return (seen, planned);
        }
        assert!(lint(&seen, &planned).is_empty());
        for (pod, marks) in marks {
            self.pod(&pod.name).marks = marks;
        }
        let seen = self.seen();
        let planned = plan(&Etcd, &seen);
        (seen, planned)
    }

    /// Plans; the status is published, and then the first action is refused.
    fn plan_refused(&mut self, denial: Denial) -> String {
        let (_, planned) = self.marked();
        let action = planned.actions.first().map(Action::key);
        let before = self.clone();
        let told = self.plan();
        let status = std::mem::take(&mut self.snapshot.status);
        *self = before;
        self.snapshot.status = status;
        // The refusal was a while ago when the next plan is made.
        let at = self.snapshot.now - SignedDuration::from_secs(1);
        self.snapshot.blocked = action.map(|it| Blocked::new(it, denial, at));
        told
    }

    /// Plans again and again; new pods start at once.
    fn plan_until_idle(&mut self) -> String {
        let mut told = String::new();
        for _ in 0..100 {
            let before = self.snapshot.status.clone();
            let answer = self.plan();
            let idle = answer == "nothing to do\n";
            let timed = ["to be stable", "the next attempt at"];
            if timed.iter().any(|it| answer.contains(it)) {
                self.snapshot.now += SignedDuration::from_secs(STABLE_SECONDS);
            } else if before == self.snapshot.status {
                return told + if idle { "" } else { &answer };
            }
            told += &answer.replace("only the status changes\n", "");
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

    fn carry_out(&mut self, plan: Plan<EtcdClusterSpec>) {
        self.snapshot.status = plan.status;
        self.look_again_ms = plan.look_again_ms;
        self.snapshot.blocked = None;
        for action in plan.actions {
            self.act(action);
        }
        self.elect();
    }

    fn act(&mut self, action: Action) {
        self.versions += 1;
        let version = self.versions.to_string();
        match action {
            Action::CreatePod { member, launch, .. } => {
                let spec = serde_json::from_str(&launch.spec).unwrap();
                let uid = format!("pod-{version}");
                let pod = Pod { spec: Some(spec), ..Pod::new(member, uid, version) };
                self.snapshot.pods.as_mut().unwrap().push(pod);
            }
            Action::UpdatePod { pod, launch } | Action::RestartPod { pod, launch } => {
                let seen = self.pod(&pod.name);
                seen.spec = Some(serde_json::from_str(&launch.spec).unwrap());
                seen.trouble = None;
                self.changed.push(pod.name);
            }
            Action::DeletePod { pod, .. } => self.evict(&pod.name),
            Action::MarkPod { pod, marks } => self.pod(&pod.name).marks = marks,
            Action::DeleteClaim { .. } => panic!("there are no claims"),
            Action::Call(call) => self.call(call.request),
        }
    }

    fn call(&mut self, request: Request) {
        let list = self.snapshot.view.membership.as_mut().unwrap();
        match request {
            Request::Join { member, .. } => {
                let id = |it: &Entry| it.id.parse::<u64>().unwrap();
                let id = list.members.iter().map(id).max().unwrap_or(0) + 1;
                list.members.push(Entry::non_voter(id.to_string(), member));
            }
            Request::Promote { id, .. } => {
                list.members.iter_mut().find(|it| it.id == id).unwrap().votes = true;
            }
            Request::Transfer { to, .. } => self.leader = Some(to),
            Request::Leave { id, .. } => list.members.retain(|it| it.id != id),
            other => panic!("etcd knows no such call: {other}"),
        }
    }

    fn status(&self) -> String {
        let status = &self.snapshot.status;
        let mut told = format!(
            "{} size {} ready {} updated {}\n",
            status.phase, status.size, status.ready, status.updated_members
        );
        for it in &status.conditions {
            writeln!(told, "{} {:?} {}: {}", it.kind, it.status, it.reason, it.message).unwrap();
        }
        for it in &status.members {
            let role = it.standing.map_or("unknown".into(), |it| format!("{it:?}"));
            let trouble = it.trouble.as_deref().unwrap_or("healthy");
            writeln!(told, "{} {role} {trouble}", it.name).unwrap();
        }
        told
    }

    /// How a member is started, flag by flag.
    fn launch(&self, version: &str, start: &str) -> String {
        let object = &self.snapshot.object;
        let spec = EtcdClusterSpec::new(3, version);
        let member = MemberRecord::new("demo-a", "member");
        let peer = |name: &str| Peer::new(name, Etcd.address(object, &name.into()), "member");
        let members = vec![peer("demo-a"), peer("demo-b")];
        let start = match start {
            "new" => Start::New { token: "0c5f".into(), members },
            _ => Start::Existing { members },
        };
        let of = LaunchOf { object, spec: &spec, member: &member, start: Some(&start) };
        let launch = Etcd.launch(&of);
        format!("{}\n{}\n", launch.image, launch.command.join("\n"))
    }

    /// Members are called m0, m1, ... in the order in which they got their names.
    fn readable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for serial in 0..60 {
            let name = member_name("demo", self.snapshot.seed, serial);
            text = text.replace(name.as_str(), &format!("m{serial}"));
        }
        text
    }
}

/// The same snapshot with every list that came from outside the other way round.
fn reversed(snapshot: &Snapshot<EtcdClusterSpec>) -> Snapshot<EtcdClusterSpec> {
    let mut snapshot = snapshot.clone();
    snapshot.pods.iter_mut().for_each(|it| it.reverse());
    snapshot.view.targets.reverse();
    snapshot.view.membership.iter_mut().for_each(|it| it.members.reverse());
    snapshot
}
