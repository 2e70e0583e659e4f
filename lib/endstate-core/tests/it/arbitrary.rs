//! Snapshots that nobody would write down: records, pods, claims, answers and lists that need not fit each other.

use endstate_core::*;
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use crate::toy::{ToySpec, Volume};

const NOW: &str = "2026-01-01T01:00:00Z";
const CLUSTER: &str = "c1";
const RECOVERIES: [Recovery; 4] =
    [Recovery::FromOne, Recovery::Unasked, Recovery::Forbidden, Recovery::Impossible];
const ROLES: [&str; 3] = ["member", "observer", "broker"];

/// One name, and everything that is said of it.
#[derive(Clone, Debug)]
struct Named {
    known: Known,
    role: &'static str,
    /// Whether it votes, and under its own id.
    listed: Option<(bool, bool)>,
    pod: Option<PodSeen>,
    claim: Option<(bool, bool, Option<&'static str>)>,
    journal: Journal,
    reach: Reach,
    answer: MemberStatus,
    record: Recorded,
    row: Option<Standing>,
}

/// What is there of a second volume.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Journal {
    Nothing,
    Claim,
    Going,
    /// The other claim says that there is one.
    Lost,
    /// No claim says that there is another.
    Unnamed,
}

/// Where the record has it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    Nowhere,
    Member,
    Coming,
}

#[derive(Clone, Debug)]
struct PodSeen {
    spec: u8,
    pod: Pod<ToySpec>,
}

/// Times are ages in seconds.
#[derive(Clone, Debug)]
struct Recorded {
    sees_pod: Option<bool>,
    asked: Option<i64>,
    failing: Option<i64>,
    restarted: Option<i64>,
}

/// What is so of the cluster as a whole.
#[derive(Clone, Debug)]
struct Whole {
    formed: bool,
    listed: bool,
    agreed: usize,
    flags: (bool, bool, bool),
    step: (u8, usize, LeaveReason),
    blocked: Option<(ActionKind, usize, i64, bool)>,
    backoff: Option<(u32, i64)>,
    consent: (Option<usize>, Option<usize>),
    task: Option<(RequestKind, usize)>,
    operations: Vec<Asked>,
    /// Whose data differs, by comparisons, of which there may be one.
    compared: Option<(Vec<usize>, bool)>,
}

/// The kind of an operation that has the cluster begin anew.
const RESTORES: u8 = 5;

/// What an operation is about, and how far it is.
#[derive(Clone, Debug)]
struct Asked {
    kind: u8,
    member: usize,
    state: State,
    begun: Option<(usize, bool)>,
    answered: Option<usize>,
    deleting: bool,
}

pub(crate) fn snapshots() -> impl Strategy<Value = Snapshot<ToySpec>> {
    let all = (specs(), specs(), vec(named(), 0..6), whole());
    all.prop_map(|(spec, old, names, whole)| snapshot(spec, old, &names, whole))
}

/// The same of a cluster whose groups have leaders of their own.
pub(crate) fn led_snapshots() -> impl Strategy<Value = Snapshot<ToySpec>> {
    let growth = select(vec![Growth::Alone, Growth::Direct]);
    let led = (1..4_u32, growth, select(vec![1, 2, 2, 3]));
    (snapshots(), led).prop_map(|(mut seen, led)| {
        let lead = |spec: &mut ToySpec| {
            (spec.shards, spec.growth, spec.size) = led;
            spec.formation = Formation::One;
        };
        lead(&mut seen.spec);
        for pod in seen.pods.iter_mut().flatten() {
            pod.spec.iter_mut().for_each(lead);
        }
        let record = &mut seen.status.record;
        record.accepted.iter_mut().for_each(|it| lead(&mut it.spec));
        for member in &mut record.members {
            // In pairs, whose first is followed.
            let serial: u32 = member.name[1..].parse().unwrap();
            member.group = serial / 2 % led.0;
            let target = seen.view.targets.iter_mut().find(|it| it.name == member.name);
            if let Some(status) = target.and_then(|it| it.status.as_mut())
                && status.leader == Some(id(0))
            {
                status.leader = Some(id(serial as usize / 2 * 2));
            }
        }
        for entry in seen.view.membership.iter_mut().flat_map(|it| &mut it.members) {
            let serial: u32 = entry.name[1..].parse().unwrap();
            let known = seen.status.record.find(&entry.name);
            // Members of other roles never vote here.
            let led = known.is_none_or(|it| *it.role == *ROLES[0]);
            entry.votes &= serial.is_multiple_of(2) && led;
        }
        let list = seen.view.membership.take();
        seen.view.membership = list.filter(|it| it.voters().count() > 0);
        seen
    })
}

