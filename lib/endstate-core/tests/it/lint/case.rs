//! What is spoiled: what was seen of a cluster of three that works, and what is planned on it.

use endstate_core::*;

use crate::toy::{Toy, ToySpec};

const CLUSTER: &str = "c1";
const NOW: &str = "2026-01-01T00:10:00Z";

pub(super) struct Case {
    pub(super) seen: Snapshot<ToySpec>,
    pub(super) plan: Plan<ToySpec>,
}

impl Case {
    /// Nothing is done yet, by an operator that knows all members.
    pub(super) fn new() -> Self {
        let object = Identity::new("default", "demo", "0c5f");
        let mut seen = Snapshot::new(NOW.parse().unwrap(), object, ToySpec::new(3));
        seen.pods = Some(["a", "b", "c"].map(pod).to_vec());
        seen.view.targets = ["a", "b", "c"].map(|it| Target::answered(it, answer(it))).to_vec();
        let entries = ["a", "b", "c"].map(|it| Entry::voter(it, it));
        seen.view.membership = Some(Membership::new(CLUSTER, entries).agreed(3));
        seen.status.record = Record {
            names: 3,
            epoch: 7,
            cluster_id: Some(CLUSTER.into()),
            members: ["a", "b", "c"].map(member).to_vec(),
            accepted: accepted(),
            ..Record::default()
        };
        let plan = Plan::idle(seen.status.clone());
        Self { seen, plan }
    }

    /// The same, doing this.
    pub(super) fn does(mut self, action: Action) -> Self {
        self.plan.actions.push(action);
        self.plan.status.record.epoch = self.seen.status.record.epoch + 1;
        self
    }

    pub(super) fn calls(self, request: Request) -> Self {
        let roster = self.list().roster();
        self.does(Action::Call(Call::new(request, "a", roster)))
    }

