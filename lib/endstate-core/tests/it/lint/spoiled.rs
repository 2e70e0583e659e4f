//! How a plan that is right is spoiled in one place: the plan as a whole, and pods that are made.

use endstate_core::*;

use super::case::*;
use super::good::*;

/// Its name, the plan, and what is done to it.
pub(super) type Spoiled = (&'static str, fn() -> Case, fn(&mut Case));

/// What the plan as a whole must not break.
pub(super) const WHOLE: &[Spoiled] = &[
    ("two dangerous actions", restarts, |it| it.plan.actions.extend(restarts().plan.actions)),
    ("no epoch", restarts, |it| it.plan.status.record.epoch -= 1),
    ("two epochs", restarts, |it| it.plan.status.record.epoch += 1),
    ("an epoch for nothing", idle, |it| it.plan.status.record.epoch += 1),
    ("an epoch for a mark", marks, |it| it.plan.status.record.epoch += 1),
    ("names counted down", idle, |it| it.plan.status.record.names -= 1),
    ("another identity", idle, |it| it.plan.status.record.cluster_id = Some("c2".into())),
    ("no identity", idle, |it| it.plan.status.record.cluster_id = None),
    ("a second start", idle, |it| {
        it.plan.status.record.bootstrap = Some(Bootstrap { attempt: 2, members: vec![] })
    }),
    ("ids counted down", idle, |it| it.seen.status.record.ids = 1),
    ("ids counted down in the same attempt", clears_attempt, |it| it.seen.status.record.ids = 1),
    ("ids counted down at the end of an attempt", formed, |it| it.seen.status.record.ids = 1),
    ("an id of another", idle, |it| {
        it.allocates();
        it.comes("d", "4");
    }),
    ("a spare id while its pod is there", idle, |it| {
        it.allocates();
        it.comes("d", "4");
        it.seen.pods.as_mut().unwrap().push(pod("z"));
        it.records(|it| it.spare = vec![SpareId { id: "4".into(), member: "z".into() }]);
    }),
    ("an id that may be listed is called spare", idle, |it| {
        it.allocates();
        it.comes("z", "4");
        it.seen.status.record.step = it.plan.status.record.step.clone();
        if let Some(Step::Join { member }) = &mut it.seen.status.record.step {
            member.unrequested = false;
        }
        it.plan.status.record.step = None;
        it.plan.status.record.spare = vec![SpareId { id: "4".into(), member: "z".into() }];
    }),
    ("the id of one whose pod may come is called spare", idle, |it| {
        it.allocates();
        it.comes("z", "4");
        it.seen.status.record.step = it.plan.status.record.step.clone();
        if let Some(Step::Join { member }) = &mut it.seen.status.record.step {
            member.asked = Some(it.seen.now);
        }
        it.plan.status.record.step = None;
        it.plan.status.record.spare = vec![SpareId { id: "4".into(), member: "z".into() }];
    }),
    ("forgets that a leader may have what no other has", appoints, |it| {
        it.plan.actions.clear();
        it.plan.status.record.epoch -= 1;
        it.seen.status.record.acks_alone = true;
    }),
    ("forgets one that is listed", idle, |it| it.plan.status.record.members.truncate(2)),
    ("forgets one that is listed under another name", idle, |it| {
        it.list_mut().members[2].name = "10".into();
        it.plan.status.record.members.truncate(2);
    }),
    ("asked and forgotten", idle, |it| {
        it.seen.status.record.members[2].asked = Some(it.seen.now);
        it.plan.status.record.members[2].pod = None;
    }),
    ("another was not made, and this one is forgotten", idle, |it| {
        it.plan.actions.push(create("c", Start::Resume { members: vec![] }));
        it.refused(600);
        it.plan.actions.clear();
        it.seen.blocked[0].not_created = vec!["b".into()];
        it.seen.status.record.members[2].asked = Some(it.seen.now);
        it.plan.status.record.members[2].pod = None;
    }),
    ("acts on an object that is going", restarts, |it| it.seen.object.deleting = true),
    ("acts without the list of pods", cancels, |it| it.seen.pods = None),
    ("acts under names of others", bootstraps, |it| {
        it.seen.conflicts = vec![Conflict::new("Service", "demo")]
    }),
    ("acts on a paused cluster", restarts, |it| it.plan.status.phase = Phase::Paused),
    ("applies objects of a paused cluster", idle, |it| {
        it.plan.status.phase = Phase::Paused;
        it.plan.surroundings = formed().plan.surroundings;
    }),
    ("lets clients in early", bootstraps, |it| it.plan.surroundings = formed().plan.surroundings),
    ("records the cluster with too few marks", formed, |it| {
        it.unmarked("a");
        it.unmarked("b");
    }),
    ("records the cluster with too few pods", formed, |it| {
        it.gone("a");
        it.gone("b");
    }),
    ("was refused a moment ago", restarts, |it| it.refused(0)),
    ("was refused half a second ago, nearly", restarts, |it| it.refused(499)),
];

/// What the plan must not break around the members.
pub(super) const AROUND: &[Spoiled] = &[
    ("applies objects of a cluster that is going", formed, |it| it.seen.object.deleting = true),
    ("applies objects before a spec is accepted", owns, |it| it.plan.status.record.accepted = None),
    ("writes what is somebody else's", owns, |it| {
        it.seen.conflicts = vec![Conflict::new("Service", "demo")]
    }),
    ("writes the claim that is somebody else's, beside another", owns, |it| {
        let taken = Conflict::new("PersistentVolumeClaim", "data-a").of(Some("a".into()));
        it.seen.conflicts = vec![Conflict::new("Service", "demo"), taken];
        it.around().taken = vec![Conflict::new("Service", "demo")];
    }),
    ("makes an authority that is there", owns, |it| {
        it.certificate("ca", "k");
        it.around().issued = vec![issue(Certificate::authority("ca"))];
    }),
    ("makes a certificate that nobody looked for", owns, |it| {
        it.around().issued = vec![issue(Certificate::authority("ca"))];
    }),
    ("makes a certificate by an authority that nobody trusts", owns, |it| {
        it.certificate("ca", "other");
        it.certificate("server", "s");
        it.around().issued = vec![issue(Certificate::signed_by("ca", "server"))];
    }),
    ("asks cert-manager for what nobody wants", owns, |it| {
        it.seen.certificates = vec![SeenCertificate::new("mine", None).given()];
        it.around().asked = ["mine".to_owned()].into();
    }),
    ("asks cert-manager for what nobody looked for", owns, |it| it.asks_cert_manager()),
    ("asks cert-manager to overwrite a secret of somebody else's", owns, |it| {
        it.asks_cert_manager();
        it.seen.certificates = vec![SeenCertificate::new("mine", None).given().from(Origin::Other)];
    }),
    ("asks cert-manager by an object of somebody else's", owns, |it| {
        it.asks_cert_manager();
        it.seen.certificates = vec![SeenCertificate::new("mine", None).given()];
        it.seen.conflicts = vec![Conflict::of_request("mine")];
        it.around().taken = it.seen.conflicts.clone();
    }),
    ("asks cert-manager by an object that could not be looked for", owns, |it| {
        it.asks_cert_manager();
        it.seen.certificates = vec![SeenCertificate::new("mine", None).given()];
        it.seen.unasked = Some(Words::of("conversion webhook failed"));
    }),
    ("asks cert-manager a moment after that was refused", owns, |it| {
        it.asks_cert_manager();
        it.seen.certificates = vec![SeenCertificate::new("mine", None).given()];
        let (kind, member) = (ActionKind::RequestCertificates, "demo".into());
        let denial = Denial::Api { message: Words::of("denied by a webhook") };
        it.seen.blocked = vec![Blocked::new(ActionKey { kind, member }, denial, it.seen.now)];
    }),
    ("prunes a claim", owns, |it| it.around().left.clear()),
    ("prunes the claim of a member", owns, |it| it.around().volumes.clear()),
    ("makes the claim of a pod that goes on with its data", owns, |it| {
        it.pod("a").resumes = true;
        it.seen.claims.retain(|it| it.member != "a".into());
    }),
    ("prunes another claim of that name", owns, |it| it.seen.claims[1].uid = "later".into()),
    ("owns a claim that the policy keeps", owns, |it| {
        it.around().left.clear();
        it.seen.claims.truncate(1);
        it.plan.retention[0].retention.when_deleted = Reclaim::Retain;
    }),
    ("owns a claim that the policy of its volume keeps", owns, |it| {
        let retention = Retention::new(Reclaim::Retain, Reclaim::Delete);
        it.plan.retention[0].volume = "journal".into();
        it.plan.retention.push(Policy::new("member", DATA, retention));
    }),
    ("owns claims without a policy", owns, |it| it.plan.retention.clear()),
    ("owns the claim of a role without a policy", owns, |it| {
        it.around().left.clear();
        it.seen.claims.truncate(1);
        it.plan.retention[0].role = "observer".into();
    }),
    ("owns the claim of a role by the policy of one of its groups", owns, |it| {
        it.keeps("member", Retention::new(Reclaim::Retain, Reclaim::Delete));
    }),
    ("owns a claim that was left by nobody knows which role", owns, |it| {
        it.seen.claims[1].role = None;
        it.around().left[0].claim.role = None;
    }),
    ("owns a claim that was left by a role of which no policy speaks", owns, |it| {
        it.seen.claims[1].role = Some("observer".into());
        it.around().left[0].claim.role = Some("observer".into());
    }),
    ("owns the claim of a member by the role that the claim names", owns, |it| {
        let claim = it.seen.claims[0].clone();
        it.around().volumes.clear();
        it.around().left.push(LeftClaim::new(claim, Ownership::Owned));
        it.records(|it| it.members[0].role = "observer".into());
    }),
    ("owns a claim that was left, which the policy of another role keeps", owns, |it| {
        it.keeps("observer", Retention::new(Reclaim::Retain, Reclaim::Delete));
    }),
];

/// What must not be broken in making pods.
pub(super) const CREATED: &[Spoiled] = &[
    ("forms a cluster that exists", bootstraps, |it| {
        it.records(|it| it.cluster_id = Some("c1".into()));
        it.plan.status.record.members = it.plan.status.record.bootstrap.take().unwrap().members;
        it.restart(Start::New { token: "t".into(), members: vec![] });
        it.plan.actions.truncate(1);
    }),
    ("forms with one that is not recorded", bootstraps, |it| {
        it.restart(Start::New { token: "t".into(), members: peers(&["a", "b", "c", "d"]) })
    }),
    ("forms without one that is recorded", bootstraps, |it| {
        it.restart(Start::New { token: "t".into(), members: peers(&["a", "b", "d"]) })
    }),
    ("forms, not asked for", bootstraps, |it| {
        it.plan.status.record.bootstrap.as_mut().unwrap().members[0].asked = None
    }),
    ("forms, asked for before", bootstraps, |it| {
        it.seen.status.record.bootstrap = it.plan.status.record.bootstrap.clone()
    }),
    ("forms, seen before", bootstraps, |it| it.seen.status.record.members = vec![member("a")]),
    ("forms beside a pod", bootstraps, |it| it.seen.pods = Some(vec![pod("a")])),
    ("joins empty with a vote", joins, |it| it.list_mut().members[3].votes = true),
    ("joins without proof", joins, |it| it.list_mut().agreed = 1),
    ("joins, told of too few", joins, |it| it.list_mut().members.push(Entry::voter("e", "e"))),
    ("joins, told of one that is not listed", joins, |it| it.list_mut().members.truncate(2)),
    ("joins unlisted, not told of itself", joins, |it| {
        it.list_mut().members.truncate(3);
        it.restart(Start::Existing { members: peers(&["a", "b", "c"]) });
    }),
    ("joins while it is added", joins, |it| {
        let mut add = adds();
        add.relist(|it| it.push(Entry::non_voter("d", "d")));
        it.plan.actions.extend(add.plan.actions);
    }),
    ("joins under a leader whose data is not that of a majority", joins, |it| it.compared(&["a"])),
    ("joins under a leader that is corrupt", joins, |it| {
        it.status("b").corruption = vec![Corruption::Of("a".into())]
    }),
    ("joins under a name of others", joins, |it| {
        it.seen.conflicts =
            vec![Conflict::new("PersistentVolumeClaim", "data-d").of(Some("d".into()))]
    }),
    ("joins, not recorded", joins, |it| it.plan.status.record.step = None),
    ("joins as another", joins, |it| {
        it.plan.status.record.step = Some(Step::Join { member: MemberRecord::new("e", "member") })
    }),
    ("joins, not asked for", joins, |it| {
        it.plan.status.record.step = it.seen.status.record.step.clone()
    }),
    ("joins, asked for before", joins, |it| {
        it.seen.status.record.step = it.plan.status.record.step.clone()
    }),
    ("resumes without a claim", resumes, |it| it.seen.claims.clear()),
    ("resumes without the volume of its claim", resumes, |it| {
        it.seen.claims[0].volume = Some(VolumeSpec::new("1Gi"));
    }),
    ("resumes on a claim that is going", resumes, |it| it.seen.claims[0].deleting = true),
    ("resumes on one of two claims", resumes, |it| {
        it.seen.claims[0].beside = vec!["journal".into()]
    }),
    ("resumes without one of two volumes", resumes, |it| {
        let journal = Claim::new("journal-c", "claim-j", "1", "c").volume(VolumeSpec::new("1Gi"));
        it.seen.claims[0].beside = vec!["journal".into()];
        it.seen.claims.push(journal.beside(vec!["data".into()]));
    }),
    ("resumes with a directory that it never had", resumes, |it| {
        let Action::CreatePod { launch, .. } = it.action() else { panic!("no pod is made") };
        launch.guard.data.push(Directory::new("journal", "/journal", &["*.log"]));
    }),
    ("resumes beside its pod", resumes, |it| it.seen.pods.as_mut().unwrap().push(pod("c"))),
    ("resumes beside the source of a recovery", resumes, |it| {
        it.list_mut().agreed = 1;
        it.plan.status.record.step = Some(recover(RecoverStage::Alone {}))
    }),
    ("resumes as nobody", resumes, |it| it.records(|it| it.members.truncate(2))),
    ("resumes without a cluster", resumes, |it| it.records(|it| it.cluster_id = None)),
    ("recovers, told of others", recovers, |it| {
        it.restart(Start::Recover { token: "t".into(), members: peers(&["a", "b"]) })
    }),
    ("recovers, told of another", recovers, |it| {
        it.restart(Start::Recover { token: "t".into(), members: peers(&["b"]) })
    }),
    ("recovers without a claim", recovers, |it| it.seen.claims.clear()),
    ("recovers without consent", recovers, |it| it.seen.status.record.step = None),
    ("recovers by the consent to another", recovers, |it| {
        it.seen.consent = Some(Choice::RecoverFrom("b".into()));
        it.seen.status.record.step = Some(Step::Recover {
            source: "b".into(),
            lost: vec![],
            stage: RecoverStage::Fencing {},
            unasked: false,
        });
    }),
    ("recovers as another than is recorded", recovers, |it| {
        it.plan.status.record.step = Some(Step::Recover {
            source: "b".into(),
            lost: vec![],
            stage: RecoverStage::Alone {},
            unasked: false,
        })
    }),
    ("recovers with less than one of unknown standing had", recovers, |it| {
        it.row("d", Standing::Voter, Position::at(96));
        it.seen.status.members[3].standing = None;
    }),
    ("recovers from what was corrupt", recovers, |it| it.seen.status.members[0].corrupt = true),
    ("recovers beside another voter", recovers, |it| it.seen.pods.as_mut().unwrap().push(pod("b"))),
    ("recovers beside one of which nothing is known", recovers, |it| {
        it.seen.pods.as_mut().unwrap().push(pod("z"))
    }),
    ("recovers with less than there was", recovers, |it| {
        it.seen.status.members[0].position = Some(Position::at(94));
        // The data of who is not lost is not given up.
        for step in [&mut it.seen.status.record.step, &mut it.plan.status.record.step] {
            let Some(Step::Recover { lost, .. }) = step else { continue };
            lost.retain(|it| it.as_str() != "b");
        }
    }),
    ("recovers, not recorded", recovers, |it| it.plan.status.record.step = None),
];

fn issue(certificate: Certificate) -> Issue {
    Issue::new(certificate, IssueReason::Missing)
}
