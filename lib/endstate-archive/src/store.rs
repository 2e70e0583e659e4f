//! Clients of the places.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, PutMode, RetryConfig,
    StaticCredentialProvider,
};

use crate::error::{ArchiveError, Doing};
use crate::keys::Keys;
use crate::place::{Addressing, Azure, Gcs, Oss, Place, S3};
use crate::refusal::Connector;
use crate::site::Site;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of one request: 6 MiB at half a megabit a second.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
const RETRIES_MAX: usize = 5;
/// After this long from its first attempt a request is not tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) type Store = Arc<dyn ObjectStore>;

/// A client of the place, and how it makes an object that must not be there yet.
pub(crate) fn open(
    place: &Place,
    keys: Option<&Keys>,
    site: &Site,
) -> Result<(Store, PutMode), ArchiveError> {
    provide_tls();
    let no = |error: object_store::Error| site.error(Doing::Open, None, &error);
    // OSS has no condition of S3's; names are unique without one.
    let create = if matches!(place, Place::Oss(_)) { PutMode::Overwrite } else { PutMode::Create };
    let store: Store = match place {
        Place::S3(it) => Arc::new(s3(it, keys)?.build().map_err(no)?),
        Place::Oss(it) => Arc::new(oss(it, keys)?.build().map_err(no)?),
        Place::Gcs(it) => Arc::new(gcs(it, keys)?.build().map_err(no)?),
        Place::Azure(it) => Arc::new(azure(it, keys)?.build().map_err(no)?),
        Place::Path { path } => Arc::new(local(path).map_err(no)?),
    };
    let prefix = object_store::path::Path::parse(place.prefix().trim_matches('/'))
        .map_err(|it| ArchiveError::settings(format!("the prefix is none: {it}")))?;
    Ok((Arc::new(PrefixStore::new(store, prefix)), create))
}

/// The HTTP client panics unless the process has a provider of cryptography; ring is the one that is built in.
fn provide_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody else may be first, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Files and their folders are on the disk before a write is reported as done.
fn local(path: &Path) -> object_store::Result<LocalFileSystem> {
    Ok(LocalFileSystem::new_with_prefix(path)?.with_fsync(true).with_automatic_cleanup(true))
}

fn s3(place: &S3, keys: Option<&Keys>) -> Result<AmazonS3Builder, ArchiveError> {
    let region = match (&place.region, keys) {
        (Some(region), _) => Some(region.clone()),
        (None, Some(keys)) => keys.region()?,
        (None, None) => None,
    };
    let mut builder = amazon(&place.bucket, place.endpoint.as_deref(), keys)?;
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    match (place.addressing, &place.endpoint) {
        (Addressing::Path, Some(endpoint)) => Ok(builder.with_endpoint(endpoint)),
        (Addressing::Path, None) => Ok(builder),
        (Addressing::VirtualHosted, None) => Ok(builder.with_virtual_hosted_style_request(true)),
        (Addressing::VirtualHosted, Some(endpoint)) => {
            virtual_hosted(builder, &place.bucket, endpoint)
        }
    }
}

fn oss(place: &Oss, keys: Option<&Keys>) -> Result<AmazonS3Builder, ArchiveError> {
    if keys.is_none() {
        return Err(ArchiveError::settings(
            "OSS needs keys: give a secret with access-key-id and secret-access-key",
        ));
    }
    let mut builder = amazon(&place.bucket, Some(&place.endpoint), keys)?;
    if let Some(region) = &place.region {
        builder = builder.with_region(region);
    }
    let builder = builder.with_conditional_put(S3ConditionalPut::Disabled);
    virtual_hosted(builder, &place.bucket, &place.endpoint)
}

/// What S3 and OSS share.
fn amazon(
    bucket: &str,
    endpoint: Option<&str>,
    keys: Option<&Keys>,
) -> Result<AmazonS3Builder, ArchiveError> {
    let plain = endpoint.is_some_and(is_plain);
    let builder = match keys {
        Some(keys) => {
            let key = keys.access_key()?;
            let builder = AmazonS3Builder::new()
                .with_access_key_id(key.id)
                .with_secret_access_key(key.secret);
            key.token.into_iter().fold(builder, AmazonS3Builder::with_token)
        }
        None => AmazonS3Builder::from_env(),
    };
    Ok(builder
        .with_bucket_name(bucket)
        .with_http_connector(Connector::default())
        .with_retry(retry())
        // TLS has a checksum of its own; a second one of all data costs a third of the throughput.
        .with_unsigned_payload(!plain)
        .with_client_options(client(plain, keys)?))
}

