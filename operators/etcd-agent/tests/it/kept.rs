//! What is backed up comes back.

use std::sync::{Arc, Mutex};

use endstate_core::backup::Report;
use etcd_agent::{AgentError, KeepTask, Keeper, When, restore};
use etcd_client::{
    AlarmAction, AlarmOptions, AlarmType, Client, CompactionOptions, ConnectOptions, DeleteOptions,
    PutOptions, Txn, TxnOp,
};

use super::support::{Member, World};

const VERSIONS: [&str; 5] = ["3.4.23", "3.5.16", "3.5.35", "3.6.16", "3.7.3"];

async fn back_up(world: &World, when: When) -> Report {
    let report = Arc::new(Mutex::new(Report::default()));
    let keeper = Keeper::open(world.task(when), world.folders(), Arc::clone(&report));
    let keeper = keeper.await.expect("a keeper");
    keeper.run().await;
    let report = report.lock().expect("nobody panicked").clone();
    assert!(report.complete, "{report:?}");
    report
}

async fn fill(world: &World) {
    let mut client = world.member.client().await;
    for number in 0..50 {
        client.put(format!("key-{number:02}"), vec![b'x'; 2_000], None).await.expect("a write");
    }
    let lease = client.lease_grant(3_600, None).await.expect("a lease").id();
    let options = PutOptions::new().with_lease(lease);
    client.put("leased", "1", Some(options)).await.expect("a write");
    client.delete("key-07", None).await.expect("a delete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_backup_comes_back_with_every_revision_and_lease() {
    for version in VERSIONS {
        let world = World::new(version).await;
        fill(&world).await;
        let revision = world.member.revision().await;
        let report = back_up(&world, When::default()).await;
        let full = report.full.expect("a full backup");
        assert_eq!(i64::try_from(full.revision), Ok(revision), "{version}");
        let made = world.made("restored");
        restore(&world.restore_task(), &made, &world.folders()).await.expect(version);
        let restored = Member::start(version, &world.path("restored"), &[]).await;
        assert_eq!(restored.all(revision).await, world.member.all(revision).await, "{version}");
        let leases = restored.client().await.leases().await.expect("leases");
        assert_eq!(leases.leases().len(), 1, "{version}");
        // Once is once: the same object asks for no second.
        back_up(&world, When::default()).await;
        let entries = world.archive().list(None).await.expect("a list").entries;
        assert_eq!(entries.len(), 1, "{version}");
    }
}

/// Who remembers a revision of after the backup must never be told of an older one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_go_on_above_all_that_were_given_out() {
    for version in VERSIONS {
        let world = World::new(version).await;
        fill(&world).await;
        back_up(&world, When::default()).await;
        let revision = world.member.revision().await;
        let mut task = world.restore_task();
        task.bump_revision = 1_000_000;
        let made = world.made("restored");
        if version == "3.4.23" {
            let refused = restore(&task, &made, &world.folders()).await.expect_err("it cannot");
            assert!(matches!(refused, AgentError::CannotRaise(_)), "{refused}");
            continue;
        }
        let raised = 1_000_000;
        let restored = restore(&task, &made, &world.folders()).await.expect(version);
        assert_eq!(restored.raised, raised);
        let member = Member::start(version, &world.path("restored"), &[]).await;
        let now = member.revision().await;
        assert_eq!(u64::try_from(now - revision), Ok(raised), "{version}");
        let options = etcd_client::GetOptions::new().with_revision(revision + 1);
        let old = member.client().await.get("key-01", Some(options)).await;
        assert!(old.is_err(), "{version}: {old:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_of_what_is_damaged_cut_off_or_not_there() {
    let world = World::new("3.5.16").await;
    let made = world.made("restored");
    let task = world.restore_task();
    let error = restore(&task, &made, &world.folders()).await.expect_err("nothing is there");
    assert!(matches!(error, AgentError::NoBackup), "{error}");
    fill(&world).await;
    back_up(&world, When::default()).await;
    let folder = std::fs::read_dir(world.path("archive")).expect("a folder").next();
    let data = folder.expect("a lineage").expect("a lineage").path().join("data");
    let file = std::fs::read_dir(&data).expect("data").next().expect("data").expect("data").path();
    let whole = std::fs::read(&file).expect("data");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bytes in [&flipped[..], &whole[..whole.len() - 7], b"".as_slice()] {
        std::fs::write(&file, bytes).expect("a write");
        let error = restore(&task, &made, &world.folders()).await.expect_err("damaged");
        assert!(matches!(error, AgentError::Archive(_)), "{error:?}");
        assert!(!world.path("restored/member").exists());
    }
    // An attempt that was interrupted is no data, and is in nobody's way.
    std::fs::create_dir_all(world.path("restored/.restore/data/member/wal")).expect("a folder");
    std::fs::write(&file, &whole).expect("a write");
    restore(&task, &made, &world.folders()).await.expect("it is whole again");
    assert!(world.path("restored/member/snap/db").exists());
    assert!(!world.path("restored/.restore").exists());
}

/// Its revisions mean something else by now, though etcd's id of the cluster is the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_began_anew_is_kept_apart() {
    let mut world = World::new("3.5.16").await;
    fill(&world).await;
    let when = When { full: Some(3_600), delta: Some(0), ..When::default() };
    let mut keeping = Keeping::begin(&world, when).await;
    keeping.reaches(world.member.revision().await).await;
    // What the next of its members would know who lacks the last writes.
    let older = world.copy("older").await;
    write_on(&world, 0).await;
    keeping.reaches(world.member.revision().await).await;
    drop(keeping);
    let last = world.member.revision().await;
    world.member = Member::start("3.5.16", &older, &["--force-new-cluster"]).await;
    write_on(&world, 300).await;
    write_on(&world, 400).await;
    assert!(world.member.revision().await > last, "nothing shows it but what was written");
    let mut keeping = Keeping::begin(&world, when).await;
    keeping.forgives = true;
    keeping.in_another_lineage().await;
    keeping.reaches(world.member.revision().await).await;
    drop(keeping);
    let entries = world.archive().list(None).await.expect("a list").entries;
    let lineages: std::collections::BTreeSet<_> = entries.iter().map(|it| it.lineage()).collect();
    assert_eq!(lineages.len(), 2, "{lineages:?}");
    let mut task = world.restore_task();
    let made = world.made("restored");
    let refused = restore(&task, &made, &world.folders()).await.expect_err("which is meant?");
    assert!(matches!(refused, AgentError::Several(_)), "{refused}");
    task.lineage = lineages.into_iter().next_back().cloned();
    restore(&task, &made, &world.folders()).await.expect("the newer");
    let member = Member::start("3.5.16", &world.path("restored"), &[]).await;
    let now = world.member.revision().await;
    assert_eq!(member.all(now).await, world.member.all(now).await);
}

/// The alarm is in the data, and names a member that the new cluster does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_backed_up_when_no_room_was_left_can_be_written_to() {
    for version in VERSIONS {
        let world = World::with(version, &["--quota-backend-bytes=4194304"]).await;
        let mut client = world.member.client().await;
        let mut refused = false;
        for number in 0..200 {
            refused |=
                client.put(format!("big-{number}"), vec![b'x'; 700_000], None).await.is_err();
        }
        assert!(refused, "{version}: there is room");
        back_up(&world, When::default()).await;
        let made = world.made("restored");
        restore(&world.restore_task(), &made, &world.folders()).await.expect(version);
        let member = Member::start(version, &world.path("restored"), &[]).await;
        let written = member.client().await.put("after", "", None).await;
        assert!(written.is_ok(), "{version}: {written:?}");
    }
}

