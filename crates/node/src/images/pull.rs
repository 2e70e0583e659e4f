//! Pulling from registries, on the host's side of the namespace.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use futures::StreamExt;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, manifest};
use serde::Deserialize;
use serde_json::Value;

use super::budget::{self, Budget};
use super::{Error, Resolved, Store, blobs, canonical};

/// Media types of manifests that are understood.
const MANIFESTS: [&str; 2] = [manifest::OCI_IMAGE_MEDIA_TYPE, manifest::IMAGE_MANIFEST_MEDIA_TYPE];

pub(super) async fn pull(store: &Store, reference: &str) -> Result<Resolved, Error> {
    let target = canonical(reference)?;
    let failed = |source: OciDistributionError| Error::Pull {
        reference: reference.to_owned(),
        source: Box::new(source),
    };
    let client = Client::try_from(config(&target)).map_err(failed)?;
    let auth = credentials(target.resolve_registry());
    // This resolves an index to the manifest for our platform, whose exact bytes are then stored under its digest.
    let (parsed, digest) = client.pull_image_manifest(&target, &auth).await.map_err(failed)?;
    let exact = target.clone_with_digest(digest.clone());
    let (bytes, _) = client.pull_manifest_raw(&exact, &auth, &MANIFESTS).await.map_err(failed)?;
    check_size(&parsed, reference, budget::PULLED_BYTES_MAX)?;
    for layer in parsed.layers.iter().chain([&parsed.config]) {
        if blobs::is_digest(&layer.digest) && store.blob(&layer.digest).exists() {
            continue;
        }
        let mut body = client.pull_blob_stream(&target, layer).await.map_err(failed)?;
        let mut blob = blobs::NewBlob::create(store)?;
        // The manifest's word was checked; a registry that sends more than that is cut off.
        let declared = Budget::new(u64::try_from(layer.size).unwrap_or(0));
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(Error::io(store.blobs()))?;
            declared.spend(chunk.len() as u64).map_err(|_| longer(reference, layer))?;
            blob.write_all(&chunk).map_err(Error::io(store.blobs()))?;
        }
        blob.finish(store, Some(&layer.digest))?;
    }
    let (stored, _) = blobs::put(store, &bytes)?;
    if stored != digest {
        let why = format!("the registry calls {stored} {digest}");
        return Err(Error::Damaged { reference: reference.to_owned(), why });
    }
    store.tag(&target.whole(), &digest)?;
    store.resolve(reference)
}

/// Before anything is pulled.
fn check_size(manifest: &OciImageManifest, reference: &str, max: u64) -> Result<(), Error> {
    let blobs = manifest.layers.iter().chain([&manifest.config]);
    // A negative size says nothing: the first byte of it is one too many.
    let sizes = blobs.map(|it| u64::try_from(it.size).unwrap_or(0));
    if sizes.fold(0, u64::saturating_add) <= max {
        return Ok(());
    }
    let (reference, limit) = (reference.to_owned(), budget::shown(max));
    Err(Error::TooLarge { reference, what: "has", limit })
}

fn longer(reference: &str, layer: &OciDescriptor) -> Error {
    let why = format!("{} is longer than the {} bytes it should have", layer.digest, layer.size);
    Error::Damaged { reference: reference.to_owned(), why }
}

fn config(reference: &Reference) -> ClientConfig {
    let registry = reference.resolve_registry();
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    ClientConfig {
        protocol: if local { ClientProtocol::Http } else { ClientProtocol::Https },
        platform_resolver: Some(Box::new(ours)),
        connect_timeout: Some(std::time::Duration::from_secs(10)),
        read_timeout: Some(std::time::Duration::from_secs(60)),
        ..ClientConfig::default()
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn ours(entries: &[ImageIndexEntry]) -> Option<String> {
    let found = entries.iter().find(|entry| {
        serde_json::to_value(&entry.platform).is_ok_and(|platform| is_ours(&platform))
    });
    found.map(|entry| entry.digest.clone())
}

/// Whether an index entry's platform is this machine's. An entry without one is taken.
pub(super) fn is_ours(platform: &Value) -> bool {
    platform.is_null() || (platform["os"] == "linux" && platform["architecture"] == architecture())
}

#[derive(Default, Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerAuth>,
}

#[derive(Default, Deserialize)]
struct DockerAuth {
    #[serde(default)]
    auth: String,
}

/// The user's credentials for a registry, from the places Docker and Podman keep them; else anonymous.
fn credentials(registry: &str) -> RegistryAuth {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let places = [
        std::env::var_os("DOCKER_CONFIG").map(|dir| PathBuf::from(dir).join("config.json")),
        home.as_ref().map(|home| home.join(".docker/config.json")),
        home.as_ref().map(|home| home.join(".config/containers/auth.json")),
    ];
    places
        .into_iter()
        .flatten()
        .filter_map(|path| {
            let config: DockerConfig = serde_json::from_reader(File::open(path).ok()?).ok()?;
            find(&config, registry)
        })
        .next()
        .unwrap_or(RegistryAuth::Anonymous)
}

fn find(config: &DockerConfig, registry: &str) -> Option<RegistryAuth> {
    let alias = if registry == "index.docker.io" { "docker.io" } else { registry };
    let entry = config.auths.iter().find(|(key, _)| {
        let host = key.trim_start_matches("https://").trim_start_matches("http://");
        let host = host.split('/').next().unwrap_or_default();
        host == registry || host == alias
    })?;
    let decoded = decode_base64(&entry.1.auth)?;
    let (user, password) = decoded.split_once(':')?;
    Some(RegistryAuth::Basic(user.to_owned(), password.to_owned()))
}

fn decode_base64(text: &str) -> Option<String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_a_docker_config() {
        let text = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YTpiOmM="},"quay.io":{"auth":"???"}}}"#;
        let config: DockerConfig = serde_json::from_str(text).unwrap();
        let found = find(&config, "index.docker.io");
        assert!(
            matches!(found, Some(RegistryAuth::Basic(user, password)) if user == "a" && password == "b:c")
        );
        assert!(find(&config, "quay.io").is_none());
        assert!(find(&config, "ghcr.io").is_none());
    }

    #[test]
    fn an_image_that_is_too_large_is_not_pulled() {
        let layer = |size| OciDescriptor { size, ..OciDescriptor::default() };
        let manifest = |sizes: [i64; 2]| OciImageManifest {
            layers: sizes.map(layer).to_vec(),
            ..OciImageManifest::default()
        };
        assert!(check_size(&manifest([3, 7]), "a/b:1", 10).is_ok());
        let error = check_size(&manifest([4, 7]), "a/b:1", 10).unwrap_err();
        assert_eq!(error.to_string(), "image a/b:1 has more than 10 bytes, which is the limit");
        assert!(check_size(&manifest([i64::MAX, i64::MAX]), "a/b:1", u64::MAX / 4).is_err());
    }

    #[test]
    fn local_registries_are_plain_http() {
        let protocol = |text: &str| config(&canonical(text).unwrap()).protocol;
        assert!(matches!(protocol("localhost:5000/a:b"), ClientProtocol::Http));
        assert!(matches!(protocol("127.0.0.1:5000/a:b"), ClientProtocol::Http));
        assert!(matches!(protocol("localhost.example.com/a:b"), ClientProtocol::Https));
    }
}
