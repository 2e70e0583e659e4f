//! The world of the stories: an ensemble in which whatever is asked for works at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use endstate_core::{
    Action, App, Claim, Entry, Evidence, Exit, Identity, LaunchOf, MemberId, MemberName,
    MemberRecord, MemberStatus, Membership, Peer, Plan, Pod, PodPhase, Position, Reach, Refusal,
    Request, STABLE_SECONDS, Snapshot, Standing, Start, Target, Trouble, lint, member_name, plan,
};
use jiff::SignedDuration;
use zookeeper_plan::{OBSERVER, ZooKeeper, ZookeeperClusterSpec, files};

pub(crate) struct World {
    snapshot: Snapshot<ZookeeperClusterSpec>,
    /// Members whose process runs, and the version of each.
    running: BTreeMap<MemberName, String>,
    /// Members whose disk holds nothing.
    blank: BTreeSet<MemberName>,
    /// Members whose pod may not start without data.
    resumed: BTreeSet<MemberName>,
    /// The list of members, with its version.
    list: BTreeMap<u64, (MemberName, bool)>,
    revision: u64,
    leader: Option<MemberName>,
    versions: u64,
}

impl Default for World {
    fn default() -> Self {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let object = Identity::new("default", "zoo", "0c5f");
        Self {
            snapshot: Snapshot::new(now, object, ZookeeperClusterSpec::new(3, "3.8.6")),
            running: BTreeMap::new(),
            blank: BTreeSet::new(),
            resumed: BTreeSet::new(),
            list: BTreeMap::new(),
            revision: 0,
            leader: None,
            versions: 1,
        }
    }
}

