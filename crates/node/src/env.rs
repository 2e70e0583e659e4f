//! A container's environment, by the kubelet's rules. Pure: the objects it refers to come in.
//!
//! Later names win: services, then `envFrom` in order, then `env` in order; `$(NAME)` refers to what came before, `$$`
//! stands for a dollar, and a reference to nothing stays as it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, Pod, Secret, Service};

use crate::fields::{self, Place};

/// The objects that a pod refers to, absent ones included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    pub(crate) config_maps: BTreeMap<String, Option<Arc<ConfigMap>>>,
    pub(crate) secrets: BTreeMap<String, Option<Arc<Secret>>>,
}

/// Names of the objects that a pod refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct References {
    pub(crate) config_maps: BTreeSet<String>,
    pub(crate) secrets: BTreeSet<String>,
}

/// What the environment of one container depends on.
pub(crate) struct Facts<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) container: &'a Container,
    pub(crate) place: &'a Place,
    pub(crate) sources: &'a Sources,
    pub(crate) services: &'a [Arc<Service>],
}

/// The environment as a list with unique names, or what is missing.
pub(crate) fn resolve(facts: &Facts<'_>) -> Result<Vec<(String, String)>, String> {
    let mut env = Env::default();
    for (name, value) in services(facts) {
        env.set(name, value);
    }
    for from in facts.container.env_from.iter().flatten() {
        let prefix = from.prefix.clone().unwrap_or_default();
        if let Some(reference) = &from.config_map_ref {
            let optional = reference.optional == Some(true);
            for (key, value) in facts.sources.config_map(&reference.name, optional)? {
                env.set(format!("{prefix}{key}"), value);
            }
        }
        if let Some(reference) = &from.secret_ref {
            let optional = reference.optional == Some(true);
            for (key, value) in facts.sources.secret(&reference.name, optional)? {
                env.set(format!("{prefix}{key}"), String::from_utf8_lossy(&value).into_owned());
            }
        }
    }
    for variable in facts.container.env.iter().flatten() {
        if let Some(value) = value(facts, variable, &env)? {
            env.set(variable.name.clone(), value);
        }
    }
    Ok(env.list)
}

#[derive(Default)]
struct Env {
    list: Vec<(String, String)>,
}

impl Env {
    fn set(&mut self, name: String, value: String) {
        match self.list.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => self.list.push((name, value)),
        }
    }
}

fn value(facts: &Facts<'_>, variable: &EnvVar, env: &Env) -> Result<Option<String>, String> {
    let Some(from) = &variable.value_from else {
        return Ok(Some(expand(variable.value.as_deref().unwrap_or_default(), &env.list)));
    };
    if let Some(selector) = &from.field_ref {
        return fields::field(facts.pod, facts.place, selector).map(Some);
    }
    if let Some(selector) = &from.resource_field_ref {
        return fields::resource(facts.pod, Some(facts.container), facts.place, selector).map(Some);
    }
    if let Some(selector) = &from.config_map_key_ref {
        let optional = selector.optional == Some(true);
        let data = facts.sources.config_map(&selector.name, optional)?;
        let found = data.into_iter().find(|(key, _)| *key == selector.key).map(|(_, value)| value);
        return required(found, optional, || {
            format!("couldn't find key {} in ConfigMap {}", selector.key, selector.name)
        });
    }
    if let Some(selector) = &from.secret_key_ref {
        let optional = selector.optional == Some(true);
        let data = facts.sources.secret(&selector.name, optional)?;
        let found = data.into_iter().find(|(key, _)| *key == selector.key);
        let found = found.map(|(_, value)| String::from_utf8_lossy(&value).into_owned());
        return required(found, optional, || {
            format!("couldn't find key {} in Secret {}", selector.key, selector.name)
        });
    }
    Err(format!("environment variable {} has an unknown source", variable.name))
}

fn required(
    found: Option<String>,
    optional: bool,
    why: impl FnOnce() -> String,
) -> Result<Option<String>, String> {
    match found {
        None if !optional => Err(why()),
        found => Ok(found),
    }
}

impl Sources {
    /// The text entries of a config map; none when it is optional and absent.
    pub(crate) fn config_map(
        &self,
        name: &str,
        optional: bool,
    ) -> Result<Vec<(String, String)>, String> {
        match self.config_maps.get(name).and_then(Option::as_ref) {
            Some(map) => Ok(map.data.clone().unwrap_or_default().into_iter().collect()),
            None if optional => Ok(Vec::new()),
            None => Err(format!("configmap \"{name}\" not found")),
        }
    }

    pub(crate) fn secret(
        &self,
        name: &str,
        optional: bool,
    ) -> Result<Vec<(String, Vec<u8>)>, String> {
        match self.secrets.get(name).and_then(Option::as_ref) {
            Some(secret) => {
                let data = secret.data.clone().unwrap_or_default();
                Ok(data.into_iter().map(|(key, value)| (key, value.0)).collect())
            }
            None if optional => Ok(Vec::new()),
            None => Err(format!("secret \"{name}\" not found")),
        }
    }
}

