//! The files that the launcher looks at and makes.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use endstate_core::{Seed, SeedWhen, Source};

use super::decision::Marker;
use super::error::{LaunchError, io_error, unreadable};

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
    /// The folder directly below the data directory that such files are in; `None` if they are in that itself.
    pub(super) fn top(&self) -> Option<&OsStr> {
        self.folder.components().next().map(Component::as_os_str)
    }

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
            Err(error) => return Err(unreadable(&folder)(error)),
        };
        for entry in entries {
            if self.matches(&entry.map_err(unreadable(&folder))?.file_name()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn is_present(data_dir: &Path, present: &[Pattern]) -> Result<bool, LaunchError> {
    for pattern in present {
        if pattern.is_in(data_dir)? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn observe_marker(marker: &Path) -> Result<Marker, LaunchError> {
    match marker.try_exists() {
        Ok(true) => Ok(Marker::Present),
        Ok(false) => Ok(Marker::Absent),
        Err(error) => Err(io_error("look at", marker)(error)),
    }
}

fn is_there(seed: &Seed) -> Result<bool, LaunchError> {
    seed.to.try_exists().map_err(io_error("look at", &seed.to))
}

/// Its content, with the lines that are kept of the file that is there.
fn content(seed: &Seed, keeps: Option<&str>) -> Result<Vec<u8>, LaunchError> {
    let new = match &seed.source {
        Source::File(from) => fs::read(from).map_err(io_error("read", from))?,
        Source::Text(text) => text.clone().into_bytes(),
    };
    let Some(prefix) = keeps.filter(|_| seed.to.exists()) else { return Ok(new) };
    let old = fs::read_to_string(&seed.to).map_err(io_error("read", &seed.to))?;
    let Some(kept) = old.lines().find(|it| it.starts_with(prefix)) else { return Ok(new) };
    let new = String::from_utf8_lossy(&new);
    let lines = new.lines().map(|it| if it.starts_with(prefix) { kept } else { it });
    Ok(lines.flat_map(|it| [it, "\n"]).collect::<String>().into_bytes())
}

/// Makes it in one piece: whoever opens the file sees all of it, or the one before.
fn make(seed: &Seed, keeps: Option<&str>) -> Result<(), LaunchError> {
    let content = content(seed, keeps)?;
    let mut partial = seed.to.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let folder = parent(&seed.to);
    fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    write_synced(&partial, &content).map_err(io_error("write", &partial))?;
    fs::rename(&partial, &seed.to)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(io_error("put in place", &seed.to))
}

/// Makes every file. Those that are made once come last: while one is missing, nothing that the application wrote
/// before counts, however often this is interrupted.
pub(super) fn make_all(seeds: &[Seed]) -> Result<(), LaunchError> {
    let once = |it: &&Seed| it.when == SeedWhen::Once;
    let mut missing = vec![];
    for seed in seeds.iter().filter(once) {
        if !is_there(seed)? {
            missing.push(seed);
        }
    }
    for seed in seeds.iter().filter(|it| !once(it)) {
        make(seed, seed.keeps.as_deref().filter(|_| missing.is_empty()))?;
    }
    missing.into_iter().try_for_each(|it| make(it, None))
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

/// The jars of a folder in the order of their names, as one value. Without any the application would not start, and say
/// less clearly why.
pub(super) fn class_path(folder: &Path) -> Result<OsString, LaunchError> {
    let error = |error| io_error("find the jars in", folder)(error);
    let paths = fs::read_dir(folder).map_err(error)?.map(|entry| entry.map(|it| it.path()));
    let mut jars: Vec<_> = paths.collect::<io::Result<_>>().map_err(error)?;
    jars.retain(|it| it.extension().is_some_and(|it| it == "jar"));
    jars.sort_unstable();
    if jars.is_empty() {
        return Err(error(io::Error::other("it holds none")));
    }
    std::env::join_paths(jars).map_err(|it| error(io::Error::other(it)))
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