impl World {
    /// Does what a line says; answers with what there is to see.
    pub(crate) fn tell(&mut self, line: &str) -> String {
        let words: Vec<_> = line.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["spec", fields @ ..] => self.edit(fields),
            ["plan"] => self.plan(),
            ["plan", "until", "idle"] => self.plan_until_idle(),
            ["status"] => self.status(),
            ["launch", start] => launch(start),
            ["start", names @ ..] => self.each(names, Self::start),
            ["evict", names @ ..] => self.each(names, Self::evict),
            ["wipe", names @ ..] => self.each(names, |it, name| {
                it.blank.insert(name.clone());
                it.refuse(name);
            }),
            ["lose-node", names @ ..] => self.each(names, |it, name| {
                it.running.remove(name);
                it.pod(name).node_lost = true;
            }),
            ["wait", seconds] => {
                self.snapshot.now += SignedDuration::from_secs(seconds.parse().unwrap());
                String::new()
            }
            ["recover-from", name] => {
                self.snapshot.recover_from = Some(self.name(name));
                String::new()
            }
            _ => panic!("no such command: {line}"),
        };
        self.look();
        self.readable(&answer)
    }

    fn name(&self, name: &str) -> MemberName {
        let serial = name.strip_prefix('m').unwrap().parse().unwrap();
        member_name("zoo", self.snapshot.seed, serial)
    }

    fn each(&mut self, names: &[&str], mut act: impl FnMut(&mut Self, &MemberName)) -> String {
        names.iter().for_each(|it| {
            let name = self.name(it);
            act(self, &name);
        });
        String::new()
    }

    fn edit(&mut self, fields: &[&str]) -> String {
        let spec = &mut self.snapshot.spec;
        for field in fields {
            match field.split_once('=').unwrap() {
                ("size", value) => spec.size = value.parse().unwrap(),
                ("observers", value) => spec.observers = value.parse().unwrap(),
                ("version", value) => spec.version = value.into(),
                ("credential", value) => spec.credential = value.parse().unwrap(),
                ("storage", value) => spec.storage.size = value.into(),
                ("class", value) => spec.storage.class = Some(value.into()),
                ("tickTime", value) => {
                    spec.config.insert("tickTime".into(), value.parse().unwrap());
                }
                (key, _) => panic!("no such field: {key}"),
            }
        }
        self.snapshot.object.generation += 1;
        String::new()
    }

    fn pod(&mut self, name: &MemberName) -> &mut Pod<ZookeeperClusterSpec> {
        self.versions += 1;
        let pods = self.snapshot.pods.as_mut().unwrap();
        let pod = pods.iter_mut().find(|it| it.name == *name).unwrap();
        pod.resource_version = self.versions.to_string().into();
        pod
    }

    fn start(&mut self, name: &MemberName) {
        let resumed = self.resumed.contains(name);
        let blank = self.blank.contains(name);
        let pod = self.pod(name);
        pod.restarts += u32::from(pod.started);
        if blank && (resumed || pod.marks.started.is_some()) {
            return self.refuse(name);
        }
        (pod.phase, pod.started, pod.ready) = (PodPhase::Running, true, true);
        (pod.trouble, pod.exit) = (None, None);
        let version = pod.spec.as_ref().unwrap().version.clone();
        self.blank.remove(name);
        self.running.insert(name.clone(), version);
        if let Some(first) =
            self.snapshot.status.record.bootstrap.as_ref().filter(|_| self.list.is_empty())
        {
            let running = first.members.iter().filter(|it| self.running.contains_key(&it.name));
            if running.count() > first.members.len() / 2 {
                let entry =
                    |it: &MemberRecord| (id(it.id.as_ref().unwrap()), (it.name.clone(), true));
                self.list = first.members.iter().map(entry).collect();
            }
        }
    }

    /// What the launcher does with a blank disk that held data.
    fn refuse(&mut self, name: &MemberName) {
        self.running.remove(name);
        let Some(_) = self.snapshot.pod(name) else { return };
        let lost = Evidence::DataLost;
        let message = lost.message("its directory is empty");
        let pod = self.pod(name);
        (pod.phase, pod.ready, pod.started) = (PodPhase::Running, false, true);
        pod.exit = Some(Exit::of(lost.exit_code().into(), None, &message));
        pod.trouble = Some(Trouble::from_reason("CrashLoopBackOff", &message));
    }

    fn evict(&mut self, name: &MemberName) {
        self.running.remove(name);
        self.snapshot.pods.as_mut().unwrap().retain(|it| it.name != *name);
    }

    /// Makes the view what the servers would say now.
    fn look(&mut self) {
        let voters = || self.list.iter().filter(|(_, (_, votes))| *votes);
        let up = voters().filter(|(_, (name, _))| self.running.contains_key(name));
        let agreed = if up.clone().count() > voters().count() / 2 { up.clone().count() } else { 0 };
        let leads = |name: &MemberName| up.clone().any(|(_, (it, _))| it == name);
        if agreed == 0 {
            self.leader = None;
        } else if !self.leader.as_ref().is_some_and(leads) {
            self.leader = up.clone().next_back().map(|(_, (name, _))| name.clone());
            self.revision += u64::from(self.revision == 0);
        }
        let entry = |(id, (name, votes)): (&u64, &(MemberName, bool))| {
            Entry::voter(id.to_string(), name.clone()).voting(*votes)
        };
        let list = Membership::new("0c5f", self.list.iter().map(entry));
        let list = list.agreed(agreed).revision(self.revision);
        let targets = self.snapshot.pods.iter().flatten().map(|it| self.target(&it.name, &list));
        let targets = targets.collect();
        self.snapshot.view.targets = targets;
        self.snapshot.view.membership = self.leader.is_some().then_some(list);
    }

    fn target(&self, name: &MemberName, list: &Membership) -> Target {
        let Some(version) = self.running.get(name) else {
            return Target::silent(name.clone(), Reach::Unreachable);
        };
        let Some(leader) = self.leader.as_ref().and_then(|it| list.id_of(it)) else {
            return Target::silent(name.clone(), Reach::Refused(Refusal::Other));
        };
        let record = &self.snapshot.status.record;
        let known = record.find(name).and_then(|it| it.id.clone());
        let id = list.id_of(name).cloned().or(known).unwrap();
        let standing = match list.entry(name) {
            Some(it) if it.id == *leader => Standing::Leader,
            Some(it) if it.votes => Standing::Voter,
            _ => Standing::NonVoter,
        };
        let status = MemberStatus::new(id, "0c5f", standing).follows(leader.clone());
        Target::answered(name.clone(), status.at(Position::at(1 << 32)).runs(version.clone()))
    }

    fn plan(&mut self) -> String {
        // Marks are written first, and are no news.
        let marks = plan(&ZooKeeper, &self.snapshot).actions.into_iter().filter(Action::is_mark);
        marks.for_each(|it| self.act(it));
        let plan = plan(&ZooKeeper, &self.snapshot);
        let changed = plan.status != self.snapshot.status;
        let mut told = String::new();
        plan.actions.iter().for_each(|it| writeln!(told, "{it}").unwrap());
        plan.waits.iter().for_each(|it| writeln!(told, "{it}").unwrap());
        if told.is_empty() {
            told += if changed { "only the status changes\n" } else { "nothing to do\n" };
        }
        for violation in lint(&self.snapshot, &plan) {
            writeln!(told, "REFUSED BY THE LINTER {violation}").unwrap();
        }
        self.carry_out(plan);
        told
    }

    /// Plans again and again; new pods start at once.
    fn plan_until_idle(&mut self) -> String {
        let mut told = String::new();
        for _ in 0..200 {
            let before = self.snapshot.status.clone();
            let answer = self.plan();
            if ["to be stable", "the next try at"].iter().any(|it| answer.contains(it)) {
                self.snapshot.now += SignedDuration::from_secs(STABLE_SECONDS);
            } else if before == self.snapshot.status {
                return told + if answer == "nothing to do\n" { "" } else { &answer };
            }
            told += &answer.replace("only the status changes\n", "");
            let pods = self.snapshot.pods.iter().flatten();
            let new = pods.filter(|it| it.phase == PodPhase::Pending).map(|it| it.name.clone());
            new.collect::<Vec<_>>().iter().for_each(|it| self.start(it));
            self.look();
        }
        panic!("it never ends:\n{told}");
    }

    fn carry_out(&mut self, plan: Plan<ZookeeperClusterSpec>) {
        self.snapshot.status = plan.status;
        for member in plan.surroundings.map(|it| it.volumes).unwrap_or_default() {
            if self.snapshot.claim(&member).is_none() {
                let uid = format!("claim-{member}");
                let claim = Claim::new(format!("data-{member}"), uid, "1", member.clone());
                self.snapshot.claims.push(claim);
                self.blank.insert(member);
            }
        }
        plan.actions.into_iter().for_each(|it| self.act(it));
        self.look();
    }

    fn act(&mut self, action: Action) {
        self.versions += 1;
        let version = self.versions.to_string();
        match action {
            Action::CreatePod { member, launch, start } => {
                assert!(launch.volume.is_some());
                match start.may_be_blank() {
                    true => self.resumed.remove(&member),
                    false => self.resumed.insert(member.clone()),
                };
                if let Start::Recover { .. } = start {
                    // It leads alone, as the only member of a new list.
                    let id = id(start.members()[0].id.as_ref().unwrap());
                    self.list = BTreeMap::from([(id, (member.clone(), true))]);
                    self.revision += 1 << 32;
                }
                let spec = serde_json::from_str(&launch.spec).unwrap();
                let mut pod =
                    Pod { spec: Some(spec), ..Pod::new(member, format!("pod-{version}"), version) };
                pod.marks.votes = matches!(start, Start::New { .. });
                self.snapshot.pods.as_mut().unwrap().push(pod);
            }
            Action::UpdatePod { pod, launch } => {
                self.pod(&pod.name).spec = Some(serde_json::from_str(&launch.spec).unwrap());
            }
            Action::RestartPod { .. } => panic!("a command depends on the version"),
            Action::DeletePod { pod, .. } => self.evict(&pod.name),
            Action::MarkPod { pod, marks } => self.pod(&pod.name).marks = marks,
            Action::DeleteClaim { claim } => self.snapshot.claims.retain(|it| it.uid != claim.uid),
            Action::Call(call) => {
                assert_eq!(call.roster.revision, Some(self.revision), "a call is conditional");
                self.revision += 1;
                self.call(call.request);
            }
        }
    }

    fn call(&mut self, request: Request) {
        match request {
            Request::Join { member, id: Some(it), votes, .. } => {
                self.list.insert(id(&it), (member, votes));
            }
            Request::Leave { id: it, .. } => drop(self.list.remove(&id(&it))),
            other => panic!("ZooKeeper knows no such call: {other}"),
        }
    }

    fn status(&self) -> String {
        let status = &self.snapshot.status;
        let mut told = format!("{} size {} ready {}\n", status.phase, status.size, status.ready);
        for it in &status.members {
            let (id, standing) = (it.id.as_ref().unwrap(), it.standing.unwrap());
            let trouble = it.trouble.as_deref().unwrap_or("healthy");
            writeln!(told, "{} {id} {standing:?} {trouble}", it.name).unwrap();
        }
        for it in &self.snapshot.claims {
            writeln!(told, "claim {}", it.name).unwrap();
        }
        told
    }

    /// Members are called m0, m1, ... in the order in which they got their names.
    fn readable(&self, text: &str) -> String {
        let name = |serial| member_name("zoo", self.snapshot.seed, serial);
        let replace =
            |text: String, serial| text.replace(name(serial).as_str(), &format!("m{serial}"));
        (0..60).fold(text.to_owned(), replace)
    }
}

