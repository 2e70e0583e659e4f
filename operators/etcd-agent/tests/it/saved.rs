//! Snapshots that somebody saved, in a file and not in an archive: `etcdctl snapshot save`, and the first etcd
//! operator.

use std::path::Path;
use std::sync::{Arc, Mutex};

use endstate_archive::Place;
use endstate_core::backup::Report;
use etcd_agent::{AgentError, Keeper, RestoreTask, Restored, When, restore};

use super::support::{Member, World};

/// Saves what a member streams, as `etcdctl snapshot save` and the first etcd operator did.
async fn save(world: &World, to: &Path) {
    let mut client = world.member.client().await.maintenance_client();
    let mut stream = client.snapshot().await.expect("a stream");
    let mut saved = vec![];
    while let Some(message) = stream.message().await.expect("a message") {
        saved.extend_from_slice(message.blob());
    }
    std::fs::write(to, saved).expect("a write");
}

async fn fill(world: &World) {
    let mut client = world.member.client().await;
    for number in 0..50 {
        client.put(format!("key-{number:02}"), vec![b'x'; 2_000], None).await.expect("a write");
    }
    client.delete("key-07", None).await.expect("a delete");
}

/// The historical name: the path, the revision and the time.
fn task(world: &World, name: &str) -> RestoreTask {
    RestoreTask { from: Place::Path { path: world.path(name) }, ..world.restore_task() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_snapshot_is_restored_with_every_revision_by_its_own_and_by_later_versions() {
    for (by, into) in [
        ("3.4.23", "3.4.23"),
        ("3.4.23", "3.5.35"),
        ("3.4.23", "3.6.16"),
        ("3.5.16", "3.5.16"),
        ("3.5.35", "3.6.16"),
        ("3.6.16", "3.7.3"),
        ("3.7.3", "3.7.3"),
    ] {
        let mut world = World::new(by).await;
        fill(&world).await;
        let (name, revision) =
            ("etcd.backup_v52_2019-01-01-00:00:00", world.member.revision().await);
        save(&world, &world.path(name)).await;
        let all = world.member.all(revision).await;
        world.version = into.to_owned();
        let mut task = task(&world, name);
        let made = world.made("restored");
        let Restored { of, revision: at, .. } = restore(&task, &made, &world.folders())
            .await
            .unwrap_or_else(|it| panic!("{by} {into}: {it}"));
        assert_eq!((i64::try_from(at), of.ends_with(name)), (Ok(revision), true), "{by} {into}");
        let member = Member::start(into, &world.path("restored"), &[]).await;
        assert_eq!(member.all(revision).await, all, "{by} {into}");
        drop(member);
        if into == "3.4.23" {
            continue;
        }
        task.bump_revision = 1_000_000;
        let made = world.made("raised");
        let restored = restore(&task, &made, &world.folders()).await.expect(into);
        assert_eq!(i64::try_from(restored.revision), Ok(revision), "as it was when it was saved");
        let member = Member::start(into, &world.path("raised"), &[]).await;
        assert_eq!(member.revision().await, revision + 1_000_000, "{by} {into}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_of_a_file_that_is_no_whole_snapshot() {
    let world = World::new("3.5.16").await;
    fill(&world).await;
    let file = world.path("saved");
    save(&world, &file).await;
    let whole = std::fs::read(&file).expect("a file");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    // A copy of a member's database has no digest.
    let bare = whole[..whole.len() - 32].to_vec();
    let (made, task) = (world.made("restored"), task(&world, "saved"));
    for bytes in [&flipped[..], &bare, &whole[..whole.len() - 7], b"words"] {
        std::fs::write(&file, bytes).expect("a write");
        let error = restore(&task, &made, &world.folders()).await.expect_err("it is not whole");
        assert!(matches!(error, AgentError::NoSnapshot(_)), "{error}");
        assert!(!world.path("restored/member").exists());
    }
    std::fs::write(&file, &whole).expect("a write");
    let parts = [
        RestoreTask { revision: Some(9), ..task.clone() },
        RestoreTask { time: Some("2026-01-01T00:00:00Z".parse().expect("a time")), ..task.clone() },
        RestoreTask { lineage: Some("default.demo.1".parse().expect("a name")), ..task.clone() },
        RestoreTask { encrypted: true, ..task.clone() },
    ];
    for part in parts {
        let error =
            restore(&part, &made, &world.folders()).await.expect_err("it is restored whole");
        assert!(matches!(error, AgentError::WholeFile(_)), "{error}");
    }
    restore(&task, &made, &world.folders()).await.expect("it is whole again");
    assert!(world.path("restored/member/snap/db").exists());
}

/// It refuses writes for ever, in the name of a member that the new cluster does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_saved_when_no_room_was_left_can_be_written_to() {
    let world = World::with("3.5.16", &["--quota-backend-bytes=4194304"]).await;
    let mut client = world.member.client().await;
    // How large its database is etcd knows when it has written it, up to a tenth of a second later.
    let mut number = 0;
    while client.put(format!("big-{number}"), vec![b'x'; 700_000], None).await.is_ok() {
        number += 1;
        assert!(number < 1_000, "there is room");
    }
    save(&world, &world.path("saved")).await;
    let made = world.made("restored");
    restore(&task(&world, "saved"), &made, &world.folders()).await.expect("it is restored");
    let member = Member::start("3.5.16", &world.path("restored"), &[]).await;
    let written = member.client().await.put("after", "", None).await;
    assert!(written.is_ok(), "{written:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_takes_longer_than_it_may_is_told() {
    let world = World::new("3.5.16").await;
    let report = Arc::new(Mutex::new(Report::default()));
    let mut task = world.task(When::default());
    task.limit = Some(0);
    let keeper = Keeper::open(task, world.folders(), Arc::clone(&report)).await.expect("a keeper");
    let work = tokio::spawn(keeper.run());
    let failure = || report.lock().expect("nobody panicked").failure.clone();
    let begun = std::time::Instant::now();
    while failure().is_none() {
        assert!(begun.elapsed().as_secs() < 30, "it goes on");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    work.abort();
    assert!(failure().is_some_and(|it| it.contains("longer than the 0 s")), "{:?}", failure());
    assert!(world.archive().list(None).await.expect("a list").entries.is_empty());
}
