//! A pod's volumes as folders that containers bind.
//!
//! | kind | where | lives as long as |
//! |---|---|---|
//! | emptyDir | `pods/UID/volumes/NAME` | the pod, also over a restart of the node |
//! | emptyDir in memory | a tmpfs in the private folder | the agent |
//! | configMap, secret, projected, downwardAPI | the private folder, so never on disk | the agent, refilled after |
//! | hostPath | the host's own path, below the folders that are allowed | |
//! | persistentVolumeClaim | what the volume says: `persistent/HANDLE` of those made here | the volume, see [`reclaim`] |
//!
//! Files of the API's objects are swapped atomically, see [`payload`].

mod claims;
mod group;
mod host;
mod payload;
pub(crate) mod reclaim;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{
    BoundObjectReference, TokenRequest, TokenRequestSpec, TokenRequestStatus,
};
use k8s_openapi::api::core::v1::{
    ConfigMap, HostPathVolumeSource, Pod, Secret, ServiceAccount, ServiceAccountTokenProjection,
    Volume,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::task::block_in_place;

use crate::config::{AgentConfig, Ids, Paths};
use crate::env::{References, Sources, references};
use crate::fields::Place;
use crate::permissions::Permissions;
use crate::sys;

/// The folders of a pod's volumes, by the volume's name.
pub(crate) type Folders = BTreeMap<String, PathBuf>;

/// Makes and refreshes the volumes of one pod.
pub(crate) struct Volumes {
    client: Client,
    paths: Paths,
    ids: Ids,
    permissions: Permissions,
    tokens: BTreeMap<(String, Option<String>), Token>,
}

/// A token and when to ask for the next.
struct Token {
    text: String,
    renew_at: Timestamp,
}

impl Volumes {
    pub(crate) fn new(client: Client, config: &AgentConfig) -> Self {
        Self {
            client,
            paths: config.paths(),
            ids: config.ids,
            permissions: config.permissions.clone(),
            tokens: BTreeMap::new(),
        }
    }

    /// The group that shall reach the pod's volumes, where groups exist.
    fn group(&self, pod: &Pod) -> Option<u32> {
        let context = pod.spec.as_ref()?.security_context.as_ref()?;
        let group = context.fs_group.and_then(|group| u32::try_from(group).ok());
        group.filter(|_| self.ids == Ids::Many)
    }

    /// Makes every volume of the pod. Repeating it is harmless.
    pub(crate) async fn mount(&mut self, pod: &Pod, place: &Place) -> Result<Folders, String> {
        let sources = fetch(&self.client, pod, &references(pod)).await?;
        let mut folders = Folders::new();
        for volume in volumes_of(pod) {
            let folder = self.mount_one(pod, place, volume, &sources).await;
            let folder = folder.map_err(|why| format!("volume {:?}: {why}", volume.name))?;
            folders.insert(volume.name.clone(), folder);
        }
        Ok(folders)
    }

    /// Brings the files of API objects up to date. Returns whether the pod has any.
    pub(crate) async fn refresh(&mut self, pod: &Pod, place: &Place) -> Result<(), String> {
        let sources = fetch(&self.client, pod, &references(pod)).await?;
        for volume in volumes_of(pod).filter(|volume| payload::is_payload(volume)) {
            self.fill(pod, place, volume, &sources).await?;
        }
        Ok(())
    }

    async fn mount_one(
        &mut self,
        pod: &Pod,
        place: &Place,
        volume: &Volume,
        sources: &Sources,
    ) -> Result<PathBuf, String> {
        if payload::is_payload(volume) {
            return self.fill(pod, place, volume, sources).await;
        }
        if let Some(empty) = &volume.empty_dir {
            let in_memory = empty.medium.as_deref() == Some("Memory");
            let limit = empty.size_limit.as_ref().map(|it| it.0.clone());
            let memory = in_memory.then_some(limit);
            return block_in_place(|| self.empty_dir(pod, &volume.name, memory));
        }
        if let Some(host) = &volume.host_path {
            return block_in_place(|| self.host_path(pod, &volume.name, host));
        }
        if let Some(claim) = &volume.persistent_volume_claim {
            return match claims::find(&self.client, pod, &claim.claim_name).await? {
                claims::Found::Folder(folder) => self.persistent(pod, folder).await,
                claims::Found::Host(host) => {
                    block_in_place(|| self.host_path(pod, &volume.name, &host))
                }
            };
        }
        Err("this kind of volume is not supported".to_owned())
    }

    /// The folder of a persistent volume: made once, and never again.
    async fn persistent(&self, pod: &Pod, found: claims::Folder) -> Result<PathBuf, String> {
        let folder = self.paths.persistent().join(&found.name);
        if found.is_made {
            return match folder.exists() {
                true => self.hand_over(pod, folder).await,
                false => Err(format!(
                    "the folder of persistentvolume \"{}\" is missing, it was {}",
                    found.volume,
                    folder.display()
                )),
            };
        }
        block_in_place(|| open_to_all(&folder, self.group(pod)))
            .map_err(|error| error.to_string())?;
        claims::note_made(&self.client, &found.volume).await?;
        Ok(folder)
    }

    /// Lets the pod's group have what others left in a volume: who wrote it may have been another user.
    async fn hand_over(&self, pod: &Pod, folder: PathBuf) -> Result<PathBuf, String> {
        let Some(group) = self.group(pod) else { return Ok(folder) };
        let context = pod.spec.as_ref().and_then(|it| it.security_context.as_ref());
        let policy = context.and_then(|it| it.fs_group_change_policy.as_deref());
        let if_root_differs = policy == Some("OnRootMismatch");
        let handed = tokio::task::spawn_blocking(move || {
            group::hand_over(&folder, group, if_root_differs).map(|()| folder)
        });
        let handed = handed.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        handed.map_err(|error| format!("fsGroup {group}: {error}"))
    }

    fn host_path(
        &self,
        pod: &Pod,
        name: &str,
        host: &HostPathVolumeSource,
    ) -> Result<PathBuf, String> {
        host::mount(
            host,
            &self.permissions,
            self.paths.pins(uid(pod)).join(format!("volume.{name}")),
        )
    }

    /// `memory` is the size limit of a volume in memory, if it is one.
    fn empty_dir(
        &self,
        pod: &Pod,
        name: &str,
        memory: Option<Option<String>>,
    ) -> Result<PathBuf, String> {
        let uid = uid(pod);
        let Some(limit) = memory else {
            let folder = self.paths.pod(uid).join("volumes").join(name);
            return open_to_all(&folder, self.group(pod))
                .map(|()| folder)
                .map_err(|error| error.to_string());
        };
        let folder = self.paths.secrets(uid).join(format!("memory.{name}"));
        if folder.exists() {
            return Ok(folder);
        }
        let limit = limit.and_then(|text| machinery::quantity::Quantity::parse(&text).ok());
        let size = limit.map(|it| format!(",size={}", it.units())).unwrap_or_default();
        let made = std::fs::create_dir_all(&folder)
            .and_then(|()| sys::mount_tmpfs(&folder, &format!("mode=1777{size}")));
        if let Err(error) = made {
            // The next try would take the bare folder for the volume.
            let _ = std::fs::remove_dir(&folder);
            return Err(error.to_string());
        }
        Ok(folder)
    }

    async fn fill(
        &mut self,
        pod: &Pod,
        place: &Place,
        volume: &Volume,
        sources: &Sources,
    ) -> Result<PathBuf, String> {
        let mut tokens = BTreeMap::new();
        for wanted in payload::tokens(volume) {
            let text = self.token(pod, wanted).await?;
            tokens.insert(wanted.path.clone(), text);
        }
        let facts = payload::Facts { pod, place, sources, tokens: &tokens };
        let files = payload::files(volume, &facts)?;
        let folder = self.paths.secrets(uid(pod)).join(&volume.name);
        let (target, group) = (folder.clone(), self.group(pod));
        tokio::task::spawn_blocking(move || write::replace(&target, &files, group))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| error.to_string())?;
        Ok(folder)
    }

    /// A service account token bound to the pod, from the cache while it is fresh.
    async fn token(
        &mut self,
        pod: &Pod,
        wanted: &ServiceAccountTokenProjection,
    ) -> Result<String, String> {
        let key = (wanted.path.clone(), wanted.audience.clone());
        let now = Timestamp::now();
        if let Some(token) = self.tokens.get(&key).filter(|token| token.renew_at > now) {
            return Ok(token.text.clone());
        }
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
        let account = account.unwrap_or_else(|| "default".to_owned());
        let status = request_token(&self.client, pod, &account, wanted).await?;
        let life = status.expiration_timestamp.0.duration_since(now);
        let renew_at = now + SignedDuration::from_secs(life.as_secs().max(10) * 4 / 5);
        let text = status.token;
        self.tokens.insert(key, Token { text: text.clone(), renew_at });
        Ok(text)
    }
}

