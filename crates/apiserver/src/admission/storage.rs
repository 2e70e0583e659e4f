//! Claims and their classes: which class a claim has that names none, and whether one may grow.

use std::cmp::Reverse;

use machinery::error::ApiError;
use machinery::quantity::Quantity;
use serde_json::Value;
use store::{Key, ListOptions, Prefix};

use crate::call::Call;
use crate::{encode, errors};

const CLASSES: [&str; 2] = ["storage.k8s.io", "storageclasses"];
const IS_DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
/// How claims named their class before they had a field for it.
const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// Gives a new claim that names no class the default one: of several the newest, of those as new the first by name.
pub(super) async fn default_class(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    let is_named = object["spec"]["storageClassName"].is_string()
        || object["metadata"]["annotations"][OLD_CLASS].is_string();
    if !is_claim(call) || is_named || !object["spec"].is_object() {
        return Ok(());
    }
    let Some(prefix) = Prefix::new(&CLASSES) else { return Ok(()) };
    let page = call.store().list(&prefix, ListOptions::default()).await.map_err(errors::store)?;
    let classes = page.objects.iter().map(|it| encode::parse(it));
    let classes = classes.collect::<Result<Vec<_>, _>>()?;
    let defaults = classes.iter().filter(|it| it["metadata"]["annotations"][IS_DEFAULT] == "true");
    let text = |class: &Value, key: &str| class["metadata"][key].as_str().map(str::to_owned);
    let default = defaults
        .min_by_key(|it| (Reverse(text(it, "creationTimestamp")), text(it, "name")))
        .and_then(|it| text(it, "name"));
    if let Some(name) = default {
        object["spec"]["storageClassName"] = name.into();
    }
    Ok(())
}

/// A bound claim may ask for more if its class says so.
pub(super) async fn check_growth(call: &Call, old: &Value, new: &Value) -> Result<(), ApiError> {
    let size = |claim: &Value| {
        let size = &claim["spec"]["resources"]["requests"]["storage"];
        Quantity::from_value(size).map_or(0, Quantity::nanos)
    };
    if !is_claim(call) || size(new) <= size(old) {
        return Ok(());
    }
    let name = new["metadata"]["name"].as_str().unwrap_or("");
    let refuse = |why: &str| Err(ApiError::forbidden("", "persistentvolumeclaims", name, why));
    if old["status"]["phase"] != "Bound" {
        return refuse("Only bound persistent volume claims can be expanded");
    }
    let class = new["spec"]["storageClassName"].as_str().unwrap_or("");
    match find(call, class).await? {
        Some(class) if class["allowVolumeExpansion"] == true => Ok(()),
        _ => refuse(
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
        ),
    }
}

async fn find(call: &Call, class: &str) -> Result<Option<Value>, ApiError> {
    let [group, plural] = CLASSES;
    let Some(key) = Key::new(&[group, plural, class]) else { return Ok(None) };
    let found = call.store().get(&key).await.map_err(errors::store)?;
    found.map(|found| encode::parse(&found)).transpose()
}

fn is_claim(call: &Call) -> bool {
    call.resource.group.is_empty() && call.resource.kind == "PersistentVolumeClaim"
}
