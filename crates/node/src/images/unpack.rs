//! Unpacking an image's layers into one root file system, once per image.
//!
//! All layers go into one folder, with whiteouts applied as deletions, instead of one folder per layer: containers then
//! have a single lower directory, which every kernel and file system can overlay, at the price of storing layers that
//! images share once per image.
//!
//! A layer is hostile input. Every name is resolved by the kernel relative to the root's descriptor
//! (`RESOLVE_IN_ROOT`), so neither `..` nor a symbolic link that an earlier entry planted leads outside; the last
//! component is never followed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use oci_spec::image::{Descriptor, ImageManifest};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::budget::{self, Budget, Metered};
use super::headers::{Allowance, Allowed};
use super::{Error, Resolved, Store, blobs};
use crate::config::Ids;

/// Unpacks into `dir/<config digest>` unless that exists; returns the root file system.
pub(crate) fn unpack(
    store: &Store,
    image: &Resolved,
    dir: &Path,
    ids: Ids,
) -> Result<PathBuf, Error> {
    let budgets = Budgets::new(budget::UNPACKED_BYTES_MAX);
    unpack_within(&budgets, store, image, (dir, ids))
}

/// What all layers of one image may cost.
struct Budgets {
    /// Bytes that come out of decompression, whatever they say.
    read: Budget,
    /// Bytes that are written: a sparse file has more of them than its layer.
    written: Budget,
}

impl Budgets {
    fn new(max: u64) -> Self {
        Self { read: Budget::new(max), written: Budget::new(max) }
    }

    /// Which of the errors of a layer is about the image's size.
    fn explain(&self, error: Error, image: &Resolved) -> Error {
        let spent = [&self.read, &self.written].into_iter().find(|it| it.is_exceeded());
        match spent {
            Some(budget) => Error::TooLarge {
                reference: image.reference.clone(),
                what: "unpacks to",
                limit: budget::shown(budget.max()),
            },
            None => error,
        }
    }
}

fn unpack_within(
    budgets: &Budgets,
    store: &Store,
    image: &Resolved,
    to: (&Path, Ids),
) -> Result<PathBuf, Error> {
    let (dir, ids) = to;
    let name = folder_name(&image.manifest);
    let target = dir.join(&name);
    if target.exists() {
        return Ok(target);
    }
    let partial = dir.join(format!(".{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).map_err(Error::io(&partial))?;
    let diff_ids = image.config.rootfs().diff_ids();
    for (position, layer) in image.manifest.layers().iter().enumerate() {
        let expected = diff_ids.get(position).map(String::as_str);
        let root = Root::open(&partial, ids, budgets)?;
        let done = unpack_layer(store, layer, &root, expected);
        if let Err(error) = done {
            let _ = fs::remove_dir_all(&partial);
            return Err(budgets.explain(error, image));
        }
    }
    publish(&partial, &target).map_err(Error::io(&target))?;
    Ok(target)
}

/// Whatever has the final name is taken for whole ever after, also after a crash of the machine: so the content must be
/// on the disk before the name is. One call for the file system costs less than one per file.
fn publish(partial: &Path, target: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(partial)?)?;
    fs::rename(partial, target)
}

/// The configuration's digest covers the layers' content, so images that differ in name only share the folder.
pub(super) fn folder_name(manifest: &ImageManifest) -> String {
    manifest.config().digest().to_string().replace(':', "-")
}

fn unpack_layer(
    store: &Store,
    layer: &Descriptor,
    root: &Root<'_>,
    diff_id: Option<&str>,
) -> Result<(), Error> {
    let digest = layer.digest().to_string();
    let path = store.blob(&digest);
    let file = BufReader::new(File::open(&path).map_err(Error::io(&path))?);
    let media_type = layer.media_type().to_string();
    let plain: Box<dyn Read> = if media_type.ends_with("gzip") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else if media_type.ends_with("tar") {
        Box::new(file)
    } else {
        return Err(Error::MediaType { digest, media_type });
    };
    let plain = Metered { inner: plain, budget: &root.budgets.read };
    let allowance = Allowance::new();
    let plain = Allowed { inner: plain, allowance: &allowance };
    let mut hashing = Hashing { inner: plain, hasher: Sha256::new() };
    let bad = |error: io::Error| Error::Unsafe { digest: digest.clone(), why: error.to_string() };
    let mut archive = tar::Archive::new(&mut hashing);
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        allowance.renew(&entry);
        root.apply(&mut entry).map_err(bad)?;
    }
    allowance.lift();
    // What follows the last entry belongs to the digest as well.
    io::copy(&mut hashing, &mut io::sink()).map_err(bad)?;
    let actual = format!("sha256:{}", blobs::hex(&hashing.hasher.finalize()));
    match diff_id {
        Some(expected) if expected != actual => {
            let why = format!("its content is {actual} where the image says {expected}");
            Err(Error::Unsafe { digest, why })
        }
        _ => Ok(()),
    }
}