fn rarely() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.05)
}

fn specs() -> impl Strategy<Value = ToySpec> {
    let can = (
        select(vec![
            Lead::Transfers,
            Lead::Stays,
            Lead::Appointed(Acks::Majority),
            Lead::Appointed(Acks::Leader),
        ]),
        select(vec![Growth::NonVoting, Growth::Direct]),
        select(vec![IdSource::Application, IdSource::Allocated { max: 6 }]),
        select(vec![Formation::AllAtOnce, Formation::One]),
        select(vec![None, Some(Volume::Deleted), Some(Volume::Retained)]),
        select(vec![1, 2]),
    );
    let sizes = (select(vec![1, 2, 3, 3, 3, 5]), 0..3_usize, 1..3_u32, 0..2_usize);
    let changes = (0..5_u8, rarely(), select(vec![vec![], vec!["Rebalance".to_owned()]]));
    let ends = prop_oneof![Just(ROLES.to_vec()), subsequence(ROLES.to_vec(), 0..=ROLES.len())];
    let rest = (ends, select(vec![vec![], vec!["Meet".to_owned()]]), select(RECOVERIES.to_vec()));
    (can, sizes, changes, rest).prop_map(|(can, sizes, (change, paused, steps), rest)| {
        let (ends, mends, recovery) = rest;
        let (lead, growth, ids, formation, volume, at_once) = can;
        let (size, observers, groups, brokers) = sizes;
        let mut spec = ToySpec { lead, growth, ids, formation, volume, ..ToySpec::new(size) };
        if growth == Growth::NonVoting && ids == IdSource::Application {
            spec.at_once = at_once;
        }
        (spec.observers, spec.groups, spec.brokers) = (observers, groups, brokers);
        (spec.paused, spec.steps) = (paused, steps);
        (spec.mends, spec.recovery) = (mends, recovery);
        spec.ends = ends.into_iter().map(str::to_owned).collect();
        changed(spec, change)
    })
}

/// The same, with something else that members see.
fn changed(mut spec: ToySpec, change: u8) -> ToySpec {
    match change {
        1 => spec.label = "b".into(),
        2 => spec.version = "1.6.0".into(),
        3 => spec.flag = "b".into(),
        4 if spec.journal.is_empty() => spec.journal = "1Gi".into(),
        4 => spec.journal = String::new(),
        _ => {}
    }
    spec
}

fn named() -> impl Strategy<Value = Named> {
    let known =
        prop_oneof![6 => Just(Known::Member), 1 => Just(Known::Nowhere), 1 => Just(Known::Coming)];
    let role = prop_oneof![4 => Just(ROLES[0]), 1 => select(ROLES.to_vec())];
    let listed = prop_oneof![
        1 => Just(None),
        8 => Just(Some((true, true))),
        2 => (any::<bool>(), any::<bool>()).prop_map(Some),
    ];
    let reach = prop_oneof![
        6 => Just(Reach::Reachable),
        2 => Just(Reach::Unreachable),
        1 => Just(Reach::Unknown),
        1 => select(vec![Refusal::Guarded, Refusal::NeedsUser, Refusal::Other]).prop_map(Reach::Refused),
    ];
    let standing = select(vec![Standing::Leader, Standing::Voter, Standing::NonVoter]);
    let named = option::weighted(0.8, select([&ROLES[..], &["gone"]].concat()));
    let claim = option::of((rarely(), rarely(), named));
    let others = vec![Journal::Claim, Journal::Going, Journal::Lost, Journal::Unnamed];
    let journal = prop_oneof![3 => Just(Journal::Nothing), 1 => select(others)];
    let parts = (known, role, listed, option::weighted(0.85, pod()), claim, reach, answer());
    (parts, journal, recorded(), option::of(standing)).prop_map(|(parts, journal, record, row)| {
        let (known, role, listed, pod, claim, reach, answer) = parts;
        Named { known, role, listed, pod, claim, journal, reach, answer, record, row }
    })
}