/// Writes until there is no room, and says whose alarm says so.
async fn without_room(client: &mut Client) -> Vec<u64> {
    for number in 0..200 {
        let _ = client.put(format!("big-{number}"), vec![b'x'; 700_000], None).await;
        let listed = client.alarm(AlarmAction::Get, AlarmType::None, None).await;
        let listed = listed.expect("a list");
        if !listed.alarms().is_empty() {
            return listed.alarms().iter().map(|it| it.member_id()).collect();
        }
    }
    panic!("there is room")
}

/// What is written on it must not be refused, though the full backup has an alarm that refuses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_written_on_a_backup_that_has_an_alarm() {
    for version in VERSIONS {
        let world = World::with(version, &["--quota-backend-bytes=4194304"]).await;
        let mut client = world.member.client().await;
        let alarms = without_room(&mut client).await;
        let when = When { full: Some(3_600), delta: Some(0), ..When::default() };
        let mut keeping = Keeping::begin(&world, when).await;
        keeping.reaches(world.member.revision().await).await;
        let deleted = client.delete("big-", Some(DeleteOptions::new().with_prefix())).await;
        let revision = deleted.expect("a delete").header().expect("a header").revision();
        keeping.reaches(revision).await;
        let now = CompactionOptions::new().with_physical();
        client.compact(revision, Some(now)).await.expect("it is compacted");
        client.defragment().await.expect("there is room again");
        for member in alarms {
            let mut of = AlarmOptions::new();
            of.with_member(member);
            let ended = client.alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(of)).await;
            ended.expect("no alarm");
        }
        client.put("after", "1", None).await.expect("a write");
        let last = world.member.revision().await;
        keeping.reaches(last).await;
        drop(keeping);
        let made = world.made("restored");
        restore(&world.restore_task(), &made, &world.folders()).await.expect(version);
        let member = Member::start(version, &world.path("restored"), &[]).await;
        assert_eq!(member.revision().await, last, "{version}");
        assert_eq!(member.all(last).await, world.member.all(last).await, "{version}");
    }
}

