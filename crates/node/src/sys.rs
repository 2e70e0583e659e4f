//! The few kernel calls that make the node: namespaces, mounts, process descriptors.
//!
//! Everything here goes through the safe wrappers of `nix` and `rustix`, but for three `unsafe`: one registers a
//! process descriptor with tokio, one is a system call that neither has, one gives freed memory back. What makes that
//! possible: a new pid namespace is entered by executing ourselves again rather than by `fork`, namespaces of pods are
//! made on threads of their own that end afterwards, and containers are started by an OCI runtime.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::groups::MOUNT;

/// Asks the kernel to kill this process when the thread that started it ends.
pub(crate) fn die_with_parent() -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(Into::into)
}

/// Leaves the session keyring of who started us: containers inherit ours, and its keys are none of theirs.
pub(crate) fn leave_session_keyring() -> io::Result<()> {
    const JOIN_SESSION_KEYRING: nix::libc::c_long = 1;
    let anonymous = std::ptr::null::<nix::libc::c_char>();
    #[expect(unsafe_code, reason = "neither nix nor rustix has the call")]
    // SAFETY: this operation reads no memory but the name, and takes a null one for a new keyring without one.
    let result =
        unsafe { nix::libc::syscall(nix::libc::SYS_keyctl, JOIN_SESSION_KEYRING, anonymous) };
    match result {
        -1 => match io::Error::last_os_error() {
            // A kernel without keys, or a sandbox around us that has the call forbidden, has none to give away.
            error if matches!(error.raw_os_error(), Some(nix::libc::ENOSYS | nix::libc::EPERM)) => {
                Ok(())
            }
            error => Err(error),
        },
        _ => Ok(()),
    }
}

/// Enters a new user namespace, whose ids the parent maps afterwards. All of it together may have so many processes:
/// the kernel remembers the limit of who makes the namespace, which is ours only for that moment.
pub(crate) fn enter_user_namespace(processes_max: u64) -> io::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let own = getrlimit(Resource::Nproc);
    let mut few = own;
    few.current = Some(own.current.map_or(processes_max, |own| own.min(processes_max)));
    setrlimit(Resource::Nproc, few)?;
    let entered = unshare(CloneFlags::CLONE_NEWUSER).map_err(Into::into);
    setrlimit(Resource::Nproc, own)?;
    entered
}

const OOM_SCORE_ADJ: &str = "/proc/self/oom_score_adj";

/// How soon the kernel kills this process when memory runs out: -1000 (never) to 1000 (first).
pub(crate) fn oom_score_adj() -> i64 {
    let text = fs::read_to_string(OOM_SCORE_ADJ).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Everybody may raise it.
pub(crate) fn set_oom_score_adj(value: i64) -> io::Result<()> {
    fs::write(OOM_SCORE_ADJ, value.to_string())
}

/// Gives the memory that was freed back to the system. glibc keeps what it freed between blocks in use, in case it is
/// wanted again; it takes a look at each such place, which is milliseconds for hundreds of megabytes.
#[cfg(target_env = "gnu")]
pub(crate) fn give_memory_back() {
    #[expect(unsafe_code, reason = "the C library has no safe name for it")]
    // SAFETY: it takes no pointer, and frees nothing that is in use; the allocator's own locks guard it.
    let _released = unsafe { nix::libc::malloc_trim(0) };
}

/// Other allocators do it by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_memory_back() {}

/// Enters new mount, net, uts and ipc namespaces; the next child is the first process of a new pid namespace.
pub(crate) fn enter_namespaces() -> io::Result<()> {
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWPID;
    unshare(flags).map_err(Into::into)
}

/// The agent holds every container's pipes and every proxied connection; containers inherit the limit.
pub(crate) fn raise_file_limit() -> io::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).map_err(Into::into)
}

const NONE: Option<&str> = None;

/// Cuts the mount namespace off from the host's, mounts its own `/proc`, and makes the control groups read-only but for
/// the given folders. Without any the runtime works too: it ignores the refusal.
pub(crate) fn prepare_mounts<'a>(
    private: &Path,
    groups_of_ours: impl Iterator<Item = (&'a Path, &'a Path)>,
) -> io::Result<()> {
    mount(NONE, "/", NONE, MsFlags::MS_PRIVATE | MsFlags::MS_REC, NONE)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NONE)?;
    let groups = mount_points_below(MOUNT)?;
    let mut covered = false;
    for (folder, point) in groups_of_ours {
        // A mount of its own, which stays writable.
        mount(Some(folder), point, NONE, MsFlags::MS_BIND, NONE)?;
        covered |= point == Path::new(MOUNT);
    }
    for point in groups.iter().filter(|_| !covered) {
        make_read_only(point)?;
    }
    if groups.is_empty() && Path::new(MOUNT).exists() {
        // As in some containers. The runtime insists on seeing a hierarchy, which may be mounted in a namespace of its
        // own.
        unshare(CloneFlags::CLONE_NEWCGROUP)?;
        let flags = flags | MsFlags::MS_RDONLY;
        mount(Some("cgroup2"), MOUNT, Some("cgroup2"), flags, NONE)?;
    }
    fs::create_dir_all(private)?;
    mount_tmpfs(private, "mode=0700")
}

fn mount_points_below(root: &str) -> io::Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points.filter(|point| point.starts_with(root)).map(PathBuf::from).collect())
}