fn pod() -> impl Strategy<Value = PodSeen> {
    let healthy = (0..5_u8).prop_map(|spec| PodSeen { spec, pod: running() });
    let phases = [
        PodPhase::Pending,
        PodPhase::Running,
        PodPhase::Succeeded,
        PodPhase::Failed,
        PodPhase::Unknown,
    ];
    let troubles = ["Unschedulable", "ErrImagePull", "CrashLoopBackOff", "CreateContainerError"];
    let trouble = option::of(select(troubles.map(|it| Trouble::from_reason(it, "why")).to_vec()));
    let may = any::<bool>;
    let flags = (may(), may(), may(), may(), may(), may());
    let ill = (select(phases.to_vec()), trouble, flags, 0..6_u32, 0..5_u8);
    let ill = ill.prop_map(|(phase, trouble, flags, restarts, spec)| {
        let (started, deleting, node_lost, data_lost, marked, surveyed) = flags;
        let mut pod = Pod { phase, trouble, started, restarts, ..running() };
        pod.deleting = deleting && node_lost;
        pod.node_fault = node_lost.then_some(NodeFault::Gone);
        let seen = match (surveyed, restarts % 3) {
            (_, 2) => Evidence::Prepared,
            (true, _) => Evidence::DataForeign,
            (false, _) => Evidence::DataLost,
        };
        pod.exit = data_lost.then(|| Exit::of(seen.exit_code().into(), None, &seen.message("why")));
        pod.surveyed = surveyed;
        pod.marks.started = marked.then(|| "1".into());
        PodSeen { spec, pod }
    });
    prop_oneof![2 => healthy, 1 => ill]
}

fn running() -> Pod<ToySpec> {
    Pod { phase: PodPhase::Running, started: true, ready: true, ..Pod::new("", "", "1") }
}

/// What it says; whose ids these are is filled in later.
fn answer() -> impl Strategy<Value = MemberStatus> {
    let leader = prop_oneof![3 => Just(None), 8 => Just(Some(0)), 1 => (0..6_usize).prop_map(Some)];
    let corrupt = prop_oneof![
        20 => Just(vec![]),
        1 => (0..6_usize).prop_map(|it| vec![Corruption::Of(id(it))]),
        1 => Just(vec![Corruption::Undetermined]),
    ];
    let version = select(vec!["1.5.16", "1.5.16", "1.6.0"]);
    let position = select(vec![0, 500, 1_000, 1_000, 1_000]);
    (leader, corrupt, version, position, rarely()).prop_map(
        |(leader, corrupt, version, position, other)| {
            let cluster = if other { "c2" } else { CLUSTER };
            let mut status = MemberStatus::new("", cluster, Standing::Voter).runs(version);
            (status.leader, status.corruption) = (leader.map(id), corrupt);
            status.at(Position::at(position))
        },
    )
}

fn recorded() -> impl Strategy<Value = Recorded> {
    let sees_pod = prop_oneof![4 => Just(Some(true)), 1 => Just(None), 1 => Just(Some(false))];
    let age = || option::weighted(0.3, select(vec![-5_i64, 0, 3, 59, 61, 400]));
    (sees_pod, age(), age(), age()).prop_map(|(sees_pod, asked, failing, restarted)| Recorded {
        sees_pod,
        asked: asked.filter(|_| sees_pod.is_none()),
        failing,
        restarted,
    })
}

