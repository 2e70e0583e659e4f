//! The toy: an application whose spec chooses what it can do, so that every way of the planner can be walked.

use endstate_core::{
    Acks, App, AppStep, CatchUp, Cluster, Directory, Edge, Formation, Growth, Guard, IdSource,
    Identity, Launch, LaunchOf, Lead, Member, MemberName, Operations, Placement, Plan, PodPolicy,
    Position, Precondition, Problem, Reclaim, Recovery, Retention, Role, Snapshot, Stage, Storage,
    Topology, View, VolumeSpec, Voters, lint, plan,
};
use serde::{Deserialize, Serialize};

use crate::stories::{Told, World};

/// The role that votes, unless it is given another name.
const MEMBER: &str = "member";
/// A role whose members hold all data and do not vote.
const OBSERVER: &str = "observer";
/// A role on whose members the toy places data.
const BROKER: &str = "broker";

/// The toy, for the planner.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Toy;

/// What is asked for, and what the toy can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToySpec {
    pub(crate) size: usize,
    /// The name of the role that votes.
    pub(crate) voting: String,
    pub(crate) version: String,
    pub(crate) paused: bool,
    /// A label of the pods.
    pub(crate) label: String,
    /// What a pod cannot change in place.
    pub(crate) flag: String,
    /// Which protocol a member speaks: members work together with those one level away.
    pub(crate) level: u32,
    pub(crate) volume: Option<Volume>,
    /// How much a volume holds, and of which class it is: "" for the default.
    pub(crate) disk: String,
    pub(crate) class: String,
    /// How much the volume of the journal holds, which has a directory of its own; "" for none. On what it is, and what
    /// becomes of it, is the same as of the other.
    pub(crate) journal: String,
    /// The roles whose claims end with the cluster object.
    pub(crate) ends: Vec<String>,
    /// Whether each of so many groups of the role that votes has a leader of its own, which votes for it; 0 for none.
    pub(crate) shards: u32,
    pub(crate) lead: Lead,
    pub(crate) growth: Growth,
    /// How many may join at once.
    pub(crate) at_once: usize,
    pub(crate) ids: IdSource,
    pub(crate) formation: Formation,
    /// How many observers there are, in each of so many groups; no such role without any.
    pub(crate) observers: usize,
    pub(crate) groups: u32,
    pub(crate) brokers: usize,
    /// Whether observers are upgraded before the members that vote.
    pub(crate) observers_first: bool,
    /// The role that all others need, if they need one.
    pub(crate) needs: String,
    /// The toy's own steps, once each: "!" for a dangerous one, "+role" and "@role" for one that needs all members of a
    /// role to be healthy, or up to date.
    pub(crate) steps: Vec<String>,
    /// What each member that is alive is asked for, once, while nothing proves a quorum: "!" for what is dangerous.
    pub(crate) mends: Vec<String>,
    /// Whether the data of one member is enough to go on with.
    pub(crate) recovery: Recovery,
}

/// What becomes of a volume whose member has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Volume {
    Deleted,
    Retained,
}

impl ToySpec {
    /// A quorum of so many, like raft's.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            voting: MEMBER.into(),
            version: "1.5.16".into(),
            paused: false,
            label: String::new(),
            flag: String::new(),
            level: 0,
            volume: None,
            disk: "1Gi".into(),
            class: String::new(),
            journal: String::new(),
            ends: vec![],
            shards: 0,
            lead: Lead::Transfers,
            growth: Growth::NonVoting,
            at_once: 1,
            ids: IdSource::Application,
            formation: Formation::AllAtOnce,
            observers: 0,
            groups: 1,
            brokers: 0,
            observers_first: false,
            needs: String::new(),
            steps: vec![],
            mends: vec![],
            recovery: Recovery::FromOne,
        }
    }

    fn members(&self) -> Role {
        let role = Role::voting(&*self.voting, self.size)
            .lead(self.lead)
            .growth(self.growth)
            .at_once(self.at_once)
            .identity(self.ids)
            .formation(self.formation)
            .recovery(self.recovery);
        let role = match self.shards {
            0 => role,
            shards => role.groups(shards).voters(Voters::Leaders),
        };
        if self.observers_first { role.after(Edge::Upgrades, OBSERVER) } else { role }
    }

    fn observers(&self) -> Option<Role> {
        let mut role = Role::following(OBSERVER, self.observers)
            .growth(self.growth)
            .identity(self.ids)
            .after(Edge::Starts, &*self.voting);
        role.groups = self.groups;
        if !self.observers_first {
            role = role.after(Edge::Upgrades, &*self.voting);
        }
        (self.observers > 0).then_some(self.with_needs(role))
    }

    fn brokers(&self) -> Option<Role> {
        let role = Role::following(BROKER, self.brokers)
            .placement(Placement::Application)
            .after(Edge::Starts, &*self.voting);
        (self.brokers > 0).then_some(self.with_needs(role))
    }

    fn with_needs(&self, role: Role) -> Role {
        let needs = !self.needs.is_empty() && *role.name != *self.needs;
        if needs { role.after(Edge::Needs, &*self.needs) } else { role }
    }
}

