//! Places: what a user writes down.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where an archive is. It holds no secret: keys are in a folder of their own.
///
/// ```
/// use endstate_archive::Place;
///
/// let text = r#"{"s3": {"bucket": "backups", "prefix": "prod", "endpoint": "https://minio.example:9000"}}"#;
/// let place: Place = serde_json::from_str(text)?;
/// assert_eq!(place.to_string(), "s3://backups/prod (https://minio.example:9000)");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// A bucket of Amazon S3, or of a server that speaks its protocol.
    S3(S3),
    /// A bucket of Google Cloud Storage.
    Gcs(Gcs),
    /// A container of Azure Blob Storage.
    Azure(Azure),
    /// A bucket of Alibaba Cloud's OSS.
    Oss(Oss),
    /// A folder, such as a mounted volume. It must be there: what is missing may be a volume that is not mounted.
    Path {
        /// Its absolute path.
        path: PathBuf,
    },
}

/// A bucket of Amazon S3, or of a server that speaks its protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3 {
    /// The bucket.
    pub bucket: String,
    /// The folder in it.
    #[serde(default)]
    pub prefix: String,
    /// Where the server is, unless it is Amazon's: `https://host:port`. With `http://` everything but the secret key
    /// goes over the network for all to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The bucket's region; without it that of the keys' `config` file, or `us-east-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where requests name the bucket.
    #[serde(default)]
    pub addressing: Addressing,
}

/// Where requests name the bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Addressing {
    /// In the path: `https://host/bucket/...`.
    #[default]
    #[serde(alias = "Path")]
    Path,
    /// In the host's name: `https://bucket.host/...`.
    #[serde(alias = "VirtualHosted")]
    VirtualHosted,
}

/// A bucket of Google Cloud Storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gcs {
    /// The bucket.
    pub bucket: String,
    /// The folder in it.
    #[serde(default)]
    pub prefix: String,
}

/// A container of Azure Blob Storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Azure {
    /// The storage account; without it that of the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The container.
    pub container: String,
    /// The folder in it.
    #[serde(default)]
    pub prefix: String,
    /// Where the service is, unless it is Azure's public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// A bucket of Alibaba Cloud's OSS, through its S3 interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Oss {
    /// The bucket.
    pub bucket: String,
    /// The folder in it.
    #[serde(default)]
    pub prefix: String,
    /// The endpoint of the bucket's region, without the bucket: `https://s3.oss-cn-hangzhou.aliyuncs.com`.
    pub endpoint: String,
    /// The region that requests are signed for, such as `oss-cn-hangzhou`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Place {
    /// The folder in the bucket or container; of a path none.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::S3(it) => &it.prefix,
            Self::Gcs(it) => &it.prefix,
            Self::Azure(it) => &it.prefix,
            Self::Oss(it) => &it.prefix,
            Self::Path { .. } => "",
        }
    }
}

impl Place {
    /// The folder that it is in, and its name there; `None` for a whole bucket.
    pub(crate) fn split(&self) -> Option<(Self, String)> {
        let mut folder = self.clone();
        if let Self::Path { path } = &mut folder {
            let name = path.file_name()?.to_str()?.to_owned();
            return path.pop().then_some((folder, name));
        }
        let prefix = self.prefix().trim_matches('/');
        let (parent, name) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let (parent, name) = (parent.to_owned(), name.to_owned());
        match &mut folder {
            Self::S3(it) => it.prefix = parent,
            Self::Gcs(it) => it.prefix = parent,
            Self::Azure(it) => it.prefix = parent,
            Self::Oss(it) => it.prefix = parent,
            Self::Path { .. } => {}
        }
        (!name.is_empty()).then_some((folder, name))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = match self {
            Self::S3(S3 { bucket, endpoint, .. }) => {
                write!(f, "s3://{bucket}")?;
                endpoint.as_ref()
            }
            Self::Gcs(Gcs { bucket, .. }) => {
                write!(f, "gs://{bucket}")?;
                None
            }
            Self::Azure(Azure { container, endpoint, .. }) => {
                write!(f, "azure://{container}")?;
                endpoint.as_ref()
            }
            Self::Oss(Oss { bucket, endpoint, .. }) => {
                write!(f, "oss://{bucket}")?;
                Some(endpoint)
            }
            Self::Path { path } => return write!(f, "{}", path.display()),
        };
        match self.prefix().trim_matches('/') {
            "" => {}
            prefix => write!(f, "/{prefix}")?,
        }
        endpoint.map_or(Ok(()), |it| write!(f, " ({it})"))
    }
}
