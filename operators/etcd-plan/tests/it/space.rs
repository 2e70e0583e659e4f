//! Space, case by case: which variables members get, and whom a defragmentation is asked of.

use endstate_core::{
    App, AppStep, Cluster, Facts, Fullness, Identity, LaunchOf, Member, MemberRecord, Platform,
    Position, Remedy, VolumeSpec,
};
use etcd_plan::{
    COMPACT, ClusterFacts, DEFRAGMENT, Etcd, EtcdClusterSpec, MemberFacts, NoSpace, REVISION,
    WITHDRAW_NOSPACE,
};

const QUOTA: u64 = 1000;

fn spec() -> EtcdClusterSpec {
    EtcdClusterSpec::new(3, "3.5.35")
}

/// Three members, of whom the first leads; each with a database of this size, of which so much is in use.
fn cluster(databases: [(u64, u64); 3]) -> Cluster {
    let member = |(number, (size, in_use)): (usize, (u64, u64))| {
        let name = ["a", "b", "c"][number];
        let mut member = Member::new(name, name, "member").voting(true).at(Position::at(10_000));
        member.leads = number == 0;
        let database = Some(Fullness { size, in_use, bound: QUOTA, rewritten: None });
        member.facts = Facts::of(&MemberFacts { database, ..MemberFacts::default() });
        member
    };
    let mut cluster = Cluster::default();
    cluster.members = databases.into_iter().enumerate().map(member).collect();
    cluster.facts = alarmed(Some(false));
    cluster
}

fn alarmed(compacted: Option<bool>) -> Facts {
    let no_space = Some(NoSpace { full: vec!["b".into()], revision: 42, compacted });
    Facts::of(&ClusterFacts { no_space, ..ClusterFacts::default() })
}

/// The step that is due, and whom it is about.
fn due(spec: &EtcdClusterSpec, cluster: &Cluster) -> Option<(String, String)> {
    let steps: Vec<AppStep> = Etcd.steps(spec, cluster);
    assert!(steps.len() < 2, "{steps:?}");
    steps.into_iter().next().map(|it| (it.name.clone(), it.member.to_string()))
}

fn is(name: &str, member: &str) -> Option<(String, String)> {
    Some((name.to_owned(), member.to_owned()))
}

#[test]
fn history_is_given_up_in_time_by_new_clusters_unless_somebody_chooses() {
    let variables = |spec: &EtcdClusterSpec| {
        let object = Identity::new("default", "demo", "0c5f");
        let launch =
            Etcd.launch(&LaunchOf::new(&object, spec, &MemberRecord::new("demo-a", "member")));
        let env = launch.env.into_iter();
        env.filter(|it| it.0.starts_with("ETCD_AUTO"))
            .map(|it| format!("{}={}", it.0, it.1))
            .collect::<Vec<_>>()
    };
    let platform = Platform::default();
    let new = Etcd.settle(&spec(), None, &platform);
    let own = ["ETCD_AUTO_COMPACTION_MODE=periodic", "ETCD_AUTO_COMPACTION_RETENTION=1h"];
    assert_eq!(variables(&new), own);
    assert_eq!(variables(&Etcd.settle(&spec(), Some(&new), &platform)), own);
    // One from before there was a choice.
    let old = Etcd.settle(&spec(), Some(&spec()), &platform);
    assert_eq!(variables(&old), [""; 0]);
    let chosen = [("ETCD_AUTO_COMPACTION_RETENTION".to_owned(), "0".to_owned())];
    let chosen = EtcdClusterSpec { env: chosen.to_vec(), ..new };
    assert_eq!(variables(&chosen), ["ETCD_AUTO_COMPACTION_RETENTION=0"]);
}

