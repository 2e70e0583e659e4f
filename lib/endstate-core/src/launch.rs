//! How a member is run: all that its pod is made from.
//!
//! The library makes the pod, and of nothing else than a [`Launch`]. So what it takes to bring a member from one spec
//! to another follows from the two launches ([`Launch::change`]): nothing that depends on the spec can be left as it
//! was.

mod guard;
mod probe;
mod restore;
mod start;
mod volume;

use serde::{Deserialize, Serialize};

use crate::certificates::Bundle;
use crate::facts::Facts;
use crate::id::RoleName;
use crate::identity::Identity;
use crate::policy::PodPolicy;
use crate::problem::Change;
use crate::record::MemberRecord;

pub use guard::{Directory, Guard, Seed, SeedWhen, Source};
pub use probe::{Probe, Probes, Question};
pub use restore::Restore;
pub use start::{Peer, Start};
pub use volume::{Policy, Reclaim, Retention, Storage, VolumeSpec};

/// For whom a launch is asked.
///
/// ```
/// use endstate_core::*;
/// let (object, member) = (Identity::new("default", "example", "0c5f"), MemberRecord::new("example-x7k2p", "member"));
/// let of = LaunchOf::new(&object, &3, &member);
/// assert!(of.start.is_none(), "a process that restarts in its pod needs no start");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct LaunchOf<'a, S> {
    /// The cluster object.
    pub object: &'a Identity,
    /// The accepted spec.
    pub spec: &'a S,
    /// The member: its name, its role, its id if it is known.
    pub member: &'a MemberRecord,
    /// How it starts; `None` for a pod that is there and is changed in place.
    pub start: Option<&'a Start>,
    /// The volumes that it has, by name, if it has any: its data stays on these, whatever is asked for.
    pub volumes: Option<Vec<&'a str>>,
    /// What the data of a first member is made of, if an operation asks for it: as that says it.
    pub source: Option<&'a Facts>,
}

impl<'a, S> LaunchOf<'a, S> {
    /// A member whose pod is there.
    pub fn new(object: &'a Identity, spec: &'a S, member: &'a MemberRecord) -> Self {
        Self { object, spec, member, start: None, volumes: None, source: None }
    }

    /// The same, of a pod that is made for this start.
    #[must_use]
    pub fn start(self, start: &'a Start) -> Self {
        Self { start: Some(start), ..self }
    }

    /// The same, of a member that has these volumes.
    #[must_use]
    pub fn has(self, volumes: Option<Vec<&'a str>>) -> Self {
        Self { volumes, ..self }
    }

    /// The same, of a cluster that begins anew with this.
    #[must_use]
    pub fn source(self, source: Option<&'a Facts>) -> Self {
        Self { source, ..self }
    }

    /// What a directory of the member is on that not every member has; `None` if this one has none. It neither comes to
    /// a member that has its data elsewhere nor goes from one that has data there: for that members move.
    ///
    /// ```
    /// use endstate_core::*;
    /// # let (object, member) = (Identity::new("default", "demo", "0c5f"), MemberRecord::new("demo-x7k2p", "member"));
    /// let (asked, of) = (Storage::from(VolumeSpec::new("1Gi")), || LaunchOf::new(&object, &3, &member));
    /// assert_eq!(of().storage("log", Some(&asked)), Some(asked.clone()));
    /// assert_eq!(of().has(Some(vec!["data"])).storage("log", Some(&asked)), None);
    /// assert!(of().has(Some(vec!["data", "log"])).storage("log", None).is_some());
    /// ```
    pub fn storage(&self, volume: &str, asked: Option<&Storage>) -> Option<Storage> {
        match &self.volumes {
            None => asked.cloned(),
            Some(has) if has.contains(&volume) => Some(asked.cloned().unwrap_or_default()),
            Some(_) => None,
        }
    }
}

/// How a member is run: what its pod is made from.
///
/// ```
/// use endstate_core::*;
/// # let object = Identity::new("default", "example", "0c5f");
/// # let member = MemberRecord::new("example-x7k2p", "member");
/// let of = LaunchOf::new(&object, &3, &member);
/// let launch = Launch::new("toy:1", Guard::new("/data", &["log/*"]), &of);
/// assert_eq!(launch.spec, "3");
/// let newer = Launch::new("toy:2", Guard::new("/data", &["log/*"]), &of);
/// assert_eq!(launch.change(&newer), Change::Restart);
/// let other = newer.command(vec!["/bin/toy".into()]);
/// assert_eq!(launch.change(&other), Change::Recreate);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Launch {
    /// The image of the main container.
    pub image: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables, in order.
    pub env: Vec<(String, String)>,
    /// Ports by name.
    pub ports: Vec<(String, u16)>,
    /// How its starts are guarded, and where it has its data.
    pub guard: Guard,
    /// Secrets whose keys it finds as files.
    pub secrets: Vec<SecretFiles>,
    /// Claims of somebody else's that it reads.
    pub claims: Vec<ClaimFiles>,
    /// How the node asks whether it lives, and serves.
    pub probes: Probes,
    /// How many seconds it may take to end, before it is killed. 30 unless the application says otherwise.
    pub termination_grace_seconds: u32,
    /// What the user says about its pod.
    pub policy: PodPolicy,
    /// The role of the member.
    pub role: RoleName,
    /// Its group within the role.
    pub group: u32,
    /// The spec it was made from, as JSON: the value of [`Launch::ANNOTATION`].
    pub spec: String,
}