/// etcd applies it in several rounds, and a log of more than one of its files goes before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_of_many_megabytes_comes_back_above_raised_revisions_with_a_log_apart() {
    for version in VERSIONS {
        let world = World::new(version).await;
        fill(&world).await;
        let when = When { full: Some(3_600), delta: Some(0), ..When::default() };
        let mut keeping = Keeping::begin(&world, when).await;
        keeping.reaches(world.member.revision().await).await;
        let mut client = world.member.client().await;
        let lease = client.lease_grant(10, None).await.expect("a lease").id();
        let (mut keeper, mut answers) = client.lease_keep_alive(lease).await.expect("a stream");
        for number in 0_u8..150 {
            let operations = [
                TxnOp::put("big", vec![number; 1_000_000], None),
                TxnOp::put("ends", vec![number], Some(PutOptions::new().with_lease(lease))),
            ];
            client.txn(Txn::new().and_then(operations)).await.expect("a write");
            keeper.keep_alive().await.expect("it lives");
            answers.message().await.expect("it lives");
        }
        let last = world.member.revision().await;
        keeping.reaches(last).await;
        drop(keeping);
        let mut made = world.made("restored");
        let wal = world.path("log");
        std::fs::create_dir(&wal).expect("a folder");
        made.wal_dir = Some(wal.display().to_string());
        let mut task = world.restore_task();
        task.bump_revision = if version == "3.4.23" { 0 } else { 1_000_000 };
        let raised = i64::try_from(task.bump_revision).expect("it is small");
        restore(&task, &made, &world.folders()).await.expect(version);
        let flag = format!("--wal-dir={}", wal.join("wal").display());
        let member = Member::start(version, &world.path("restored"), &[&flag]).await;
        let now = member.revision().await;
        assert_eq!(now, last + raised, "{version}");
        let values = |it: Vec<(String, String, [i64; 4])>| {
            it.into_iter()
                .map(|(key, value, of)| (key, value, of[2..].to_vec()))
                .collect::<Vec<_>>()
        };
        let there = world.member.all(last).await;
        assert_eq!(values(member.all(now).await), values(there), "{version}");
    }
}

/// Whoever is root there writes it anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_a_cluster_with_users_is_the_same_on_trial() {
    for version in VERSIONS {
        let world = World::new(version).await;
        fill(&world).await;
        let mut client = world.member.client().await;
        client.user_add("root", "secret", None).await.expect("a user");
        client.role_add("root").await.expect("a role");
        client.user_grant_role("root", "root").await.expect("a grant");
        client.auth_enable().await.expect("users count");
        let password = world.path("password");
        std::fs::write(&password, "secret").expect("a file");
        let mut task = world.task(When { full: Some(3_600), delta: Some(0), ..When::default() });
        task.password = Some(password);
        let mut keeping = Keeping::of(&world, task.clone()).await;
        keeping.until(|it| it.full.is_some()).await;
        let user = ConnectOptions::new().with_user("root", "secret");
        let mut client = Client::connect([&world.member.url], Some(user)).await.expect("as root");
        let lease = client.lease_grant(600, None).await.expect("a lease").id();
        for number in 0..20 {
            let options = PutOptions::new().with_lease(lease);
            let written = client.put(format!("user-{number}"), "1", Some(options)).await;
            let revision = written.expect("a write").header().expect("a header").revision();
            keeping.reaches(revision).await;
        }
        drop(keeping);
        task.when.trial = Some(3_600);
        let keeping = Keeping::of(&world, task).await;
        let trial = keeping.until(|it| it.trial.is_some()).await.trial.expect("it was made");
        assert!(trial.same && trial.revision > 70, "{version}: {trial:?}");
    }
}

