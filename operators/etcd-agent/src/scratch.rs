//! A member of etcd on loopback whose data is still in the making, is thrown away afterwards, or is to be made ready.
//!
//! It serves whoever shows a certificate that is made for this one start: in data with users that is root.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use endstate::client::{Endpoint, TlsFiles};
use endstate_core::Version;
use endstate_etcd::client::Connection;
use etcd_plan::ROOT;
use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::error::AgentError;

/// How long a member may take to open its data: a large database is read page by page.
const START_MAX: Duration = Duration::from_secs(900);
/// Between two looks at one that starts.
const LOOK: Duration = Duration::from_millis(50);
/// How long it may take to end.
const STOP_MAX: Duration = Duration::from_secs(60);
/// How much of its log is shown when it ends by itself.
const LOG_SHOWN: usize = 1_000;

/// A member that runs.
#[derive(Debug)]
pub(crate) struct Member {
    child: Child,
    endpoint: Endpoint,
    log: PathBuf,
}

/// What a member is started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scratch<'a> {
    /// The folder of etcd's programs.
    pub programs: &'a Path,
    /// Its data directory.
    pub data: &'a Path,
    /// Its write-ahead log, if that is apart.
    pub wal: Option<&'a Path>,
    /// Its URL for its peers, as its data has it.
    pub peer_url: &'a str,
    /// Flags beside its own.
    pub flags: &'a [&'static str],
    /// A folder for what it needs beside.
    pub beside: &'a Path,
}

/// Flags for data that is made durable as a whole, or thrown away as a whole: it need not wait for the disk. What was
/// done is let go of in memory soon.
pub(crate) fn unsynced(version: Version) -> &'static [&'static str] {
    match version.minor {
        ..5 => &["--snapshot-count=10000"],
        5.. => &["--snapshot-count=10000", "--unsafe-no-fsync"],
    }
}

impl Member {
    /// Starts one that is to be written to, and waits until it serves.
    pub(crate) async fn start(of: &Scratch<'_>) -> Result<Self, AgentError> {
        let member = Self::serve(of).await?;
        member.make_room().await?;
        Ok(member)
    }

    /// Starts one on its data, and waits until it serves: it has done all that its log has as committed then.
    pub(crate) async fn serve(of: &Scratch<'_>) -> Result<Self, AgentError> {
        fs::create_dir_all(of.beside).map_err(AgentError::file(of.beside))?;
        let files = certificates(of.beside)?;
        let ports = [free_port()?, free_port()?];
        let mut command = command(of, ports);
        let log = of.beside.join("log");
        let output = File::create(&log).map_err(AgentError::file(&log))?;
        let errors = output.try_clone().map_err(AgentError::file(&log))?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
        let child = command.spawn().map_err(AgentError::run(&command))?;
        let address = format!("127.0.0.1:{}", ports[0]);
        let endpoint = Endpoint::secured(&address, "localhost".to_owned(), files);
        let mut member = Self { child, endpoint, log };
        match tokio::time::timeout(START_MAX, member.serves()).await {
            Ok(served) => served?,
            Err(_) => return Err(AgentError::Silent),
        }
        Ok(member)
    }

    /// An alarm that is in the data would refuse writes here, where there is room.
    async fn make_room(&self) -> Result<(), AgentError> {
        self.connect().await?.withdraw_no_space().await?;
        Ok(())
    }

    async fn serves(&mut self) -> Result<(), AgentError> {
        loop {
            if let Ok(Some(_)) = self.child.try_wait() {
                return Err(AgentError::Ended(self.last_words()));
            }
            if let Ok(connection) = self.connect().await
                && connection.read().await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let from = log.len().saturating_sub(LOG_SHOWN);
        String::from_utf8_lossy(&log[from..]).trim().to_owned()
    }

    /// A connection as root.
    pub(crate) async fn connect(&self) -> Result<Connection, AgentError> {
        Ok(Connection::to(&self.endpoint).await?)
    }

    /// The revision that it is at.
    pub(crate) async fn revision(&self) -> Result<u64, AgentError> {
        let revision = self.connect().await?.status().await?.revision;
        Ok(u64::try_from(revision).unwrap_or_default())
    }

    /// Ends it, and waits until it has written everything down.
    pub(crate) async fn stop(mut self) -> Result<(), AgentError> {
        let pid = self.child.id().and_then(|it| Pid::from_raw(i32::try_from(it).ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        match tokio::time::timeout(STOP_MAX, self.child.wait()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(AgentError::Silent),
        }
    }
}

fn command(of: &Scratch<'_>, ports: [u16; 2]) -> Command {
    let mut command = Command::new(of.programs.join("etcd"));
    let file = |name: &str| of.beside.join(name).display().to_string();
    let clients = format!("https://127.0.0.1:{}", ports[0]);
    command.arg("--data-dir").arg(of.data);
    of.wal.iter().for_each(|it| {
        command.arg("--wal-dir").arg(it);
    });
    command.args([
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls=http://127.0.0.1:{}", ports[1]),
        format!("--cert-file={}", file("server.crt")),
        format!("--key-file={}", file("server.key")),
        format!("--trusted-ca-file={}", file("ca.crt")),
        "--client-cert-auth=true".to_owned(),
        // Nobody else votes, so there is nobody to wait for.
        "--heartbeat-interval=20".to_owned(),
        "--election-timeout=100".to_owned(),
        format!("--quota-backend-bytes={}", 1_u64 << 40),
        "--logger=zap".to_owned(),
        "--log-level=warn".to_owned(),
    ]);
    command.args(of.flags);
    // Nobody's settings count here.
    command.env_clear();
    command
}

fn free_port() -> Result<u16, AgentError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(AgentError::Port)?;
    Ok(listener.local_addr().map_err(AgentError::Port)?.port())
}

/// An authority for this one start, the member's certificate in the folder, and root's for whoever asks for it.
fn certificates(folder: &Path) -> Result<TlsFiles, AgentError> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "scratch");
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?;
    let issuer = Issuer::from_params(&params, &key);
    let issue = |name: &str| {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok::<_, rcgen::Error>((certificate.pem(), key.serialize_pem()))
    };
    let (server, client) = (issue("localhost")?, issue(ROOT)?);
    let files = [("ca.crt", authority.pem()), ("server.crt", server.0), ("server.key", server.1)];
    for (name, text) in &files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(AgentError::file(&path))?;
    }
    Ok(TlsFiles {
        certificate: client.0.into_bytes(),
        key: client.1.into_bytes(),
        authorities: authority.pem().into_bytes(),
    })
}