struct Hashing<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// The folder that is becoming a root file system.
struct Root<'a> {
    descriptor: OwnedFd,
    ids: Ids,
    budgets: &'a Budgets,
}

/// A resolved folder and the last component of a name in it.
struct Place<'a> {
    folder: OwnedFd,
    name: &'a OsStr,
}

impl Place<'_> {
    /// The same place as a path, for what has no call by descriptor.
    fn path(&self) -> PathBuf {
        Path::new(&format!("/proc/self/fd/{}", self.folder.as_raw_fd())).join(self.name)
    }

    fn file_type(&self) -> Option<FileType> {
        let stat = rustix::fs::statat(&self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    }

    fn remove(&self) -> io::Result<()> {
        match self.file_type() {
            None => Ok(()),
            Some(FileType::Directory) => fs::remove_dir_all(self.path()),
            Some(_) => {
                rustix::fs::unlinkat(&self.folder, self.name, AtFlags::empty()).map_err(Into::into)
            }
        }
    }
}

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

impl<'b> Root<'b> {
    fn open(dir: &Path, ids: Ids, budgets: &'b Budgets) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(dir, flags, Mode::empty())
            .map_err(|error| Error::io(dir)(error.into()))?;
        Ok(Self { descriptor, ids, budgets })
    }

    fn apply(&self, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<()> {
        let path = entry.path()?.into_owned();
        let clean = clean(&path)?;
        let Some(name) = clean.file_name() else { return Ok(()) };
        self.budgets.written.spend_entry()?;
        let place = self.place(&clean, name)?;
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
            return whiteout(&place, name, hidden);
        }
        self.create(entry, &place)?;
        self.own(entry, &place)
    }