impl App for Toy {
    type Spec = ToySpec;

    fn name(&self) -> &'static str {
        "toy"
    }

    fn validate(&self, object: &Identity, spec: &ToySpec) -> Vec<Problem> {
        let mut problems = vec![];
        if spec.size.is_multiple_of(2) && spec.size > 0 {
            problems.push(Problem::warning("spec.size", "use an odd size"));
        }
        if object.name.contains('.') {
            problems.push(Problem::refused("metadata.name", "must hold no dot"));
        }
        problems
    }

    fn topology(&self, spec: &ToySpec) -> Topology {
        let roles = [Some(spec.members()), spec.observers(), spec.brokers()];
        Topology::new(spec.version.clone(), roles.into_iter().flatten()).paused(spec.paused)
    }

    fn launch(&self, member: &LaunchOf<'_, ToySpec>) -> Launch {
        let when_scaled =
            |it| if it == Volume::Retained { Reclaim::Retain } else { Reclaim::Delete };
        let ends = member.spec.ends.iter().any(|it| *it == *member.member.role);
        let when_deleted = if ends { Reclaim::Delete } else { Reclaim::Retain };
        let retention = |it| Retention::new(when_deleted, when_scaled(it));
        let (disk, class) = (&*member.spec.disk, &member.spec.class);
        let class = (!class.is_empty()).then(|| class.clone());
        let volume = |it| VolumeSpec::new(disk).class(class.clone()).retention(retention(it));
        let journal = member
            .spec
            .volume
            .map(|it| VolumeSpec::new(&*member.spec.journal).retention(retention(it)));
        let journal = (!member.spec.journal.is_empty()).then(|| Storage::from(journal));
        let guard = Guard::new("/data", &["log/*"]);
        let guard = match member.storage("journal", journal.as_ref()) {
            Some(it) => guard.beside(Directory::new("journal", "/journal", &["*.log"]).on(it)),
            None => guard,
        };
        let image = format!("toy:{}", member.spec.version);
        let labels = [("label".to_owned(), member.spec.label.clone())].into();
        Launch::new(image, guard, member)
            .command(vec![member.spec.flag.clone(), member.spec.level.to_string()])
            .storage(member.spec.volume.map(volume))
            .policy(PodPolicy { labels, ..PodPolicy::default() })
    }

    fn address(&self, object: &Identity, _: &ToySpec, member: &MemberName) -> String {
        format!("{member}.{}", object.namespace)
    }

    /// One level at a time.
    fn stage(
        &self,
        running: &[&ToySpec],
        to: &ToySpec,
        (_, known): (&View, bool),
    ) -> Stage<ToySpec> {
        if !known {
            return ToySpec { level: running[0].level, ..to.clone() }.into();
        }
        let levels = || running.iter().map(|it| it.level);
        let (lowest, highest) = (levels().min().unwrap_or(0), levels().max().unwrap_or(0));
        let level = to.level.clamp(highest.saturating_sub(1), lowest + 1);
        ToySpec { level, ..to.clone() }.into()
    }

    fn refuses(&self, old: &ToySpec, new: &ToySpec, _: &View) -> Option<Problem> {
        let major = |it: &ToySpec| it.version.split('.').next().map(str::to_owned);
        let why = format!("cannot go from {} to {}", old.version, new.version);
        (major(old) != major(new)).then(|| Problem::refused("spec.version", why))
    }

    /// What a broker holds is its own.
    fn caught_up(&self, leader: &Member, member: &Member) -> CatchUp {
        let (Some(ahead), Some(has)) = (&leader.position, &member.position) else {
            return CatchUp::Yes;
        };
        match has.behind(ahead) {
            Some(behind) if behind > 100 => CatchUp::Behind(behind),
            Some(_) => CatchUp::Yes,
            None if has > ahead => CatchUp::Yes,
            None => CatchUp::Diverged,
        }
    }

    fn withdraws_alarms(&self) -> bool {
        true
    }

    /// What a step did is in the leader's history.
    fn steps(&self, spec: &ToySpec, cluster: &Cluster) -> Vec<AppStep> {
        let Some(leader) = cluster.leader() else { return vec![] };
        let made = |name: &str| {
            let left = Position::of(name, 1, 1);
            leader.position.as_ref().is_some_and(|it| it.dominates(&left))
        };
        let step = |text: &String| {
            let (name, needs) = text.split_at(text.find(['!', '+', '@']).unwrap_or(text.len()));
            let step = AppStep::new(name, leader.name.clone());
            match needs.split_at_checked(1) {
                Some(("+", role)) => step.needs(Precondition::Healthy { role: role.into() }),
                Some(("@", role)) => step.needs(Precondition::UpToDate { role: role.into() }),
                Some(_) => step.dangerous(),
                None => step,
            }
        };
        spec.steps.iter().map(step).filter(|it| !made(&it.name)).collect()
    }

    /// What a mend did is in the member's history.
    fn mends(&self, spec: &ToySpec, known: &Cluster) -> Vec<AppStep> {
        let made = |name: &str, member: &Member| {
            let left = Position::of(name.trim_end_matches('!'), 1, 1);
            member.position.as_ref().is_none_or(|it| it.dominates(&left))
        };
        let due = |name: &String| {
            let due = known.members.iter().filter(|it| it.health.is_alive() && !made(name, it));
            let step = |it: &Member| AppStep::new(name.trim_end_matches('!'), it.name.clone());
            due.map(|it| if name.ends_with('!') { step(it).dangerous() } else { step(it) })
                .collect::<Vec<_>>()
        };
        spec.mends.iter().flat_map(due).collect()
    }

    fn is_drained(&self, _: &Cluster, member: &Member) -> bool {
        let placed = *member.role == *BROKER;
        !placed || member.position.as_ref().is_none_or(|it| it.count() == 0)
    }

    fn operations(&self) -> Option<Operations> {
        Some(Operations::new("ToyTask", &["Compact"]).restoring().of_caught_up(100))
    }

    fn without_user(&self) -> &'static str {
        "open the toy's box"
    }
}

