//! The part of cert-manager that a cluster sees: an object `Certificate` in, a secret out, by issuers of two types.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use futures::StreamExt;
use harness::Up;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// For how long a certificate is good that says nothing of it.
const DEFAULT_HOURS: u32 = 2160;

/// How long it may take until a certificate is asked for.
const ASKED_MAX: Duration = Duration::from_secs(30);

/// Signs until it is dropped.
pub(super) struct Signer {
    certificates: Api<DynamicObject>,
    task: JoinHandle<()>,
}

impl Drop for Signer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Signer {
    /// Installs the kinds, and signs what is asked for in the default namespace.
    pub(super) async fn install(up: &Up) -> Result<Self> {
        up.apply(include_str!("definitions.yaml")).await?;
        let signing = Signing::new(up.client().await?);
        let certificates = signing.certificates.clone();
        let task = tokio::spawn(async move {
            let watch = |of: &Api<_>| watcher(of.clone(), watcher::Config::default()).boxed();
            let (certificates, issuers) = (watch(&signing.certificates), watch(&signing.issuers));
            let mut changes = futures::stream::select(certificates, issuers);
            while changes.next().await.is_some() {
                // What fails is tried again with the next change, as that of a condition.
                let _ = signing.all().await;
            }
        });
        Ok(Self { certificates, task })
    }

    /// The objects by which certificates are asked for, by name.
    async fn asked(&self) -> Result<Vec<String>> {
        let list = self.certificates.list(&Default::default()).await?;
        Ok(list.iter().map(ResourceExt::name_any).collect())
    }

