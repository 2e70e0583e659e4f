//! Paths that are no resources: discovery, OpenAPI, health, version, metrics.

use futures::{FutureExt as _, StreamExt as _};
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use machinery::error::ApiError;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::ApiServer;
use crate::negotiate::negotiate;
use crate::query::Query;
use crate::respond::{self, Response};

/// The Kubernetes version that the API is that of.
const MAJOR: &str = "1";
const MINOR: &str = "33";

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const OPENAPI_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// What a request says besides its path.
pub(crate) struct Asked<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: &'a Query,
}

pub(crate) async fn answer(
    server: &ApiServer,
    segments: &[String],
    asked: &Asked<'_>,
) -> Result<Response, ApiError> {
    let registry = server.registry();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let document = match path.as_slice() {
        [""] => root(&registry),
        ["version"] => version(),
        ["healthz" | "livez" | "readyz", ..] => return Ok(health(server, &path, asked.query).await),
        ["metrics"] => {
            let text = server.shared().metrics.render(server.store().revision().0);
            return Ok(respond::text(StatusCode::OK, text));
        }
        ["api" | "apis"] if wants_aggregated(asked.headers) => {
            let document = match path[0] {
                "api" => registry::discovery::aggregated_core(&registry),
                _ => registry::discovery::aggregated_groups(&registry),
            };
            return Ok(tagged(
                asked,
                AGGREGATED,
                serde_json::to_vec(&document).expect("JSON values always encode"),
            ));
        }
        ["api"] => registry::discovery::api_versions(),
        ["apis"] => registry::discovery::api_group_list(&registry),
        ["api", version] => found(registry::discovery::resource_list(&registry, "", version))?,
        ["apis", group] => found(registry::discovery::group(&registry, group))?,
        ["apis", group, version] => {
            found(registry::discovery::resource_list(&registry, group, version))?
        }
        ["openapi", rest @ ..] => return openapi(&registry, rest, asked),
        [".well-known", "openid-configuration"] => openid(),
        ["openid", "v1", "jwks"] => server.pki().token_key().jwks(),
        _ => return Ok(respond::no_such_path()),
    };
    let form = negotiate(asked.headers, asked.query)?;
    Ok(respond::value(StatusCode::OK, form.format, &document))
}

fn found(document: Option<Value>) -> Result<Value, ApiError> {
    document.ok_or_else(ApiError::no_such_resource)
}

