//! Custom resource definitions that an API server accepts without warnings, and the parts that all specs share.

mod types;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

pub use types::{
    EmptyDir, EnvVar, Opaque, PodPolicy, Reclaim, Resources, Retention, Status, published,
};

/// Removes the formats that only Rust has (`uint32`, `usize`-like): a server warns of each. The bounds that come with
/// them stay, so the schema accepts no more than before. Removes examples from descriptions, too: those of Rust's
/// types are code.
///
/// ```
/// # use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
/// # fn show(crd: CustomResourceDefinition) -> CustomResourceDefinition {
/// endstate::crd::without_rust(crd)
/// # }
/// ```
#[must_use]
pub fn without_rust(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut().and_then(|it| it.open_api_v3_schema.as_mut());
        schema.into_iter().for_each(strip);
    }
    crd
}

fn strip(schema: &mut JSONSchemaProps) {
    if let Some(text) = &mut schema.description
        && let Some(start) = text.find("\n```\n")
    {
        text.truncate(text[..start].trim_end().len());
    }
    schema.format.take_if(|it| it.starts_with("uint") || it.starts_with("int8") || it == "int16");
    let maps = [&mut schema.properties, &mut schema.pattern_properties, &mut schema.definitions];
    maps.into_iter().flatten().flat_map(|it| it.values_mut()).for_each(strip);
    let lists = [&mut schema.all_of, &mut schema.any_of, &mut schema.one_of];
    lists.into_iter().flatten().flatten().for_each(strip);
    schema.not.iter_mut().for_each(|it| strip(it));
    for other in [&mut schema.additional_properties, &mut schema.additional_items] {
        if let Some(JSONSchemaPropsOrBool::Schema(it)) = other {
            strip(it);
        }
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(it)) => strip(it),
        Some(JSONSchemaPropsOrArray::Schemas(list)) => list.iter_mut().for_each(strip),
        None => {}
    }
}
