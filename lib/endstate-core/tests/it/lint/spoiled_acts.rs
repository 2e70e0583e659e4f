//! How a plan that is right is spoiled in one place: what is done to pods and claims, and asked of the application.

use endstate_core::*;

use super::case::*;
use super::good::*;
use super::spoiled::Spoiled;

/// What must not be broken with pods and claims that are there.
pub(super) const PODS: &[Spoiled] = &[
    ("restarts another pod", restarts, |it| it.pod("c").uid = "other".into()),
    ("restarts another version of a pod", restarts, |it| it.renewed("c")),
    ("updates a pod that is gone", updates, |it| it.gone("c")),
    ("updates another pod", updates, |it| it.renewed("c")),
    ("marks another pod", marks, |it| it.renewed("c")),
    ("restarts one too many", restarts, |it| it.silent("b")),
    ("restarts beside one that does not answer any more", restarts, |it| {
        it.seen.view.targets[1].reach = Reach::Unreachable
    }),
    ("restarts beside one that follows nobody", restarts, |it| it.status("b").leader = None),
    ("restarts, not recorded", restarts, |it| it.plan.status.record.step = None),
    ("restarts another than is recorded", restarts, |it| {
        it.plan.status.record.step = Some(Step::Restart { name: "b".into() })
    }),
    ("recreates one too many", recreates, |it| it.silent("b")),
    ("recreates without a claim", recreates, |it| it.seen.claims.clear()),
    ("recreates without one of two claims", recreates, |it| {
        it.seen.claims[0].beside = vec!["journal".into()]
    }),
    ("recreates another pod", recreates, |it| it.renewed("c")),
    ("recreates the source of a recovery beside others", resumes_source, |it| {
        it.list_mut().members.push(Entry::voter("b", "b"))
    }),
    ("recreates the source of a recovery early", resumes_source, |it| {
        it.plan.status.record.step = Some(recover(RecoverStage::Alone {}))
    }),
    ("recreates another than the source of a recovery", resumes_source, |it| {
        it.plan.status.record.step = Some(Step::Recover {
            source: "b".into(),
            lost: vec![],
            stage: RecoverStage::Resuming { pod: "pod-a".into() },
            unasked: false,
        })
    }),
    ("resumes what was found without consent", resumes_found, |it| it.seen.consent = None),
    ("resumes what was found by another consent", resumes_found, |it| {
        it.seen.consent = Some(Choice::Remove("c".into()))
    }),
    ("resumes what was found without its claim", resumes_found, |it| it.seen.claims.clear()),
    ("resumes what was found beside a start", resumes_found, |it| {
        let members = vec![member("a")];
        it.plan.status.record.bootstrap = Some(Bootstrap { attempt: 1, members });
    }),
    ("adopts without consent", adopts, |it| it.seen.consent = None),
    ("adopts what nobody left", adopts, |it| it.seen.former.clear()),
    ("adopts beside a cluster", adopts, |it| {
        it.plan.status.record.bootstrap = Some(Bootstrap { attempt: 1, members: vec![] })
    }),
    ("deletes a claim that was kept when the record was made again", deletes_claim, |it| {
        it.records(|it| it.kept = vec!["c".into()])
    }),
    ("hibernates by a size that is not 0", hibernates, |it| {
        it.plan.roles = vec![Role::voting("member", 3)]
    }),
    ("hibernates without a claim", hibernates, |it| it.seen.claims.clear()),
    ("hibernates another pod", hibernates, |it| it.renewed("b")),
    ("makes room beside a quorum", makes_room, |it| it.list_mut().agreed = 2),
    ("makes room although one member is not enough", makes_room, |it| {
        it.plan.roles = vec![Role::voting("member", 3).recovery(Recovery::Impossible)]
    }),
    ("makes room without a claim", makes_room, |it| it.seen.claims.clear()),
    ("makes room by another for a source without a claim", makes_room, |it| {
        it.seen.claims.clear();
        *it.action() = Action::DeletePod { pod: seen("b"), reason: LeaveReason::Recovered };
    }),
    ("makes room without consent", makes_room, |it| {
        it.seen.consent = Some(Choice::RecoverFrom("b".into()))
    }),
    ("makes room for less than there was", makes_room, |it| {
        it.seen.status.members[1].position = Some(Position::at(101))
    }),
    ("makes room for what is corrupt, by its own word", makes_room, |it| {
        it.status("a").corruption = vec![Corruption::Of("a".into())]
    }),
    ("makes room although the spec forbids it", makes_room, |it| {
        it.plan.roles = vec![Role::voting("member", 3).recovery(Recovery::Forbidden)]
    }),
    ("makes room unasked, by another policy", makes_room_unasked, |it| {
        it.plan.roles = vec![Role::voting("member", 3)]
    }),
    ("makes room unasked beside one that is silent", makes_room_unasked, |it| {
        it.pod("b").exit = None
    }),
    ("makes room unasked beside one that is going", makes_room_unasked, |it| {
        it.pod("b").deleting = true
    }),
    ("makes room unasked at the first sight", makes_room_unasked, |it| {
        it.records(|it| it.members.iter_mut().for_each(|it| it.lost_since = None))
    }),
    ("makes room unasked, and the source does not say how far it is", makes_room_unasked, |it| {
        it.status("a").position = None
    }),
    ("makes room unasked beside a stranger", makes_room_unasked, |it| {
        it.seen.pods.as_mut().unwrap().push(pod("x"))
    }),
    ("makes room unasked for less than there was", makes_room_unasked, |it| {
        it.row("b", Standing::Voter, Position::at(120))
    }),
    ("goes on unasked by another policy", makes_room_unasked, |it| {
        it.seen.status.record.step = it.plan.status.record.step.clone();
        it.plan.roles = vec![Role::voting("member", 3)]
    }),
    ("makes room, not recorded", makes_room, |it| it.plan.status.record.step = None),
    ("makes room in another pod", makes_room, |it| it.renewed("a")),
    ("deletes a first member", clears_attempt, |it| {
        it.records(|it| it.bootstrap.as_mut().unwrap().members.push(member("z")))
    }),
    ("deletes without a start under way", clears_attempt, |it| {
        it.records(|it| it.bootstrap = None)
    }),
    ("deletes one that is listed by its mark under another name", clears, |it| {
        it.relist(|it| it.push(Entry::voter("c", "10")))
    }),
    ("deletes one that is listed by its own word under another name", clears, |it| {
        it.relist(|it| it.push(Entry::voter("c2", "10")));
        it.status("c").id = "c2".into();
    }),
    ("deletes one that is listed by the record under another name", clears, |it| {
        it.relist(|it| it.push(Entry::voter("c2", "10")));
        let known = MemberRecord { id: Some("c2".into()), ..member("c") };
        it.seen.status.record.members.push(known);
    }),
    ("deletes one that is listed", clears, |it| it.list_mut().members.push(Entry::voter("c", "c"))),
    ("deletes without proof", clears, |it| it.list_mut().agreed = 1),
    ("deletes one that is recorded", clears, |it| it.plan.status.record.members.push(member("c"))),
    ("deletes, not recorded", clears, |it| it.plan.status.record.step = None),
    ("deletes another than is recorded", clears, |it| {
        it.plan.status.record.step = Some(leave("b", LeaveReason::ScaleDown))
    }),
    ("deletes another pod", clears, |it| it.renewed("c")),
    ("deletes another claim", deletes_claim, |it| it.seen.claims[0].uid = "other".into()),
    ("deletes the claim of one that is listed", deletes_claim, |it| {
        it.list_mut().members.push(Entry::non_voter("c", "c"))
    }),
    ("deletes the claim of one that is recorded", deletes_claim, |it| {
        it.plan.status.record.members.push(member("c"))
    }),
    ("deletes a claim in use", deletes_claim, |it| it.seen.pods.as_mut().unwrap().push(pod("c"))),
    ("deletes a claim without proof", deletes_claim, |it| it.list_mut().agreed = 1),
    ("deletes a claim that is retained", deletes_claim, |it| {
        it.seen.claims[0].retained = true;
        *it.action() = Action::DeleteClaim { claim: it.seen.claims[0].clone() };
    }),
    ("deletes a claim that the policy keeps", deletes_claim, |it| {
        it.plan.retention[0].retention.when_scaled = Reclaim::Retain
    }),
    ("deletes a claim that the policy of its volume keeps", deletes_claim, |it| {
        let retention = Retention::new(Reclaim::Delete, Reclaim::Retain);
        it.plan.retention[0].volume = "journal".into();
        it.plan.retention.push(Policy::new("member", DATA, retention));
    }),
    ("deletes the claim of who leaves, which the policy keeps", deletes_claim_early, |it| {
        it.keeps("member", Retention::new(Reclaim::Delete, Reclaim::Retain))
    }),
    ("deletes a claim of which no policy speaks", deletes_claim, |it| it.plan.retention.clear()),
    (
        "deletes a claim of nobody knows which role, which another policy keeps",
        deletes_claim,
        |it| it.keeps("observer", Retention::new(Reclaim::Delete, Reclaim::Retain)),
    ),
    ("deletes a claim without a record", deletes_claim, |it| it.records(|it| it.cluster_id = None)),
    ("deletes a claim while a voter is down", deletes_claim, |it| it.silent("b")),
    ("deletes the claim of another than leaves", deletes_claim_early, |it| {
        it.plan.status.record.step = Some(leave("b", LeaveReason::Dead))
    }),
    ("deletes the claim of a leftover while a voter is down", deletes_claim_early, |it| {
        it.plan.status.record.step = Some(leave("c", LeaveReason::Stray))
    }),
    ("marks what the member does not say", marks, |it| it.status("c").id = "d".into()),
    ("marks what nobody says", marks, |it| it.silent("c")),
    ("takes a mark away", marks, |it| it.pod("c").marks.started = Some("older".into())),
];

