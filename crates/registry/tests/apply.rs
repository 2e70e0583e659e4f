//! Server-side apply of built-in kinds with their real schemas, defaults and strategies: what is applied twice does not
//! change, and what is no longer applied goes.

use jiff::Timestamp;
use machinery::ownership::{self, Apply, Scope, Update};
use registry::{Registry, Resource};
use serde_json::{Value, json};

struct Kind {
    resource: std::sync::Arc<Resource>,
}

impl Kind {
    fn new(group: &str, plural: &str) -> Self {
        let resource = Registry::new([]).resource(group, "v1", plural).expect("a built-in kind");
        Self { resource }
    }

    fn scope(&self) -> Scope {
        if self.resource.has_status() { Scope::WithoutStatus } else { Scope::All }
    }

    /// What the server stores for an applied manifest.
    fn apply(&self, live: Option<&Value>, manifest: &Value, second: i64) -> Value {
        let resource = &self.resource;
        let request = Apply {
            live,
            patch: manifest.clone(),
            manager: "me",
            force: false,
            subresource: "",
            scope: self.scope(),
            now: Timestamp::from_second(second).expect("a time in range"),
            schema: resource.schema(),
        };
        let mut object = ownership::apply(request).expect("nobody else owns anything");
        assert_eq!(resource.schema().prune(&mut object), Vec::<String>::new());
        resource.defaults(&mut object);
        let errors = match live {
            None => {
                resource.prepare_create(&mut object);
                resource.validate_create(&object)
            }
            Some(live) => {
                resource.prepare_update(&mut object, live);
                resource.validate_update(&object, live)
            }
        };
        assert_eq!(errors, vec![]);
        object
    }

    fn check(&self, manifest: &Value) -> Value {
        let first = self.apply(None, manifest, 1);
        let second = self.apply(Some(&first), manifest, 2);
        assert_eq!(first, second, "applying twice changes nothing");
        first
    }
}

fn template() -> Value {
    json!({
        "metadata": {"labels": {"app": "a"}},
        "spec": {
            "containers": [
                {
                    "name": "main", "image": "nginx",
                    "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                    "resources": {"requests": {"cpu": "0.1", "memory": "1024Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
                },
                {"name": "side", "image": "busybox", "command": ["sleep", "1000"]},
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    })
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "ns", "labels": {"app": "a"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template()},
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "ns"},
        "spec": {"selector": {"app": "a"}, "ports": [
            {"name": "http", "port": 80, "targetPort": "http"},
            {"name": "dns", "port": 53, "protocol": "UDP"},
        ]},
    })
}

#[test]
fn deployments() {
    let kind = Kind::new("apps", "deployments");
    let live = kind.check(&deployment());
    let requests = &live["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"];
    assert_eq!(*requests, json!({"cpu": "100m", "memory": "1Gi"}));
    let mut manifest = deployment();
    let containers = &mut manifest["spec"]["template"]["spec"]["containers"];
    containers[0]["ports"] = json!([{"containerPort": 53, "protocol": "UDP"}]);
    containers[0]["env"] = json!([{"name": "B", "value": "3"}]);
    containers.as_array_mut().expect("a list").pop();
    let next = kind.apply(Some(&live), &manifest, 3);
    let containers = &next["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().map(Vec::len), Some(1));
    assert_eq!(containers[0]["ports"], json!([{"containerPort": 53, "protocol": "UDP"}]));
    assert_eq!(containers[0]["env"], json!([{"name": "B", "value": "3"}]));
    assert_eq!(containers[0]["volumeMounts"], json!([{"name": "data", "mountPath": "/data"}]));
}

#[test]
fn services() {
    let kind = Kind::new("", "services");
    let live = kind.check(&service());
    let mut manifest = service();
    manifest["spec"]["ports"].as_array_mut().expect("a list").remove(0);
    let next = kind.apply(Some(&live), &manifest, 3);
    assert_eq!(next["spec"]["ports"].as_array().map(Vec::len), Some(1));
    assert_eq!(next["spec"]["ports"][0]["name"], "dns");
}

#[test]
fn config_maps_lose_keys_that_are_not_applied_any_more() {
    let kind = Kind::new("", "configmaps");
    let manifest = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}, "data": data});
    let live = kind.check(&manifest(json!({"x": "1", "y": "2"})));
    let next = kind.apply(Some(&live), &manifest(json!({"y": "2"})), 3);
    assert_eq!(next["data"], json!({"y": "2"}));
}

#[test]
fn an_autoscaler_keeps_its_replicas() {
    let kind = Kind::new("apps", "deployments");
    let mut manifest = deployment();
    manifest["spec"].as_object_mut().expect("an object").remove("replicas");
    let live = kind.check(&manifest);
    let mut scaled = live.clone();
    scaled["spec"]["replicas"] = json!(7);
    ownership::update(Update {
        live: Some(&live),
        new: &mut scaled,
        manager: "scaler",
        subresource: "scale",
        scope: Scope::All,
        now: Timestamp::UNIX_EPOCH,
        schema: kind.resource.schema(),
    });
    let next = kind.apply(Some(&scaled), &manifest, 4);
    assert_eq!(next["spec"]["replicas"], 7);
    assert_eq!(next, scaled);
}
