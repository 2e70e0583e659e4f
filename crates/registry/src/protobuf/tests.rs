//! Bodies as Go clients encode them, and bodies nobody should send.

use serde_json::json;

use super::*;

/// Encodes for tests what the decoder has to read.
#[derive(Default)]
struct Encoder(Vec<u8>);

impl Encoder {
    fn varint(mut self, number: u32, value: u64) -> Self {
        self.put(u64::from(number << 3));
        self.put(value);
        self
    }

    fn bytes(mut self, number: u32, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.put(u64::from(number << 3 | 2));
        self.put(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn message(self, number: u32, inner: Self) -> Self {
        self.bytes(number, inner.0)
    }

    fn put(&mut self, mut value: u64) {
        loop {
            let [low, ..] = (value & 0x7f).to_le_bytes();
            value >>= 7;
            self.0.push(if value == 0 { low } else { low | 0x80 });
            if value == 0 {
                return;
            }
        }
    }
}

fn new() -> Encoder {
    Encoder::default()
}

fn body(api_version: &str, kind: &str, raw: Encoder) -> Vec<u8> {
    let envelope = new()
        .message(1, new().bytes(1, api_version).bytes(2, kind))
        .message(2, raw)
        .bytes(3, "")
        .bytes(4, "");
    [MAGIC.as_slice(), &envelope.0].concat()
}

/// Metadata as Go writes it: every text, also the blank ones, and an empty creation time.
fn meta(name: &str) -> Encoder {
    new()
        .bytes(1, name)
        .bytes(2, "")
        .bytes(3, "")
        .bytes(4, "")
        .bytes(5, "")
        .bytes(6, "")
        .varint(7, 0)
        .bytes(8, "")
}

#[test]
fn a_namespace_as_kubectl_creates_it() {
    let raw = new().message(1, meta("demo")).bytes(2, "").message(3, new().bytes(1, ""));
    assert_eq!(
        decode(&body("v1", "Namespace", raw)).unwrap(),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}, "spec": {}, "status": {}})
    );
}

#[test]
fn maps_bytes_and_optional_zeros() {
    let entry = |key: &str, value: &[u8]| new().bytes(1, key).bytes(2, value);
    let raw = new()
        .message(1, meta("s"))
        .message(2, entry("k", b"\x00\xff"))
        .message(2, entry("e", b""))
        .bytes(3, "Opaque")
        .varint(5, 0);
    assert_eq!(
        decode(&body("v1", "Secret", raw)).unwrap(),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
            "data": {"k": "AP8=", "e": ""}, "type": "Opaque", "immutable": false})
    );
}

