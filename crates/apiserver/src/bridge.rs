//! Until the registry and the machinery have them: OpenAPI, protobuf, strategic merge.
#![expect(clippy::unnecessary_wraps, reason = "the shapes of what replaces them")]

pub(crate) mod openapi {
    use registry::Registry;
    use serde_json::{Value, json};
    pub(crate) fn index(_: &Registry) -> Value {
        json!({"paths": {}})
    }
    pub(crate) fn v2(_: &Registry) -> Value {
        json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.33"}, "paths": {}, "definitions": {}})
    }
    pub(crate) fn v3(_: &Registry, _: &str, _: &str) -> Option<Value> {
        None
    }
}

pub(crate) mod protobuf {
    use machinery::error::ApiError;
    use serde_json::Value;
    pub(crate) fn decode(_: &[u8]) -> Result<Value, ApiError> {
        Err(ApiError::unsupported_media_type(&["application/json", "application/yaml"]))
    }
}

pub(crate) mod patch {
    use machinery::error::ApiError;
    use serde_json::Value;
    pub(crate) fn strategic_merge(
        object: &Value,
        patch: &Value,
        _: &machinery::Schema,
    ) -> Result<Value, ApiError> {
        machinery::patch::merge_patch(object, patch)
    }
}
