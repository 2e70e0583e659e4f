//! What the agent is asked for, as the operator writes it on its command line. No secret is in it: those are files.

use std::path::{Path, PathBuf};

use endstate_archive::{Compression, Lineage, Place};
use endstate_core::backup::Tried;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where the agent finds what its pod was given.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The secret that opens the archive.
    pub keys: PathBuf,
    /// The file with the key that the archive is encrypted for.
    pub identity: PathBuf,
    /// The programs of etcd.
    pub programs: PathBuf,
    /// Room for data that is thrown away.
    pub scratch: PathBuf,
}

impl Folders {
    /// The secret that opens the archive, if there is one: a volume needs none.
    pub(crate) fn keys(&self) -> Option<&Path> {
        Some(self.keys.as_path()).filter(|it| it.is_dir())
    }
}

impl Default for Folders {
    fn default() -> Self {
        let identity = PathBuf::from(endstate::crd::IDENTITY).join("identity");
        Self {
            keys: endstate::crd::KEYS.into(),
            identity,
            programs: "/usr/local/bin".into(),
            scratch: endstate::agents::SCRATCH.into(),
        }
    }
}

/// What is to be restored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreTask {
    /// Where it is kept.
    pub from: Place,
    /// Whose data; of the one who has any if that is not said.
    #[serde(default)]
    pub lineage: Option<Lineage>,
    /// Whether a key is there to decrypt it by.
    #[serde(default)]
    pub encrypted: bool,
    /// The last revision.
    #[serde(default)]
    pub revision: Option<u64>,
    /// The last moment.
    #[serde(default)]
    pub time: Option<Timestamp>,
    /// How far the revision is raised.
    #[serde(default)]
    pub bump_revision: u64,
}

/// What is to be kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeepTask {
    /// Where.
    pub to: Place,
    /// The namespace and name of the cluster, which the names of its lineages begin with.
    pub of: String,
    /// The uid of the object that asks for it.
    pub by: String,
    /// The URL of the service for clients.
    pub endpoint: String,
    /// The files with certificate, key and authorities, if the cluster is talked to with TLS.
    #[serde(default)]
    pub tls: Option<[PathBuf; 3]>,
    /// The file with root's password, if there is one.
    #[serde(default)]
    pub password: Option<PathBuf>,
    /// The version of etcd in the agent's image.
    pub version: String,
    /// Whether a key is there to encrypt it for.
    #[serde(default)]
    pub encrypted: bool,
    /// How it is compressed.
    #[serde(default)]
    pub compression: Compression,
    /// When.
    #[serde(default)]
    pub when: When,
    /// How long a step may take, in seconds; as long as it takes if that is not said.
    #[serde(default)]
    pub limit: Option<u64>,
    /// The last trial, if there was one.
    #[serde(default)]
    pub tried: Option<Tried>,
}

/// When what is done. All durations are seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// All data; once if that is not said.
    #[serde(default)]
    pub full: Option<u64>,
    /// What was written since.
    #[serde(default)]
    pub delta: Option<u64>,
    /// A trial.
    #[serde(default)]
    pub trial: Option<u64>,
    /// How many full backups are kept.
    #[serde(default)]
    pub last: Option<u32>,
    /// For how many days every moment can be restored.
    #[serde(default)]
    pub days: Option<u32>,
}