/// What must not be asked of the application.
pub(super) const CALLS: &[Spoiled] = &[
    ("removes without proof", removes, |it| it.list_mut().agreed = 1),
    ("removes from another cluster", removes, |it| it.list_mut().cluster = "c2".into()),
    ("removes from another list", removes, |it| {
        it.list_mut().members.push(Entry::non_voter("d", "d"))
    }),
    ("removes from another version of the list", removes, |it| it.list_mut().revision = Some(2)),
    ("removes no member", removes, |it| {
        *it.request() =
            Request::Leave { member: "c".into(), id: "d".into(), reason: LeaveReason::ScaleDown }
    }),
    ("removes under another name", removes, |it| {
        *it.request() =
            Request::Leave { member: "c".into(), id: "b".into(), reason: LeaveReason::ScaleDown }
    }),
    ("removes, not recorded", removes, |it| it.plan.status.record.step = None),
    ("removes another than is recorded", removes, |it| {
        it.plan.status.record.step = Some(leave("b", LeaveReason::ScaleDown))
    }),
    ("removes one too many", removes, |it| it.silent("b")),
    ("removes the last voter", removes, |it| {
        it.relist(|it| it.drain(..2).for_each(drop));
    }),
    ("removes beside corrupt data", removes, |it| {
        it.status("a").corruption = vec![Corruption::Of("b".into())]
    }),
    ("removes while members differ", removes, |it| {
        it.status("b").corruption = vec![Corruption::Undetermined]
    }),
    ("removes while one comparison says that data differs", removes, |it| {
        it.compared(&["b"]);
        it.seen.view.comparisons.pop();
    }),
    ("removes beside data that differs", removes, |it| it.compared(&["b"])),
    ("withdraws an alarm and the data was not compared", withdraws, |it| {
        it.seen.view.comparisons.clear();
    }),
    ("withdraws an alarm after one comparison", withdraws, |it| {
        it.seen.view.comparisons.pop();
    }),
    ("withdraws an alarm while members differ", withdraws, |it| it.compared(&["c"])),
    ("withdraws an alarm that one may be about who joined", withdraws, |it| {
        it.relist(|it| it.push(Entry::voter("d", "d")));
    }),
    ("gives up one whose node was silent for less than a minute", gives_up, |it| {
        let since = it.seen.now - jiff::SignedDuration::from_secs(59);
        it.pod("c").node_fault = Some(NodeFault::Silent { since });
    }),
    ("gives up one with the data of another, which may be deleted then", gives_up, |it| {
        let foreign = Evidence::DataForeign;
        let exit = Exit::of(foreign.exit_code().into(), None, &foreign.message("of d"));
        it.pod("c").exit = Some(exit);
    }),
    ("gives up one that runs", gives_up, |it| it.pod("c").node_fault = None),
    ("gives up one that runs in a pod that nobody saw", gives_up, |it| {
        it.pod("c").node_fault = None;
        it.records(|it| it.members[2].pod = None);
    }),
    ("gives up one that runs and is not recorded", gives_up, |it| {
        it.pod("c").node_fault = None;
        it.records(|it| it.members.truncate(2));
    }),
    ("gives up one on a volume that is kept", gives_up, |it| {
        it.gone("c");
        it.claimed("c");
    }),
    ("adds beside one without a vote", adds, |it| {
        it.relist(|it| it.push(Entry::non_voter("e", "e")))
    }),
    ("adds a third beside two without a vote", adds_another, |it| {
        it.relist(|it| it.push(Entry::non_voter("f", "f")));
        it.plan.status.record.coming.push(MemberRecord::new("f", "member"));
    }),
    ("adds two where one may join", adds_another, |it| it.plan.roles[0].at_once = 1),
    ("adds another beside one that is not recorded", adds_another, |it| {
        it.plan.status.record.step = None;
    }),
    ("adds a member", adds, |it| it.relist(|it| it.push(Entry::voter("d", "d")))),
    ("adds without the role that it needs", adds, |it| it.needs("other")),
    ("adds, not recorded", adds, |it| it.plan.status.record.step = None),
    ("adds without proof", adds, |it| it.list_mut().agreed = 1),
    ("adds under an id that is taken", adds, |it| {
        *it.request() = Request::Join {
            member: "d".into(),
            id: Some("b".into()),
            address: "d".into(),
            votes: false,
        }
    }),
    ("lists one of which it is not recorded", adds_with_vote, |it| it.comes("d", "d")),
    ("adds a vote that is silent", adds_with_vote, |it| it.silent("d")),
    ("adds a vote that does not answer any more", adds_with_vote, |it| {
        it.seen.view.targets[3].reach = Reach::Unreachable
    }),
    ("adds a vote that follows nobody", adds_with_vote, |it| it.status("d").leader = None),
    ("adds a vote without a mark", adds_with_vote, |it| it.unmarked("d")),
    ("adds a vote to too few", adds_with_vote, |it| {
        it.silent("b");
        it.silent("c");
    }),
    ("promotes one that is silent", promotes, |it| it.silent("d")),
    ("promotes one whose data is corrupt", promotes, |it| {
        it.status("a").corruption = vec![Corruption::Of("d".into())]
    }),
    ("promotes one that votes", promotes, |it| it.relist(|it| it[3].votes = true)),
    ("promotes one that is not listed", promotes, |it| it.relist(|it| it.truncate(3))),
    ("promotes without a mark", promotes, |it| it.unmarked("d")),
    ("promotes beside too few", promotes, |it| {
        it.silent("b");
        it.silent("c");
    }),
    ("promotes without proof", promotes, |it| it.list_mut().agreed = 1),
    ("hands over to one that is silent", transfers, |it| it.silent("b")),
    ("hands over to nobody", transfers, |it| {
        *it.request() = Request::Transfer { to: "d".into(), id: "d".into() }
    }),
    ("hands over to one without a vote", transfers, |it| it.relist(|it| it[1].votes = false)),
    ("hands over to corrupt data", transfers, |it| {
        it.status("a").corruption = vec![Corruption::Of("b".into())]
    }),
    ("hands over without proof", transfers, |it| it.list_mut().agreed = 1),
    ("appoints beside one that acknowledged by an older spec", appoints, |it| {
        it.records(|it| it.acks_alone = true)
    }),
    ("appoints by a spec that was accepted just now", appoints, |it| {
        it.plan.status.record.acks_alone = true
    }),
    ("appoints without proof", appoints, |it| it.list_mut().agreed = 1),
    ("appoints where members elect", appoints, |it| {
        it.plan.roles = vec![Role::voting("member", 3)]
    }),
    ("appoints under another name", appoints, |it| it.appoints(("c", "b"), &["b", "c"])),
    ("appoints one without a vote", appoints, |it| it.relist(|it| it[1].votes = false)),
    ("appoints one that does not answer", appoints, |it| it.appoints(("a", "a"), &["b", "c"])),
    ("appoints one that does not say what it has", appoints, |it| it.status("b").position = None),
    ("appoints corrupt data", appoints, |it| {
        it.status("c").corruption = vec![Corruption::Of("b".into())]
    }),
    ("appoints by the word of one", appoints, |it| it.appoints(("b", "b"), &["b"])),
    ("appoints by the word of one that is silent", appoints, |it| {
        it.appoints(("b", "b"), &["a", "b"])
    }),
    ("appoints beside one that others follow", appoints, |it| {
        it.status("c").leader = Some("a".into())
    }),
    ("appoints beside one that leads", appoints, |it| {
        it.status("c").leader = Some("c".into());
        it.status("b").leader = Some("c".into());
    }),
    ("appoints less than another has", appoints, |it| {
        it.status("c").position = Some(Position::at(101))
    }),
    ("appoints beside one that does not say what it has", appoints, |it| {
        it.status("c").position = None
    }),
    ("appoints beside a voter that may lead alone", appoints, |it| it.appointed(Acks::Leader)),
    ("appoints beside a volume that may have more", appoints_alone, |it| it.claimed("a")),
    ("appoints beside one that is only crashing", appoints_alone, |it| {
        it.seen.pods.as_mut().unwrap().push(pod("a"))
    }),
    ("appoints beside one that says it leads alone", appoints_alone, |it| {
        it.status("c").leader = Some("c".into())
    }),
    ("appoints less than one had that lost it", appoints_alone, |it| {
        it.seen.status.members[0].position = Some(Position::at(101))
    }),
    ("stops one that a majority follows", stops_rival, |it| {
        it.status("c").leader = Some("b".into())
    }),
    ("drains, not recorded", drains, |it| it.plan.status.record.step = None),
    ("drains without proof", drains, |it| it.list_mut().agreed = 1),
    ("steps, not recorded", own_step, |it| it.plan.status.record.step = None),
    ("steps as another", own_step, |it| {
        it.plan.status.record.step = Some(Step::App { step: AppStep::new("Other", "a") })
    }),
    ("steps beside a task", own_step, |it| {
        it.seen.view.tasks = vec![Task::new(RequestKind::Leave, "c", 1, 9)]
    }),
    ("steps without the role that it needs", own_step, |it| it.needs("other")),
    ("steps while one is not up to date", own_dangerous_step, |it| {
        it.plan.status.members = vec![MemberRow::new("b", "member")]
    }),
    ("steps dangerously without a spare", own_dangerous_step, |it| it.silent("b")),
    ("steps dangerously without proof", own_dangerous_step, |it| it.list_mut().agreed = 1),
    ("steps dangerously while nobody leads", own_dangerous_step, |it| it.status("a").leader = None),
    ("mends dangerously", mends, |it| {
        *it.request() = Request::App(AppStep::new("Meet", "a").dangerous())
    }),
    ("mends what needs a role", mends, |it| {
        let need = Precondition::Healthy { role: "member".into() };
        *it.request() = Request::App(AppStep::new("Meet", "a").needs(need))
    }),
    ("asks for an operation that was not started", operates, |it| {
        it.seen.beside[0].progress = Progress::default()
    }),
    ("asks for an operation that is over", operates, |it| {
        it.seen.beside[0].progress.state = State::Complete
    }),
    ("asks for an operation that nobody asked for", operates, |it| it.seen.beside.clear()),
    ("asks for an operation who lags", operates, |it| {
        it.status("b").position = Some(Position::at(1))
    }),
    ("asks for an operation who does not say how far it is", operates, |it| {
        it.status("b").position = None
    }),
    ("asks for an operation beside one that was begun", operates, |it| {
        it.seen.beside[0].progress.members = vec![Part::new("c", 1)]
    }),
    ("asks for an operation before its status says what was answered", operates, |it| {
        it.seen.beside[0].progress.members = vec![Part::new("c", 1)];
        it.seen.beside[0].answered = vec!["c".into()]
    }),
    ("asks for an operation beside one that is recorded", operates, |it| {
        let step = AppStep::new("Compact", "c").with("operation", "one");
        it.seen.status.record.step = Some(Step::App { step })
    }),
    ("replaces what nobody wants replaced", replaces, |it| it.seen.beside.clear()),
    ("mends through another", mends, |it| *it.request() = Request::App(AppStep::new("Meet", "b"))),
    ("mends on another list", mends, |it| it.list_mut().revision = Some(2)),
    ("mends what does not exist", mends, |it| it.records(|it| it.cluster_id = None)),
    ("resumes without the role that it needs", resumes, |it| it.needs("other")),
    ("restarts without the role that it needs", restarts, |it| it.needs("other")),
    ("cancels on another list", cancels, |it| it.list_mut().revision = Some(2)),
    ("cancels without proof", cancels, |it| it.list_mut().agreed = 1),
];
