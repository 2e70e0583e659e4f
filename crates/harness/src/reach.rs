//! How a client reaches an etcd cluster, with TLS or without.

use std::time::Duration;

use anyhow::{Context, Result};
use etcd_client::{Certificate, Client, ConnectOptions, Identity, TlsOptions};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::Up;

/// How long one call may take.
const CALL_MAX: Duration = Duration::from_secs(2);

/// How long it may take until somebody answers, and how long a client waits before it tries again.
const ANSWER_MAX: Duration = Duration::from_secs(120);
const AGAIN: Duration = Duration::from_millis(100);

/// With the certificate that the operator makes for clients or one of the user's, if there is one, and else in plain.
#[derive(Clone)]
pub struct EtcdReach {
    address: String,
    secrets: Api<Secret>,
    /// With certificates for clients, which are tried one after the other.
    bundles: [String; 2],
}

impl EtcdReach {
    /// A client at an address, such as one that is forwarded.
    pub async fn new(up: &Up, cluster: &str, address: &str) -> Result<Self> {
        let secrets = Api::namespaced(up.client().await?, "default");
        let bundles = ["client-tls", "own-client"].map(|it| format!("{cluster}-{it}"));
        Ok(Self { address: address.to_owned(), secrets, bundles })
    }

    /// Connects as members want it now: while TLS is turned on or off they may want either.
    pub async fn connect(&self) -> Result<Client> {
        self.connected(Some(CALL_MAX)).await
    }

    /// The same, as soon as somebody answers.
    pub async fn connect_in_time(&self) -> Result<Client> {
        let end = tokio::time::Instant::now() + ANSWER_MAX;
        loop {
            match self.connect().await {
                Err(error) if tokio::time::Instant::now() > end => return Err(error),
                Err(_) => tokio::time::sleep(AGAIN).await,
                connected => return connected,
            }
        }
    }

    /// The same, for streams: nothing has an end but by whoever uses it.
    pub async fn connect_for_long(&self) -> Result<Client> {
        self.connected(None).await
    }

    async fn connected(&self, call_max: Option<Duration>) -> Result<Client> {
        let mut secured = vec![];
        for bundle in &self.bundles {
            let secret = self.secrets.get_opt(bundle).await?;
            secured.extend(secret.as_ref().map(tls_options).transpose()?);
        }
        for tls in secured.into_iter().map(Some).chain([None]) {
            if let Ok(mut client) = self.connect_within(call_max, tls).await
                && client.status().await.is_ok()
            {
                return Ok(client);
            }
        }
        anyhow::bail!("nobody answers at {}", self.address)
    }

    /// Connects with the certificate in a secret; nothing says whether it is let in.
    pub async fn connect_as(&self, secret: &str) -> Result<Client> {
        self.connect_by(Some(tls_options(&self.secrets.get(secret).await?)?)).await
    }

    /// Connects in plain, or with TLS.
    pub async fn connect_by(&self, tls: Option<TlsOptions>) -> Result<Client> {
        self.connect_within(Some(CALL_MAX), tls).await
    }

    async fn connect_within(
        &self,
        call_max: Option<Duration>,
        tls: Option<TlsOptions>,
    ) -> Result<Client> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut options = ConnectOptions::new().with_connect_timeout(CALL_MAX);
        if let Some(limit) = call_max {
            options = options.with_timeout(limit);
        }
        if let Some(tls) = tls {
            options = options.with_tls(tls);
        }
        Ok(Client::connect([format!("{scheme}://{}", self.address)], Some(options)).await?)
    }
}

fn tls_options(secret: &Secret) -> Result<TlsOptions> {
    let data = secret.data.as_ref().context("an empty secret")?;
    let file = |key: &str| Ok::<_, anyhow::Error>(&data.get(key).context("a file is missing")?.0);
    let identity = Identity::from_pem(file("tls.crt")?, file("tls.key")?);
    let authority = Certificate::from_pem(file("ca.crt")?);
    Ok(TlsOptions::new().ca_certificate(authority).identity(identity).domain_name("127.0.0.1"))
}