/// The host's name begins with the bucket's.
fn virtual_hosted(
    builder: AmazonS3Builder,
    bucket: &str,
    endpoint: &str,
) -> Result<AmazonS3Builder, ArchiveError> {
    let (scheme, host) = endpoint.split_once("://").ok_or_else(|| {
        ArchiveError::settings(format!(
            "the endpoint {endpoint:?} must begin with https:// or http://"
        ))
    })?;
    Ok(builder
        .with_endpoint(format!("{scheme}://{bucket}.{host}"))
        .with_virtual_hosted_style_request(true))
}

fn gcs(place: &Gcs, keys: Option<&Keys>) -> Result<GoogleCloudStorageBuilder, ArchiveError> {
    let builder = GoogleCloudStorageBuilder::new();
    let builder = match keys.map(|it| (it, it.get("access-token"))) {
        Some((_, Some(token))) => {
            let credential = GcpCredential { bearer: token.to_owned() };
            builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)))
        }
        Some((keys, None)) => {
            let other = keys.get("credentials.json");
            let key = match keys.get("service-account.json").or(other) {
                Some(key) => key,
                None => keys.need("service-account.json")?,
            };
            builder.with_service_account_key(key)
        }
        None => GoogleCloudStorageBuilder::from_env(),
    };
    Ok(builder
        .with_bucket_name(&place.bucket)
        .with_http_connector(Connector::default())
        .with_retry(retry())
        .with_client_options(client(false, keys)?))
}

fn azure(place: &Azure, keys: Option<&Keys>) -> Result<MicrosoftAzureBuilder, ArchiveError> {
    let mut builder = match keys {
        Some(keys) => MicrosoftAzureBuilder::new().with_access_key(keys.need("storage-key")?),
        None => MicrosoftAzureBuilder::from_env(),
    };
    let account = place.account.as_deref().or_else(|| keys?.get("storage-account"));
    builder = account.into_iter().fold(builder, MicrosoftAzureBuilder::with_account);
    if let Some(endpoint) = &place.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    } else if let Some(cloud) = keys.and_then(|it| it.get("cloud")) {
        let host = host_of_cloud(cloud)?;
        builder = match account {
            Some(account) => builder.with_endpoint(format!("https://{account}.{host}")),
            None => builder,
        };
    }
    Ok(builder
        .with_container_name(&place.container)
        .with_http_connector(Connector::default())
        .with_retry(retry())
        .with_client_options(client(place.endpoint.as_deref().is_some_and(is_plain), keys)?))
}

/// The blob service of one of Azure's clouds, without the account.
fn host_of_cloud(cloud: &str) -> Result<&'static str, ArchiveError> {
    let hosts = [
        ("AzurePublicCloud", "blob.core.windows.net"),
        ("AzureChinaCloud", "blob.core.chinacloudapi.cn"),
        ("AzureUSGovernmentCloud", "blob.core.usgovcloudapi.net"),
        ("AzureGermanCloud", "blob.core.cloudapi.de"),
    ];
    let host = hosts.iter().find(|it| it.0.eq_ignore_ascii_case(cloud));
    host.map(|it| it.1).ok_or_else(|| {
        let known = hosts.map(|it| it.0).join(", ");
        ArchiveError::settings(format!("{cloud:?} is no cloud of Azure: use one of {known}"))
    })
}

fn is_plain(endpoint: &str) -> bool {
    endpoint.starts_with("http://")
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(200),
        max_backoff: Duration::from_secs(5),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT }
}

fn client(plain: bool, keys: Option<&Keys>) -> Result<ClientOptions, ArchiveError> {
    let options = ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT);
    let Some(pem) = keys.and_then(|it| it.get("ca.crt")) else { return Ok(options) };
    let certificates = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|it| {
        ArchiveError::settings(format!("ca.crt of the keys is no certificate: {it}"))
    })?;
    if certificates.is_empty() {
        return Err(ArchiveError::settings("ca.crt of the keys holds no certificate in PEM form"));
    }
    // A private endpoint's authority is the one to trust there, and the system's are not.
    let options = options.with_no_system_certificates(true);
    Ok(certificates.into_iter().fold(options, ClientOptions::with_root_certificate))
}