async fn request_token(
    client: &Client,
    pod: &Pod,
    account: &str,
    wanted: &ServiceAccountTokenProjection,
) -> Result<TokenRequestStatus, String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace(pod));
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: wanted.audience.clone().into_iter().collect(),
            expiration_seconds: wanted.expiration_seconds.or(Some(3600)),
            bound_object_ref: Some(BoundObjectReference {
                kind: Some("Pod".to_owned()),
                api_version: Some("v1".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
        },
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .map_err(|error| format!("token for service account {account:?}: {error}"))?;
    answer.status.ok_or_else(|| format!("no token for service account {account:?} came"))
}

pub(crate) fn volumes_of(pod: &Pod) -> impl Iterator<Item = &Volume> {
    pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten())
}

/// Whether anything of the pod changes while it runs.
pub(crate) fn needs_refresh(pod: &Pod) -> bool {
    volumes_of(pod).any(payload::is_payload)
}

/// Gets the objects that a pod refers to.
pub(crate) async fn fetch(
    client: &Client,
    pod: &Pod,
    wanted: &References,
) -> Result<Sources, String> {
    let mut sources = Sources::default();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace(pod));
    for name in &wanted.config_maps {
        let found = maps.get_opt(name).await.map_err(|error| error.to_string())?;
        sources.config_maps.insert(name.clone(), found.map(std::sync::Arc::new));
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace(pod));
    for name in &wanted.secrets {
        let found = secrets.get_opt(name).await.map_err(|error| error.to_string())?;
        sources.secrets.insert(name.clone(), found.map(std::sync::Arc::new));
    }
    Ok(sources)
}

