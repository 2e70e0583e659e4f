//! How the starts of a member are guarded: where its data is and how it is recognized, and the files that are made
//! before the application runs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How the start of an application's members is guarded. The launcher, which stands between the node and the
/// application in every pod, refuses to start a member blank that was started before.
///
/// ```
/// use endstate_core::Guard;
/// let guard = Guard::new("/data", &["log/*.log"]).first_start_file("/data/initialize");
/// assert_eq!(guard.data_dir, "/data");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Guard {
    /// The application's data directory.
    pub data_dir: String,
    /// The data is there if a file matches one of these: a folder below the data directory, and names with one `*`.
    pub present: Vec<String>,
    /// Files to make before the application starts.
    pub seeds: Vec<Seed>,
    /// An empty file that permits the application to start empty, made on a first start only.
    pub first_start_file: Option<String>,
    /// The folder whose jars are the class path of an application in Java.
    pub class_path: Option<String>,
}

impl Guard {
    /// A guard of a data directory.
    #[must_use]
    pub fn new(data_dir: &str, present: &[&str]) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            present: present.iter().map(|&it| it.to_owned()).collect(),
            seeds: vec![],
            first_start_file: None,
            class_path: None,
        }
    }

    /// The same, and a file is made first.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seeds.push(seed);
        self
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
