//! Where backups are kept, as operators of before had it, and the same as an [`Archive`].

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::archive::{self, Addressing, Archive};

/// Where OSS is unless it is said.
const OSS: &str = "https://oss-cn-hangzhou.aliyuncs.com";

/// The kind of a store.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub enum StorageType {
    /// S3, or a server that speaks its protocol.
    S3,
    /// Azure Blob Storage.
    Abs,
    /// Google Cloud Storage.
    Gcs,
    /// Alibaba Cloud OSS.
    Oss,
}

/// Where backups are kept, as operators of before had it: one of these, by the path of a folder in a bucket.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Stores {
    /// S3, or a server that speaks its protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Path>,
    /// Azure Blob Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abs: Option<AbsPath>,
    /// Google Cloud Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<GcsPath>,
    /// Alibaba Cloud OSS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oss: Option<OssPath>,
}

/// S3, or a server that speaks its protocol.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct S3Path {
    /// The bucket, and the folder in it in which backups are kept: `BUCKET/FOLDER`. For a restore also a file.
    #[schemars(regex(pattern = "^[^/]+/.*[^/].*$"), length(max = 768))]
    pub path: String,
    /// The secret with the files `credentials` and `config` of AWS; the profile is `default`.
    #[schemars(length(min = 1, max = 253))]
    pub aws_secret: String,
    /// The URL of the server. Default: that of AWS.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub endpoint: String,
    /// Whether requests name the bucket in the path, and not in the host's name.
    #[serde(default)]
    pub force_path_style: bool,
}

/// Azure Blob Storage.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AbsPath {
    /// The container, and the folder in it in which backups are kept: `CONTAINER/FOLDER`. For a restore also a file.
    #[schemars(regex(pattern = "^[^/]+/.*[^/].*$"), length(max = 768))]
    pub path: String,
    /// The secret with `storage-account`, `storage-key` and, unless it is the public one, `cloud`.
    #[schemars(length(min = 1, max = 253))]
    pub abs_secret: String,
}

/// Google Cloud Storage.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GcsPath {
    /// The bucket, and the folder in it in which backups are kept: `BUCKET/FOLDER`. For a restore also a file.
    #[schemars(regex(pattern = "^[^/]+/.*[^/].*$"), length(max = 768))]
    pub path: String,
    /// The secret with `credentials.json` or `access-token`. Without it the status says that it is needed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub gcp_secret: String,
}

/// Alibaba Cloud OSS.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OssPath {
    /// The bucket, and the folder in it in which backups are kept: `BUCKET/FOLDER`. For a restore also a file.
    #[schemars(regex(pattern = "^[^/]+/.*[^/].*$"), length(max = 768))]
    pub path: String,
    /// The secret with `accessKeyID` and `accessKeySecret`.
    #[schemars(length(min = 1, max = 253))]
    pub oss_secret: String,
    /// The URL of the region's server. Default `https://oss-cn-hangzhou.aliyuncs.com`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub endpoint: String,
}

/// The rule that the store is there whose kind `field` names, and no other, for the API server.
///
/// ```
/// assert!(endstate::crd::one_store("storageType").rule.contains("has(self.s3) == (self.storageType == 'S3')"));
/// ```
#[must_use]
pub fn one_store(field: &str) -> Rule {
    let same = |store: &str, kind: &str| format!("has(self.{store}) == (self.{field} == '{kind}')");
    let stores = [("s3", "S3"), ("abs", "ABS"), ("gcs", "GCS"), ("oss", "OSS")];
    let rules = stores.map(|(store, kind)| same(store, kind)).join(" && ");
    let message = format!("{field} names the one store that is given: s3, abs, gcs or oss");
    Rule::new(rules).message(message.as_str())
}