fn whole() -> impl Strategy<Value = Whole> {
    let reasons = [
        LeaveReason::ScaleDown,
        LeaveReason::Dead,
        LeaveReason::Outdated,
        LeaveReason::Corrupt,
        LeaveReason::FailedJoin,
        LeaveReason::Stray,
        LeaveReason::Requested,
    ];
    let step = (0..9_u8, 0..6_usize, select(reasons.to_vec()));
    let kinds = [
        ActionKind::CreatePod,
        ActionKind::RestartPod,
        ActionKind::DeletePod,
        ActionKind::Request(RequestKind::Join),
        ActionKind::Request(RequestKind::Leave),
        ActionKind::MarkPod,
        ActionKind::Request(RequestKind::Transfer),
        ActionKind::Request(RequestKind::App("Compact".into())),
    ];
    let blocked = (select(kinds.to_vec()), 0..6_usize, select(vec![0, 1, 60]), any::<bool>());
    let tasks = select(vec![
        RequestKind::Drain,
        RequestKind::Leave,
        RequestKind::App("Rebalance".into()),
        RequestKind::App("Compact".into()),
    ]);
    let facts = (prop::bool::weighted(0.8), prop::bool::weighted(0.9), 0..6_usize);
    let consent = (option::weighted(0.3, 0..6_usize), option::weighted(0.1, 0..6_usize));
    let flags = (rarely(), rarely(), rarely());
    let backoff = option::weighted(0.2, (1..9_u32, select(vec![-9_i64, 0, 5, 500])));
    let operations = vec(asked(), 0..3);
    let compared = option::weighted(0.3, (vec(0..6_usize, 0..3), any::<bool>()));
    let rest = (
        option::weighted(0.2, blocked),
        backoff,
        option::weighted(0.2, (tasks, 0..6_usize)),
        operations,
        compared,
    );
    (facts, flags, step, consent, rest).prop_map(|(facts, flags, step, consent, rest)| {
        let (formed, listed, agreed) = facts;
        let (blocked, backoff, task, operations, compared) = rest;
        Whole {
            formed,
            listed,
            agreed,
            flags,
            step,
            blocked,
            backoff,
            consent,
            task,
            operations,
            compared,
        }
    })
}

/// What the data of those on the list came to, once or twice.
fn compare(whole: &Whole, list: Option<&Membership>) -> Vec<Comparison> {
    let Some(((wrong, twice), list)) = whole.compared.as_ref().zip(list) else { return vec![] };
    let wrong: Vec<_> = wrong.iter().map(|it| id(*it)).collect();
    let digest = |it: &Entry| {
        let place = wrong.iter().position(|wrong| *wrong == it.id);
        (it.id.clone(), Digest { since: 1, hash: place.map_or(0, |it| it as u64 + 1) })
    };
    let compared =
        Comparison::new(42, list.voters().map(|it| it.id.clone()), list.voters().map(digest));
    vec![compared; if *twice { 2 } else { 1 }]
}

fn asked() -> impl Strategy<Value = Asked> {
    let states = select(vec![State::Waiting, State::Running, State::Running, State::Complete]);
    let begun = option::of((0..6_usize, any::<bool>()));
    let parts = (0..6_u8, 0..6_usize, states, begun, option::weighted(0.3, 0..6_usize), rarely());
    parts.prop_map(|(kind, member, state, begun, answered, deleting)| Asked {
        kind,
        member,
        state,
        begun,
        answered,
        deleting,
    })
}

fn make(index: usize, it: &Asked) -> Beside {
    let asked = match it.kind {
        0 => json!({"moveLeader": {}}),
        1 => json!({"moveLeader": {"to": name(it.member)}}),
        2 => json!({"replaceMember": {"member": name(it.member)}}),
        3 => json!({"compact": {"members": [name(it.member)]}}),
        RESTORES => json!({"restore": {"from": "monday"}}),
        _ => json!({"compact": {}}),
    };
    let mut object = Beside::new("ToyTask", format!("one-{index}"), Facts::of(&asked));
    (object.uid, object.deleting) = (format!("one-{index}").into(), it.deleting);
    let started = (it.state != State::Waiting).then(|| ago(9));
    let mut part = it.begun.map(|(member, over)| (Part::new(name(member), 1), over));
    if let Some((part, true)) = &mut part {
        part.completion_time = started;
    }
    object.progress.state = it.state;
    object.progress.start_time = started;
    object.progress.former_leader = Some(name(0));
    object.progress.members =
        part.into_iter().map(|it| it.0).filter(|_| started.is_some()).collect();
    object.answered = it.answered.map(name).into_iter().collect();
    object
}

fn name(index: usize) -> MemberName {
    format!("m{index}").into()
}

fn id(index: usize) -> MemberId {
    (index + 1).to_string().into()
}

fn ago(seconds: i64) -> Timestamp {
    NOW.parse::<Timestamp>().unwrap() - SignedDuration::from_secs(seconds)
}