#[test]
fn a_deployment_with_inlined_quantities_and_ports() {
    let container = new()
        .bytes(1, "c")
        .bytes(2, "nginx")
        .message(6, new().bytes(1, "").varint(2, 0).varint(3, 80).bytes(4, "TCP").bytes(5, ""))
        .message(8, new().message(2, new().bytes(1, "cpu").message(2, new().bytes(1, "100m"))))
        .message(
            10,
            new()
                .message(
                    1,
                    new().message(
                        2,
                        new()
                            .bytes(1, "/healthz")
                            .message(2, new().varint(1, 1).varint(2, 0).bytes(3, "http")),
                    ),
                )
                .varint(2, 0),
        );
    let volume = new().bytes(1, "v").message(2, new().message(2, new().bytes(1, "")));
    let pod = new().message(1, volume).message(2, container).bytes(3, "");
    let template =
        new().message(1, meta("").message(11, new().bytes(1, "app").bytes(2, "a"))).message(2, pod);
    let spec = new()
        .varint(1, 0)
        .message(2, new().message(1, new().bytes(1, "app").bytes(2, "a")))
        .message(3, template)
        .message(4, new().bytes(1, ""));
    let raw = new().message(1, meta("d")).message(2, spec).bytes(3, "");
    assert_eq!(
        decode(&body("apps/v1", "Deployment", raw)).unwrap()["spec"],
        json!({"replicas": 0, "selector": {"matchLabels": {"app": "a"}}, "strategy": {},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": {
                "volumes": [{"name": "v", "emptyDir": {}}],
                "containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "resources": {"requests": {"cpu": "100m"}},
                    "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}}}]}}})
    );
}

#[test]
fn times_are_written_in_their_forms() {
    let spec = new()
        .bytes(1, "me")
        .varint(2, 15)
        .message(3, new().varint(1, 1_767_225_600).varint(2, 123_456_000))
        .bytes(4, "");
    let raw = new().message(1, meta("l")).message(2, spec);
    let lease = decode(&body("coordination.k8s.io/v1", "Lease", raw)).unwrap();
    assert_eq!(
        lease["spec"],
        json!({"holderIdentity": "me", "leaseDurationSeconds": 15, "acquireTime": "2026-01-01T00:00:00.123456Z"})
    );
}

#[test]
fn reviews_evictions_and_options_are_kinds_too() {
    let review = new().bytes(1, "").message(
        2,
        new().message(
            1,
            new().bytes(1, "ns").bytes(2, "create").bytes(3, "").bytes(4, "").bytes(5, "pods"),
        ),
    );
    let review =
        decode(&body("authorization.k8s.io/v1", "SelfSubjectAccessReview", review)).unwrap();
    assert_eq!(
        review["spec"]["resourceAttributes"],
        json!({"namespace": "ns", "verb": "create", "resource": "pods"})
    );
    let options = new().varint(1, 0).bytes(4, "Background");
    let eviction = new().message(1, meta("p")).message(2, options);
    let eviction = decode(&body("policy/v1", "Eviction", eviction)).unwrap();
    assert_eq!(
        eviction["deleteOptions"],
        json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    );
    let token = new().message(2, new().bytes(1, "aud").varint(4, 600));
    let token = decode(&body("authentication.k8s.io/v1", "TokenRequest", token)).unwrap();
    assert_eq!(token["spec"], json!({"audiences": ["aud"], "expirationSeconds": 600}));
    let options = decode(&body("v1", "DeleteOptions", new().bytes(4, "Orphan"))).unwrap();
    assert_eq!(options["propagationPolicy"], "Orphan");
}

#[test]
fn unknown_fields_are_skipped_and_unknown_kinds_refused() {
    let raw = new().message(1, meta("c")).bytes(99, "x").varint(98, 7);
    assert!(decode(&body("v1", "ConfigMap", raw)).is_ok());
    let error = decode(&body("ex.com/v1", "Widget", new())).unwrap_err();
    assert_eq!(error.code, 400);
    assert!(error.message.contains("no kind \"Widget\" is registered for version \"ex.com/v1\""));
}

#[test]
fn hostile_bodies_are_errors() {
    assert!(decode(b"").is_err());
    assert!(decode(b"{}").is_err());
    let whole = body("v1", "Namespace", new().message(1, meta("demo")));
    for end in 4..whole.len() - 4 {
        // Shorter bodies may still be whole messages; none may panic.
        let _ = decode(&whole[..end]);
    }
    assert!(decode(&[MAGIC.as_slice(), &[0x12, 0xff, 0xff, 0xff, 0x7f]].concat()).is_err());
    // A schema inside of a schema, again and again.
    let mut deep = new();
    for _ in 0..200 {
        deep = new().message(28, deep);
    }
    let version = new().bytes(1, "v1").message(4, new().message(1, deep));
    let raw = new().message(2, new().message(7, version));
    let error =
        decode(&body("apiextensions.k8s.io/v1", "CustomResourceDefinition", raw)).unwrap_err();
    assert!(error.message.contains("nested deeper"), "{}", error.message);
}

/// Bodies in which bytes were changed at random (by a fixed generator) decode or fail; they never panic.
#[test]
fn changed_bodies_never_panic() {
    let container = new()
        .bytes(1, "c")
        .message(8, new().message(2, new().bytes(1, "cpu").message(2, new().bytes(1, "1"))));
    let pod = new()
        .message(1, meta("p").message(8, new().varint(1, 1)))
        .message(2, new().message(2, container).varint(4, 30));
    let whole = body("v1", "Pod", pod);
    let mut state = 1u64;
    let mut next = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut decoded = 0;
    for _ in 0..20_000 {
        let mut changed = whole.clone();
        for _ in 0..=next(4) {
            let at = MAGIC.len() + next(changed.len() - MAGIC.len());
            changed[at] = u8::try_from(next(256)).unwrap();
        }
        decoded += usize::from(decode(&changed).is_ok());
    }
    assert!(decoded > 0);
}
