//! A member that is forced into a cluster of its own keeps all that it had acknowledged.

use std::path::Path;

use etcd_agent::commit;

use crate::support::Member;

const FORCED: &[&str] = &["--force-new-cluster"];

/// Its process is killed right after a write, when often nothing on its disk says that the write is committed; without
/// what is tested, etcd drops it then (seen with 3.7.3).
async fn keeps_all(version: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let mut member = Member::start(version, &data, &[]).await;
    let mut client = member.client().await;
    for round in 0..4 {
        client.put(format!("key-{round}"), "acknowledged", None).await.expect("a write");
        // Whatever the last was: a second time there is nothing to do.
        drop(member);
        let (_, after) = committed(&data);
        assert_eq!(committed(&data), (after, after));
        member = Member::start(version, &data, FORCED).await;
        client = member.client().await;
        let kept = client.get(format!("key-{round}"), None).await.expect("a read");
        assert_eq!(kept.count(), 1, "{version}: round {round}");
    }
}

fn committed(data: &Path) -> (u64, u64) {
    commit(&data.join("member/wal")).expect("a log that can be read")
}

#[tokio::test]
async fn what_was_acknowledged_last_is_kept_3_4() {
    keeps_all("3.4.23").await;
}

#[tokio::test]
async fn what_was_acknowledged_last_is_kept_3_5() {
    keeps_all("3.5.16").await;
}

#[tokio::test]
async fn what_was_acknowledged_last_is_kept_3_6() {
    keeps_all("3.6.16").await;
}

#[tokio::test]
async fn what_was_acknowledged_last_is_kept_3_7() {
    keeps_all("3.7.3").await;
}
