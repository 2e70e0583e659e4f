//! Real ZooKeeper servers on loopback, ended when they go out of scope.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The versions under test.
pub(crate) const VERSIONS: [&str; 2] = ["3.8.6", "3.9.5"];

/// The newest of them.
pub(crate) const NEWEST: &str = VERSIONS[1];

/// The digest user that may change the membership: `super:one`.
pub(crate) const SUPER: &str = "super:nFwMAtZ7stiaL8w+5/Iqqmd64Yc=";

fn servers() -> PathBuf {
    let hint = "set ENDSTATE_TEST_ZOOKEEPER as `cargo xtask test` does: a folder with `jre` and `lib/VERSION/*.jar`";
    let path = PathBuf::from(std::env::var_os("ENDSTATE_TEST_ZOOKEEPER").expect(hint));
    assert!(path.join("jre/bin/java").is_file(), "{} has no jre; {hint}", path.display());
    path
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The addresses and the directory of one server.
pub(crate) struct Place {
    pub(crate) id: u64,
    peer: String,
    client: String,
    role: &'static str,
    dir: TempDir,
}

impl Place {
    pub(crate) fn new(id: u64) -> Self {
        let client = format!("127.0.0.1:{}", free_port());
        let peer = format!("127.0.0.1:{}:{}", free_port(), free_port());
        Self { id, peer, client, role: "participant", dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn observer(mut self) -> Self {
        self.role = "observer";
        self
    }

    pub(crate) fn endpoint(&self) -> String {
        self.client.clone()
    }

    /// Its line in the list of members, as this role.
    pub(crate) fn line_as(&self, role: &str) -> String {
        format!("server.{}={}:{role};{}", self.id, self.peer, self.client)
    }

    pub(crate) fn line(&self) -> String {
        self.line_as(self.role)
    }

    /// Lets the server begin an ensemble of these, instead of waiting for one that has data.
    pub(crate) fn initialize(self) -> Self {
        fs::write(self.dir.path().join("initialize"), "").unwrap();
        self
    }

    pub(crate) fn start(&self, version: &str, ensemble: &[&Self]) -> Process {
        let (servers, dir) = (servers(), self.dir.path().display());
        let lines: Vec<_> = ensemble.iter().map(|it| it.line()).collect();
        fs::write(self.dir.path().join("members"), lines.join("\n")).unwrap();
        fs::write(self.dir.path().join("myid"), self.id.to_string()).unwrap();
        let config = format!(
            "dataDir={dir}\ndynamicConfigFile={dir}/members\ntickTime=500\ninitLimit=20\nsyncLimit=10\n\
             standaloneEnabled=false\nreconfigEnabled=true\nadmin.enableServer=false\n\
             4lw.commands.whitelist=srvr,mntr\n"
        );
        let file = self.dir.path().join("zoo.cfg");
        fs::write(&file, config).unwrap();
        let log = File::options().create(true).append(true).open(self.dir.path().join("log"));
        let log = log.unwrap();
        let mut java = Command::new(servers.join("jre/bin/java"));
        java.args(["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        java.arg("-Dzookeeper.db.autocreate=false");
        java.arg(format!("-Dzookeeper.DigestAuthenticationProvider.superDigest={SUPER}"));
        java.arg("-cp").arg(servers.join("lib").join(version).join("*"));
        java.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(file);
        java.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Process(java.spawn().unwrap())
    }
}

/// A process that ends with its owner.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks again until the answer is yes, for at most 30 seconds.
pub(crate) async fn eventually<T, E: std::fmt::Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        match ask().await {
            Ok(it) => return it,
            Err(error) if start.elapsed() > Duration::from_secs(30) => panic!("{what}: {error:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
