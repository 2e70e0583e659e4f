//! A member that goes on alone gives no revision again, keeps what it had acknowledged, and is joined by others.

use std::fs;
use std::path::Path;
use std::time::Duration;

use endstate_core::Digest;
use etcd_agent::{AgentError, BoltError, Mended, RAISED_BY, mend, raise};
use etcd_client::{Compare, CompareOp, Error, GetOptions, PutOptions, Txn, TxnOp, WatchOptions};

use crate::support::{Member, programs};

const FORCED: &[&str] = &["--force-new-cluster"];
/// What is written reaches the database when the process ends, and not within 100 ms: all of it is in the log alone.
const LATE: &[&str] = &["--backend-batch-interval=600s"];
const DATABASE: &str = "member/snap/db";

async fn mended(version: &str, data: &Path) -> Mended {
    mend(&programs(version), data, None).await.expect("it can be mended")
}

/// Writes of which each asks for the revision of the one before, as Kubernetes' do.
async fn chain(member: &Member) {
    let mut client = member.client().await;
    let put = client.put("chain", "0", None).await.expect("a write");
    let mut at = put.header().expect("a header").revision();
    for round in 1..=5 {
        let same = Compare::mod_revision("chain", CompareOp::Equal, at);
        let put = TxnOp::put("chain", round.to_string(), None);
        let done = client.txn(Txn::new().when([same]).and_then([put])).await.expect("a write");
        assert!(done.succeeded(), "{round}");
        at = done.header().expect("a header").revision();
    }
}

/// Keys with a lease, users, and a last revision that is a deletion.
async fn fill(member: &Member) {
    let mut client = member.client().await;
    chain(member).await;
    let lease = client.lease_grant(600, None).await.expect("a lease").id();
    client.put("leased", "", Some(PutOptions::new().with_lease(lease))).await.expect("a write");
    client.user_add("somebody", "secret", None).await.expect("a user");
    client.put("gone", "", None).await.expect("a write");
    client.delete("gone", None).await.expect("a write");
}

async fn is_compacted(member: &Member, revision: i64) {
    let read = member.connection().await.client().clone();
    let options = GetOptions::new().with_revision(revision);
    let error = read.kv_client().get("chain", Some(options)).await.expect_err("it is compacted");
    assert!(
        matches!(&error, Error::GRpcStatus(it) if it.message().contains("compacted")),
        "{error}"
    );
    let options = WatchOptions::new().with_start_revision(revision);
    let mut stream = member.client().await.watch("chain", Some(options)).await.expect("a watch");
    let told = async {
        while let Some(told) = stream.message().await.expect("the watch is answered") {
            if told.canceled() {
                return told.compact_revision();
            }
        }
        0
    };
    let told = tokio::time::timeout(Duration::from_secs(10), told).await.expect("it is told");
    assert!(told > revision, "{told}");
}

async fn digest(member: &Member, revision: i64) -> Digest {
    let connection = member.connection().await;
    let status = connection.status().await.expect("a status");
    connection.hash((status.cluster, status.member), revision).await.expect("a hash")
}

/// Another one joins with nothing, and has the same.
async fn is_joined(version: &str, (member, dir): (&Member, &Path)) {
    let joined = Member::join(version, &dir.join("joined"), member).await;
    let mut client = member.client().await;
    let put = client.put("joined", "", None).await.expect("a write");
    let at = put.header().expect("a header").revision();
    // A linearizable read of its own is one after that write.
    joined.client().await.get("joined", None).await.expect("a read");
    assert_eq!(joined.revision().await, at, "{version}");
    assert_eq!(joined.all(at).await, member.all(at).await, "{version}");
    assert_eq!(digest(&joined, at).await, digest(member, at).await, "{version}");
}

async fn goes_on(version: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let member = Member::start(version, &data, LATE).await;
    fill(&member).await;
    let at = member.revision().await;
    let all = member.all(at).await;
    drop(member);
    let Mended { before, after, .. } = mended(version, &data).await;
    let raised = i64::try_from(RAISED_BY).expect("it is small");
    let now = at + raised;
    assert_eq!((before, after), (at.unsigned_abs(), now.unsigned_abs()), "{version}");
    let member = Member::start(version, &data, FORCED).await;
    assert_eq!(member.all(0).await, all, "{version}");
    assert_eq!(member.revision().await, now, "{version}");
    let mut client = member.client().await;
    let put = client.put("next", "", None).await.expect("a write");
    assert_eq!(put.header().expect("a header").revision(), now + 1, "{version}");
    assert_eq!(client.leases().await.expect("leases").leases().len(), 1, "{version}");
    assert_eq!(client.user_list().await.expect("users").users(), ["somebody"], "{version}");
    is_compacted(&member, at).await;
    let hash = digest(&member, now + 1).await;
    client.defragment().await.expect("it is defragmented");
    assert_eq!(digest(&member, now + 1).await, hash, "{version}");
    drop(member);
    let member = Member::start(version, &data, &[]).await;
    assert_eq!(member.revision().await, now + 1, "{version}");
    Box::pin(is_joined(version, (&member, dir.path()))).await;
}

#[tokio::test]
async fn no_revision_is_given_again_3_4() {
    Box::pin(goes_on("3.4.23")).await;
}

#[tokio::test]
async fn no_revision_is_given_again_3_5() {
    Box::pin(goes_on("3.5.16")).await;
}

#[tokio::test]
async fn no_revision_is_given_again_3_6() {
    Box::pin(goes_on("3.6.16")).await;
}