/// Replaces `$(NAME)`.
pub(crate) fn expand(text: &str, env: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|it| it.split_once(')'))
        {
            match env.iter().find(|(known, _)| known == name) {
                Some((_, value)) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// `KUBERNETES_SERVICE_HOST` and its like: always for the API, for others of the namespace where the pod wants them.
fn services(facts: &Facts<'_>) -> Vec<(String, String)> {
    let namespace = facts.pod.metadata.namespace.as_deref();
    let wants_links =
        facts.pod.spec.as_ref().is_none_or(|spec| spec.enable_service_links != Some(false));
    let mut list = Vec::new();
    for service in facts.services {
        let meta = &service.metadata;
        let is_api = meta.namespace.as_deref() == Some("default")
            && meta.name.as_deref() == Some("kubernetes");
        let is_near = wants_links && meta.namespace.as_deref() == namespace;
        if is_api || is_near {
            links(service, &mut list);
        }
    }
    list
}

fn links(service: &Service, list: &mut Vec<(String, String)>) {
    let Some(spec) = &service.spec else { return };
    let Some(ip) = spec.cluster_ip.as_deref().and_then(|ip| ip.parse::<Ipv4Addr>().ok()) else {
        return;
    };
    let upper = |text: &str| text.to_ascii_uppercase().replace('-', "_");
    let name = upper(service.metadata.name.as_deref().unwrap_or_default());
    let ports = spec.ports.as_deref().unwrap_or_default();
    let Some(first) = ports.first() else { return };
    list.push((format!("{name}_SERVICE_HOST"), ip.to_string()));
    list.push((format!("{name}_SERVICE_PORT"), first.port.to_string()));
    for port in ports {
        if let Some(port_name) = &port.name {
            list.push((format!("{name}_SERVICE_PORT_{}", upper(port_name)), port.port.to_string()));
        }
    }
    let url = |port: &k8s_openapi::api::core::v1::ServicePort| {
        let protocol = port.protocol.as_deref().unwrap_or("TCP").to_ascii_lowercase();
        format!("{protocol}://{ip}:{}", port.port)
    };
    list.push((format!("{name}_PORT"), url(first)));
    for port in ports {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let prefix = format!("{name}_PORT_{}_{protocol}", port.port);
        list.push((prefix.clone(), url(port)));
        list.push((format!("{prefix}_PROTO"), protocol.to_ascii_lowercase()));
        list.push((format!("{prefix}_PORT"), port.port.to_string()));
        list.push((format!("{prefix}_ADDR"), ip.to_string()));
    }
}

/// Which config maps and secrets a pod refers to, in its environment and its volumes.
pub(crate) fn references(pod: &Pod) -> References {
    let mut found = References::default();
    let Some(spec) = &pod.spec else { return found };
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        for from in container.env_from.iter().flatten() {
            found.config_maps.extend(from.config_map_ref.iter().map(|it| it.name.clone()));
            found.secrets.extend(from.secret_ref.iter().map(|it| it.name.clone()));
        }
        for from in container.env.iter().flatten().filter_map(|it| it.value_from.as_ref()) {
            found.config_maps.extend(from.config_map_key_ref.iter().map(|it| it.name.clone()));
            found.secrets.extend(from.secret_key_ref.iter().map(|it| it.name.clone()));
        }
    }
    for volume in spec.volumes.iter().flatten() {
        found.config_maps.extend(volume.config_map.iter().map(|it| it.name.clone()));
        found.secrets.extend(volume.secret.iter().filter_map(|it| it.secret_name.clone()));
        let projected = volume.projected.iter().flat_map(|it| it.sources.iter().flatten());
        for source in projected {
            found.config_maps.extend(source.config_map.iter().map(|it| it.name.clone()));
            found.secrets.extend(source.secret.iter().map(|it| it.name.clone()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(container: Value) -> Result<Vec<String>, String> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "ns"},
            "spec": {"enableServiceLinks": false, "containers": [container]},
        }))
        .unwrap();
        let map = json!({"metadata": {}, "data": {"A": "1", "B": "2"}});
        let secret = json!({"metadata": {}, "data": {"S": "c2VjcmV0"}});
        let api = json!({"metadata": {"name": "kubernetes", "namespace": "default"},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]}});
        let sources = Sources {
            config_maps: [("m".to_owned(), Some(Arc::new(serde_json::from_value(map).unwrap())))]
                .into(),
            secrets: [("s".to_owned(), Some(Arc::new(serde_json::from_value(secret).unwrap())))]
                .into(),
        };
        let services = [Arc::new(serde_json::from_value(api).unwrap())];
        let facts = Facts {
            pod: &pod,
            container: &pod.spec.as_ref().unwrap().containers[0],
            place: &Place::default(),
            sources: &sources,
            services: &services,
        };
        let env = resolve(&facts)?;
        let own = env.into_iter().filter(|(name, _)| !name.starts_with("KUBERNETES_PORT"));
        Ok(own.map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn sources_merge_in_order() {
        let env = check(json!({"name": "c",
        "envFrom": [{"configMapRef": {"name": "m"}}, {"prefix": "X_", "secretRef": {"name": "s"}}],
        "env": [
            {"name": "B", "value": "mine $(A) $(B) $(C) $$(A) $x $"},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "S"}}},
            {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "x", "optional": true}}},
            {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ]}));
        let expected = [
            "KUBERNETES_SERVICE_HOST=10.96.0.1",
            "KUBERNETES_SERVICE_PORT=443",
            "KUBERNETES_SERVICE_PORT_HTTPS=443",
            "A=1",
            "B=mine 1 2 $(C) $(A) $x $",
            "X_S=secret",
            "C=secret",
            "N=p",
        ];
        assert_eq!(env.unwrap(), expected);
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = |variable: Value| check(json!({"name": "c", "env": [variable]})).unwrap_err();
        let from =
            json!({"name": "A", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k"}}});
        assert_eq!(missing(from), "configmap \"no\" not found");
        let key = json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
        assert_eq!(missing(key), "couldn't find key k in Secret s");
    }
}