/// Keys written, deleted and attached to a lease in transactions of several.
async fn write_on(world: &World, from: usize) {
    let mut client = world.member.client().await;
    let lease = client.lease_grant(20, None).await.expect("a lease").id();
    for number in from + 1..from + 60 {
        let options = PutOptions::new().with_lease(lease);
        let operations = [
            TxnOp::put(format!("later-{number:03}"), format!("{number}"), None),
            TxnOp::put("ends", format!("{number}"), Some(options)),
            TxnOp::delete(format!("later-{:03}", number / 2), None),
        ];
        client.txn(Txn::new().and_then(operations)).await.expect("a write");
    }
    client.lease_revoke(lease).await.expect("a lease ends");
    client.put("last", format!("{from}"), None).await.expect("a write");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_revision_between_two_backups_comes_back() {
    for version in VERSIONS {
        let world = World::new(version).await;
        fill(&world).await;
        let when = When { full: Some(3_600), delta: Some(0), ..When::default() };
        let mut keeping = Keeping::begin(&world, when).await;
        keeping.reaches(world.member.revision().await).await;
        let mut marks = vec![];
        for from in [0, 100, 200] {
            write_on(&world, from).await;
            marks.push(world.member.revision().await);
            keeping.reaches(world.member.revision().await).await;
        }
        drop(keeping);
        let middle = marks[1] - 20;
        for (number, revision) in [marks[0], middle, marks[2]].into_iter().enumerate() {
            let name = format!("restored-{number}");
            let made = world.made(&name);
            let mut task = world.restore_task();
            task.revision = Some(u64::try_from(revision).expect("revisions are not negative"));
            let restored = restore(&task, &made, &world.folders()).await.expect(version);
            assert_eq!(i64::try_from(restored.revision), Ok(revision));
            let member = Member::start(version, &world.path(&name), &[]).await;
            assert_eq!(member.revision().await, revision, "{version}");
            assert_eq!(member.all(revision).await, world.member.all(revision).await, "{version}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trial_tells_what_is_kept_from_what_is_not_the_same() {
    for version in VERSIONS {
        let world = World::new(version).await;
        fill(&world).await;
        let when =
            When { full: Some(3_600), delta: Some(0), trial: Some(3_600), ..When::default() };
        write_on(&world, 0).await;
        let keeping = Keeping::begin(&world, when).await;
        let report = keeping.until(|it| it.trial.is_some()).await;
        let trial = report.trial.expect("it was waited for");
        assert!(trial.same, "{version}: {trial:?}");
    }
}

/// A keeper at work beside a test.
struct Keeping {
    /// Whether a failure is no end.
    forgives: bool,
    report: Arc<Mutex<Report>>,
    work: tokio::task::JoinHandle<()>,
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Keeping {
    async fn begin(world: &World, when: When) -> Self {
        Self::of(world, world.task(when)).await
    }

    async fn of(world: &World, task: KeepTask) -> Self {
        let report = Arc::new(Mutex::new(Report::default()));
        let keeper = Keeper::open(task, world.folders(), Arc::clone(&report));
        let work = tokio::spawn(keeper.await.expect("a keeper").run());
        Self { forgives: false, report, work }
    }

    async fn until(&self, is_so: impl Fn(&Report) -> bool) -> Report {
        let begun = std::time::Instant::now();
        loop {
            let report = self.report.lock().expect("nobody panicked").clone();
            if is_so(&report) {
                return report;
            }
            assert!(begun.elapsed().as_secs() < 60, "{report:?}");
            assert!(self.forgives || report.failure.is_none(), "{report:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Until it keeps what it keeps apart.
    async fn in_another_lineage(&mut self) {
        self.until(|it| it.lineage.as_ref().is_some_and(|it| it.ends_with("-1"))).await;
    }

    /// Until all is kept up to a revision.
    async fn reaches(&mut self, revision: i64) {
        let reached = |it: &Report| {
            let last = it.full.iter().chain(&it.delta).map(|it| it.revision).max();
            last.is_some_and(|it| i64::try_from(it).is_ok_and(|it| it >= revision))
        };
        self.until(reached).await;
    }
}