    /// Waits until these are asked for, and no others.
    pub(super) async fn is_asked(&self, names: &[&str]) -> Result<()> {
        let ask = async {
            while self.asked().await? != names {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        };
        match tokio::time::timeout(ASKED_MAX, ask).await {
            Ok(done) => done,
            Err(_) => anyhow::bail!("asked for {:?}, not for {names:?}", self.asked().await?),
        }
    }

    /// As `cmctl renew`.
    pub(super) async fn renew(&self, name: &str) -> Result<()> {
        let issuing = json!({"type": "Issuing", "status": "True", "reason": "ManuallyTriggered"});
        let mut object = self.certificates.get(name).await?;
        let conditions = object.data["status"]["conditions"].as_array_mut();
        conditions.context("it was never signed")?.push(issuing);
        let patch = Patch::Merge(json!({"status": object.data["status"]}));
        self.certificates.patch_status(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }
}

/// The name that the certificates of a revision have beside those that were asked for.
pub(super) fn name_of(revision: i64) -> String {
    format!("revision-{revision}.test")
}

struct Signing {
    certificates: Api<DynamicObject>,
    issuers: Api<DynamicObject>,
    secrets: Api<Secret>,
}

impl Signing {
    fn new(client: Client) -> Self {
        let of = |kind: &str, plural: &str| {
            let kind = GroupVersionKind::gvk("cert-manager.io", "v1", kind);
            let kind = ApiResource::from_gvk_with_plural(&kind, plural);
            Api::default_namespaced_with(client.clone(), &kind)
        };
        Self {
            certificates: of("Certificate", "certificates"),
            issuers: of("Issuer", "issuers"),
            secrets: Api::default_namespaced(client.clone()),
        }
    }

    async fn all(&self) -> Result<()> {
        for object in self.certificates.list(&Default::default()).await? {
            if self.is_due(&object).await? {
                self.issue(&object).await?;
            }
        }
        Ok(())
    }

    /// It was changed or is to be renewed since it was made, or its secret is not there.
    async fn is_due(&self, object: &DynamicObject) -> Result<bool> {
        let conditions = object.data["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let is_current = conditions.clone().any(|it| {
            it["type"] == "Ready"
                && it["status"] == "True"
                && it["observedGeneration"] == json!(object.metadata.generation)
        });
        if !is_current || conditions.any(|it| it["type"] == "Issuing") {
            return Ok(true);
        }
        Ok(self.secrets.get_opt(text(&object.data["spec"]["secretName"])).await?.is_none())
    }

    async fn issue(&self, object: &DynamicObject) -> Result<()> {
        let (spec, status) = (&object.data["spec"], &object.data["status"]);
        let issuer = self.issuers.get_opt(text(&spec["issuerRef"]["name"])).await?;
        let revision = status["revision"].as_i64().unwrap_or(0) + 1;
        let made = match &issuer {
            Some(issuer) => self.made(spec, issuer, revision).await?,
            None => None,
        };
        let Some(data) = made else {
            let why = ("DoesNotExist", "Issuing certificate as Secret does not exist");
            return self.says(object, ("False", why), status["revision"].as_i64()).await;
        };
        let by = &spec["issuerRef"];
        let noted = json!({
            "cert-manager.io/certificate-name": object.name_any(),
            "cert-manager.io/issuer-name": by["name"],
            "cert-manager.io/issuer-kind": by["kind"].as_str().unwrap_or("Issuer"),
            "cert-manager.io/issuer-group": text(&by["group"]),
        });
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": spec["secretName"], "labels": spec["secretTemplate"]["labels"],
                "annotations": noted},
            "stringData": data});
        let apply = PatchParams::apply("signer").force();
        self.secrets.patch(text(&spec["secretName"]), &apply, &Patch::Apply(secret)).await?;
        let why = ("Ready", "Certificate is up to date and has not expired");
        self.says(object, ("True", why), Some(revision)).await
    }

    async fn says(
        &self,
        object: &DynamicObject,
        (status, (reason, message)): (&str, (&str, &str)),
        revision: Option<i64>,
    ) -> Result<()> {
        let ready = json!({"type": "Ready", "status": status, "reason": reason, "message": message,
            "observedGeneration": object.metadata.generation});
        let next = json!({"revision": revision, "conditions": [ready]});
        let same = |it: &str| object.data["status"][it] == next[it];
        if same("revision") && same("conditions") {
            return Ok(());
        }
        let patch = Patch::Merge(json!({"status": next}));
        self.certificates.patch_status(&object.name_any(), &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// A new key, unless the one that is there is to stay.
    async fn key(&self, spec: &Value) -> Result<KeyPair> {
        let secret = self.secrets.get_opt(text(&spec["secretName"])).await?;
        let stays = spec["privateKey"]["rotationPolicy"] == "Never";
        match secret.and_then(|it| it.data).filter(|_| stays) {
            Some(data) => Ok(KeyPair::from_pem(str::from_utf8(&data["tls.key"].0)?)?),
            None => Ok(KeyPair::generate()?),
        }
    }

    /// The content of a secret, if who signs is there.
    async fn made(
        &self,
        spec: &Value,
        issuer: &DynamicObject,
        revision: i64,
    ) -> Result<Option<Value>> {
        let key = self.key(spec).await?;
        let params = params(spec, revision)?;
        let issuer = &issuer.data["spec"];
        let (certificate, authority) = if issuer["selfSigned"].is_object() {
            let pem = params.self_signed(&key)?.pem();
            (pem.clone(), pem)
        } else {
            let secret = self.secrets.get_opt(text(&issuer["ca"]["secretName"])).await?;
            let Some(data) = secret.and_then(|it| it.data) else { return Ok(None) };
            let file = |name: &str| Ok::<_, anyhow::Error>(str::from_utf8(&data[name].0)?);
            let authority = file("tls.crt")?;
            let its_key = KeyPair::from_pem(file("tls.key")?)?;
            let signs = Issuer::from_ca_cert_pem(authority, its_key)?;
            (params.signed_by(&key, &signs)?.pem(), authority.to_owned())
        };
        let data =
            json!({"tls.crt": certificate, "tls.key": key.serialize_pem(), "ca.crt": authority});
        Ok(Some(data))
    }
}

fn params(spec: &Value, revision: i64) -> Result<CertificateParams> {
    let of = |field: &str| spec[field].as_array().into_iter().flatten().map(text);
    let names = of("dnsNames").chain(of("ipAddresses")).map(str::to_owned);
    let mut params = CertificateParams::new(names.chain([name_of(revision)]).collect::<Vec<_>>())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, text(&spec["commonName"]));
    params.use_authority_key_identifier_extension = true;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let hours = text(&spec["duration"]).trim_end_matches('h').parse().unwrap_or(DEFAULT_HOURS);
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + (now - Duration::from_secs(60));
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + (now + Duration::from_secs(3600) * hours);
    if spec["isCA"] == true {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let usage = |it: &str| match it {
        "server auth" => Some(ExtendedKeyUsagePurpose::ServerAuth),
        "client auth" => Some(ExtendedKeyUsagePurpose::ClientAuth),
        _ => None,
    };
    params.extended_key_usages = of("usages").filter_map(usage).collect();
    Ok(params)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