fn id(id: &MemberId) -> u64 {
    id.parse().unwrap()
}

/// How a member is started: its command, and its files.
fn launch(start: &str) -> String {
    let object = Identity::new("default", "zoo", "0c5f");
    let mut spec = ZookeeperClusterSpec::new(3, "3.9.5");
    spec.config.insert("tickTime".into(), 1000);
    let member = MemberRecord::new("zoo-a", "server");
    let peer = |name: &str, id: &str, role: &str| {
        let address = ZooKeeper.address(&object, &name.into());
        Peer::new(name, address, role).id(Some(id.into()))
    };
    let members = vec![peer("zoo-a", "1", "server"), peer("zoo-b", "7", OBSERVER)];
    let start = match start {
        "new" => Start::New { token: "0c5f".into(), members },
        "recover" => Start::Recover { token: "0c5f-7".into(), members: members[..1].into() },
        _ => panic!("no such start"),
    };
    let of = LaunchOf::new(&object, &spec, &member).start(&start);
    let launch = ZooKeeper.launch(&of);
    let mut told = format!("{}\n{}\n", launch.image, launch.command.join("\n"));
    let files = files(&spec, &member.name, &start);
    for (path, text) in [files.my_id, files.config, files.list] {
        write!(told, "{path}:\n{text}").unwrap();
    }
    told
}