/// Removes what the pod has in the private folder; its other files go with its folder.
pub(crate) fn unmount(paths: &Paths, uid: &str) {
    let folder = paths.secrets(uid);
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("memory.") {
            let _ = sys::unmount(&entry.path());
        }
    }
    let _ = std::fs::remove_dir_all(folder);
    crate::beneath::unpin_all(&paths.pins(uid));
}

/// A folder that any user of a container may write; files in it belong to the group, if there is one.
fn open_to_all(folder: &Path, group: Option<u32>) -> io::Result<()> {
    create_whole(folder, |new| {
        let mode = if group.is_some() { 0o2777 } else { 0o777 };
        std::os::unix::fs::chown(new, None, group)?;
        std::fs::set_permissions(new, std::fs::Permissions::from_mode(mode))
    })
}

/// Creates a folder under another name and gives it its own when it is finished: one that exists is never looked at
/// again, so a crash must not leave it half made. Pods that share a claim start side by side: one at a time makes its
/// folder, else the second could put an empty one in the place of one that is in use.
fn create_whole(folder: &Path, finish: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if folder.exists() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new("/"));
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let new = parent.join(format!(".{name}.new"));
    std::fs::create_dir_all(parent)?;
    match std::fs::remove_dir_all(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir(&new)?;
    finish(&new)?;
    std::fs::rename(&new, folder)?;
    // What is written into it may be synced by its owner, but its name is ours to sync.
    std::fs::File::open(parent)?.sync_all()
}

pub(crate) fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

pub(crate) fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or("default")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_start_together_share_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("claim");
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (folder, barrier) = (&folder, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    open_to_all(folder, None).unwrap();
                    std::fs::write(folder.join(number.to_string()), "written at once").unwrap();
                });
            }
        });
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 8, "nobody's file is lost");
    }

    #[test]
    fn a_folder_is_there_when_it_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("volumes/v");
        let crash = create_whole(&folder, |new| {
            assert!(new.exists());
            Err(io::Error::other("the machine stops here"))
        });
        assert!(crash.is_err() && !folder.exists());
        open_to_all(&folder, None).unwrap();
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o7777, 0o777);
        let left = std::fs::read_dir(folder.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "the half of the first try is gone");
        let refuse = create_whole(&folder, |_| Err(io::Error::other("made already")));
        refuse.unwrap();
    }
}