fn snapshot(spec: ToySpec, old: ToySpec, names: &[Named], whole: Whole) -> Snapshot<ToySpec> {
    let object = Identity::new("default", "demo", "0c5f");
    let mut seen = Snapshot::new(NOW.parse().unwrap(), object, spec.clone());
    let of = |named: fn(&Named) -> bool| (0..).zip(names).filter(move |it| named(it.1));
    let pods = of(|it| it.pod.is_some()).map(|(index, it)| make_pod(index, it, &spec));
    seen.pods = (!whole.flags.0).then(|| pods.collect());
    seen.claims = (0..).zip(names).flat_map(|(index, it)| make_claims(index, it)).collect();
    let target = |(index, it): (usize, &Named)| {
        let mut status = it.answer.clone();
        status.id = id(index);
        // Members are asked after their pods were seen: of one that has ended nobody answers.
        let ended = |it: &PodSeen| matches!(it.pod.phase, PodPhase::Failed | PodPhase::Succeeded);
        let ended = it.pod.as_ref().is_some_and(ended);
        let reach = if ended { Reach::Unreachable } else { it.reach };
        // Some that answer nobody say how far they are all the same.
        let waits = reach == Reach::Unreachable && !ended && status.leader.is_none();
        let starting = status.position.clone().filter(|_| waits).map(|position| {
            let non_voter = status.standing == Standing::NonVoter;
            Starting::new(id(index), position).non_voter(non_voter)
        });
        let status = (reach == Reach::Reachable).then_some(status);
        let mut target = Target::new(name(index), reach, status);
        target.starting = starting;
        target
    };
    seen.view.targets = (0..).zip(names).map(target).collect();
    let entry = |(index, it): (usize, &Named)| {
        let (votes, own) = it.listed.unwrap();
        let id = if own { id(index) } else { format!("9{index}").into() };
        Entry::voter(id, name(index)).voting(votes)
    };
    let entries: Vec<_> = of(|it| it.listed.is_some()).map(entry).collect();
    let agreed = whole.agreed.min(entries.len());
    let list = Membership::new(CLUSTER, entries).agreed(agreed);
    seen.view.membership = Some(list).filter(|it| whole.listed && it.voters().count() > 0);
    seen.view.comparisons = compare(&whole, seen.view.membership.as_ref());
    let task = whole.task.clone().map(|(request, it)| Task::new(request, name(it), 1, 9));
    seen.view.tasks = task.into_iter().collect();
    let blocked = whole.blocked.clone().map(|(kind, it, age, not_made)| {
        let action = ActionKey { kind, member: name(it) };
        let blocked = Blocked::new(action, Denial::Api { message: Words::of("no") }, ago(age));
        blocked.not_created(if not_made { vec![name(it)] } else { vec![] })
    });
    seen.blocked = blocked.into_iter().collect();
    seen.beside = whole.operations.iter().enumerate().map(|(index, it)| make(index, it)).collect();
    seen.consent = whole.consent.0.map(name).map(Choice::RecoverFrom);
    let conflict = Conflict::new("Service", "demo");
    seen.conflicts = if whole.flags.1 { vec![conflict] } else { vec![] };
    seen.object.deleting = whole.flags.2;
    let row = |(index, it): (usize, &Named)| MemberRow {
        standing: it.row,
        position: it.answer.position.clone(),
        corrupt: !it.answer.corruption.is_empty(),
        ..MemberRow::new(name(index), it.role)
    };
    seen.status.members = of(|it| it.row.is_some()).map(row).collect();
    seen.status.record = record(old, names, &whole);
    seen
}

fn make_pod(index: usize, named: &Named, spec: &ToySpec) -> Pod<ToySpec> {
    let PodSeen { spec: change, pod } = named.pod.clone().unwrap();
    let uid = format!("pod-{index}").into();
    let made_from = changed(ToySpec { label: String::new(), ..spec.clone() }, change);
    Pod { name: name(index), uid, spec: Some(made_from), ..pod }
}

