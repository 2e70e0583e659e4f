//! A toy with two roles, of which one holds what the application places on it: what is kept from harm there that a
//! quorum would bear.

use endstate_core::*;
use jiff::Timestamp;

const NOW: &str = "2026-01-01T01:00:00Z";
const MEMBERS: [&str; 6] = ["c1", "c2", "c3", "b1", "b2", "b3"];

/// Controllers, and brokers that say how many partitions they hold.
struct Toy;

/// How many controllers and brokers, and a setting of brokers.
type Spec = (usize, usize, u8);

impl App for Toy {
    type Spec = Spec;

    fn name(&self) -> &'static str {
        "toy"
    }
    fn topology(&self, (controllers, brokers, _): &Spec) -> Topology {
        let ids = IdSource::Allocated { max: 1_000 };
        let controllers =
            Role::voting("c", *controllers).growth(Growth::Direct).identity(ids).lead(Lead::Stays);
        let brokers = Role::following("b", *brokers).growth(Growth::Direct).identity(ids);
        let brokers = brokers.placement(Placement::Application).after(Edge::Starts, "c");
        Topology::new(
            "1",
            std::iter::once(controllers).chain((brokers.size > 0).then_some(brokers)),
        )
    }
    fn launch(&self, member: &LaunchOf<'_, Spec>) -> Launch {
        let of_b = if *member.member.role == *"b" { member.spec.2 } else { 0 };
        Launch::new("toy:1", Guard::new("/data", &["log/*"]), member)
            .command(vec![of_b.to_string()])
            .storage(VolumeSpec::new("1Gi"))
    }
    fn address(&self, _: &Identity, _: &Self::Spec, member: &MemberName) -> String {
        member.to_string()
    }
    fn is_drained(&self, _: &Cluster, member: &Member) -> bool {
        &*member.role == "c" || member.facts.read() == Some(0)
    }
}

struct World(Snapshot<Spec>);

impl World {
    /// Members on claims, all of which work; the first leads.
    fn new((controllers, brokers): (usize, usize)) -> Self {
        let spec = (controllers, brokers, 0);
        let now: Timestamp = NOW.parse().unwrap();
        let mut world = Self(Snapshot::new(now, Identity::new("default", "toy", "u"), spec));
        let record = &mut world.0.status.record;
        record.accepted = Some(Accepted { generation: 1, spec });
        record.cluster_id = Some("x".into());
        (record.ids, record.names) = (100, 100);
        world.0.view.membership = Some(Membership::new("x", []).agreed(3));
        for (index, name) in MEMBERS.into_iter().enumerate() {
            let record = world.started(name, &(index + 1).to_string(), &name[..1]);
            world.0.status.record.members.push(record);
            world.list(name, &(index + 1).to_string());
        }
        world
    }

    fn started(&mut self, name: &str, id: &str, role: &str) -> MemberRecord {
        let mut pod = Pod::new(name, format!("pod of {name}"), "1");
        (pod.phase, pod.started, pod.spec) = (PodPhase::Running, true, Some(self.0.spec));
        pod.ready = true;
        pod.marks.started = Some(id.into());
        pod.marks.votes = role == "c";
        let record = MemberRecord::new(name, role);
        let record = MemberRecord { id: Some(id.into()), pod: Some(pod.uid.clone()), ..record };
        self.0.pods.as_mut().unwrap().push(pod);
        self.0.claims.push(Claim::new(format!("data-{name}"), "claim", "1", name));
        let status = MemberStatus::new(id, "x", Standing::NonVoter).follows("1");
        self.0.view.targets.push(Target::answered(name, status));
        record
    }

    fn list(&mut self, name: &str, id: &str) {
        let voter = name.starts_with('c');
        let entry = if voter { Entry::voter(id, name) } else { Entry::non_voter(id, name) };
        self.0.view.membership.as_mut().unwrap().members.push(entry);
    }

    fn unlist(&mut self, name: &str) {
        self.0.view.membership.as_mut().unwrap().members.retain(|it| &*it.name != name);
    }

