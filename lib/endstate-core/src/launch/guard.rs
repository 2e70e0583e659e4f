//! How the starts of a member are guarded: where its data is and how it is recognized, and the files that are made
//! before the application runs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::volume::{Storage, VolumeSpec};
use crate::objects::DATA;

/// How the start of an application's members is guarded. The launcher, which stands between the node and the
/// application in every pod, refuses to start a member blank that was started before.
///
/// ```
/// use endstate_core::Guard;
/// let guard = Guard::new("/data", &["log/*.log"]).first_start_file("/data/initialize");
/// assert_eq!((guard.data.len(), &*guard.data[0].path), (1, "/data"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Guard {
    /// The application's data directories, none of which is inside another. The data is there if it is in all of them.
    pub data: Vec<Directory>,
    /// Files to make before the application starts.
    pub seeds: Vec<Seed>,
    /// An empty file that permits the application to start empty, made on a first start only.
    pub first_start_file: Option<String>,
    /// The folder whose jars are the class path of an application in Java.
    pub class_path: Option<String>,
    /// What makes the data of a member that starts for the first time, if it is not to start without: a program and
    /// its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<String>,
    /// What changes the data that is there before each start: a program and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mend: Vec<String>,
}

impl Guard {
    /// A guard of one data directory, on the volume [`DATA`].
    #[must_use]
    pub fn new(data_dir: &str, present: &[&str]) -> Self {
        Self {
            data: vec![Directory::new(DATA, data_dir, present)],
            seeds: vec![],
            first_start_file: None,
            class_path: None,
            prepare: vec![],
            mend: vec![],
        }
    }

    /// The same, with another data directory.
    #[must_use]
    pub fn beside(mut self, directory: Directory) -> Self {
        self.data.push(directory);
        self
    }

    /// The names of the volumes that the directories are on.
    pub(crate) fn volumes(&self) -> impl Iterator<Item = &str> {
        self.data.iter().map(|it| it.volume.as_str())
    }

    /// The same, and a file is made first.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seeds.push(seed);
        self
    }

    /// The same, where a program makes the data before the first start. It must leave all of it or nothing: it is run
    /// again until it ends well, and the application is never started without what it makes.
    #[must_use]
    pub fn prepared_by(self, command: Vec<String>) -> Self {
        Self { prepare: command, ..self }
    }

    /// The same, where a program changes the data that is there before each start. It must change all of it or nothing,
    /// and may find its work done: the application is started only after it has ended well.
    #[must_use]
    pub fn mended_by(self, command: Vec<String>) -> Self {
        Self { mend: command, ..self }
    }

    /// The same, and a first start leaves an empty file that permits it.
    #[must_use]
    pub fn first_start_file(self, path: &str) -> Self {
        Self { first_start_file: Some(path.to_owned()), ..self }
    }

    /// The same, for an application in Java: the jars of a folder are its class path, in the order of their names. What
    /// Java makes of `FOLDER/*` has the order of the file system, and an archive of classes that the image may hold is
    /// used only for the very class path that it was made for. A folder without a jar is refused.
    #[must_use]
    pub fn class_path(self, folder: &str) -> Self {
        Self { class_path: Some(folder.to_owned()), ..self }
    }
}

/// A directory in which an application has data.
///
/// ```
/// use endstate_core::{Directory, Storage, VolumeSpec};
/// let log = Directory::new("log", "/log", &["*.log"]).on(VolumeSpec::new("1Gi"));
/// assert_eq!(log.claimed(), Some(&VolumeSpec::new("1Gi")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Directory {
    /// The name of its volume in the pod, and among those of the member.
    pub volume: String,
    /// Where it is.
    pub path: String,
    /// Data is there if a file matches one of these: a folder below the directory, and names with one `*`.
    pub present: Vec<String>,
    /// What it is on.
    pub storage: Storage,
}

impl Directory {
    /// A directory that goes with its pod.
    pub fn new(volume: &str, path: &str, present: &[&str]) -> Self {
        Self {
            volume: volume.to_owned(),
            path: path.to_owned(),
            present: present.iter().map(|&it| it.to_owned()).collect(),
            storage: Storage::default(),
        }
    }

    /// The same, on this.
    #[must_use]
    pub fn on(self, storage: impl Into<Storage>) -> Self {
        Self { storage: storage.into(), ..self }
    }

    /// The volume that it is on, whose claim the operator makes and grows; `None` if it goes with its pod.
    pub fn claimed(&self) -> Option<&VolumeSpec> {
        match &self.storage {
            Storage::Volume(volume) => Some(volume),
            Storage::Directory(_) => None,
        }
    }
}

/// A file that is made where the application may write to it: what a mount of the pod gives is read-only.
///
/// ```
/// use endstate_core::Seed;
/// let seed = Seed::once("/config/server.cfg", "/data/server.cfg");
/// assert_ne!(seed, Seed::always("/config/server.cfg", "/data/server.cfg"));
/// let own = Seed::text("a=1\nlist=/data/list\n", "/data/server.cfg").keeping("list=");
/// assert_eq!(own.keeps.as_deref(), Some("list="));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Seed {
    /// What is in it.
    pub source: Source,
    /// The file to make.
    pub to: PathBuf,
    /// Whether one that is there stays.
    pub when: SeedWhen,
    /// The application writes to lines that begin so: they stay as they are, unless a file that is made
    /// [once](SeedWhen::Once) was not there yet.
    pub keeps: Option<String>,
}

/// Where the content of a [`Seed`] comes from.
///
/// ```
/// assert_ne!(endstate_core::Source::Text("/a".into()), endstate_core::Source::File("/a".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Another file.
    File(PathBuf),
    /// The command line.
    Text(String),
}

/// When a [`Seed`] is copied.
///
/// ```
/// assert_ne!(endstate_core::SeedWhen::Once, endstate_core::SeedWhen::Always);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeedWhen {
    /// Only if the file is not there: it is the application's once it has been started.
    Once,
    /// At every start, over what is there.
    Always,
}

impl Seed {
    /// A file that the application keeps up to date itself after its first start.
    pub fn once(from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        Self::new(Source::File(from.into()), to.into())
    }

    /// A file that is made anew at every start.
    pub fn always(from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        Self { when: SeedWhen::Always, ..Self::once(from, to) }
    }

    /// A text that is written anew at every start.
    pub fn text(text: impl Into<String>, to: impl Into<PathBuf>) -> Self {
        Self { when: SeedWhen::Always, ..Self::text_once(text, to) }
    }

    /// A text that the application keeps up to date itself after its first start.
    pub fn text_once(text: impl Into<String>, to: impl Into<PathBuf>) -> Self {
        Self::new(Source::Text(text.into()), to.into())
    }

    /// The same, in which lines that begin so are the application's.
    #[must_use]
    pub fn keeping(self, prefix: &str) -> Self {
        Self { keeps: Some(prefix.to_owned()), ..self }
    }

    fn new(source: Source, to: PathBuf) -> Self {
        Self { source, to, when: SeedWhen::Once, keeps: None }
    }
}