fn make_claims(index: usize, named: &Named) -> Vec<Claim> {
    let names = named.journal != Journal::Nothing && named.journal != Journal::Unnamed;
    let claim = |(volume, beside): (&str, &str), (retained, deleting, role)| {
        let uid = format!("{volume}-{index}");
        let mut claim = Claim::new(format!("{volume}-m{index}"), uid, "1", name(index));
        (claim.retained, claim.deleting) = (retained, deleting);
        let beside = names.then(|| beside.to_owned()).into_iter().collect();
        let role: Option<&str> = role;
        claim.of_role(role.map(Into::into)).beside(beside)
    };
    let data = named.claim.map(|it| claim(("data", "journal"), it));
    let (retained, _, role) = named.claim.unwrap_or_default();
    let going = named.journal == Journal::Going;
    let has = !matches!(named.journal, Journal::Nothing | Journal::Lost);
    let journal = has.then(|| claim(("journal", "data"), (retained, going, role)));
    data.into_iter().chain(journal).collect()
}

fn record(spec: ToySpec, names: &[Named], whole: &Whole) -> Record<ToySpec> {
    let of = |known| (0..).zip(names).filter(move |it| it.1.known == known);
    let members: Vec<_> = of(Known::Member).map(|(index, it)| member(index, it, whole)).collect();
    let mut coming = of(Known::Coming).map(|(index, it)| member(index, it, whole));
    let mut record = Record { names: 10, ids: 6, ..Record::default() };
    let (times, age) = whole.backoff.unwrap_or_default();
    let backoff = Backoff { times, at: ago(age), cause: Cause::PodGone, members: 3 };
    record.backoff = whole.backoff.map(|_| backoff);
    record.accepted = Some(Accepted { generation: 1, spec });
    record.consent = whole.consent.1.map(name).map(Choice::RecoverFrom);
    if whole.formed {
        record.cluster_id = Some(CLUSTER.into());
        let first = coming.next().map(|member| Step::Join { member });
        record.step = first.or_else(|| step(&members, whole));
        record.coming = coming.take(1).collect();
        record.members = members;
        record.restoring = restoring(names, whole);
    } else if !members.is_empty() {
        record.bootstrap = Some(Bootstrap { attempt: 1, members });
    }
    record
}

fn member(index: usize, named: &Named, whole: &Whole) -> MemberRecord {
    let it = &named.record;
    let pod = it.sees_pod.map(|same| if same { format!("pod-{index}") } else { "other".into() });
    MemberRecord {
        id: (whole.formed && named.known == Known::Member).then(|| id(index)),
        asked: it.asked.map(ago),
        pod: pod.map(Into::into),
        failing_since: it.failing.map(ago),
        lost_since: it.failing.map(ago),
        restarted: it.restarted.map(|it| Restarted::of(&running(), ago(it))),
        ..MemberRecord::new(name(index), named.role)
    }
}

/// The data of a backup is made by one that is no member, or all pods go for it.
fn restoring(names: &[Named], whole: &Whole) -> Option<Restoring> {
    let mut operations = whole.operations.iter().enumerate();
    let (index, asked) = operations.find(|it| it.1.kind == RESTORES)?;
    let (at, fences) = asked.begun?;
    let named = names.get(at).filter(|it| matches!(it.known, Known::Nowhere))?;
    let member = MemberRecord { id: None, ..member(at, named, whole) };
    let stage = match fences {
        true => RestoreStage::Fencing { member },
        false => RestoreStage::Preparing { member },
    };
    let source = Facts::of(&json!({"from": "monday"}));
    Some(Restoring { by: format!("one-{index}").into(), source, stage })
}

/// A step that somebody may have left half done.
fn step(members: &[MemberRecord], whole: &Whole) -> Option<Step> {
    let (kind, index, reason) = whole.step;
    let member = members.get(index % members.len().max(1))?.clone();
    let (name, role, id, pod) = (member.name, member.role, member.id, member.pod);
    let others = members.iter().map(|it| it.name.clone()).filter(|it| *it != name);
    let recover = |stage| Step::Recover {
        source: name.clone(),
        lost: others.collect(),
        stage,
        unasked: whole.agreed % 2 == 1,
    };
    Some(match kind {
        0 => Step::Leave { name, role, group: 0, id, pod, reason },
        1 => Step::Restart { name },
        2 => Step::App { step: AppStep::new("Rebalance", name) },
        3 => recover(RecoverStage::Fencing {}),
        4 => recover(RecoverStage::Alone {}),
        5 => recover(RecoverStage::Resuming { pod: pod.unwrap_or_default() }),
        6 => {
            Step::App { step: AppStep::new("Compact", name).with("operation", "one-0").dangerous() }
        }
        _ => return None,
    })
}