fn wants_aggregated(headers: &HeaderMap) -> bool {
    let accept =
        headers.get(http::header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    accept.split(',').any(|clause| {
        let has = |part: &str| clause.split(';').any(|it| it.trim() == part);
        has("as=APIGroupDiscoveryList") && has("g=apidiscovery.k8s.io") && has("v=v2")
    })
}

/// A document with a tag, so that clients that have it need not load it again.
fn tagged(asked: &Asked<'_>, content_type: &'static str, document: Vec<u8>) -> Response {
    let hash = hash(&document);
    tagged_as(asked, content_type, &hash, || Some(document)).unwrap_or_else(respond::no_such_path)
}

/// As [`tagged`], for a document whose hash is known without making it.
fn tagged_as(
    asked: &Asked<'_>,
    content_type: &'static str,
    hash: &str,
    document: impl FnOnce() -> Option<Vec<u8>>,
) -> Option<Response> {
    let tag = format!("\"{hash}\"");
    let known =
        asked.headers.get(IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let mut response = match known {
        true => respond::bytes(StatusCode::NOT_MODIFIED, content_type, Vec::new()),
        false => respond::bytes(StatusCode::OK, content_type, document()?),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    let cache = match asked.query.get("hash") {
        Some(wanted) if wanted.eq_ignore_ascii_case(hash) => "public, immutable, max-age=31536000",
        _ => "no-cache, private",
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    response.headers_mut().insert(http::header::VARY, HeaderValue::from_static("Accept"));
    Some(response)
}

fn hash(document: &[u8]) -> String {
    Sha256::digest(document).iter().map(|byte| format!("{byte:02X}")).collect()
}

fn openapi(
    registry: &registry::Registry,
    path: &[&str],
    asked: &Asked<'_>,
) -> Result<Response, ApiError> {
    let document = match path {
        ["v2"] => {
            let accept = asked.headers.get(http::header::ACCEPT);
            let accept = accept.and_then(|value| value.to_str().ok()).unwrap_or("");
            if accept.contains(OPENAPI_PROTOBUF) && !accept.contains("application/json") {
                // Clients that ask for protobuf alone get on without this document, but not with a refusal.
                return Ok(respond::no_such_path());
            }
            registry::openapi::v2(registry)
        }
        ["v3"] => registry::openapi::index(registry),
        ["v3", "api", version] => return openapi_v3(registry, ["", version], asked),
        ["v3", "apis", group, version] => return openapi_v3(registry, [group, version], asked),
        _ => return Ok(respond::no_such_path()),
    };
    let bytes = serde_json::to_vec(&document).expect("JSON values always encode");
    Ok(tagged(asked, "application/json", bytes))
}

fn openapi_v3(
    registry: &registry::Registry,
    [group, version]: [&str; 2],
    asked: &Asked<'_>,
) -> Result<Response, ApiError> {
    let hash = registry::openapi::hash(registry, group, version);
    let document = || {
        let document = registry::openapi::v3(registry, group, version)?;
        Some(serde_json::to_vec(&document).expect("JSON values always encode"))
    };
    tagged_as(asked, "application/json", &hash, document).ok_or_else(ApiError::no_such_resource)
}

fn root(registry: &registry::Registry) -> Value {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for (group, versions) in registry.groups().into_iter().filter(|(group, _)| !group.is_empty()) {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.into_iter().map(|version| format!("/apis/{group}/{version}")));
    }
    let others =
        ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"];
    paths.extend(others.map(str::to_owned));
    json!({"paths": paths})
}

fn version() -> Value {
    let platform = format!("{}/{}", std::env::consts::OS, arch());
    json!({
        "major": MAJOR,
        "minor": MINOR,
        "gitVersion": format!("v{MAJOR}.{MINOR}.0+endstate"),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": platform,
    })
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A check of health. This server serves only once it is whole, so all that can fail later is the store.
async fn health(server: &ApiServer, path: &[&str], query: &Query) -> Response {
    let (which, checks) = path.split_first().unwrap_or((&"", &[]));
    if !matches!(checks, [] | ["ping" | "store" | "etcd"]) {
        return respond::no_such_path();
    }
    let excluded = |name: &str| query.all("exclude").any(|it| it == name);
    let asks_store = *checks != ["ping"] && !excluded("store") && !excluded("etcd");
    let failed = asks_store && is_stopped(server).await;
    let code = if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    let verbose = query.switch("verbose") || failed;
    if !verbose || !checks.is_empty() {
        return respond::text(
            code,
            if failed { "internal server error: store failed" } else { "ok" },
        );
    }
    let store = if failed { "[-]store failed: reason withheld" } else { "[+]store ok" };
    let end = if failed { "failed" } else { "passed" };
    respond::text(code, format!("[+]ping ok\n{store}\n{which} check {end}\n"))
}

/// Whether the store takes no more writes: it says so to watchers.
async fn is_stopped(server: &ApiServer) -> bool {
    let prefix = store::Prefix::new(&["core", "namespaces"]).expect("constant segments are valid");
    let store = server.store();
    match store.watch(&prefix, store.revision()).await {
        Ok(mut events) => {
            matches!(events.next().now_or_never(), Some(None | Some(Err(store::Error::Stopped(_)))))
        }
        Err(error) => matches!(error, store::Error::Stopped(_)),
    }
}

fn openid() -> Value {
    let issuer = crate::token::ISSUER;
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/openid/v1/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}
