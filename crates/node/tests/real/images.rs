//! Images from archives and registries.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use node::images::Store;
use serde_json::{Value, json};

use super::World;
use crate::world::phase;

/// Content by digest, and the manifest's digest.
struct Image {
    blobs: BTreeMap<String, Vec<u8>>,
    manifest: String,
}

fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(bytes);
    format!("sha256:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Two layers: the second hides a file and a folder's content of the first.
fn image() -> Image {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let first = layer(&[
        ("bin/program", &program, 0o755),
        ("a/hidden", b"x", 0o644),
        ("a/kept", b"kept", 0o644),
        ("o/old", b"x", 0o644),
    ]);
    let second = layer(&[
        ("a/.wh.hidden", b"", 0o644),
        ("o/.wh..wh..opq", b"", 0o644),
        ("o/new", b"new", 0o644),
        ("usr/link/through", b"linked", 0o644),
    ]);
    let mut image = Image { blobs: BTreeMap::new(), manifest: String::new() };
    let diff_ids = [digest(&first), digest(&second)];
    let layers: Vec<Value> = [first, second].into_iter().map(|bytes| {
        let packed = gzip(&bytes);
        let size = packed.len();
        json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": size, "digest": image.put(packed)})
    }).collect();
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "config": {"Entrypoint": ["/bin/program", "program"], "Cmd": ["env"], "Env": ["FROM=image"], "WorkingDir": "/a"}});
    let config = config.to_string().into_bytes();
    let size = config.len();
    let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "size": size, "digest": image.put(config)});
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": layers});
    image.manifest = image.put(manifest.to_string().into_bytes());
    image
}

impl Image {
    fn put(&mut self, bytes: Vec<u8>) -> String {
        let digest = digest(&bytes);
        self.blobs.insert(digest.clone(), bytes);
        digest
    }

    fn write_layout(&self, dir: &Path, name: &str) {
        std::fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        for (digest, bytes) in &self.blobs {
            std::fs::write(dir.join("blobs").join(digest.replace(':', "/")), bytes).unwrap();
        }
        std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let index = json!({"schemaVersion": 2, "manifests": [{"digest": self.manifest, "size": 1,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "annotations": {"org.opencontainers.image.ref.name": name}}]});
        std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
    }
}

fn layer(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(1_000_000);
        tar.append_data(&mut header, path, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn check_pod(world: &World, reference: &str) {
    let spec = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": reference,
        "args": ["read", "kept", "/a/hidden", "/o/old", "/o/new", "/usr/link/through"]}]});
    world.create_pod("p", spec).await;
    let pod =
        world.pod_until("p", "has ended", |pod| matches!(phase(pod), "Succeeded" | "Failed")).await;
    let log = world.logs("p").await;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 5, "{log} {:?}", pod.status);
    assert_eq!([lines[0], lines[3], lines[4]], ["kept", "new", "linked"]);
    assert!(lines[1].contains("No such file") && lines[2].contains("No such file"), "{log}");
    let id = pod.status.unwrap().container_statuses.unwrap().remove(0).image_id;
    assert!(id.contains("@sha256:"), "{id}");
}

pub(crate) async fn imported_images_run() {
    let world = World::new().await;
    let dir = world.dir.path().join("layout");
    image().write_layout(&dir, "example.com/tool:1");
    let store = Store::open(&world.images()).unwrap();
    assert_eq!(store.import(&dir).unwrap(), ["example.com/tool:1"]);
    let list = store.list().unwrap();
    assert_eq!(list.len(), 1);
    assert!(list[0].size > 1000, "{list:?}");
    check_pod(&world, "example.com/tool:1").await;

    // The same as a tar file, under the short name of Docker's default registry.
    image().write_layout(&dir, "tool");
    let archive = world.dir.path().join("tool.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&archive).unwrap());
    tar.append_dir_all(".", &dir).unwrap();
    tar.finish().unwrap();
    assert_eq!(store.import(&archive).unwrap(), ["docker.io/library/tool:latest"]);
    assert_eq!(store.list().unwrap().len(), 2);

    // A damaged blob is found out.
    let image = image();
    image.write_layout(&dir, "example.com/broken:1");
    let other = tempfile::tempdir().unwrap();
    let layer = image.blobs.keys().find(|it| **it != image.manifest).unwrap();
    std::fs::write(dir.join("blobs").join(layer.replace(':', "/")), "damaged").unwrap();
    let error = Store::open(other.path()).unwrap().import(&dir).unwrap_err();
    assert!(error.to_string().contains("has the digest"), "{error}");
    assert!(Store::open(other.path()).unwrap().list().unwrap().is_empty());
    world.end().await;
}

pub(crate) async fn images_are_pulled_from_a_registry() {
    let world = World::new().await;
    let port = serve_registry(image());
    check_pod(&world, &format!("localhost:{port}/tools/tool:1")).await;
    let events = world.events().await.join("\n");
    assert!(events.contains("Pulled: Successfully pulled image"), "{events}");
    let missing = Store::open(&world.images())
        .unwrap()
        .pull(&format!("localhost:{port}/tools/other:1"))
        .await;
    let error = missing.unwrap_err();
    assert!(error.to_string().contains("tools/other:1"), "{error}");
    world.end().await;
}

/// A registry with one image: the read half of the distribution protocol.
fn serve_registry(image: Image) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let image = Arc::new(image);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let image = image.clone();
            std::thread::spawn(move || answer(stream.unwrap(), &image));
        }
    });
    port
}

fn answer(mut stream: TcpStream, image: &Image) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        request.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let mut words = text.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let manifest = format!("/v2/tools/tool/manifests/{}", image.manifest);
    let digest = if path == "/v2/tools/tool/manifests/1" || path == manifest {
        Some(image.manifest.as_str())
    } else {
        path.strip_prefix("/v2/tools/tool/blobs/")
    };
    let found = digest.and_then(|digest| image.blobs.get(digest).map(|bytes| (digest, bytes)));
    let (status, kind, name, body): (_, _, _, &[u8]) = match found {
        Some((digest, bytes)) if digest == image.manifest => {
            ("200 OK", "application/vnd.oci.image.manifest.v1+json", digest, bytes)
        }
        Some((digest, bytes)) => ("200 OK", "application/octet-stream", digest, bytes),
        None if path == "/v2/" => ("200 OK", "application/json", "", b"{}"),
        None => (
            "404 Not Found",
            "application/json",
            "",
            b"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"no\"}]}",
        ),
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n",
        body.len()
    );
    let _ = write!(stream, "Docker-Content-Digest: {name}\r\nConnection: close\r\n\r\n");
    if method != "HEAD" {
        let _ = stream.write_all(body);
    }
}
