//! `cargo xtask oracle`: a whole real Kubernetes on this machine, to hold ours against.
//!
//! Its programs are built from the Go modules that Kubernetes, CoreDNS and etcd publish; what runs containers is from
//! Debian. All of it runs in network, mount and process namespaces of its own, whose first process is `oracle-inside`:
//! when that ends the kernel ends everything, and the mounts are gone. What it wrote is below `target/oracle`, which is
//! removed then, like the cgroups of its pods. From outside only the API is reached, on a loopback port.

mod components;
mod files;
mod inside;
mod node;
mod programs;

use std::fs::{self, File, TryLockError};
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};

use crate::images;
use crate::run;

pub(crate) use inside::{InsideArgs, run as run_inside};

/// How long pods' cgroups may stay after their last process.
const CGROUPS_MAX: Duration = Duration::from_secs(10);

/// Arguments of `oracle`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// With so many nodes that run pods; without it a control plane alone
    #[arg(long, value_name = "COUNT", num_args = 0..=1, require_equals = true)]
    #[arg(default_value_t = 0, default_missing_value = "1", value_parser = clap::value_parser!(u8).range(0..=9))]
    node: u8,
}

/// Brings it up, and stays until Ctrl-C or the end of the standard input.
pub(crate) fn run(args: &Args) -> Result<()> {
    let interruptions = interruptions()?;
    let oracle = Oracle::start(args.node)?;
    println!("{}", oracle.kubeconfig().display());
    eprintln!("export KUBECONFIG={}", oracle.kubeconfig().display());
    eprintln!("Kubernetes {} runs until Ctrl-C", programs::VERSION);
    let (sender, ends) = mpsc::channel();
    let end = |sender: Sender<Result<()>>, wait: Box<dyn FnOnce() -> Result<()> + Send>| {
        std::thread::spawn(move || sender.send(wait()));
    };
    end(sender.clone(), Box::new(move || Ok(interruptions.recv()?)));
    end(
        sender.clone(),
        Box::new(|| Ok(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map(|_| ())?)),
    );
    let mut control = oracle.control.try_clone()?;
    end(
        sender,
        Box::new(move || {
            control.read_to_end(&mut Vec::new())?;
            bail!("it ended by itself; what it said is above");
        }),
    );
    ends.recv()?
}

/// From here on what asks this process to end is told here instead: there is something to tidy up. Children end by it.
pub(crate) fn interruptions() -> Result<Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let mut signals = {
        let _entered = runtime.enter();
        kinds.into_iter().map(signal).collect::<Result<Vec<_>, _>>()?
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        runtime.block_on(poll_fn(|cx| {
            let any = signals.iter_mut().any(|it| it.poll_recv(cx).is_ready());
            if any { Poll::Ready(()) } else { Poll::Pending }
        }));
        sender.send(())
    });
    Ok(receiver)
}

/// A Kubernetes that runs until this is dropped.
pub(crate) struct Oracle {
    folder: PathBuf,
    /// Names its cgroups.
    name: String,
    /// The inside ends when the other end of this is closed.
    control: UnixStream,
    process: Child,
    _lock: File,
}

impl Oracle {
    /// Builds what is missing, and starts it with so many nodes; returns when all of them are ready.
    pub(crate) fn start(nodes: u8) -> Result<Self> {
        can_run()?;
        let lock = lock()?;
        let images = programs::ensure()?;
        let target = run::target().canonicalize()?;
        let (folder, name) = (target.join("oracle"), cgroup_of(&target));
        tidy_up(&folder, &name)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        files::write(&folder, (&name, nodes), &images, listener.local_addr()?.port())?;
        let (control, inner) = UnixStream::pair()?;
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["--propagation", "private"]).arg(std::env::current_exe()?);
        command.arg("oracle-inside").arg(format!("--nodes={nodes}")).arg(&target);
        // Sockets stay in the network that they were made in: the inside serves this one outside.
        command.stdin(OwnedFd::from(listener)).stdout(OwnedFd::from(inner)).current_dir("/");
        let process = command.process_group(0).spawn().context("cannot start unshare")?;
        drop(command);
        let mut oracle = Self { folder, name, control, process, _lock: lock };
        oracle.is_ready()?;
        Ok(oracle)
    }

    /// The administrator's.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// Where it keeps everything.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn is_ready(&mut self) -> Result<()> {
        let mut lines = BufReader::new(self.control.try_clone()?).lines();
        let line = lines.next().transpose()?.unwrap_or_default();
        ensure!(line == "ready", "Kubernetes did not start; what it said is above");
        Ok(())
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let ended = self.control.shutdown(std::net::Shutdown::Both).map_err(Into::into);
        let ended = ended.and_then(|()| Ok(self.process.wait().map(|_| ())?));
        if let Err(error) = ended.and_then(|()| tidy_up(&self.folder, &self.name)) {
            eprintln!("something of it is left: {error:#}");
        }
    }
}

/// Refuses to start where it could not end well.
fn can_run() -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "containerd and kubelet run as root: run this as root (`sudo -E env PATH=$PATH cargo xtask ...`)"
    );
    let needed = [
        ("unshare", "util-linux"),
        ("mount", "mount"),
        ("ip", "iproute2"),
        ("setpriv", "util-linux"),
    ];
    for (tool, package) in needed {
        run::check_quiet(Command::new(tool).arg("--version").env("PATH", path()))
            .or_else(|_| run::check_quiet(Command::new(tool).arg("-V").env("PATH", path())))
            .with_context(|| format!("it needs `{tool}`: install Debian's package {package}"))?;
    }
    let try_it = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "true"];
    run::check_quiet(Command::new("unshare").args(try_it)).context(
        "this machine lets root make no namespaces, as in a container without privileges: run it on the host, or in a \
         virtual machine",
    )
}

fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// One at a time, for one target folder.
fn lock() -> Result<File> {
    let folder = run::target().join("tools/oracle");
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("another one runs on {}", run::target().display()),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn cgroup_of(target: &Path) -> String {
    let sum = images::sha256(target.as_os_str().as_encoded_bytes());
    format!("endstate-oracle-{}", &sum[..8])
}

/// Removes what one leaves that has ended, in whatever way.
fn tidy_up(folder: &Path, cgroup: &str) -> Result<()> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root)?.map(|it| Ok(it?.path().join(cgroup)));
    for group in hierarchies.chain([Ok(root.join(cgroup))]).collect::<Result<Vec<_>>>()? {
        let end = Instant::now() + CGROUPS_MAX;
        while group.exists() {
            let removed = remove_cgroups(&group);
            ensure!(removed.is_ok() || Instant::now() < end, "cannot remove {}", group.display());
        }
    }
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

fn remove_cgroups(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_cgroups(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
