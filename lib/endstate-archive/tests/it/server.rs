//! A real S3 server (versitygw on a folder), on a port of the loopback that the kernel chooses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use endstate_archive::{Archive, ArchiveError, Place};

pub(crate) const BUCKET: &str = "backups";
pub(crate) const SECRET: &str = "very-secret-access-key";

pub(crate) struct Server {
    process: Child,
    folder: tempfile::TempDir,
    endpoint: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::run(None)
    }

    /// With TLS, by a certificate that nobody but the keys vouches for.
    pub(crate) fn with_tls() -> Self {
        let certificate =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        Self::run(Some((certificate.cert.pem(), certificate.signing_key.serialize_pem())))
    }

    fn run(certificate: Option<(String, String)>) -> Self {
        let hint = "set ENDSTATE_TEST_S3 as `cargo xtask test` does: the executable of versitygw";
        let program = PathBuf::from(std::env::var_os("ENDSTATE_TEST_S3").expect(hint));
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("objects").join(BUCKET)).expect("makes the bucket");
        fs::create_dir(path("sidecar")).expect("makes");
        write_keys(&path("keys"), SECRET);
        let mut command = Command::new(program);
        command
            .args(["--quiet", "--keep-alive", "--port", "127.0.0.1:0"])
            .env("ROOT_ACCESS_KEY", "tester")
            .env("ROOT_SECRET_KEY", SECRET)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((certificate, key)) = &certificate {
            fs::write(path("keys/ca.crt"), certificate).expect("writes");
            fs::write(path("key.pem"), key).expect("writes");
            command.arg("--cert").arg(path("keys/ca.crt")).arg("--key").arg(path("key.pem"));
        }
        command.arg("posix").arg("--sidecar").arg(path("sidecar")).arg(path("objects"));
        let mut process = command.spawn().expect(hint);
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://127.0.0.1:{}", port(&mut process));
        Self { process, folder, endpoint }
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// Where the server keeps the objects of the bucket.
    pub(crate) fn bucket(&self) -> PathBuf {
        self.folder.path().join("objects").join(BUCKET)
    }

    pub(crate) fn archive(&self) -> Archive {
        self.open(BUCKET, &self.keys()).expect("opens")
    }

    pub(crate) fn open(&self, bucket: &str, keys: &Path) -> Result<Archive, ArchiveError> {
        Archive::open(&self.place(bucket), Some(keys))
    }

    pub(crate) fn place(&self, bucket: &str) -> Place {
        let place = serde_json::json!({
            "s3": {"bucket": bucket, "prefix": "some/folder", "endpoint": self.endpoint}
        });
        serde_json::from_value(place).expect("a place")
    }

    pub(crate) fn stop(&mut self) {
        self.process.kill().expect("is there");
        self.process.wait().expect("ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn write_keys(folder: &Path, secret: &str) {
    fs::create_dir_all(folder).expect("makes");
    fs::write(folder.join("access-key-id"), "tester\n").expect("writes");
    fs::write(folder.join("secret-access-key"), secret).expect("writes");
}

/// The port on which a process listens, once it does: the kernel tells, so that nobody else can have taken it.
fn port(process: &mut Child) -> u16 {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Some(status) = process.try_wait().expect("is ours") {
            panic!("the S3 server ended with {status}");
        }
        if let Some(port) = listening(process.id()) {
            return port;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the S3 server does not listen");
}

fn listening(pid: u32) -> Option<u16> {
    let sockets = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let sockets = sockets.filter_map(|it| fs::read_link(it.path()).ok());
    let inodes: Vec<_> = sockets
        .filter_map(|it| Some(it.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    table.lines().skip(1).find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
        let ours = *state == "0A" && inodes.iter().any(|it| it == inode);
        ours.then(|| u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()).flatten()
    })
}
