//! The first process of the namespaces: it sets them up, starts the programs, and ends when nobody outside listens any
//! more. The kernel ends everything else then.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::components::{self, Component, ROOT};
use super::files::{ADDRESS, INSIDE};
use super::node;
use crate::run;

/// How long each step of the start may take, on a busy machine.
const STEP_MAX: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(200);

/// Arguments of `oracle-inside`.
#[derive(clap::Args)]
pub(crate) struct InsideArgs {
    #[arg(long)]
    nodes: u8,
    target: PathBuf,
}

/// Its input is a socket that listens outside; its output is connected to who started it.
pub(crate) fn run(args: &InsideArgs) -> Result<()> {
    ensure!(std::process::id() == 1, "this is started by `cargo xtask oracle`");
    let outside = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (ended, end) = mpsc::channel();
    let mut control = outside.try_clone()?;
    thread::spawn(move || ended.send(control.read_to_end(&mut Vec::new())));
    let mut inside = Inside { end, running: vec![] };
    let Some(()) = inside.come_up(args)? else { return Ok(()) };
    writeln!(&outside, "ready")?;
    inside.stay()
}

/// A command of the inside: packages' programs are found, and their libraries.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let libraries = format!("{}-linux-gnu", std::env::consts::ARCH);
    command.env("PATH", format!("{ROOT}/usr/bin:{ROOT}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin"));
    command.env("LD_LIBRARY_PATH", format!("{ROOT}/usr/lib/{libraries}:{ROOT}/lib/{libraries}"));
    command.current_dir("/");
    command
}

struct Inside {
    /// Says when nobody outside listens.
    end: Receiver<io::Result<usize>>,
    running: Vec<(Component, Child)>,
}

impl Inside {
    /// `None` if it was ended meanwhile.
    fn come_up(&mut self, args: &InsideArgs) -> Result<Option<()>> {
        set_up(args)?;
        serve()?;
        self.start(components::etcd())?;
        self.start(components::api_server())?;
        let kubectl = |args: &[&str]| {
            let mut kubectl = command("/mnt/tools/kubectl/usr/bin/kubectl");
            kubectl.arg(format!("--kubeconfig={INSIDE}/admin.kubeconfig")).args(args);
            run::check_quiet(&mut kubectl)
        };
        let steps: [Component; 4] = [
            components::manager(),
            components::scheduler(),
            components::dns(),
            components::proxy(),
        ];
        let ready = self.until("an API", || kubectl(&["get", "--raw", "/readyz"]))?;
        if ready.is_none() {
            return Ok(None);
        }
        kubectl(&["apply", "-f", &format!("{INSIDE}/objects.yaml")])?;
        let wanted = if args.nodes == 0 { 1 } else { steps.len() };
        steps.into_iter().take(wanted).try_for_each(|it| self.start(it))?;
        for node in 0..args.nodes {
            self.start(node::runtime(node))?;
        }
        for node in 0..args.nodes {
            let containerd = || ctr(node, &["version"]);
            if self.until("containerd", containerd)?.is_none() {
                return Ok(None);
            }
            self.start(node::agent(node))?;
        }
        import(args.nodes)?;
        let nodes: Vec<_> = (0..args.nodes).map(|it| format!("node/{}", node::name(it))).collect();
        let nodes: Vec<_> = nodes.iter().map(String::as_str).collect();
        let wait = [&["wait", "--for=condition=Ready", "--timeout=1s"], &nodes[..]].concat();
        if !nodes.is_empty() {
            return self.until("nodes", || kubectl(&wait));
        }
        Ok(Some(()))
    }

    fn start(&mut self, component: Component) -> Result<()> {
        let child = component.start()?;
        self.running.push((component, child));
        Ok(())
    }