impl Told for Toy {
    type Memory = ();

    fn spec() -> ToySpec {
        ToySpec::new(3)
    }

    fn edit(spec: &mut ToySpec, field: &str, value: &str) {
        let number = || value.parse().unwrap();
        match field {
            "size" => spec.size = number(),
            "voting" => spec.voting = value.into(),
            "version" => spec.version = value.into(),
            "paused" => spec.paused = value == "true",
            "label" => spec.label = value.into(),
            "flag" => spec.flag = value.into(),
            "level" => spec.level = value.parse().unwrap(),
            "volume" => {
                spec.volume = match value {
                    "deleted" => Some(Volume::Deleted),
                    "retained" => Some(Volume::Retained),
                    _ => None,
                }
            }
            "disk" => spec.disk = value.into(),
            "class" => spec.class = value.into(),
            "journal" => spec.journal = value.into(),
            "ends" => spec.ends = value.split(',').map(str::to_owned).collect(),
            "lead" => {
                spec.lead = match value {
                    "stays" => Lead::Stays,
                    "appointed" => Lead::Appointed(Acks::Majority),
                    "alone" => Lead::Appointed(Acks::Leader),
                    _ => Lead::Transfers,
                }
            }
            "growth" => {
                spec.growth = match value {
                    "direct" => Growth::Direct,
                    "alone" => Growth::Alone,
                    _ => Growth::NonVoting,
                }
            }
            "at-once" => spec.at_once = number(),
            "ids" => spec.ids = IdSource::Allocated { max: value.parse().unwrap() },
            "formation" => {
                spec.formation = if value == "one" { Formation::One } else { Formation::AllAtOnce };
            }
            "observers" => spec.observers = number(),
            "groups" => spec.groups = value.parse().unwrap(),
            "shards" => spec.shards = value.parse().unwrap(),
            "brokers" => spec.brokers = number(),
            "needs" => spec.needs = value.into(),
            "first" => spec.observers_first = value == OBSERVER,
            "mends" => spec.mends = value.split(',').map(str::to_owned).collect(),
            "recovery" => {
                spec.recovery = match value {
                    "impossible" => Recovery::Impossible,
                    "forbidden" => Recovery::Forbidden,
                    "unasked" => Recovery::Unasked,
                    _ => Recovery::FromOne,
                }
            }
            "steps" => spec.steps = value.split(',').map(str::to_owned).collect(),
            _ => panic!("no such field: {field}"),
        }
    }

    /// "flag m0": what the pod of a member was made with.
    fn tell(world: &mut World<Self>, words: &[&str]) -> String {
        let ["flag", name] = words else { panic!("no such command: {words:?}") };
        let pod = world.snapshot.pod(&world.name(name));
        pod.map_or("no pod\n".into(), |it| format!("{:?}\n", it.spec.as_ref().unwrap().flag))
    }
}

/// The plan for a snapshot, which breaks no rule.
pub(crate) fn planned(seen: &Snapshot<ToySpec>) -> Plan<ToySpec> {
    let made = plan(&Toy, seen);
    assert_eq!(lint(seen, &made), [], "{:?}", made.actions);
    made
}

/// What it does, as people read it.
pub(crate) fn acts(made: &Plan<ToySpec>) -> Vec<String> {
    made.actions.iter().map(ToString::to_string).collect()
}
