//! Real etcd processes on loopback, ended when they go out of scope.

use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use endstate::client::Endpoint;
use tempfile::TempDir;

/// The etcd executable under test.
pub(crate) fn etcd() -> PathBuf {
    let hint = "set ENDSTATE_TEST_ETCD to an etcd executable (`cargo xtask test` does), or run `apt-get download etcd-server && dpkg -x etcd-server_*.deb DIR`";
    let path = std::env::var_os("ENDSTATE_TEST_ETCD").expect(hint);
    let path = PathBuf::from(path);
    assert!(path.is_file(), "{} is no file; {hint}", path.display());
    path
}

/// The etcd executable of a version.
pub(crate) fn etcd_of(version: &str) -> PathBuf {
    let hint = "set ENDSTATE_TEST_ETCD_VERSIONS to a folder with etcd executables as VERSION/etcd (`cargo xtask test` does)";
    let folder = std::env::var_os("ENDSTATE_TEST_ETCD_VERSIONS").expect(hint);
    let path = PathBuf::from(folder).join(format!("v{version}/etcd"));
    assert!(path.is_file(), "{} is no file; {hint}", path.display());
    path
}

/// An address on loopback that nothing uses now and nothing else will: connections come from 127.0.0.1, and each call
/// has an address of its own.
pub(crate) fn free_address() -> SocketAddr {
    static CALLS: AtomicU16 = AtomicU16::new(1);
    let [high, low] = CALLS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = u8::try_from(std::process::id() % 250 + 2).unwrap();
    let ip = Ipv4Addr::new(127, process, high, low);
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
}

/// The addresses and the directory of one member.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) client: String,
    pub(crate) peer: String,
    pub(crate) dir: TempDir,
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            client: format!("http://{}", free_address()),
            peer: format!("http://{}", free_address()),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::plain(self.client.strip_prefix("http://").unwrap())
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn arguments(&self, cluster: &[&Self], state: &str) -> Vec<OsString> {
        let initial: Vec<_> = cluster.iter().map(|it| format!("{}={}", it.name, it.peer)).collect();
        let data_dir = self.data_dir();
        let pairs = [
            ("--name", self.name.as_str()),
            ("--data-dir", data_dir.to_str().unwrap()),
            ("--listen-client-urls", &self.client),
            ("--advertise-client-urls", &self.client),
            ("--listen-peer-urls", &self.peer),
            ("--initial-advertise-peer-urls", &self.peer),
            ("--initial-cluster", &initial.join(",")),
            ("--initial-cluster-state", state),
            ("--initial-cluster-token", "test"),
            ("--logger", "zap"),
            ("--heartbeat-interval", "20"),
            ("--election-timeout", "200"),
        ];
        pairs
            .iter()
            .flat_map(|(flag, value)| [OsString::from(flag), OsString::from(value)])
            .collect()
    }

    /// One member alone, with these flags more.
    pub(crate) fn start_with(&self, flags: &[String]) -> Process {
        let mut command = Command::new(etcd());
        command.args(self.arguments(&[self], "new")).args(flags);
        self.spawn(command)
    }

    pub(crate) fn start(&self, cluster: &[&Self], state: &str) -> Process {
        let mut command = Command::new(etcd());
        command.args(self.arguments(cluster, state));
        self.spawn(command)
    }

    pub(crate) fn spawn(&self, mut command: Command) -> Process {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Process(command.spawn().unwrap())
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }
}

/// A process that ends with its owner.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks again until the answer is yes, for at most a minute.
pub(crate) async fn eventually<T, E: std::fmt::Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        match ask().await {
            Ok(it) => return it,
            Err(error) if start.elapsed() > Duration::from_secs(60) => panic!("{what}: {error:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

pub(crate) fn wipe(dir: &Path) {
    std::fs::remove_dir_all(dir).unwrap();
}