fn make_read_only(point: &Path) -> io::Result<()> {
    // Flags that the host set are locked in our namespace, so they are repeated.
    let host = rustix::fs::statvfs(point)?.f_flag;
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    use rustix::fs::StatVfsMountFlags as Host;
    for (theirs, ours) in [
        (Host::NOSUID, MsFlags::MS_NOSUID),
        (Host::NODEV, MsFlags::MS_NODEV),
        (Host::NOEXEC, MsFlags::MS_NOEXEC),
        (Host::NOATIME, MsFlags::MS_NOATIME),
        (Host::RELATIME, MsFlags::MS_RELATIME),
    ] {
        if host.contains(theirs) {
            flags |= ours;
        }
    }
    mount(NONE, point, NONE, flags, NONE).map_err(Into::into)
}

pub(crate) fn mount_tmpfs(target: &Path, options: &str) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options)).map_err(Into::into)
}

/// Mounts `upper` over `lower` at `target`. Volatile: a container's layer is thrown away, so it is never synced.
pub(crate) fn mount_overlay(layers: &Overlay, target: &Path) -> io::Result<()> {
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,volatile",
        escape(&layers.lower),
        escape(&layers.upper),
        escape(&layers.work)
    );
    mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(Into::into)
}

/// The directories of an overlay mount.
pub(crate) struct Overlay {
    pub(crate) lower: PathBuf,
    pub(crate) upper: PathBuf,
    pub(crate) work: PathBuf,
}

fn escape(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,")
}

/// Mounts what is open, with what is mounted below it, at another place too.
pub(crate) fn mount_descriptor(source: &OwnedFd, target: &Path) -> io::Result<()> {
    let source = format!("/proc/self/fd/{}", source.as_raw_fd());
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(source.as_str()), target, NONE, flags, NONE).map_err(Into::into)
}

pub(crate) fn unmount(target: &Path) -> io::Result<()> {
    umount2(target, MntFlags::MNT_DETACH).map_err(Into::into)
}

/// The namespaces that the containers of one pod share, kept alive by bind mounts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PodNamespaces;

pub(crate) const POD_NAMESPACES: [&str; 3] = ["net", "uts", "ipc"];

impl PodNamespaces {
    /// Makes the namespaces, pins them as files in `dir`, and runs `inside` there before the thread ends.
    pub(crate) fn create<T: Send + 'static>(
        dir: PathBuf,
        hostname: String,
        inside: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        on_thread(move || {
            unshare(
                CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC,
            )?;
            nix::unistd::sethostname(&hostname)?;
            // What a try that failed has left cannot be pinned over.
            Self::remove(&dir)?;
            fs::create_dir_all(&dir)?;
            for name in POD_NAMESPACES {
                let pin = dir.join(name);
                File::create(&pin)?;
                let source = format!("/proc/thread-self/ns/{name}");
                mount(Some(source.as_str()), &pin, NONE, MsFlags::MS_BIND, NONE)?;
            }
            inside()
        })
    }

    /// Unpins the namespaces; they end with their last process.
    pub(crate) fn remove(dir: &Path) -> io::Result<()> {
        for name in POD_NAMESPACES {
            match umount2(&dir.join(name), MntFlags::MNT_DETACH) {
                // It is not there, or nothing is mounted there.
                Ok(()) | Err(Errno::ENOENT | Errno::EINVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Runs `inside` on a thread of the network namespace pinned at `pin`. Sockets opened there stay there.
pub(crate) fn in_network<T: Send + 'static>(
    pin: PathBuf,
    inside: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    on_thread(move || {
        setns(File::open(&pin)?.as_fd(), CloneFlags::CLONE_NEWNET)?;
        inside()
    })
}

/// The thread ends with the closure, so that no other work ever runs in its namespaces.
fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let thread = std::thread::Builder::new().name("namespace".to_owned()).spawn(work)?;
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a namespace thread panicked")))
}

/// A child process that we reap ourselves.
#[derive(Debug)]
pub(crate) struct Process {
    descriptor: AsyncFd<OwnedFd>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) exit_code: i32,
    pub(crate) signal: Option<i32>,
}

impl Process {
    pub(crate) fn open(pid: i32) -> io::Result<Self> {
        let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::other("process id 0"))?;
        let descriptor = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        #[expect(unsafe_code, reason = "tokio's safe constructors are deprecated")]
        // SAFETY: the `AsyncFd` owns the descriptor from here on; nothing else closes or replaces it.
        let descriptor = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
        Ok(Self { descriptor: descriptor.map_err(io::Error::from)? })
    }

    /// Waits for the end and reaps.
    pub(crate) async fn wait(&self) -> io::Result<Ended> {
        loop {
            let mut guard = self.descriptor.readable().await?;
            let id = WaitId::PidFd(self.descriptor.as_fd());
            match rustix::process::waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
                Ok(Some(status)) => {
                    let signal = status.terminating_signal();
                    let exit_code =
                        status.exit_status().unwrap_or_else(|| 128 + signal.unwrap_or_default());
                    return Ok(Ended { exit_code, signal });
                }
                Ok(None) | Err(rustix::io::Errno::AGAIN) => guard.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.descriptor, signal) {
            Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reaps children that nobody waits for: what was left in a container by an interrupted `exec`.
/// A child is taken only when it was already dead at the previous sweep, so that its rightful waiter had its chance.
pub(crate) async fn reap_strays() {
    let mut before = Vec::new();
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        let dead = zombies();
        for pid in dead.iter().filter(|pid| before.contains(*pid)) {
            let pid = nix::unistd::Pid::from_raw(*pid);
            let _ = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
        }
        before = dead;
    }
}

fn zombies() -> Vec<i32> {
    let me = std::process::id().to_string();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
        let mut fields = after_name.split(' ');
        fields.next() == Some("Z") && fields.next() == Some(me.as_str())
    })
    .collect()
}
