//! The image store: a content-addressed OCI image layout, shared by the host side (which imports and pulls) and the
//! agent (which unpacks and runs).
//!
//! Invariants: a blob's name is its digest, checked before it gets that name; the index is replaced atomically under a
//! lock on `index.lock`, so concurrent writers lose nothing and readers never see half of it; a reference enters the
//! index only after all its blobs are there.

mod blobs;
mod budget;
mod builtin;
mod headers;
mod import;
mod index;
mod pull;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};

use oci_client::Reference;
use oci_spec::image::{ImageConfiguration, ImageManifest};
use serde::Serialize;

pub(crate) use self::builtin::Builtin;
pub(crate) use self::unpack::unpack;

/// What can go wrong with images.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot use {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{reference:?} is no image reference")]
    Reference {
        reference: String,
        #[source]
        source: oci_client::ParseError,
    },
    #[error("image {reference} is not in the image store")]
    Missing { reference: String },
    #[error("{path} is neither an OCI layout nor a Docker archive: {why}")]
    Archive { path: PathBuf, why: String },
    #[error("image {reference} is damaged: {why}")]
    Damaged { reference: String, why: String },
    #[error("cannot pull {reference}")]
    Pull {
        reference: String,
        #[source]
        source: Box<oci_client::errors::OciDistributionError>,
    },
    #[error("layer {digest} has the media type {media_type}, which is not supported")]
    MediaType { digest: String, media_type: String },
    #[error("image {reference} {what} more than {limit}, which is the limit")]
    TooLarge { reference: String, what: &'static str, limit: String },
    #[error("layer {digest} is unsafe: {why}")]
    Unsafe { digest: String, why: String },
}

impl Error {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// One line of [`Store::list`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    pub reference: String,
    /// The manifest's digest.
    pub digest: String,
    /// Bytes of the manifest's layers as stored.
    pub size: u64,
}

/// An image that is whole in the store.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub reference: String,
    /// The manifest's digest.
    pub digest: String,
    pub manifest: ImageManifest,
    pub config: ImageConfiguration,
}

/// A handle on the directory; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Opens the store in `dir`, creating what lacks.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let store = Self { dir: dir.to_owned() };
        let blobs = store.blobs();
        std::fs::create_dir_all(&blobs).map_err(Error::io(blobs))?;
        let marker = dir.join("oci-layout");
        if !marker.exists() {
            std::fs::write(&marker, r#"{"imageLayoutVersion":"1.0.0"}"#)
                .map_err(Error::io(marker))?;
        }
        Ok(store)
    }

    /// Imports an OCI layout (folder or tar) or a Docker archive. Returns the references of the images in it.
    pub fn import(&self, path: &Path) -> Result<Vec<String>, Error> {
        import::import(self, path)
    }

    /// Pulls an image from its registry, anonymously or with the credentials of the user's Docker configuration.
    pub async fn pull(&self, reference: &str) -> Result<Resolved, Error> {
        pull::pull(self, reference).await
    }

    /// The images, sorted by reference.
    pub fn list(&self) -> Result<Vec<Image>, Error> {
        let mut images = Vec::new();
        for (reference, digest) in index::read(&self.dir)?.references() {
            let size = match self.manifest(&reference, &digest) {
                Ok(manifest) => manifest
                    .layers()
                    .iter()
                    .fold(0, |sum: u64, layer| sum.saturating_add(layer.size())),
                Err(_) => 0,
            };
            images.push(Image { reference, digest, size });
        }
        images.sort_by(|a, b| a.reference.cmp(&b.reference));
        Ok(images)
    }

    /// Finds an image by any spelling of its reference.
    pub fn resolve(&self, reference: &str) -> Result<Resolved, Error> {
        let canonical = canonical(reference)?;
        let index = index::read(&self.dir)?;
        let missing = || Error::Missing { reference: reference.to_owned() };
        let digest = match canonical.digest() {
            Some(digest) if blobs::is_digest(digest) && self.blob(digest).exists() => {
                digest.to_owned()
            }
            Some(_) => return Err(missing()),
            None => index.digest(&canonical.whole()).ok_or_else(missing)?,
        };
        let manifest = self.manifest(reference, &digest)?;
        let config_digest = manifest.config().digest().to_string();
        let config = blobs::read_json(self, reference, &config_digest)?;
        for layer in manifest.layers() {
            if !self.blob(layer.digest().as_ref()).exists() {
                let why = format!("layer {} is not in the store", layer.digest());
                return Err(Error::Damaged { reference: reference.to_owned(), why });
            }
        }
        Ok(Resolved { reference: canonical.whole(), digest, manifest, config })
    }

    /// The names of unpacked images that are still in the index, as [`unpack`] gives them.
    pub(crate) fn unpacked_names(&self) -> Result<Vec<String>, Error> {
        let references = index::read(&self.dir)?.references();
        let manifests =
            references.iter().filter_map(|(name, digest)| self.manifest(name, digest).ok());
        Ok(manifests.map(|manifest| unpack::folder_name(&manifest)).collect())
    }

    fn manifest(&self, reference: &str, digest: &str) -> Result<ImageManifest, Error> {
        blobs::read_json(self, reference, digest)
    }

    fn blobs(&self) -> PathBuf {
        self.dir.join("blobs/sha256")
    }

    /// The path of a blob; `digest` is `sha256:` and 64 hexadecimal digits.
    fn blob(&self, digest: &str) -> PathBuf {
        self.blobs().join(digest.strip_prefix("sha256:").unwrap_or(digest))
    }

    fn tag(&self, reference: &str, digest: &str) -> Result<(), Error> {
        index::tag(&self.dir, reference, digest)
    }
}

/// The full form of a reference: `etcd` is `docker.io/library/etcd:latest`.
fn canonical(reference: &str) -> Result<Reference, Error> {
    reference.parse().map_err(|source| Error::Reference { reference: reference.to_owned(), source })
}
