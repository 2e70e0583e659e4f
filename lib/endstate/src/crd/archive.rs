//! Where backups are kept, as users declare it.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use endstate_core::{ClaimFiles, SecretFiles};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where programs beside a cluster find what the archive's secret holds.
pub const KEYS: &str = "/archive-keys";
/// Where they find the claim that the archive is on.
pub const ARCHIVE: &str = "/archive";
/// Where they find the key that it is encrypted for.
pub const IDENTITY: &str = "/archive-identity";

/// Where backups are kept: one of these.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("[has(self.s3), has(self.gcs), has(self.azure), has(self.oss), has(self.volume)].filter(it, it).size() == 1", "name one place: s3, gcs, azure, oss or volume"))]
pub struct Archive {
    /// A bucket of S3, or of a server that speaks its protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// A bucket of Google Cloud Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<Gcs>,
    /// A container of Azure Blob Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<Azure>,
    /// A bucket of Alibaba Cloud OSS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oss: Option<Oss>,
    /// A volume of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeArchive>,
}

/// A bucket of S3, or of a server that speaks its protocol.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct S3 {
    /// The bucket.
    #[schemars(length(min = 1, max = 255))]
    pub bucket: String,
    /// What the names of all objects begin with. Default: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub prefix: String,
    /// The URL of the server. Default: that of AWS for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub endpoint: Option<String>,
    /// The region. Default `us-east-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub region: Option<String>,
    /// Where requests name the bucket: in the `Path`, which is the default, or in the host's name (`VirtualHosted`), as
    /// some servers demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressing: Option<Addressing>,
    /// The secret with `access-key-id` and `secret-access-key`, and `ca.crt` if the server's certificate is of an
    /// authority of your own. One with a file `credentials` as the AWS tools have it is read as well.
    #[schemars(length(min = 1, max = 253))]
    pub secret: String,
}

/// Where requests name a bucket.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub enum Addressing {
    /// In the path: `https://host/bucket/...`.
    Path,
    /// In the host's name: `https://bucket.host/...`.
    VirtualHosted,
}

/// A bucket of Google Cloud Storage.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Gcs {
    /// The bucket.
    #[schemars(length(min = 1, max = 255))]
    pub bucket: String,
    /// What the names of all objects begin with. Default: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub prefix: String,
    /// The secret with `service-account.json`; one with `credentials.json` or `access-token` is read as well.
    #[schemars(length(min = 1, max = 253))]
    pub secret: String,
}

/// A container of Azure Blob Storage.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Azure {
    /// The storage account. Default: the one that the secret has as `storage-account`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub account: Option<String>,
    /// The container.
    #[schemars(length(min = 1, max = 63))]
    pub container: String,
    /// What the names of all objects begin with. Default: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub prefix: String,
    /// The URL of the server. Default: that of Azure for the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub endpoint: Option<String>,
    /// The secret with `storage-key`, and with `cloud` (such as `AzureChinaCloud`) if that is not the public one.
    #[schemars(length(min = 1, max = 253))]
    pub secret: String,
}

/// A bucket of Alibaba Cloud OSS.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Oss {
    /// The bucket.
    #[schemars(length(min = 1, max = 255))]
    pub bucket: String,
    /// What the names of all objects begin with. Default: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub prefix: String,
    /// The URL of the region's server, such as `https://oss-cn-hangzhou.aliyuncs.com`.
    #[schemars(length(min = 1, max = 512))]
    pub endpoint: String,
    /// The secret with `access-key-id` and `secret-access-key`.
    #[schemars(length(min = 1, max = 253))]
    pub secret: String,
}

/// A folder of a volume.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VolumeArchive {
    /// The claim, in this namespace. Who writes and who restores need it on their nodes at the same time: where they
    /// may be several, its access mode is `ReadWriteMany`.
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,
    /// The folder on it. Default: the volume itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = ("!self.contains('..')", "the folder is below the volume: remove '..'"))]
    pub path: String,
}

impl Archive {
    /// The same for a program in a pod that has [`Self::secret`] at [`KEYS`] and [`Self::claim`] at [`ARCHIVE`].
    ///
    /// ```
    /// use endstate::crd::Archive;
    /// let declared = serde_json::json!({"volume": {"claim": "backups", "path": "toys"}});
    /// let archive: Archive = serde_json::from_value(declared).unwrap();
    /// assert_eq!(archive.place(), serde_json::json!({"path": {"path": "/archive/toys"}}));
    /// ```
    #[must_use]
    pub fn place(&self) -> Value {
        if let Some(volume) = &self.volume {
            let path = format!("{ARCHIVE}/{}", volume.path.trim_matches('/'));
            return json!({"path": {"path": path.trim_end_matches('/')}});
        }
        let mut place = json!(self);
        for fields in place.as_object_mut().into_iter().flat_map(|it| it.values_mut()) {
            fields.as_object_mut().map(|it| it.remove("secret"));
        }
        place
    }

    /// The secret by which it is opened.
    #[must_use]
    pub fn secret(&self) -> Option<SecretFiles> {
        let secrets = [
            self.s3.as_ref().map(|it| &it.secret),
            self.gcs.as_ref().map(|it| &it.secret),
            self.azure.as_ref().map(|it| &it.secret),
            self.oss.as_ref().map(|it| &it.secret),
        ];
        let secret = secrets.into_iter().flatten().next()?;
        Some(SecretFiles::new("archive-keys", secret.as_str(), KEYS))
    }

    /// The claim that it is on.
    #[must_use]
    pub fn claim(&self) -> Option<ClaimFiles> {
        let volume = self.volume.as_ref()?;
        Some(ClaimFiles::new("archive", volume.claim.as_str(), ARCHIVE))
    }
}

/// How what is kept is encrypted: with age, for one key.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Encryption {
    /// The secret with `identity`: an age identity, a line that begins with `AGE-SECRET-KEY-1`. `age-keygen` makes one.
    /// Keep a copy of it elsewhere: without it nothing can be restored.
    #[schemars(length(min = 1, max = 253))]
    pub secret: String,
}

impl Encryption {
    /// Its secret, for a program in a pod.
    #[must_use]
    pub fn files(&self) -> SecretFiles {
        SecretFiles::new("archive-identity", self.secret.as_str(), IDENTITY)
    }
}
