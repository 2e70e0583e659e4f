//! What the data directories hold before a start: whether the data is there, whether it can be read, and whose it is.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use endstate_core::Seed;

use super::decision::Data;
use super::error::{LaunchError, unreadable};
use super::files;
use super::request::{DataDir, Launch};

/// The file in the data directory that says whose data it is. It goes where the data goes.
pub(super) const OWNER_FILE: &str = ".endstate-member";

/// How long that file may be: a longer one is no launcher's.
const OWNER_BYTES_MAX: u64 = 4_096;

/// How many files of the data are looked at.
const FILES_MAX: usize = 10_000;

/// What the data directories hold.
pub(super) struct Survey<'a> {
    pub(super) data: Data,
    /// The directory that tells it.
    pub(super) directory: &'a DataDir,
    /// Whose data it is, if it is another member's.
    pub(super) owner: Option<String>,
}

/// Looks at the data of a member, and changes nothing.
pub(super) fn survey(request: &Launch) -> Result<Survey<'_>, LaunchError> {
    let mut blank = vec![];
    let mut left = FILES_MAX;
    for directory in &request.data {
        if !files::is_present(&directory.path, &directory.present)? {
            blank.push(directory);
        } else if let Some(member) = &request.member {
            let owner = owner(&directory.path)?.filter(|it| it != member);
            if owner.is_some() {
                return Ok(Survey { data: Data::Foreign, directory, owner });
            }
            let tops: BTreeSet<_> = directory.present.iter().filter_map(|it| it.top()).collect();
            tops.into_iter().try_for_each(|it| read_all(&directory.path.join(it), &mut left))?;
        }
    }
    let data = match blank.len() {
        0 => Data::Present,
        it if it == request.data.len() => Data::Blank,
        _ => Data::Partial,
    };
    let directory = blank.first().copied().unwrap_or(&request.data[0]);
    Ok(Survey { data, directory, owner: None })
}

/// Whose data it is, by the mark that a launcher left. Data of earlier releases has none, and is taken for its own.
fn owner(data_dir: &Path) -> Result<Option<String>, LaunchError> {
    let path = data_dir.join(OWNER_FILE);
    match read_owner(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|it| !it.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path)(error)),
    }
}

/// What a mark says.
fn read_owner(path: &Path) -> io::Result<String> {
    let (mut text, mut file) = (String::new(), File::open(path)?.take(OWNER_BYTES_MAX + 1));
    file.read_to_string(&mut text)?;
    match file.limit() {
        0 => Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long for a mark")),
        _ => Ok(text),
    }
}

/// Notes whose data it is from now on. A disk that is full says nothing of the data that is on it, and the application
/// may start there all the same.
pub(super) fn note_owner(request: &Launch) {
    let Some(member) = &request.member else { return };
    for directory in &request.data {
        let path = directory.path.join(OWNER_FILE);
        let noted = read_owner(&path).is_ok_and(|it| it.trim() == member);
        if !noted {
            let _ = files::make_all(&[Seed::text(format!("{member}\n"), path)]);
        }
    }
}

/// Opens every file below a folder and reads its beginning, up to so many of them.
fn read_all(folder: &Path, left: &mut usize) -> Result<(), LaunchError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unreadable(folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(unreadable(folder))?;
        let Some(rest) = left.checked_sub(1) else { return Ok(()) };
        *left = rest;
        let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable(&entry.path()))?);
        if kind.is_dir() && path.file_name() != Some(OsStr::new("lost+found")) {
            read_all(&path, left)?;
        } else if kind.is_file() {
            File::open(&path).and_then(|mut it| it.read(&mut [0])).map_err(unreadable(&path))?;
        }
    }
    Ok(())
}
