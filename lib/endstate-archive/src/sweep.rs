//! What writers left that never finished.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path as File, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use object_store::path::Path;

use crate::error::{ArchiveError, Doing};
use crate::name::{DATA, EntryName, Id, Lineage};
use crate::shelf::Shelf;

/// What is younger may be of somebody who is about to finish.
pub(crate) const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Deletes what no entry needs, and gives its paths.
pub(crate) async fn sweep(shelf: &Shelf, now: Timestamp) -> Result<Vec<String>, ArchiveError> {
    let before = now - LEFTOVER_AGE;
    let mut swept = Vec::new();
    for lineage in shelf.lineages().await? {
        // Before the manifests are listed: what becomes an entry between both is then seen as one.
        let found = shelf.data(&lineage).await?;
        let kept = ids(shelf, &lineage).await?;
        let old = found.into_iter().filter(|it| it.last_modified.timestamp() < before.as_second());
        let leftover =
            |it: &Path| it.filename().and_then(Id::of_data).is_some_and(|it| !kept.contains(&it));
        for path in old.map(|it| it.location).filter(leftover) {
            shelf.delete(&path).await?;
            swept.push(path.to_string());
        }
        swept.extend(staged(shelf, &lineage, before).await?);
    }
    Ok(swept)
}

/// Of the entries of a lineage, those included whose manifests cannot be read.
async fn ids(shelf: &Shelf, lineage: &Lineage) -> Result<BTreeSet<Id>, ArchiveError> {
    let found = shelf.manifests(lineage).await?;
    let files = found.iter().filter_map(|it| it.location.filename());
    let names = files.filter_map(|it| EntryName::of_manifest(lineage, it)?.ok());
    Ok(names.map(|it| it.id().clone()).collect())
}

/// The same for files that a folder holds under another name while they are written.
async fn staged(
    shelf: &Shelf,
    lineage: &Lineage,
    before: Timestamp,
) -> Result<Vec<String>, ArchiveError> {
    let Some(folder) = shelf.folder.clone() else { return Ok(Vec::new()) };
    let folders = [folder.join(lineage.as_str()), folder.join(lineage.as_str()).join(DATA)];
    let delete = move || -> std::io::Result<Vec<PathBuf>> {
        let mut gone = Vec::new();
        for folder in folders.iter().filter(|it| it.is_dir()) {
            gone.extend(delete_staged(folder, before.into())?);
        }
        Ok(gone)
    };
    let gone = tokio::task::spawn_blocking(delete).await.map_err(|_| ArchiveError::Interrupted)?;
    let gone = gone.map_err(|it| {
        let error = object_store::Error::Generic { store: "folder", source: Box::new(it) };
        shelf.error(Doing::Delete, &error)
    })?;
    Ok(gone.iter().map(|it| it.display().to_string()).collect())
}

fn delete_staged(folder: &File, before: SystemTime) -> std::io::Result<Vec<PathBuf>> {
    let mut gone = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let old = file.metadata()?.modified()? < before;
        if old && file.file_name().to_str().is_some_and(is_staged) {
            fs::remove_file(file.path())?;
            gone.push(file.path());
        }
    }
    Ok(gone)
}

/// As the local store names them: `file#1`.
fn is_staged(file: &str) -> bool {
    file.rsplit_once('#').is_some_and(|(name, number)| {
        let ours = Id::of_data(name).is_some() || name.ends_with(".json");
        ours && !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit())
    })
}