    /// The same, with that step recorded.
    pub(super) fn steps(mut self, step: Step) -> Self {
        self.plan.status.record.step = Some(step);
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn list(&self) -> &Membership {
        self.seen.view.membership.as_ref().unwrap()
    }

    pub(super) fn list_mut(&mut self) -> &mut Membership {
        self.seen.view.membership.as_mut().unwrap()
    }

    /// The list is another, and is the one that the call was decided on.
    pub(super) fn relist(&mut self, change: impl FnOnce(&mut Vec<Entry>)) {
        change(&mut self.list_mut().members);
        let roster = self.list().roster();
        for action in &mut self.plan.actions {
            if let Action::Call(call) = action {
                call.roster = roster.clone();
            }
        }
    }

    pub(super) fn pod(&mut self, name: &str) -> &mut Pod<ToySpec> {
        self.seen.pods.iter_mut().flatten().find(|it| *it.name == *name).unwrap()
    }

    pub(super) fn status(&mut self, name: &str) -> &mut MemberStatus {
        let mut targets = self.seen.view.targets.iter_mut();
        targets.find(|it| *it.name == *name).unwrap().status.as_mut().unwrap()
    }

    /// The data of all was compared twice, and that of these is another than that of the rest.
    pub(super) fn compared(&mut self, wrong: &[&str]) {
        let ids = ["a", "b", "c"];
        let digest = |id| Digest { since: 1, hash: if wrong.contains(&id) { 8 } else { 7 } };
        let compared = Comparison::new(42, ids, ids.map(|id| (id, digest(id))));
        self.seen.view.comparisons = vec![compared.clone(), compared];
    }

    /// There is a certificate of this key, whose holder trusts the key `k`.
    pub(super) fn certificate(&mut self, secret: &str, key: &str) {
        let mut facts = CertificateFacts::new(key, "k", (self.seen.now, self.seen.now));
        facts.trusts = ["k".to_owned()].into();
        self.seen.certificates.push(SeenCertificate::new(secret, Some(facts)));
    }

    /// cert-manager is asked to fill a secret.
    pub(super) fn asks_cert_manager(&mut self) {
        let wanted = Certificate::given("mine", GivenFiles::default());
        let mut wanted = wanted.of("server");
        wanted.requested = Some(IssuerRef::new("ca"));
        let around = self.around();
        around.requested = vec![wanted];
        around.asked = ["mine".to_owned()].into();
    }

    pub(super) fn around(&mut self) -> &mut Surroundings {
        self.plan.surroundings.as_mut().unwrap()
    }

    /// Another policy speaks of the claims of a role.
    pub(super) fn keeps(&mut self, role: &str, retention: Retention) {
        self.plan.retention.push(Policy::new(role, DATA, retention));
    }

    pub(super) fn action(&mut self) -> &mut Action {
        &mut self.plan.actions[0]
    }

    pub(super) fn request(&mut self) -> &mut Request {
        match self.action() {
            Action::Call(call) => &mut call.request,
            other => unreachable!("{other}"),
        }
    }

    /// Another one is appointed, by the word of others.
    pub(super) fn appoints(&mut self, (member, id): (&str, &str), heard: &[&str]) {
        let heard = heard.iter().map(|it| MemberId::from(*it)).collect();
        *self.request() = Request::Appoint { member: member.into(), id: id.into(), heard };
    }

    /// It starts otherwise.
    pub(super) fn restart(&mut self, start: Start) {
        match self.action() {
            Action::CreatePod { start: it, .. } => *it = start,
            other => unreachable!("{other}"),
        }
    }

    /// The only role needs another.
    pub(super) fn needs(&mut self, role: &str) {
        self.plan.roles = vec![Role::voting("member", 3).after(Edge::Needs, role)];
    }

    /// The operator chooses who leads.
    pub(super) fn appointed(&mut self, acks: Acks) {
        self.plan.roles = vec![Role::voting("member", 3).lead(Lead::Appointed(acks))];
    }

    /// It was recorded otherwise before, and is still.
    pub(super) fn records(&mut self, change: impl Fn(&mut Record<ToySpec>)) {
        change(&mut self.seen.status.record);
        change(&mut self.plan.status.record);
    }

    /// Ids are allocated.
    pub(super) fn allocates(&mut self) {
        let role = Role::voting("member", 3).identity(IdSource::Allocated { max: 9 });
        self.plan.roles = vec![role];
        self.records(|it| it.ids = 4);
    }

    /// It comes, with this id, which the application was not asked for yet.
    pub(super) fn comes(&mut self, name: &str, id: &str) {
        let member = MemberRecord { pod: None, ..member(name) };
        let member = MemberRecord { id: Some(id.into()), unrequested: true, ..member };
        self.plan.status.record.step = Some(Step::Join { member });
    }

    /// Its pod is another version of the one that was decided on.
    pub(super) fn renewed(&mut self, name: &str) {
        self.pod(name).resource_version = "2".into();
    }

    pub(super) fn unmarked(&mut self, name: &str) {
        self.pod(name).marks.started = None;
    }

    pub(super) fn silent(&mut self, name: &str) {
        self.seen.view.targets.retain(|it| *it.name != *name);
    }

    pub(super) fn gone(&mut self, name: &str) {
        self.seen.pods.iter_mut().for_each(|it| it.retain(|it| *it.name != *name));
        self.silent(name);
    }

    pub(super) fn claimed(&mut self, name: &str) {
        self.seen.claims.push(claim(name));
    }

    /// Off the list, and off the record.
    pub(super) fn unlisted(&mut self, name: &str) {
        self.list_mut().members.retain(|it| *it.name != *name);
        self.records(|it| it.members.retain(|it| *it.name != *name));
    }

    /// It was started, and works.
    pub(super) fn started(&mut self, name: &str) {
        self.seen.pods.as_mut().unwrap().push(pod(name));
        self.seen.view.targets.push(Target::answered(name, answer(name)));
    }

    /// It was seen in such a state before.
    pub(super) fn row(&mut self, name: &str, standing: Standing, position: Position) {
        let (standing, position) = (Some(standing), Some(position));
        let row = MemberRow { position, standing, ..MemberRow::new(name, "member") };
        self.seen.status.members.push(row);
    }

    /// An operation was started.
    pub(super) fn begins(&mut self, uid: &str) {
        let mut object = Beside::new("ToyTask", "one", Facts::default());
        object.uid = uid.into();
        object.progress.state = State::Running;
        object.progress.start_time = Some(self.seen.now);
        self.seen.beside.push(object);
    }

    pub(super) fn refused(&mut self, milliseconds: i64) {
        let at = self.seen.now - jiff::SignedDuration::from_millis(milliseconds);
        let denial = Denial::Api { message: Words::of("exceeded quota") };
        self.seen.blocked = vec![Blocked::new(self.plan.actions[0].key(), denial, at)];
    }
}

pub(super) fn accepted() -> Option<Accepted<ToySpec>> {
    Some(Accepted { generation: 1, spec: ToySpec::new(3) })
}

pub(super) fn pod(name: &str) -> Pod<ToySpec> {
    let marks = Marks { started: Some(name.into()), votes: true, owned: true };
    let phase = PodPhase::Running;
    Pod { phase, started: true, ready: true, marks, ..Pod::new(name, format!("pod-{name}"), "1") }
}

pub(super) fn seen(name: &str) -> PodRef {
    PodRef::from(&pod(name))
}

pub(super) fn claim(name: &str) -> Claim {
    let claim = Claim::new(format!("data-{name}"), format!("claim-{name}"), "1", name);
    claim.of_role(Some("member".into()))
}

pub(super) fn answer(name: &str) -> MemberStatus {
    let standing = if name == "a" { Standing::Leader } else { Standing::Voter };
    MemberStatus::new(name, CLUSTER, standing).follows("a").at(Position::at(100))
}

pub(super) fn member(name: &str) -> MemberRecord {
    let pod = Some(format!("pod-{name}").into());
    MemberRecord { id: Some(name.into()), pod, ..MemberRecord::new(name, "member") }
}

pub(super) fn peers(names: &[&str]) -> Vec<Peer> {
    names.iter().map(|it| Peer::new(*it, *it, "member")).collect()
}

pub(super) fn launch() -> Box<Launch> {
    let (object, spec) = (Identity::new("default", "demo", "0c5f"), ToySpec::new(3));
    let member = MemberRecord::new("a", "member");
    Box::new(Toy.launch(&LaunchOf::new(&object, &spec, &member)))
}

pub(super) fn create(name: &str, start: Start) -> Action {
    Action::CreatePod { member: name.into(), start, launch: launch() }
}

pub(super) fn leave(name: &str, reason: LeaveReason) -> Step {
    let (id, pod) = (Some(name.into()), Some(format!("pod-{name}").into()));
    Step::Leave { name: name.into(), role: "member".into(), group: 0, id, pod, reason }
}

pub(super) fn recover(stage: RecoverStage) -> Step {
    Step::Recover { source: "a".into(), lost: vec!["b".into(), "c".into()], stage, unasked: false }
}