    fn pod(&mut self, name: &str) -> &mut Pod<Spec> {
        self.0.pods.as_mut().unwrap().iter_mut().find(|it| &*it.name == name).unwrap()
    }

    fn silence(&mut self, name: &str) {
        self.0.view.targets.retain(|it| &*it.name != name);
    }

    /// Its node is drained: the pod is gone, and the claim is not.
    fn evict(&mut self, name: &str) {
        self.silence(name);
        self.0.pods.as_mut().unwrap().retain(|it| &*it.name != name);
    }

    fn lose_data(&mut self, name: &str) {
        self.evict(name);
        self.0.claims.retain(|it| &*it.member != name);
    }

    fn lose_node(&mut self, name: &str) {
        self.silence(name);
        self.pod(name).node_fault = Some(NodeFault::Gone);
        let since = self.0.now - jiff::SignedDuration::from_secs(NODE_LOST_SECONDS);
        let record = &mut self.0.status.record;
        let coming = record.step.iter_mut().filter_map(|it| match it {
            Step::Join { member } => Some(member),
            _ => None,
        });
        let lost = record.members.iter_mut().chain(coming).find(|it| &*it.name == name);
        lost.unwrap().failing_since = Some(since);
    }

    fn leaving(&mut self, name: &str, reason: LeaveReason) {
        let member = self.0.status.record.find(name).unwrap().clone();
        let (id, pod, role) = (member.id, member.pod, member.role);
        self.0.status.record.step =
            Some(Step::Leave { name: name.into(), role, group: 0, id, pod, reason });
    }

    fn at_work(&mut self, request: RequestKind, name: &str) {
        self.0.view.tasks.push(Task::new(request, name, 1, 9));
    }