#[tokio::test]
async fn no_revision_is_given_again_3_7() {
    Box::pin(goes_on("3.7.3")).await;
}

/// One that ended as it should: all of its log is in the database, and goes back to the beginning.
#[tokio::test]
async fn one_that_ended_well_is_joined() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let member = Member::start("3.5.16", &data, &[]).await;
    fill(&member).await;
    let at = member.revision().await;
    member.end();
    assert_eq!(mended("3.5.16", &data).await.before, at.unsigned_abs());
    // Once more before it is started: etcd has nothing to do then.
    let started =
        fs::metadata(data.join("member/wal")).and_then(|it| it.modified()).expect("a folder");
    assert!(mended("3.5.16", &data).await.after > at.unsigned_abs() + RAISED_BY);
    let now = fs::metadata(data.join("member/wal")).and_then(|it| it.modified()).expect("a folder");
    assert_eq!(started, now);
    let member = Member::start("3.5.16", &data, FORCED).await;
    Box::pin(is_joined("3.5.16", (&member, dir.path()))).await;
}

#[tokio::test]
async fn what_is_damaged_or_in_use_is_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let member = Member::start("3.5.16", &data, &[]).await;
    fill(&member).await;
    let path = data.join(DATABASE);
    assert!(matches!(raise(&path), Err(BoltError::InUse(_))));
    member.end();
    let whole = fs::read(&path).expect("a file");
    let used = whole.len().min(1 << 16);
    for page in (0..used).step_by(4_096) {
        let mut bytes = whole.clone();
        bytes[page..page + 4_096].fill(0xff);
        fs::write(&path, &bytes).expect("a file");
        let raised = raise(&path);
        // Of one of the first two pages the other is there, and a page may be free.
        let is = fs::read(&path).expect("a file");
        assert!(raised.is_ok() || is == bytes, "{page}: {raised:?}");
    }
    let mut bytes = whole.clone();
    bytes[..8_192].fill(0);
    fs::write(&path, &bytes).expect("a file");
    let error = mend(&programs("3.5.16"), &data, None).await.expect_err("it is damaged");
    assert!(matches!(error, AgentError::Database(BoltError::Damaged { .. })), "{error}");
    assert_eq!(fs::read(&path).expect("a file"), bytes);
}

/// A database of several levels, and what a process that ends on the way leaves.
#[tokio::test]
async fn a_raise_is_whole_or_has_not_begun() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let member = Member::start("3.5.16", &data, &[]).await;
    let mut client = member.client().await;
    for round in 0..80 {
        let put = |it| TxnOp::put(format!("{round}-{it}"), vec![b'x'; 1_900], None);
        let puts: Vec<_> = (0..100).map(put).collect();
        client.txn(Txn::new().and_then(puts)).await.expect("a write");
    }
    drop(member);
    let first = mended("3.5.16", &data).await;
    let path = data.join(DATABASE);
    let (was, at) = (fs::read(&path).expect("a file"), first.after);
    assert_eq!(raise(&path).expect("it is raised"), (at, at + RAISED_BY));
    let is = fs::read(&path).expect("a file");
    // One of the first two pages is the last that is written.
    let mut cut = is.clone();
    cut[..8_192].copy_from_slice(&was[..8_192]);
    fs::write(&path, &cut).expect("a file");
    assert_eq!(raise(&path).expect("it is raised"), (at, at + RAISED_BY));
    fs::write(&path, &is).expect("a file");
    let member = Member::start("3.5.16", &data, FORCED).await;
    assert_eq!(member.revision().await.unsigned_abs(), at + RAISED_BY);
    let count = GetOptions::new().with_all_keys().with_count_only();
    let keys = member.client().await.get("", Some(count)).await.expect("a read");
    assert_eq!(keys.count(), 8_000);
}

/// One of two, whose last write nobody acknowledged, as without the other none can be.
async fn survives(version: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let member = Member::start(version, &data, &[]).await;
    let other = Member::join(version, &dir.path().join("other"), &member).await;
    chain(&member).await;
    let at = member.revision().await;
    drop(other);
    let mut client = member.client().await;
    let late = tokio::time::timeout(Duration::from_secs(1), client.put("late", "", None)).await;
    assert!(!matches!(late, Ok(Ok(_))), "{version}");
    drop(member);
    let Mended { before, after, .. } = mended(version, &data).await;
    assert!(before >= at.unsigned_abs(), "{version}: {before} {at}");
    let member = Member::start(version, &data, FORCED).await;
    let mut client = member.client().await;
    assert_eq!(client.member_list().await.expect("a list").members().len(), 1, "{version}");
    let got = client.get("chain", None).await.expect("a read");
    assert_eq!(got.kvs()[0].value(), b"5", "{version}");
    assert_eq!(got.header().expect("a header").revision().unsigned_abs(), after, "{version}");
    drop(member);
    let member = Member::start(version, &data, &[]).await;
    Box::pin(is_joined(version, (&member, dir.path()))).await;
}

#[tokio::test]
async fn one_of_two_goes_on_alone_3_4() {
    Box::pin(survives("3.4.23")).await;
}

#[tokio::test]
async fn one_of_two_goes_on_alone_3_5() {
    Box::pin(survives("3.5.16")).await;
}

#[tokio::test]
async fn one_of_two_goes_on_alone_3_6() {
    Box::pin(survives("3.6.16")).await;
}

#[tokio::test]
async fn one_of_two_goes_on_alone_3_7() {
    Box::pin(survives("3.7.3")).await;
}
