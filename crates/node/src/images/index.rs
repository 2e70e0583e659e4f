//! `index.json`: which reference is which manifest.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Error;

const NAME: &str = "org.opencontainers.image.ref.name";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    manifests: Vec<Value>,
}

impl Index {
    pub(super) fn references(&self) -> Vec<(String, String)> {
        self.manifests.iter().filter_map(entry).collect()
    }

    pub(super) fn digest(&self, reference: &str) -> Option<String> {
        self.references().into_iter().find(|(name, _)| name == reference).map(|(_, digest)| digest)
    }
}

fn entry(manifest: &Value) -> Option<(String, String)> {
    let name = manifest["annotations"][NAME].as_str()?;
    Some((name.to_owned(), manifest["digest"].as_str()?.to_owned()))
}

pub(super) fn read(dir: &Path) -> Result<Index, Error> {
    let path = dir.join("index.json");
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Index::default()),
        other => other.map_err(Error::io(&path))?,
    };
    serde_json::from_slice(&bytes).map_err(io::Error::other).map_err(Error::io(path))
}

/// Makes `reference` name the manifest `digest`.
pub(super) fn tag(dir: &Path, reference: &str, digest: &str) -> Result<(), Error> {
    let lock_path = dir.join("index.lock");
    let lock = File::create(&lock_path).map_err(Error::io(&lock_path))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)
        .map_err(|error| Error::io(lock_path)(error.into()))?;
    let mut index = read(dir)?;
    index.schema_version = 2;
    index.manifests.retain(|manifest| entry(manifest).is_none_or(|(name, _)| name != reference));
    let size = fs::metadata(dir.join("blobs/sha256").join(digest.trim_start_matches("sha256:")))
        .map_or(0, |metadata| metadata.len());
    index.manifests.push(json!({
        "mediaType": MANIFEST, "digest": digest, "size": size, "annotations": {NAME: reference},
    }));
    let bytes = serde_json::to_vec(&index).expect("plain data always encodes");
    let partial = dir.join("index.json.partial");
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    written.map_err(Error::io(&partial))?;
    fs::rename(&partial, dir.join("index.json")).map_err(Error::io(partial))
}