/// A secret whose keys a member finds as files in a folder.
///
/// ```
/// let files = endstate_core::SecretFiles::new("admin", "example-admin-1", "/admin");
/// assert_eq!(files.path, "/admin");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SecretFiles {
    /// The volume's name in the pod.
    pub volume: String,
    /// The secret.
    pub secret: String,
    /// The folder.
    pub path: String,
    /// The keys that are found there; all if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// A key of another secret, and the name of the file that it is beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<(Bundle, String)>,
}

impl SecretFiles {
    /// The keys of a secret, as files in the folder `path`.
    pub fn new(
        volume: impl Into<String>,
        secret: impl Into<String>,
        path: impl Into<String>,
    ) -> Self {
        let (volume, secret) = (volume.into(), secret.into());
        Self { volume, secret, path: path.into(), keys: vec![], beside: None }
    }

    /// The same, of these keys only.
    #[must_use]
    pub fn only(self, keys: impl IntoIterator<Item = String>) -> Self {
        Self { keys: keys.into_iter().collect(), ..self }
    }

    /// The same, with a key of another secret as one more file.
    #[must_use]
    pub fn with(self, bundle: Bundle, file: impl Into<String>) -> Self {
        Self { beside: Some((bundle, file.into())), ..self }
    }
}

/// A claim whose files a member reads in a folder. It is no volume of the member's: it was there before, and stays.
///
/// ```
/// let files = endstate_core::ClaimFiles::new("archive", "backups", "/archive");
/// assert_eq!(files.claim, "backups");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClaimFiles {
    /// The volume's name in the pod.
    pub volume: String,
    /// The claim.
    pub claim: String,
    /// The folder.
    pub path: String,
}

impl ClaimFiles {
    /// What is on a claim, in the folder `path`.
    pub fn new(
        volume: impl Into<String>,
        claim: impl Into<String>,
        path: impl Into<String>,
    ) -> Self {
        Self { volume: volume.into(), claim: claim.into(), path: path.into() }
    }
}

impl Launch {
    /// The pod annotation that holds [`Launch::spec`]; read back into
    /// [`Pod::spec`](crate::Pod::spec).
    pub const ANNOTATION: &'static str = "endstate.dev/spec";

    /// A launch of an image with nothing else. Its data is in a directory of its pod's.
    pub fn new<S: Serialize>(image: impl Into<String>, guard: Guard, of: &LaunchOf<'_, S>) -> Self {
        Self {
            image: image.into(),
            command: vec![],
            env: vec![],
            ports: vec![],
            guard,
            secrets: vec![],
            claims: vec![],
            probes: Probes::default(),
            termination_grace_seconds: 30,
            policy: PodPolicy::default(),
            role: of.member.role.clone(),
            group: of.member.group,
            spec: serde_json::to_string(of.spec)
                .expect("a spec is a tree with text keys, as JSON is"),
        }
    }

    /// The same, with a program and its arguments.
    #[must_use]
    pub fn command(self, command: Vec<String>) -> Self {
        Self { command, ..self }
    }

    /// The same, with environment variables.
    #[must_use]
    pub fn env(self, env: Vec<(String, String)>) -> Self {
        Self { env, ..self }
    }

    /// The same, with these ports.
    #[must_use]
    pub fn ports<'a>(self, ports: impl IntoIterator<Item = (&'a str, u16)>) -> Self {
        let ports = ports.into_iter().map(|(name, port)| (name.to_owned(), port)).collect();
        Self { ports, ..self }
    }

    /// The same, with the data of its first directory on this.
    #[must_use]
    pub fn storage(mut self, storage: impl Into<Storage>) -> Self {
        self.guard.data[0].storage = storage.into();
        self
    }

    /// The same, with a secret's keys as files.
    #[must_use]
    pub fn secret(mut self, files: SecretFiles) -> Self {
        self.secrets.push(files);
        self
    }

    /// The same, which reads what is on a claim.
    #[must_use]
    pub fn claim(mut self, files: ClaimFiles) -> Self {
        self.claims.push(files);
        self
    }

    /// The same, asked these by the node.
    #[must_use]
    pub fn probes(self, probes: Probes) -> Self {
        Self { probes, ..self }
    }

    /// The same, with so many seconds to end.
    #[must_use]
    pub fn ends_within(self, seconds: u32) -> Self {
        Self { termination_grace_seconds: seconds, ..self }
    }

    /// The same, in a pod with what the user says.
    #[must_use]
    pub fn policy(self, policy: PodPolicy) -> Self {
        Self { policy, ..self }
    }

    /// The volumes that its data is on, by name, whose claims the operator makes and grows.
    pub fn volumes(&self) -> impl Iterator<Item = (&str, &VolumeSpec)> {
        self.guard.data.iter().filter_map(|it| Some((it.volume.as_str(), it.claimed()?)))
    }

    /// Whether all of its data outlives its pod.
    pub fn is_durable(&self) -> bool {
        self.guard.data.iter().all(|it| it.claimed().is_some())
    }

    /// What it takes to bring a member that runs like this to another launch. In place a pod changes its image, which
    /// restarts the process, and its labels and annotations.
    pub fn change(&self, new: &Self) -> Change {
        let fixed = |it: &Self| {
            let mut guard = it.guard.clone();
            guard.data.iter_mut().for_each(|it| it.storage = Storage::default());
            let (image, policy, spec) = (String::new(), PodPolicy::default(), String::new());
            Self { image, guard, policy, spec, ..it.clone() }
        };
        let rest = if fixed(self) == fixed(new) { Change::Nothing } else { Change::Recreate };
        let image = if self.image == new.image { Change::Nothing } else { Change::Restart };
        let directories = self.guard.data.iter().zip(&new.guard.data);
        let parts = directories.map(|(old, new)| old.storage.change(&new.storage));
        Change::of(parts.chain([self.policy.change(&new.policy), rest, image]))
    }
}
