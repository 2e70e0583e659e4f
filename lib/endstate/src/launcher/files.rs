//! The files that the launcher looks at and makes.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use super::{Data, LaunchError, Marker, io_error};

/// Which files in a data directory are the application's data: a folder, and names with one `*`.
///
/// ```
/// use endstate::launcher::Pattern;
/// assert_eq!("log/*.log".parse::<Pattern>().unwrap().to_string(), "log/*.log");
/// assert!("../*.log".parse::<Pattern>().is_err());
/// assert!("log/a.log".parse::<Pattern>().is_err(), "name the folder's files, not one of them");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    folder: PathBuf,
    before: OsString,
    after: OsString,
}

impl std::str::FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
        let (folder, parts) = (PathBuf::from(folder), name.split_once('*'));
        let inside = folder.components().all(|it| matches!(it, Component::Normal(_)));
        let literal = !folder.as_os_str().as_bytes().contains(&b'*');
        match parts {
            Some((before, after)) if inside && literal && !after.contains('*') => {
                Ok(Self { folder, before: before.into(), after: after.into() })
            }
            _ => Err(format!(
                "{text:?} is no pattern such as log/*.log: a folder below the data directory, and a name with one *"
            )),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{}*{}", self.before.display(), self.after.display());
        write!(f, "{}", self.folder.join(name).display())
    }
}

impl Pattern {
    fn matches(&self, name: &OsStr) -> bool {
        let (name, before, after) =
            (name.as_bytes(), self.before.as_bytes(), self.after.as_bytes());
        name.len() >= before.len() + after.len()
            && name.starts_with(before)
            && name.ends_with(after)
    }

    /// Whether a file matches. A folder that is not there holds none; one that cannot be read is an error.
    fn is_in(&self, data_dir: &Path) -> Result<bool, LaunchError> {
        let folder = data_dir.join(&self.folder);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io_error("read", &folder)(error)),
        };
        for entry in entries {
            if self.matches(&entry.map_err(io_error("read", &folder))?.file_name()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn observe(data_dir: &Path, present: &[Pattern]) -> Result<Data, LaunchError> {
    for pattern in present {
        if pattern.is_in(data_dir)? {
            return Ok(Data::Present);
        }
    }
    Ok(Data::Blank)
}

pub(super) fn observe_marker(marker: &Path) -> Result<Marker, LaunchError> {
    match marker.try_exists() {
        Ok(true) => Ok(Marker::Present),
        Ok(false) => Ok(Marker::Absent),
        Err(error) => Err(io_error("look at", marker)(error)),
    }
}

/// A file that is copied to where the application may write to it: what a mount of the pod gives is read-only.
///
/// ```
/// use endstate::launcher::Seed;
/// let seed = Seed::once("/config/server.cfg", "/data/server.cfg");
/// assert_ne!(seed, Seed::always("/config/server.cfg", "/data/server.cfg"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seed {
    /// The file to copy.
    pub from: PathBuf,
    /// The file to make.
    pub to: PathBuf,
    /// Whether one that is there stays.
    pub when: SeedWhen,
}

/// When a [`Seed`] is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedWhen {
    /// Only if the file is not there: it is the application's once it has been started.
    Once,
    /// At every start, over what is there.
    Always,
}

impl Seed {
    /// A file that the application keeps up to date itself after its first start.
    pub fn once(from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        Self { from: from.into(), to: to.into(), when: SeedWhen::Once }
    }

    /// A file that is made anew at every start.
    pub fn always(from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        Self { from: from.into(), to: to.into(), when: SeedWhen::Always }
    }

    /// Copies it in one piece: whoever opens the file sees all of it, or the one before.
    pub(super) fn copy(&self) -> Result<(), LaunchError> {
        let there = self.to.try_exists().map_err(io_error("look at", &self.to))?;
        if there && self.when == SeedWhen::Once {
            return Ok(());
        }
        let content = fs::read(&self.from).map_err(io_error("read", &self.from))?;
        let mut partial = self.to.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let folder = parent(&self.to);
        fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        write_synced(&partial, &content).map_err(io_error("write", &partial))?;
        fs::rename(&partial, &self.to)
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(io_error("put in place", &self.to))
    }
}

/// The marker must survive a power loss that the data directory does not.
pub(super) fn write_marker(marker: &Path) -> Result<(), LaunchError> {
    write_synced(marker, b"the member was started in this pod\n")
        .and_then(|()| File::open(parent(marker))?.sync_all())
        .map_err(io_error("write", marker))
}

pub(super) fn create_empty(path: &Path) -> Result<(), LaunchError> {
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    write_synced(path, b"").map_err(io_error("create", path))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Readable by this user alone: a seed may be a secret, and the application runs as the same user.
fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
