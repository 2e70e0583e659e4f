//! Importing: OCI layouts and Docker archives, as folders or tar files (gzipped or not).
//!
//! A tar file is first spread into a folder inside the store, where only plain files with plain names are accepted;
//! then both kinds are read the same way.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Component, Path, PathBuf};

use oci_spec::image::ImageManifest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blobs::DOCUMENT_BYTES_MAX;
use super::budget::{self, Budget, Metered};
use super::headers::{Allowance, Allowed};
use super::{Error, Store, blobs, canonical};

pub(super) fn import(store: &Store, path: &Path) -> Result<Vec<String>, Error> {
    if path.is_dir() {
        return import_folder(store, path, path);
    }
    let spread = Spread::new(store, path, &Budget::new(budget::UNPACKED_BYTES_MAX))?;
    import_folder(store, &spread.dir, path)
}

/// A tar file's content, removed when dropped.
struct Spread {
    dir: PathBuf,
}

impl Spread {
    fn new(store: &Store, archive: &Path, budget: &Budget) -> Result<Self, Error> {
        let dir = store.dir.join(format!(".import-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        let spread = Self { dir };
        spread.fill(archive, budget).map_err(|error| match budget.is_exceeded() {
            true => {
                let (reference, limit) =
                    (archive.display().to_string(), budget::shown(budget.max()));
                Error::TooLarge { reference, what: "holds", limit }
            }
            false => error,
        })?;
        Ok(spread)
    }

    fn fill(&self, archive: &Path, budget: &Budget) -> Result<(), Error> {
        let bad = |why: String| Error::Archive { path: archive.to_owned(), why };
        let allowance = Allowance::new();
        let plain = Allowed { inner: plain(archive)?, allowance: &allowance };
        let mut archive = tar::Archive::new(plain);
        let entries = archive.entries().map_err(|error| bad(error.to_string()))?;
        for (position, entry) in entries.enumerate() {
            let mut entry = entry.map_err(|error| match position {
                // The error would quote what it took for a header.
                0 => bad("it is no tar file".to_owned()),
                _ => bad(error.to_string()),
            })?;
            allowance.renew(&entry);
            let name = entry.path().map_err(|error| bad(error.to_string()))?.into_owned();
            let name: PathBuf =
                name.components().filter(|part| *part != Component::CurDir).collect();
            if name.components().any(|part| !matches!(part, Component::Normal(_))) {
                return Err(bad(format!("it has a file {}", name.display())));
            }
            budget.spend_entry().map_err(|error| bad(error.to_string()))?;
            if !entry.header().entry_type().is_file() {
                // Its content, if it claims any, is read past.
                budget.spend(entry.size()).map_err(|error| bad(error.to_string()))?;
                continue;
            }
            let target = self.dir.join(&name);
            let parent = target.parent().expect("joined to a folder");
            fs::create_dir_all(parent).map_err(Error::io(parent))?;
            let file = File::create(&target).map_err(Error::io(&target))?;
            io::copy(&mut entry, &mut Metered { inner: file, budget })
                .map_err(|error| bad(error.to_string()))?;
        }
        Ok(())
    }
}

impl Drop for Spread {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The file, decompressed if it is gzipped.
fn plain(path: &Path) -> Result<Box<dyn Read>, Error> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut magic = [0; 2];
    let count = file.read(&mut magic).map_err(Error::io(path))?;
    file.rewind().map_err(Error::io(path))?;
    let file = BufReader::new(file);
    if count == 2 && magic == [0x1f, 0x8b] {
        return Ok(Box::new(flate2::read::MultiGzDecoder::new(file)));
    }
    Ok(Box::new(file))
}

fn read_document(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    file.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        let why = format!("it is larger than {}", budget::shown(DOCUMENT_BYTES_MAX));
        return Err(Error::Archive { path: path.to_owned(), why });
    }
    Ok(bytes)
}

/// `shown` is what the user named, for messages.
fn import_folder(store: &Store, dir: &Path, shown: &Path) -> Result<Vec<String>, Error> {
    let references = if dir.join("oci-layout").exists() {
        import_layout(store, dir, shown)?
    } else if dir.join("manifest.json").exists() {
        import_docker(store, dir, shown)?
    } else {
        let why = "it has neither oci-layout nor manifest.json".to_owned();
        return Err(Error::Archive { path: shown.to_owned(), why });
    };
    if references.is_empty() {
        let why = "no image in it has a name".to_owned();
        return Err(Error::Archive { path: shown.to_owned(), why });
    }
    Ok(references)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path, shown: &Path) -> Result<T, Error> {
    let bytes = read_document(path)?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Archive {
        path: shown.to_owned(),
        why: format!("{}: {error}", path.file_name().unwrap_or_default().display()),
    })
}

