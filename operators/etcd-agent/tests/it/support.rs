//! A member of etcd on loopback, an archive, and the agent's tasks for both.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use endstate::client::Endpoint;
use endstate_archive::{Archive, Place};
use endstate_etcd::client::Connection;
use etcd_agent::{Folders, KeepTask, RestoreTask, When};
use etcd_client::Client;
use etcd_plan::Made;
use serde_json::json;
use tempfile::TempDir;

/// The folder with the programs of a version of etcd.
pub(crate) fn programs(version: &str) -> PathBuf {
    let hint = "set ENDSTATE_TEST_ETCD_VERSIONS to a folder with etcd executables as VERSION/etcd (`cargo xtask test` does)";
    let folder = std::env::var_os("ENDSTATE_TEST_ETCD_VERSIONS").expect(hint);
    let path = PathBuf::from(folder).join(format!("v{version}"));
    assert!(path.join("etcd").is_file(), "{} has no etcd; {hint}", path.display());
    path
}

/// An address on loopback that nothing uses now and nothing else will: connections come from 127.0.0.1, and each call
/// has an address of its own.
fn free_address() -> SocketAddr {
    static CALLS: AtomicU16 = AtomicU16::new(1);
    let [high, low] = CALLS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = u8::try_from(std::process::id() % 250 + 2).expect("it is below 252");
    let ip = Ipv4Addr::new(127, process, high, low);
    let listener = TcpListener::bind((ip, 0)).expect("a port on loopback");
    listener.local_addr().expect("a bound listener has an address")
}

/// A member alone, and room for an archive beside it.
pub(crate) struct World {
    pub(crate) version: String,
    pub(crate) dir: TempDir,
    pub(crate) member: Member,
}

/// A member of etcd that ends with its owner.
pub(crate) struct Member {
    child: Child,
    pub(crate) url: String,
    peer: String,
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Member {
    /// One on this data directory, which it makes if it is not there.
    pub(crate) async fn start(version: &str, data: &Path, flags: &[&str]) -> Self {
        let peer = format!("http://{}", free_address());
        let members = format!("demo-a={peer}");
        Self::run(version, data, ("demo-a", &peer, &members), flags).await
    }

    /// One with nothing that joins another, which is alone.
    pub(crate) async fn join(version: &str, data: &Path, other: &Self) -> Self {
        let peer = format!("http://{}", free_address());
        let mut client = other.client().await;
        let list = client.member_list().await.expect("a list");
        let id = list.members()[0].id();
        // It was started elsewhere, and lists itself where it was first.
        client.member_update(id, [other.peer.clone()]).await.expect("it is updated");
        client.member_add([peer.clone()], None).await.expect("it is added");
        let members = format!("demo-a={},demo-b={peer}", other.peer);
        let joins = &["--initial-cluster-state=existing"];
        Self::run(version, data, ("demo-b", &peer, &members), joins).await
    }

    /// Ends it as it should.
    pub(crate) fn end(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().expect("kill runs").success());
        self.child.wait().expect("it ends");
    }

    async fn run(
        version: &str,
        data: &Path,
        (name, peer, members): (&str, &str, &str),
        flags: &[&str],
    ) -> Self {
        let url = format!("http://{}", free_address());
        let log = File::create(data.with_extension("log")).expect("a log");
        let errors = log.try_clone().expect("a second handle");
        let mut command = Command::new(programs(version).join("etcd"));
        command.arg("--data-dir").arg(data).args(flags);
        command.args(["--name", name, "--listen-client-urls", &url]);
        command.args(["--advertise-client-urls", &url, "--listen-peer-urls", peer]);
        command.args(["--initial-cluster", members]);
        command.args(["--initial-advertise-peer-urls", peer, "--logger", "zap"]);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().expect("etcd starts");
        let mut member = Self { child, url, peer: peer.to_owned() };
        member.serves().await;
        member
    }

    async fn serves(&mut self) {
        let begun = Instant::now();
        while self.connection().await.read().await.is_err() {
            let ended = self.child.try_wait().expect("its state is known");
            assert!(ended.is_none() && begun.elapsed() < Duration::from_secs(60), "{ended:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn connection(&self) -> Connection {
        let address = self.url.trim_start_matches("http://");
        Connection::to(&Endpoint::plain(address)).await.expect("a connection is only prepared")
    }

    pub(crate) async fn client(&self) -> Client {
        self.connection().await.client().clone()
    }

    /// Every key at a revision, with its value, its revisions and its lease.
    pub(crate) async fn all(&self, revision: i64) -> Vec<(String, String, [i64; 4])> {
        let options = etcd_client::GetOptions::new().with_all_keys().with_revision(revision);
        let got = self.client().await.get("", Some(options)).await.expect("a read");
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        let of = |it: &etcd_client::KeyValue| {
            let numbers = [it.create_revision(), it.mod_revision(), it.version(), it.lease()];
            (text(it.key()), text(it.value()), numbers)
        };
        got.kvs().iter().map(of).collect()
    }

    pub(crate) async fn revision(&self) -> i64 {
        self.connection().await.status().await.expect("a status").revision
    }
}

impl World {
    pub(crate) async fn new(version: &str) -> Self {
        Self::with(version, &[]).await
    }

    /// The same, whose member has these flags.
    pub(crate) async fn with(version: &str, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        for folder in ["archive", "scratch"] {
            std::fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        let member = Member::start(version, &dir.path().join("source"), flags).await;
        Self { version: version.to_owned(), dir, member }
    }

    /// A copy of the member's data, as it is on the disk now.
    pub(crate) async fn copy(&self, name: &str) -> PathBuf {
        // A write that comes after makes sure that all before it is there.
        self.member.client().await.put("copied", "", None).await.expect("a write");
        let to = self.path(name);
        let copied = Command::new("cp").arg("-r").arg(self.path("source")).arg(&to).status();
        assert!(copied.expect("cp runs").success());
        to
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn place(&self) -> Place {
        Place::Path { path: self.path("archive") }
    }

    pub(crate) fn archive(&self) -> Archive {
        Archive::open(&self.place(), None).expect("a folder is an archive")
    }

    pub(crate) fn folders(&self) -> Folders {
        Folders {
            keys: self.path("keys"),
            identity: self.path("identity"),
            programs: programs(&self.version),
            scratch: self.path("scratch"),
        }
    }

    pub(crate) fn task(&self, when: When) -> KeepTask {
        let task = json!({
            "to": self.place(),
            "of": "default.demo",
            "by": "0c5f",
            "endpoint": self.member.url,
            "version": self.version,
            "when": when,
        });
        serde_json::from_value(task).expect("it is a task")
    }

    pub(crate) fn restore_task(&self) -> RestoreTask {
        let task = json!({"from": self.place(), "bumpRevision": 0});
        serde_json::from_value(task).expect("it is a task")
    }

    /// A new member's data in a folder of this name.
    pub(crate) fn made(&self, name: &str) -> Made {
        let data = self.path(name);
        std::fs::create_dir(&data).expect("a folder");
        Made {
            name: "demo-a".into(),
            peer_url: "http://127.0.0.1:1".into(),
            token: "0c5f-1".into(),
            data_dir: data.display().to_string(),
            wal_dir: None,
            version: self.version.clone(),
        }
    }
}