    /// What is done next, which the linter lets pass.
    fn plan(&mut self) -> Vec<String> {
        let plan = plan(&Toy, &self.0);
        assert_eq!(lint(&self.0, &plan), []);
        self.0.status = plan.status;
        plan.actions.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn who_may_hold_what_no_other_has_is_drained_first() {
    let mut lost = World::new((3, 3));
    lost.lose_node("b3");
    let removed = World::new((3, 0));
    let mut failed = World::new((3, 3));
    let member = failed.0.status.record.members.pop().unwrap();
    failed.0.status.record.step = Some(Step::Join { member });
    failed.lose_node("b3");
    for (mut world, what) in [(lost, "drain b3"), (removed, "drain b1"), (failed, "drain b3")] {
        for _ in 0..3 {
            assert_eq!(world.plan(), [what]);
        }
    }
}

#[test]
fn who_lost_its_data_leaves_at_once() {
    let mut world = World::new((3, 3));
    world.evict("b3");
    world.0.claims.retain(|it| &*it.member != "b3");
    assert_eq!(world.plan(), ["remove member b3 (6): it did not recover"]);
}

#[test]
fn who_is_off_the_list_and_may_hold_data_is_kept_and_told() {
    let mut world = World::new((3, 3));
    world.unlist("b3");
    let actions = world.plan();
    assert!(!actions.iter().any(|it| it.contains("b3")), "{actions:?}");
    let told = |it: &WaitRow| it.what.contains("b3");
    assert!(world.0.status.waiting.iter().any(told), "{:?}", world.0.status.waiting);

    let mut world = World::new((3, 3));
    world.unlist("c3");
    assert_eq!(world.plan(), ["delete pod c3: it is a leftover"], "a quorum decided on it");
}

#[test]
fn no_step_under_way_holds_up_a_pod_on_its_claim() {
    let mut draining = World::new((3, 2));
    draining.leaving("b3", LeaveReason::ScaleDown);
    draining.at_work(RequestKind::Drain, "b3");
    let mut joining = World::new((5, 3));
    let member = joining.started("c4", "101", "c");
    joining.silence("c4");
    joining.pod("c4").trouble = Some(Trouble::Unschedulable { message: Words::default() });
    joining.0.status.record.step = Some(Step::Join { member });
    let drained = World(draining.0.clone());
    for (mut world, member) in [(draining, "b2"), (drained, "b3"), (joining, "c2")] {
        assert!(world.plan().is_empty());
        world.evict(member);
        assert_eq!(world.plan(), [format!("create pod {member}: resumes on its volume")]);
    }
}

/// Nobody else may have room for what it holds.
#[test]
fn a_drain_holds_up_no_removal_of_who_lost_its_data() {
    let mut world = World::new((3, 2));
    world.leaving("b3", LeaveReason::ScaleDown);
    world.0.status.record.tasks = vec![AskedTask { member: "b3".into(), step: None }];
    world.at_work(RequestKind::Drain, "b3");
    assert_eq!(world.plan(), [""; 0]);
    world.lose_data("b2");
    assert_eq!(world.plan(), ["remove member b2 (5): it did not recover"]);
    world.unlist("b2");
    world.0.status.record.step = None;
    assert_eq!(world.plan(), ["cancel: drain b3"], "there are not too many any more");
}

/// Two drains at once would leave too few to take what both hold.
#[test]
fn a_drain_that_was_begun_is_gone_on_with() {
    let mut world = World::new((3, 2));
    assert_eq!(world.plan(), ["drain b1"]);
    world.0.status.record.step = None;
    world.0.status.record.tasks = vec![AskedTask { member: "b3".into(), step: None }];
    world.at_work(RequestKind::Drain, "b3");
    assert_eq!(world.plan(), [""; 0]);
}

#[test]
fn only_data_on_its_way_is_stopped_and_nothing_is_asked_for_twice() {
    let mut world = World::new((3, 3));
    world.at_work(RequestKind::Drain, "b3");
    assert_eq!(world.plan(), [""; 0], "a person asked for it");
    world.0.status.record.tasks = vec![AskedTask { member: "b3".into(), step: None }];
    assert_eq!(world.plan(), ["cancel: drain b3"], "nobody wants it any more");
    for request in [RequestKind::Leave, RequestKind::Drain] {
        let mut world = World::new((3, 2));
        world.leaving("c3", LeaveReason::Dead);
        if request == RequestKind::Drain {
            world.leaving("b3", LeaveReason::ScaleDown);
        } else {
            world.lose_node("c3");
        }
        let member = world.0.status.record.step.as_ref().unwrap().member().clone();
        world.at_work(request, &member);
        assert_eq!(world.plan(), [""; 0]);
    }
}

#[test]
fn who_is_started_before_it_is_listed_is_marked_before_it_votes() {
    let mut world = World::new((4, 3));
    let member = world.started("c4", "101", "c");
    world.pod("c4").marks = Marks::default();
    world.0.status.record.step = Some(Step::Join { member });
    assert_eq!(world.plan(), ["mark pod c4"]);
    world.pod("c4").marks.started = Some("101".into());
    assert_eq!(world.plan(), ["add member c4"]);

    let mut plan = plan(&Toy, &world.0);
    let rules = |world: &World, plan: &Plan<_>| {
        lint(&world.0, plan).into_iter().map(|it| it.rule).collect::<Vec<_>>()
    };
    world.pod("c4").marks = Marks::default();
    assert_eq!(rules(&world, &plan), [Rule::MarksFirst]);
    plan.actions.retain(|it| it.request().is_some());
    world.evict("c4");
    assert_eq!(rules(&world, &plan), [Rule::KeepsQuorum], "it does not answer");
}

#[test]
fn what_only_the_application_knows_reaches_its_answers() {
    let mut world = World::new((3, 2));
    assert_eq!(world.plan(), ["drain b1"]);
    let target = world.0.view.targets.iter_mut().find(|it| &*it.name == "b1").unwrap();
    target.status.as_mut().unwrap().facts = Facts::of(&0);
    assert_eq!(world.plan(), ["remove member b1 (4): scaling down"]);
}

#[test]
fn a_change_of_one_role_restarts_no_other() {
    let mut world = World::new((3, 3));
    world.0.spec.2 = 1;
    assert_eq!(world.plan(), ["delete pod b1: it is recreated on the same volume"]);
    let outdated = world.0.status.members.iter().filter(|it| !it.updated);
    assert_eq!(outdated.map(|it| &*it.role).collect::<Vec<_>>(), ["b", "b", "b"]);
}