    /// Opens the folder that holds `path`, creating what lacks.
    fn place<'a>(&self, path: &Path, name: &'a OsStr) -> io::Result<Place<'a>> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let folder = match self.open_folder(parent) {
            Err(Errno::NOENT) => {
                self.create_folders(parent)?;
                self.open_folder(parent)?
            }
            other => other?,
        };
        Ok(Place { folder, name })
    }

    fn open_folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat2(
            &self.descriptor,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }

    fn create_folders(&self, path: &Path) -> io::Result<()> {
        let mut so_far = PathBuf::new();
        let mut folder = self.open_folder(Path::new("."))?;
        for part in path.components() {
            so_far.push(part);
            folder = match self.open_folder(&so_far) {
                Err(Errno::NOENT) => {
                    self.budgets.written.spend_entry()?;
                    rustix::fs::mkdirat(&folder, part.as_os_str(), Mode::from_raw_mode(0o755))?;
                    self.open_folder(&so_far)?
                }
                other => other?,
            };
        }
        Ok(())
    }

    fn create(&self, entry: &mut tar::Entry<'_, impl Read>, place: &Place<'_>) -> io::Result<()> {
        let kind = entry.header().entry_type();
        if kind == EntryType::Directory {
            if place.file_type() != Some(FileType::Directory) {
                place.remove()?;
                rustix::fs::mkdirat(&place.folder, place.name, Mode::from_raw_mode(0o755))?;
            }
            return Ok(());
        }
        place.remove()?;
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let mode = Mode::from_raw_mode(0o600);
                let file = rustix::fs::openat(&place.folder, place.name, flags, mode)?;
                let budget = &self.budgets.written;
                let mut file = Metered { inner: File::from(file), budget };
                io::copy(entry, &mut file).map(|_| ())
            }
            EntryType::Symlink => {
                let target = link_name(entry)?;
                rustix::fs::symlinkat(&target, &place.folder, place.name).map_err(Into::into)
            }
            EntryType::Link => {
                let target = clean(&link_name(entry)?)?;
                let name = target.file_name().ok_or_else(|| bad("a hard link to the root"))?;
                let source = self.place(&target, name)?;
                let flags = AtFlags::empty();
                rustix::fs::linkat(&source.folder, name, &place.folder, place.name, flags)
                    .map_err(Into::into)
            }
            EntryType::Fifo => {
                let mode = Mode::from_raw_mode(0o600);
                rustix::fs::mknodat(&place.folder, place.name, FileType::Fifo, mode, 0)
                    .map_err(Into::into)
            }
            // Devices cannot be made in a user namespace; the runtime provides the usual ones.
            _ => Ok(()),
        }
    }

    /// Owner, mode and time, in this order, since changing the owner clears set-id bits.
    fn own(&self, entry: &tar::Entry<'_, impl Read>, place: &Place<'_>) -> io::Result<()> {
        let header = entry.header();
        let kind = header.entry_type();
        if place.file_type().is_none() || kind == EntryType::Link {
            return Ok(());
        }
        if self.ids == Ids::Many {
            // Blank fields mean 0, as other readers of tar take them.
            let user = u32::try_from(header.uid().unwrap_or(0)).map_err(io::Error::other)?;
            let group = u32::try_from(header.gid().unwrap_or(0)).map_err(io::Error::other)?;
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            let done =
                rustix::fs::chownat(&place.folder, place.name, Some(user), Some(group), flags);
            // An id beyond the mapped range stays with root.
            if !matches!(done, Ok(()) | Err(Errno::INVAL)) {
                done?;
            }
        }
        if kind == EntryType::Symlink {
            return Ok(());
        }
        let mode = Mode::from_raw_mode(header.mode().unwrap_or(0o644) & 0o7777);
        rustix::fs::chmodat(&place.folder, place.name, mode, AtFlags::empty())?;
        let seconds = i64::try_from(header.mtime().unwrap_or(0)).map_err(io::Error::other)?;
        let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: 0 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(&place.folder, place.name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Into::into)
    }
}

fn whiteout(place: &Place<'_>, name: &OsStr, hidden: &[u8]) -> io::Result<()> {
    if name.as_bytes() == OPAQUE {
        // The folder's content so far is from lower layers: entries of one layer come in any order only in theory,
        // since every builder writes the opaque marker first.
        let here =
            Place { folder: place.folder.as_fd().try_clone_to_owned()?, name: OsStr::new(".") };
        for entry in fs::read_dir(here.path())? {
            let name = entry?.file_name();
            Place { folder: place.folder.as_fd().try_clone_to_owned()?, name: &name }.remove()?;
        }
        return Ok(());
    }
    let hidden = OsStr::from_bytes(hidden);
    if hidden.is_empty() || hidden == "." || hidden == ".." {
        return Err(bad("a whiteout without a name"));
    }
    Place { folder: place.folder.as_fd().try_clone_to_owned()?, name: hidden }.remove()
}

fn link_name(entry: &tar::Entry<'_, impl Read>) -> io::Result<PathBuf> {
    let name = entry.link_name()?.ok_or_else(|| bad("a link without a target"))?;
    Ok(name.into_owned())
}

/// Relative, without `.`; `..` is refused although the kernel would keep it inside.
fn clean(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(bad("a name with `..`")),
        }
    }
    Ok(clean)
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests;
