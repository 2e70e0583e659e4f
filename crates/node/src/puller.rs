//! Images as the agent needs them: pulled by the host's side, unpacked here, where the owners in a layer exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci_spec::image::ImageConfiguration;
use tokio::sync::Mutex;

use crate::config::AgentConfig;
use crate::images::{self, Builtin, Store, unpack};
use crate::plan::PullPolicy;
use crate::supervisor::host::{HostAnswer, HostRequest, ask};

/// An image that containers can be started from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ready {
    /// Repository and digest, as `imageID` shows it.
    pub(crate) id: String,
    pub(crate) rootfs: PathBuf,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: String,
    pub(crate) user: String,
    pub(crate) stop_signal: String,
}

/// Why an image is not there, as a waiting container shows it.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// What was done to have the image, for the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Pulled,
    Present,
}

pub(crate) struct Puller {
    store: Store,
    builtin: Builtin,
    config: AgentConfig,
    /// One image at a time is unpacked: two at once would only take turns at the disk.
    unpacking: Mutex<Option<Ready>>,
    /// One pull of a reference at a time: pods that wait for the same one then find it there.
    pulling: std::sync::Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
}

impl Puller {
    pub(crate) fn new(config: AgentConfig) -> Result<Self, images::Error> {
        Ok(Self {
            store: Store::open(&config.image_store)?,
            builtin: Builtin::new(&config.version),
            config,
            unpacking: Mutex::new(None),
            pulling: std::sync::Mutex::default(),
        })
    }

    /// Has the image ready, pulling it if the policy wants that.
    pub(crate) async fn ensure(
        &self,
        reference: &str,
        policy: PullPolicy,
    ) -> Result<(Ready, Origin), Failure> {
        if self.builtin.is(reference) {
            return self.builtin_image(reference).await.map(|ready| (ready, Origin::Present));
        }
        let present = self.store.resolve(reference);
        if let Err(error @ images::Error::Reference { .. }) = &present {
            return Err(Failure { reason: "InvalidImageName", message: crate::chain(error) });
        }
        let origin = match (policy, &present) {
            (PullPolicy::Never, Err(_)) => {
                let message = format!(
                    "Container image \"{reference}\" is not present with pull policy of Never"
                );
                return Err(Failure { reason: "ErrImageNeverPull", message });
            }
            (PullPolicy::Never | PullPolicy::IfNotPresent, Ok(_)) => Origin::Present,
            (PullPolicy::IfNotPresent, Err(_)) => self.pull_once(reference).await?,
            // An imported image must stay usable where its registry cannot be reached.
            (PullPolicy::Always, _) => match (self.pull(reference).await, &present) {
                (Ok(()), _) => Origin::Pulled,
                (Err(_), Ok(_)) => Origin::Present,
                (Err(failure), Err(_)) => return Err(failure),
            },
        };
        let resolved = self.store.resolve(reference).map_err(|error| inspect_failure(&error))?;
        let _turn = self.unpacking.lock().await;
        let (store, dir) = (self.store.clone(), self.config.paths().rootfs());
        let ids = self.config.ids;
        let ready = tokio::task::spawn_blocking(move || {
            let rootfs = unpack(&store, &resolved, &dir, ids)?;
            let id = format!("{}@{}", repository(&resolved.reference), resolved.digest);
            Ok(ready(id, rootfs, &resolved.config))
        })
        .await;
        match ready {
            Ok(Ok(ready)) => Ok((ready, origin)),
            Ok(Err(error)) => Err(inspect_failure(&error)),
            Err(panic) => Err(Failure { reason: "ImageInspectError", message: panic.to_string() }),
        }
    }

    /// Removes unpacked images that are no longer in the store, and halves of interrupted unpacking. Only before pods
    /// run.
    pub(crate) fn remove_unused(&self) {
        let Ok(used) = self.store.unpacked_names() else { return };
        let entries = std::fs::read_dir(self.config.paths().rootfs());
        for entry in entries.into_iter().flatten().flatten() {
            if !used.iter().any(|name| entry.file_name().to_str() == Some(name)) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    async fn pull_once(&self, reference: &str) -> Result<Origin, Failure> {
        let turn = {
            let mut pulling = self.pulling.lock().expect("no panic while held");
            pulling.entry(reference.to_owned()).or_default().clone()
        };
        let _turn = turn.lock().await;
        if self.store.resolve(reference).is_ok() {
            return Ok(Origin::Present);
        }
        self.pull(reference).await.map(|()| Origin::Pulled)
    }

    async fn pull(&self, reference: &str) -> Result<(), Failure> {
        let request = HostRequest::Pull { reference: reference.to_owned() };
        let message = match ask(&self.config.paths().host_sock(), &request).await {
            Ok(HostAnswer::Pulled) => return Ok(()),
            Ok(HostAnswer::Failed { message }) => message,
            Ok(HostAnswer::Resolved { .. }) => "the host answered something else".to_owned(),
            Err(error) => format!("the host's side does not answer: {error}"),
        };
        Err(Failure { reason: "ErrImagePull", message })
    }

    async fn builtin_image(&self, reference: &str) -> Result<Ready, Failure> {
        let mut made = self.unpacking.lock().await;
        if let Some(ready) = &*made {
            return Ok(ready.clone());
        }
        let (builtin, dir) = (self.builtin.clone(), self.config.paths().rootfs());
        let rootfs = tokio::task::spawn_blocking(move || builtin.unpack(&dir)).await;
        let rootfs = match rootfs {
            Ok(Ok(rootfs)) => rootfs,
            Ok(Err(error)) => return Err(inspect_failure(&error)),
            Err(panic) => {
                return Err(Failure { reason: "ImageInspectError", message: panic.to_string() });
            }
        };
        let ready = Ready {
            id: reference.to_owned(),
            rootfs,
            entrypoint: vec!["/endstate".to_owned()],
            env: vec![("PATH".to_owned(), "/".to_owned())],
            ..Ready::default()
        };
        *made = Some(ready.clone());
        Ok(ready)
    }
}

fn inspect_failure(error: &images::Error) -> Failure {
    Failure { reason: "ImageInspectError", message: crate::chain(error) }
}

fn repository(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

fn ready(id: String, rootfs: PathBuf, config: &ImageConfiguration) -> Ready {
    let config = config.config().clone().unwrap_or_default();
    let env = config.env().clone().unwrap_or_default();
    let pair = |entry: String| {
        entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    Ready {
        id,
        rootfs,
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        command: config.cmd().clone().unwrap_or_default(),
        env: env.into_iter().filter_map(pair).collect(),
        folder: config.working_dir().clone().unwrap_or_default(),
        user: config.user().clone().unwrap_or_default(),
        stop_signal: config.stop_signal().clone().unwrap_or_default(),
    }
}

/// A user or group of an image by name.
pub(crate) fn id_by_name(rootfs: &Path, file: &str, name: &str) -> Option<(u32, Option<u32>)> {
    let text = std::fs::read_to_string(rootfs.join("etc").join(file)).ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let id = fields.get(2)?.parse().ok()?;
        let group = fields.get(3).and_then(|group| group.parse().ok());
        (*fields.first()? == name || fields[2] == name).then_some((id, group))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn repositories_of_references() {
        assert_eq!(super::repository("quay.io/coreos/etcd:v3"), "quay.io/coreos/etcd");
        assert_eq!(super::repository("localhost:5000/etcd"), "localhost:5000/etcd");
        assert_eq!(super::repository("a.b/c@sha256:00"), "a.b/c");
    }
}
