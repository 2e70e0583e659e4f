//! Which files the volumes of API objects hold. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccountTokenProjection, Volume,
};

use crate::env::Sources;
use crate::fields::{self, Place};

const DEFAULT_MODE: u32 = 0o644;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
}

/// Files by their relative path.
pub(super) type Files = BTreeMap<String, File>;

pub(super) struct Facts<'a> {
    pub(super) pod: &'a Pod,
    pub(super) place: &'a Place,
    pub(super) sources: &'a Sources,
    /// Tokens by the path they are wanted at.
    pub(super) tokens: &'a BTreeMap<String, String>,
}

pub(super) fn is_payload(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.projected.is_some()
        || volume.downward_api.is_some()
}

pub(super) fn tokens(volume: &Volume) -> impl Iterator<Item = &ServiceAccountTokenProjection> {
    let sources = volume.projected.iter().flat_map(|it| it.sources.iter().flatten());
    sources.filter_map(|source| source.service_account_token.as_ref())
}

pub(super) fn files(volume: &Volume, facts: &Facts<'_>) -> Result<Files, String> {
    let mut files = Files::new();
    if let Some(source) = &volume.config_map {
        let entries = config_map(facts, &source.name, source.optional)?;
        let label = format!("configmap {:?}", source.name);
        select(
            &mut files,
            entries,
            source.items.as_deref(),
            &Selecting::new(label, source.optional),
        )?;
        default_mode(&mut files, source.default_mode);
    }
    if let Some(source) = &volume.secret {
        let name = source.secret_name.clone().unwrap_or_default();
        let entries = facts.sources.secret(&name, source.optional == Some(true))?;
        let label = format!("secret {name:?}");
        select(
            &mut files,
            entries,
            source.items.as_deref(),
            &Selecting::new(label, source.optional),
        )?;
        default_mode(&mut files, source.default_mode);
    }
    if let Some(source) = &volume.downward_api {
        downward(&mut files, source.items.as_deref(), facts)?;
        default_mode(&mut files, source.default_mode);
    }
    if volume.projected.is_some() {
        projected(&mut files, volume, facts)?;
    }
    for path in files.keys() {
        let plain = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !plain {
            return Err(format!("the path {path:?} is not a plain relative path"));
        }
    }
    Ok(files)
}

fn projected(files: &mut Files, volume: &Volume, facts: &Facts<'_>) -> Result<(), String> {
    let Some(projected) = &volume.projected else { return Ok(()) };
    for source in projected.sources.iter().flatten() {
        if let Some(map) = &source.config_map {
            let entries = config_map(facts, &map.name, map.optional)?;
            let label = format!("configmap {:?}", map.name);
            select(files, entries, map.items.as_deref(), &Selecting::new(label, map.optional))?;
        }
        if let Some(secret) = &source.secret {
            let entries = facts.sources.secret(&secret.name, secret.optional == Some(true))?;
            let label = format!("secret {:?}", secret.name);
            select(
                files,
                entries,
                secret.items.as_deref(),
                &Selecting::new(label, secret.optional),
            )?;
        }
        if let Some(items) = &source.downward_api {
            downward(files, items.items.as_deref(), facts)?;
        }
        if let Some(token) = &source.service_account_token {
            let text = facts.tokens.get(&token.path).cloned().unwrap_or_default();
            add(files, &token.path, text.into_bytes(), None);
        }
    }
    default_mode(files, projected.default_mode);
    Ok(())
}

fn config_map(
    facts: &Facts<'_>,
    name: &str,
    optional: Option<bool>,
) -> Result<Vec<(String, Vec<u8>)>, String> {
    let text = facts.sources.config_map(name, optional == Some(true))?;
    let map = facts.sources.config_maps.get(name).and_then(Option::as_ref);
    let binary = map.and_then(|map| map.binary_data.clone()).unwrap_or_default();
    let text = text.into_iter().map(|(key, value)| (key, value.into_bytes()));
    Ok(text.chain(binary.into_iter().map(|(key, value)| (key, value.0))).collect())
}

struct Selecting {
    label: String,
    optional: bool,
}

impl Selecting {
    fn new(label: String, optional: Option<bool>) -> Self {
        Self { label, optional: optional == Some(true) }
    }
}