    /// Tries until it can be done; `None` if it was ended meanwhile.
    fn until(&mut self, what: &str, mut done: impl FnMut() -> Result<()>) -> Result<Option<()>> {
        let end = Instant::now() + STEP_MAX;
        loop {
            let Err(error) = done() else { return Ok(Some(())) };
            ensure!(Instant::now() < end, "no {what} after {STEP_MAX:?}: {error:#}");
            for (component, child) in &mut self.running {
                if child.try_wait()?.is_some() {
                    return Err(died(component));
                }
            }
            match self.end.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return Ok(None),
            }
        }
    }

    /// Takes leave of every process that ends, as the first one has to, until nobody outside listens.
    fn stay(&self) -> Result<()> {
        while matches!(self.end.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout)) {
            self.reap()?;
        }
        Ok(())
    }

    fn reap(&self) -> Result<()> {
        loop {
            let ended = waitpid(None, Some(WaitPidFlag::WNOHANG))?;
            let (WaitStatus::Exited(id, _) | WaitStatus::Signaled(id, ..)) = ended else {
                return Ok(());
            };
            let is = |child: &Child| i32::try_from(child.id()) == Ok(id.as_raw());
            if let Some((component, _)) = self.running.iter().find(|(_, child)| is(child)) {
                return Err(died(component));
            }
        }
    }
}

fn died(component: &Component) -> anyhow::Error {
    let log = fs::read_to_string(component.log()).unwrap_or_default();
    let lines: Vec<_> = log.lines().rev().take(20).collect();
    let lines: Vec<_> = lines.into_iter().rev().collect();
    anyhow::anyhow!("{} ended by itself:\n{}", component.name, lines.join("\n"))
}

/// Mounts and addresses. The target folder has one short path, and all that programs write elsewhere lands in it.
fn set_up(args: &InsideArgs) -> Result<()> {
    let target = args.target.to_str().context("the target folder's path is no text")?;
    let varlog = format!("{INSIDE}/varlog");
    let tmp = format!("{INSIDE}/tmp");
    let mounts: [&[&str]; 5] = [
        &["--make-rshared", "/"],
        &["--bind", target, "/mnt"],
        &["-t", "tmpfs", "tmpfs", "/run"],
        &["--bind", &tmp, "/tmp"],
        &["--bind", &varlog, "/var/log"],
    ];
    for mount in mounts {
        run::check_quiet(command("mount").args(mount))?;
    }
    // A host-path volume is its maker's, see `components::manager`.
    let owned = ["manager.kubeconfig", "pki/accounts.key", "tmp/hostpath_pv"];
    run::check_quiet(command("chown").arg("65532:65532").args(owned).current_dir(INSIDE))?;
    run::check_quiet(command("ip").args(["link", "set", "lo", "up"]))?;
    for address in [ADDRESS.to_owned()].into_iter().chain((0..args.nodes).map(node::address)) {
        run::check_quiet(command("ip").args([
            "address",
            "add",
            &format!("{address}/32"),
            "dev",
            "lo",
        ]))?;
    }
    (0..args.nodes).try_for_each(|it| Ok(fs::create_dir_all(format!("/run/{}", node::name(it)))?))
}

/// Leads what connects to the socket outside to the API server.
fn serve() -> Result<()> {
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || lead(&client));
        }
    });
    Ok(())
}

fn lead(client: &TcpStream) -> io::Result<()> {
    let server = TcpStream::connect((ADDRESS, 6443))?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        to.shutdown(std::net::Shutdown::Write)
    });
    let (mut from, mut to) = (client.try_clone()?, server);
    let _ = io::copy(&mut from, &mut to);
    to.shutdown(std::net::Shutdown::Write)?;
    let _ = back.join();
    Ok(())
}

fn ctr(node: u8, args: &[&str]) -> Result<()> {
    let mut ctr = command("ctr");
    run::check_quiet(ctr.args(["-a", &node::socket(node), "-n", "k8s.io"]).args(args))
}

/// Every node gets every image: none of them can be pulled. Each has the name that its archive says: with
/// `--index-name`, too, containerd would name the index and then the manifest so, and may collect the index before it
/// is unpacked.
fn import(nodes: u8) -> Result<()> {
    let images = fs::read_to_string(format!("{INSIDE}/images"))?;
    for line in images.lines() {
        let (name, archive) = line.split_once(' ').context("an image without an archive")?;
        for node in 0..nodes {
            ctr(node, &["images", "import", archive])
                .with_context(|| format!("cannot import {name}"))?;
        }
    }
    Ok(())
}
