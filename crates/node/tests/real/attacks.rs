//! What a pod's root tries, from inside.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::stat::{Mode, SFlag};

const NONE: Option<&str> = None;

pub(crate) type Try = (&'static str, fn(&str) -> io::Result<()>);

/// Each must fail. `state` is the state directory of the cluster, as the host has it.
pub(crate) const TRIES: [Try; 18] = [
    ("see the state directory", |state| fs::read_dir(state).map(|_| ())),
    ("see it after leaving a chroot", |state| {
        leave_chroot().and_then(|()| fs::read_dir(state).map(|_| ()))
    }),
    ("reach the node's socket", |state| connect(state, "node.sock")),
    ("reach the node's door to the API", |state| connect(state, "api.sock")),
    ("reach the host's helper", |state| connect(state, "host.sock")),
    ("see another process", |_| other_process()),
    ("mount a file system", |_| mount()),
    ("mount proc anew", |_| mount_at("proc", "/mnt")),
    ("make /proc/sys writable", |_| remount("/proc/sys")),
    ("make /sys writable", |_| remount("/sys")),
    ("set how core files are handled", |_| append("/proc/sys/kernel/core_pattern")),
    ("write to /sys", |_| append("/sys/kernel/mm/transparent_hugepage/enabled")),
    ("ask the kernel for a reboot", |_| append("/proc/sysrq-trigger")),
    ("read the kernel's memory", |_| {
        fs::File::open("/proc/kcore").and_then(|file| file.metadata()).and_then(not_empty)
    }),
    ("see keys", |_| fs::read_to_string("/proc/keys").and_then(|text| some(!text.is_empty()))),
    ("use a disk", |_| disk()),
    ("enter a namespace", |_| enter()),
    ("make a user namespace", |_| {
        nix::sched::unshare(CloneFlags::CLONE_NEWUSER).map_err(Into::into)
    }),
];

pub(crate) fn main(state: &str) -> ExitCode {
    for (name, attempt) in TRIES {
        match attempt(state) {
            Ok(()) => println!("DONE: {name}"),
            Err(error) => println!("refused: {name}: {error}"),
        }
    }
    ExitCode::SUCCESS
}

fn some(there: bool) -> io::Result<()> {
    if there { Ok(()) } else { Err(io::Error::other("nothing is there")) }
}

fn not_empty(metadata: fs::Metadata) -> io::Result<()> {
    some(metadata.is_file() && metadata.len() > 0)
}

fn connect(state: &str, socket: &str) -> io::Result<()> {
    UnixStream::connect(Path::new(state).join("run").join(socket)).map(|_| ())
}

/// Who keeps a folder open from before a chroot leads its root up again, to where the container's really is.
fn leave_chroot() -> io::Result<()> {
    fs::create_dir_all("/tmp/inner")?;
    let before = fs::File::open("/")?;
    nix::unistd::chroot("/tmp/inner")?;
    nix::unistd::fchdir(before.as_fd())?;
    for _ in 0..64 {
        nix::unistd::chdir("..")?;
    }
    nix::unistd::chroot(".")?;
    Ok(())
}

/// Processes of the container are this one and its parents: nobody below 1, nobody with another root.
fn other_process() -> io::Result<()> {
    let own = fs::read_link("/proc/self/ns/mnt")?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let is_process = entry.file_name().to_string_lossy().parse::<u32>().is_ok();
        let theirs = fs::read_link(entry.path().join("ns/mnt"));
        if is_process && theirs.is_ok_and(|theirs| theirs != own) {
            return Ok(());
        }
    }
    Err(io::Error::other("there is none"))
}

pub(crate) fn mount() -> io::Result<()> {
    mount_at("tmpfs", "/mnt")
}

fn mount_at(kind: &str, target: &str) -> io::Result<()> {
    fs::create_dir_all(target)?;
    nix::mount::mount(Some(kind), target, Some(kind), MsFlags::empty(), NONE).map_err(Into::into)
}

fn remount(target: &str) -> io::Result<()> {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    nix::mount::mount(NONE, target, NONE, flags, NONE).map_err(Into::into)
}

/// Opening it for writing is as good as writing.
fn append(path: &str) -> io::Result<()> {
    fs::OpenOptions::new().append(true).open(path).map(|_| ())
}

fn disk() -> io::Result<()> {
    for (major, minor) in [(8, 0), (254, 0), (253, 0), (259, 0), (1, 1)] {
        let path = format!("/tmp/disk{major}.{minor}");
        let device = nix::sys::stat::makedev(major, minor);
        let kind = if major == 1 { SFlag::S_IFCHR } else { SFlag::S_IFBLK };
        let made = nix::sys::stat::mknod(path.as_str(), kind, Mode::S_IRUSR, device);
        if made.is_ok() && fs::File::open(&path).is_ok() {
            return Ok(());
        }
    }
    Err(io::Error::other("no device could be opened"))
}

fn enter() -> io::Result<()> {
    for name in ["mnt", "net", "user", "pid"] {
        let namespace = fs::File::open(format!("/proc/1/ns/{name}"))?;
        if nix::sched::setns(namespace.as_fd(), CloneFlags::empty()).is_ok() {
            return Ok(());
        }
    }
    Err(io::Error::other("none could be entered"))
}

/// Whether something answers at an address.
pub(crate) fn answers(target: &str) -> bool {
    let address = target.parse().unwrap();
    TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
}