impl Stores {
    /// The place of the kind that is named, or why there is none.
    ///
    /// ```
    /// use endstate::crd::{StorageType, Stores};
    /// let declared = serde_json::json!({"abs": {"path": "backups/toys", "absSecret": "keys"}});
    /// let stores: Stores = serde_json::from_value(declared).unwrap();
    /// assert_eq!(stores.clone().archive(StorageType::Abs).unwrap().azure.unwrap().prefix, "toys");
    /// assert!(stores.archive(StorageType::S3).is_err());
    /// ```
    pub fn archive(self, kind: StorageType) -> Result<Archive, String> {
        let of = |path: &str| {
            let parts = path.split_once('/').map(|(bucket, it)| (bucket, it.trim_matches('/')));
            let parts = parts.filter(|it| !it.0.is_empty() && !it.1.is_empty());
            let parts = parts.map(|it| (it.0.to_owned(), it.1.to_owned()));
            parts
                .ok_or_else(|| format!("{path:?} names no folder of a bucket: write BUCKET/FOLDER"))
        };
        let missing = || format!("the storage type {kind:?} needs what is said of that store");
        let mut found = Archive::default();
        match kind {
            StorageType::S3 => {
                let S3Path { path, aws_secret: secret, endpoint, force_path_style } =
                    self.s3.ok_or_else(missing)?;
                let ((bucket, prefix), endpoint) = (of(&path)?, Some(endpoint));
                let endpoint = endpoint.filter(|it| !it.is_empty());
                let endpoint = endpoint.map(with_scheme);
                let hosted = !force_path_style && may_be_host(&bucket);
                let addressing = hosted.then_some(Addressing::VirtualHosted);
                let s3 = archive::S3 { bucket, prefix, endpoint, region: None, addressing, secret };
                found.s3 = Some(s3);
            }
            StorageType::Abs => {
                let AbsPath { path, abs_secret: secret } = self.abs.ok_or_else(missing)?;
                let (container, prefix) = of(&path)?;
                found.azure =
                    Some(archive::Azure { container, prefix, secret, ..archive::Azure::default() });
            }
            StorageType::Gcs => {
                let GcsPath { path, gcp_secret: secret } = self.gcs.ok_or_else(missing)?;
                let (bucket, prefix) = of(&path)?;
                if secret.is_empty() {
                    return Err(
                        "no pod has credentials of its own: name the secret in gcs.gcpSecret"
                            .into(),
                    );
                }
                found.gcs = Some(archive::Gcs { bucket, prefix, secret });
            }
            StorageType::Oss => {
                let OssPath { path, oss_secret: secret, endpoint } =
                    self.oss.ok_or_else(missing)?;
                let (bucket, prefix) = of(&path)?;
                let endpoint =
                    if endpoint.is_empty() { OSS.to_owned() } else { with_scheme(endpoint) };
                found.oss = Some(archive::Oss { bucket, prefix, endpoint, secret });
            }
        }
        Ok(found)
    }
}

/// A server that is named without a scheme is asked with TLS, as the clients of before did.
fn with_scheme(endpoint: String) -> String {
    if endpoint.contains("://") { endpoint } else { format!("https://{endpoint}") }
}

/// Whether a bucket's name can begin a host's name that a wildcard certificate covers. The clients of before named any
/// other in the path.
fn may_be_host(bucket: &str) -> bool {
    let fits = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    (3..=63).contains(&bucket.len())
        && bucket.chars().all(fits)
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_part_of_the_host_only_where_its_name_can_be() {
        let of = |bucket: &str, endpoint: &str| {
            let s3 = S3Path {
                path: format!("{bucket}/folder"),
                aws_secret: "s".into(),
                endpoint: endpoint.into(),
                force_path_style: false,
            };
            let stores = Stores { s3: Some(s3), ..Stores::default() };
            stores.archive(StorageType::S3).unwrap().s3.unwrap()
        };
        let named = |bucket: &str| of(bucket, "").addressing;
        assert_eq!(named("backups"), Some(Addressing::VirtualHosted));
        for bucket in ["backups.example.com", "Backups", "ab", "-backups", "a_b_c"] {
            assert_eq!(named(bucket), None, "{bucket}");
        }
        let endpoint = |it: &str| of("backups", it).endpoint;
        assert_eq!(endpoint("minio:9000").as_deref(), Some("https://minio:9000"));
        assert_eq!(endpoint("http://minio:9000").as_deref(), Some("http://minio:9000"));
        assert_eq!(endpoint(""), None);
    }
}