/// All entries, or those that `items` name under the paths they say.
fn select(
    files: &mut Files,
    entries: Vec<(String, Vec<u8>)>,
    items: Option<&[KeyToPath]>,
    of: &Selecting,
) -> Result<(), String> {
    let items = items.unwrap_or_default();
    if items.is_empty() {
        for (key, bytes) in entries {
            add(files, &key, bytes, None);
        }
        return Ok(());
    }
    for item in items {
        match entries.iter().find(|(key, _)| *key == item.key) {
            Some((_, bytes)) => add(files, &item.path, bytes.clone(), item.mode),
            None if of.optional => {}
            None => return Err(format!("{} has no key {:?}", of.label, item.key)),
        }
    }
    Ok(())
}

fn downward(
    files: &mut Files,
    items: Option<&[DownwardAPIVolumeFile]>,
    facts: &Facts<'_>,
) -> Result<(), String> {
    for item in items.unwrap_or_default() {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(selector), _) => fields::field(facts.pod, facts.place, selector)?,
            (None, Some(selector)) => fields::resource(facts.pod, None, facts.place, selector)?,
            (None, None) => return Err(format!("{:?} has no source", item.path)),
        };
        add(files, &item.path, text.into_bytes(), item.mode);
    }
    Ok(())
}

/// Mode 0 marks files that take the volume's default.
fn add(files: &mut Files, path: &str, bytes: Vec<u8>, mode: Option<i32>) {
    let mode = mode.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0);
    files.insert(path.to_owned(), File { bytes, mode });
}

fn default_mode(files: &mut Files, mode: Option<i32>) {
    let mode = mode.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(DEFAULT_MODE);
    for file in files.values_mut().filter(|file| file.mode == 0) {
        file.mode = mode;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;

    fn check(volume: Value) -> Result<Vec<String>, String> {
        let map =
            json!({"metadata": {}, "data": {"a": "1", "b": "2"}, "binaryData": {"c": "Mw=="}});
        let sources = Sources {
            config_maps: [("m".to_owned(), Some(Arc::new(serde_json::from_value(map).unwrap())))]
                .into(),
            ..Sources::default()
        };
        let pod = serde_json::from_value(json!({"metadata": {"name": "p"}})).unwrap();
        let tokens = [("token".to_owned(), "t".to_owned())].into();
        let facts =
            Facts { pod: &pod, place: &Place::default(), sources: &sources, tokens: &tokens };
        let files = files(&serde_json::from_value(volume).unwrap(), &facts)?;
        let show = |(path, file): (String, File)| {
            format!("{path} {:o} {}", file.mode, String::from_utf8(file.bytes).unwrap())
        };
        Ok(files.into_iter().map(show).collect())
    }

    #[test]
    fn volumes_hold_the_files_their_sources_say() {
        let all = check(json!({"name": "v", "configMap": {"name": "m"}})).unwrap();
        assert_eq!(all, ["a 644 1", "b 644 2", "c 644 3"]);
        let some = check(json!({"name": "v", "configMap": {"name": "m", "defaultMode": 0o400,
            "items": [{"key": "a", "path": "x/y"}, {"key": "b", "path": "z", "mode": 0o777}]}}));
        assert_eq!(some.unwrap(), ["x/y 400 1", "z 777 2"]);
        let projected = check(json!({"name": "v", "projected": {"sources": [
            {"serviceAccountToken": {"path": "token"}},
            {"configMap": {"name": "m", "items": [{"key": "a", "path": "ca"}]}},
            {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        ]}}));
        assert_eq!(projected.unwrap(), ["ca 644 1", "n 644 p", "token 644 t"]);
    }

    #[test]
    fn what_is_missing_or_unsafe_is_refused() {
        let volume = |source: Value| check(json!({"name": "v", "configMap": source})).unwrap_err();
        assert_eq!(volume(json!({"name": "no"})), "configmap \"no\" not found");
        let items = json!({"name": "m", "items": [{"key": "z", "path": "z"}]});
        assert_eq!(volume(items), "configmap \"m\" has no key \"z\"");
        let escape = json!({"name": "m", "items": [{"key": "a", "path": "../../x"}]});
        assert!(volume(escape).contains("not a plain relative path"));
        assert!(
            check(json!({"name": "v", "configMap": {"name": "no", "optional": true}}))
                .unwrap()
                .is_empty()
        );
    }
}