#[test]
fn a_member_is_defragmented_where_that_frees_something_and_who_leads_last() {
    assert_eq!(
        due(&spec(), &cluster([(1000, 800), (1000, 400), (1000, 800)])),
        is(DEFRAGMENT, "b")
    );
    // Who still uses more may be about to remove it.
    assert_eq!(
        due(&spec(), &cluster([(1000, 400), (1000, 800), (1000, 400)])),
        is(DEFRAGMENT, "c")
    );
    assert_eq!(due(&spec(), &cluster([(1000, 800), (400, 400), (1000, 800)])), is(DEFRAGMENT, "c"));
    assert_eq!(due(&spec(), &cluster([(1000, 800), (400, 400), (400, 400)])), is(DEFRAGMENT, "a"));
    // Who has room is left alone.
    assert_eq!(due(&spec(), &cluster([(890, 400); 3])), is(WITHDRAW_NOSPACE, "a"));
    // Less than a twentieth of the quota is not worth it: history goes.
    let full = cluster([(1000, 960); 3]);
    assert_eq!(due(&spec(), &full), is(COMPACT, "a"));
    assert_eq!(Etcd.steps(&spec(), &full)[0].arguments[REVISION], "42");
    // Nobody is blocked for little before, and then again.
    let mut crowded = cluster([(1000, 850); 3]);
    assert_eq!(due(&spec(), &crowded), is(COMPACT, "a"));
    crowded.facts = alarmed(Some(true));
    assert_eq!(due(&spec(), &crowded), is(DEFRAGMENT, "b"));
    for compacted in [Some(true), None] {
        let mut all = full.clone();
        all.facts = alarmed(compacted);
        assert_eq!(due(&spec(), &all), None, "{compacted:?}");
    }
    let manual = EtcdClusterSpec { space_remedy: Remedy::Manual, ..spec() };
    assert_eq!(due(&manual, &cluster([(1000, 400); 3])), None);
    // A step that blocks its member is asked of that member.
    let step = Etcd.steps(&spec(), &cluster([(1000, 400); 3])).remove(0);
    assert!(step.dangerous && step.needs.len() == 3);
    let request = endstate_core::Request::App(step);
    assert_eq!(Etcd.via(&full, &request).unwrap(), "b".into());
}

#[test]
fn one_that_gave_nothing_back_is_not_asked_again() {
    let mut all = cluster([(300, 300), (1000, 300), (300, 300)]);
    let mut after = |size, in_use| {
        let database =
            Fullness { size: 1000, in_use: 300, bound: QUOTA, rewritten: Some((size, in_use)) };
        let facts = MemberFacts { database: Some(database), ..MemberFacts::default() };
        all.members[1].facts = Facts::of(&facts);
        all.facts = alarmed(Some(true));
        due(&spec(), &all)
    };
    assert_eq!(after(1000, 300), None);
    assert_eq!(after(800, 300), is(DEFRAGMENT, "b"), "it has grown since");
    assert_eq!(after(1000, 900), is(DEFRAGMENT, "b"), "less is in use since");
}

#[test]
fn nobody_is_blocked_who_is_behind_or_whose_volume_holds_no_copy() {
    let mut all = cluster([(1000, 400); 3]);
    all.members[1].position = Some(Position::at(4_000));
    assert_eq!(due(&spec(), &all), None, "nor does history go meanwhile");
    assert!(Etcd.complaint(&spec(), &all).unwrap().message.contains("catch up"));
    all.members[1].position = Some(Position::at(6_000));
    assert_eq!(due(&spec(), &all), is(DEFRAGMENT, "b"));
    let on = |size: u64| {
        let mut volume = VolumeSpec::default();
        volume.size = size.to_string();
        EtcdClusterSpec { storage: Some(volume.into()), ..spec() }
    };
    assert_eq!(due(&on(1400), &all), None);
    assert!(Etcd.complaint(&on(1400), &all).unwrap().message.contains("grow the volume first"));
    assert_eq!(due(&on(1401), &all), is(DEFRAGMENT, "b"));
    // One that is at work says nothing, and is waited for, whatever becomes of the alarm.
    let at_work = Some((DEFRAGMENT.to_owned(), "c".into()));
    all.facts = Facts::of(&ClusterFacts { at_work, ..ClusterFacts::default() });
    assert_eq!(due(&spec(), &all), is(DEFRAGMENT, "c"));
    all.facts = alarmed(Some(false));
    // Nothing is known of one: nothing is done.
    all.members[2].facts = Facts::default();
    assert_eq!(due(&spec(), &all), None);
}

#[test]
fn the_quota_is_what_the_member_says_or_what_it_was_told() {
    let near = |quota: u64, told: &str| {
        let mut all = cluster([(850 << 20, 850 << 20); 3]);
        all.facts = Facts::of(&ClusterFacts::default());
        for member in &mut all.members {
            let database =
                Fullness { size: 850 << 20, in_use: 850 << 20, bound: quota, rewritten: None };
            member.facts =
                Facts::of(&MemberFacts { database: Some(database), ..MemberFacts::default() });
        }
        let mut spec = spec();
        spec.env = vec![("ETCD_QUOTA_BACKEND_BYTES".to_owned(), told.to_owned())];
        Etcd.complaint(&spec, &all).map(|it| (it.reason, it.degrades))
    };
    let short = Some(("SpaceShort", false));
    assert_eq!(near(1000 << 20, "0"), short);
    assert_eq!(near(0, "0"), None, "2 GiB by default");
    assert_eq!(near(0, &(1000 << 20).to_string()), short);
    assert_eq!(near(0, "-1"), None, "no quota");
}
