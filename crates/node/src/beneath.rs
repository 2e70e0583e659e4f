//! Paths that others may change while they are looked at: opened below a folder, never by a link that leads out of it.
//!
//! What was opened is mounted by its descriptor, so that nothing can be put in its place between the look and the
//! mount.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::sys;

/// What is made where nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    Nothing,
    Folder,
    File,
}

const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const INSIDE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// Opens what lies at `rest` below `root`, which itself is reached by no link.
pub(crate) fn open(root: &Path, rest: &Path, make: Make) -> io::Result<OwnedFd> {
    let straight = ResolveFlags::NO_SYMLINKS;
    let flags = LOOK.union(OFlags::DIRECTORY);
    let root = rustix::fs::openat2(rustix::fs::CWD, root, flags, Mode::empty(), straight)?;
    match look(&root, rest) {
        Err(Errno::NOENT) if make != Make::Nothing => Ok(create(&root, rest, make)?),
        other => other.map_err(outside),
    }
}

fn look(root: &OwnedFd, rest: &Path) -> Result<OwnedFd, Errno> {
    let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
    rustix::fs::openat2(root, rest, LOOK, Mode::empty(), INSIDE)
}

fn outside(error: Errno) -> io::Error {
    match error {
        Errno::XDEV | Errno::LOOP => io::Error::other("it leads out of its folder"),
        other => other.into(),
    }
}

/// Makes the folders on the way one by one, each below what was opened last.
fn create(root: &OwnedFd, rest: &Path, make: Make) -> io::Result<OwnedFd> {
    let names: Vec<&std::ffi::OsStr> = rest
        .components()
        .map(|part| match part {
            Component::Normal(name) => Ok(name),
            Component::CurDir => Ok(std::ffi::OsStr::new(".")),
            _ => Err(io::Error::other("it leads out of its folder")),
        })
        .collect::<io::Result<_>>()?;
    let mut way = PathBuf::new();
    let mut parent = look(root, Path::new(".")).map_err(outside)?;
    for (index, name) in names.iter().enumerate() {
        let last = index + 1 == names.len();
        let made = match last && make == Make::File {
            true => create_file(&parent, name),
            false => rustix::fs::mkdirat(&parent, *name, Mode::from_raw_mode(0o755)),
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        way.push(name);
        parent = look(root, &way).map_err(outside)?;
    }
    Ok(parent)
}

fn create_file(parent: &OwnedFd, name: &std::ffi::OsStr) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644)).map(|_| ())
}

pub(crate) fn kind(found: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(found)?.st_mode))
}

/// Mounts what was opened at `target`, in the place of what is mounted there.
pub(crate) fn pin(found: &OwnedFd, target: &Path) -> io::Result<()> {
    unpin(target)?;
    std::fs::create_dir_all(target.parent().unwrap_or(Path::new("/")))?;
    match kind(found)? {
        FileType::Directory => std::fs::create_dir(target)?,
        _ => drop(File::create_new(target)?),
    }
    sys::mount_descriptor(found, target).inspect_err(|_| {
        let _ = unpin(target);
    })
}

/// Takes a pin away. What was pinned is never removed: the place itself is empty, or the removal fails.
pub(crate) fn unpin(target: &Path) -> io::Result<()> {
    let Ok(metadata) = target.symlink_metadata() else { return Ok(()) };
    // Not mounted is no failure: what is at the place then is the empty one that we made.
    let _ = sys::unmount(target);
    match metadata.is_dir() {
        true => std::fs::remove_dir(target),
        false => match target.metadata()?.len() {
            0 => std::fs::remove_file(target),
            _ => Err(io::Error::other("a pinned file is still mounted")),
        },
    }
}

/// Takes away all pins of a folder.
pub(crate) fn unpin_all(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if let Err(error) = unpin(&entry.path()) {
            tracing::warn!(%error, path = %entry.path().display(), "cannot remove a mount");
        }
    }
    let _ = std::fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn path_of(found: &OwnedFd) -> PathBuf {
        use std::os::fd::AsRawFd;
        std::fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd())).unwrap()
    }

    #[test]
    fn links_and_dots_do_not_lead_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("root");
        std::fs::create_dir_all(root.join("in")).unwrap();
        std::fs::create_dir(dir.path().join("outside")).unwrap();
        symlink("/etc", root.join("absolute")).unwrap();
        symlink("../outside", root.join("relative")).unwrap();
        symlink("in", root.join("inside")).unwrap();
        for rest in ["absolute", "absolute/passwd", "relative", "..", "in/../../outside", "/etc"] {
            for make in [Make::Nothing, Make::Folder, Make::File] {
                assert!(open(&root, Path::new(rest), make).is_err(), "{rest}");
            }
        }
        for rest in ["absolute/new", "relative/new", "../new", "in/../../new"] {
            assert!(open(&root, Path::new(rest), Make::Folder).is_err(), "{rest}");
        }
        assert_eq!(std::fs::read_dir(dir.path().join("outside")).unwrap().count(), 0);
        let inside = open(&root, Path::new("inside"), Make::Nothing).unwrap();
        assert_eq!(path_of(&inside), root.join("in"));
        // A root that became a link is no root.
        symlink(&root, dir.path().join("link")).unwrap();
        assert!(open(&dir.path().join("link"), Path::new("in"), Make::Nothing).is_err());
    }

    #[test]
    fn what_lacks_is_made_if_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        assert!(open(&root, Path::new("a/b"), Make::Nothing).is_err());
        let folder = open(&root, Path::new("a/b"), Make::Folder).unwrap();
        assert_eq!(path_of(&folder), root.join("a/b"));
        let file = open(&root, Path::new("a/c"), Make::File).unwrap();
        assert_eq!(kind(&file).unwrap(), FileType::RegularFile);
        assert_eq!(
            kind(&open(&root, Path::new(""), Make::Nothing).unwrap()).unwrap(),
            FileType::Directory
        );
    }

    #[test]
    fn taking_a_pin_away_removes_nothing_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let (full, file) = (dir.path().join("full"), dir.path().join("file"));
        std::fs::create_dir(&full).unwrap();
        std::fs::write(full.join("theirs"), "x").unwrap();
        std::fs::write(&file, "theirs").unwrap();
        assert!(unpin(&full).is_err() && unpin(&file).is_err());
        unpin_all(dir.path());
        assert!(full.join("theirs").exists() && file.exists());
        assert!(unpin(&dir.path().join("absent")).is_ok());
    }
}