fn import_layout(store: &Store, dir: &Path, shown: &Path) -> Result<Vec<String>, Error> {
    let index: Value = read_json(&dir.join("index.json"), shown)?;
    let mut references = Vec::new();
    for entry in index["manifests"].as_array().into_iter().flatten() {
        let annotations = &entry["annotations"];
        let name = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
            .iter()
            .find_map(|key| annotations[*key].as_str());
        let (Some(name), Some(digest)) = (name, entry["digest"].as_str()) else { continue };
        let reference = canonical(name)?.whole();
        let digest = copy_manifest(store, dir, digest, shown)?;
        store.tag(&reference, &digest)?;
        references.push(reference);
    }
    Ok(references)
}

/// Copies a manifest and its blobs; of an index, the manifest for this machine.
fn copy_manifest(store: &Store, dir: &Path, digest: &str, shown: &Path) -> Result<String, Error> {
    copy_blob(store, dir, digest, shown)?;
    let document: Value = blobs::read_json(store, &shown.to_string_lossy(), digest)?;
    if let Some(manifests) = document["manifests"].as_array() {
        let chosen = manifests.iter().find(|entry| super::pull::is_ours(&entry["platform"]));
        let inner = chosen.and_then(|entry| entry["digest"].as_str());
        let why = "it has no image for this machine's architecture".to_owned();
        let inner = inner.ok_or(Error::Archive { path: shown.to_owned(), why })?;
        return copy_manifest(store, dir, inner, shown);
    }
    let manifest: ImageManifest = blobs::read_json(store, &shown.to_string_lossy(), digest)?;
    for descriptor in manifest.layers().iter().chain([manifest.config()]) {
        copy_blob(store, dir, descriptor.digest().as_ref(), shown)?;
    }
    Ok(digest.to_owned())
}

fn copy_blob(store: &Store, dir: &Path, digest: &str, shown: &Path) -> Result<(), Error> {
    if !blobs::is_digest(digest) {
        let why = format!("{digest:?} is no sha256 digest");
        return Err(Error::Archive { path: shown.to_owned(), why });
    }
    if store.blob(digest).exists() {
        return Ok(());
    }
    let source = dir.join("blobs").join(digest.replace(':', "/"));
    let mut file = File::open(&source).map_err(Error::io(&source))?;
    blobs::copy(store, &mut file, Some(digest)).map(|_| ())
}

/// One image of a Docker archive's manifest.json.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

fn import_docker(store: &Store, dir: &Path, shown: &Path) -> Result<Vec<String>, Error> {
    let images: Vec<DockerImage> = read_json(&dir.join("manifest.json"), shown)?;
    let mut references = Vec::new();
    for image in images {
        let mut layers = Vec::new();
        for layer in &image.layers {
            let path = inside(dir, layer, shown)?;
            let gzipped = starts_with_gzip(&path)?;
            let mut file = File::open(&path).map_err(Error::io(&path))?;
            let (digest, size) = blobs::copy(store, &mut file, None)?;
            let suffix = if gzipped { "+gzip" } else { "" };
            let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
            layers.push(json!({"mediaType": media_type, "digest": digest, "size": size}));
        }
        let path = inside(dir, &image.config, shown)?;
        let config = read_document(&path)?;
        let (digest, size) = blobs::put(store, &config)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest, "size": size,
            },
            "layers": layers,
        });
        let (digest, _) = blobs::put(store, manifest.to_string().as_bytes())?;
        for tag in image.repo_tags.unwrap_or_default() {
            let reference = canonical(&tag)?.whole();
            store.tag(&reference, &digest)?;
            references.push(reference);
        }
    }
    Ok(references)
}

fn starts_with_gzip(path: &Path) -> Result<bool, Error> {
    let mut magic = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    file.take(2).read_to_end(&mut magic).map_err(Error::io(path))?;
    Ok(magic == [0x1f, 0x8b])
}

/// A file that the archive names, which must lie inside it.
fn inside(dir: &Path, name: &str, shown: &Path) -> Result<PathBuf, Error> {
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !plain {
        let why = format!("it names a file {name:?}");
        return Err(Error::Archive { path: shown.to_owned(), why });
    }
    Ok(dir.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_archive_is_called_that() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let path = dir.path().join("config.yaml");
        fs::write(&path, "apiVersion: v1\n".repeat(100)).unwrap();
        let text = import(&store, &path).unwrap_err().to_string();
        assert!(text.ends_with("nor a Docker archive: it is no tar file"), "{text}");
    }

    #[test]
    fn an_archive_that_holds_too_much_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let path = dir.path().join("bomb.tar.gz");
        let packed = flate2::write::GzEncoder::new(
            File::create(&path).unwrap(),
            flate2::Compression::fast(),
        );
        let mut tar = tar::Builder::new(packed);
        let mut header = tar::Header::new_gnu();
        header.set_size(1 << 20);
        header.set_mode(0o644);
        tar.append_data(&mut header, "zeros", io::repeat(0).take(1 << 20)).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        let error = Spread::new(&store, &path, &Budget::new(64 << 10)).err().unwrap();
        let text = error.to_string();
        assert!(text.ends_with("bomb.tar.gz holds more than 64 KiB, which is the limit"), "{text}");
        assert!(
            !fs::read_dir(&store.dir)
                .unwrap()
                .flatten()
                .any(|it| { it.file_name().to_string_lossy().starts_with(".import") })
        );
    }
}
