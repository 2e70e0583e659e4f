//! Users and roles from outside: turned on beneath a client, who may do what, new passwords, members replaced, and
//! turned off.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use etcd_client::{Client, ConnectOptions};
use harness::{EtcdCluster, EtcdReach, Up, Writer, forward, kill_and_wipe};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

/// How long a change may take: a secret without a label of ours is seen with the next look, after half a minute.
const SEEN_MAX: Duration = Duration::from_secs(60);

/// The longest time that a write may take, retries included: one that a member took down with it is given up after two
/// seconds.
const SLOWEST_MAX: Duration = Duration::from_secs(8);

async fn declare(up: &Up, kind: &str, name: &str, spec: Value) -> Result<()> {
    let object = json!({"apiVersion": "etcd.endstate.dev/v1", "kind": kind,
        "metadata": {"name": name}, "spec": spec});
    up.apply(&object.to_string()).await.map(drop)
}

async fn api(up: &Up, kind: &str) -> Result<Api<DynamicObject>> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("etcd.endstate.dev", "v1", kind));
    Ok(Api::default_namespaced_with(up.client().await?, &kind))
}

/// Waits until the condition `Ready` of an object has this reason.
async fn becomes(up: &Up, (kind, name): (&str, &str), reason: &str) -> Result<()> {
    let objects = api(up, kind).await?;
    let is = |it: &DynamicObject| it.data["status"]["conditions"][0]["reason"] == reason;
    eventually(&format!("{kind} {name}: {reason}"), async || Ok(is(&objects.get(name).await?)))
        .await
}

async fn eventually(what: &str, mut is: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let waited = tokio::time::timeout(SEEN_MAX, async {
        while !is().await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    });
    waited.await.with_context(|| format!("not within {SEEN_MAX:?}: {what}"))?
}

async fn password(up: &Up, secret: &str) -> Result<String> {
    let secrets: Api<Secret> = Api::default_namespaced(up.client().await?);
    let data = secrets.get(secret).await?.data.context("empty")?;
    Ok(String::from_utf8(data["password"].0.clone())?)
}

async fn set_password(up: &Up, secret: &str, password: &str) -> Result<()> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "labels": {
        "app.kubernetes.io/name": "etcd", "endstate.dev/cluster": "users"}}, "stringData": {"password": password}});
    up.apply(&secret.to_string()).await.map(drop)
}

async fn as_user(address: &str, user: &str, password: &str) -> Result<Client> {
    let options = ConnectOptions::new().with_user(user, password).with_timeout(SEEN_MAX);
    Ok(Client::connect([format!("http://{address}")], Some(options)).await?)
}

async fn set_auth(cluster: &EtcdCluster, enabled: bool) -> Result<()> {
    cluster.patch(json!({"spec": {"auth": {"enabled": enabled}}})).await
}

/// The usual cluster: clients are known by their certificates, and a writer goes on throughout.
async fn with_certificates(version: &str) -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let spec = json!({"size": 3, "version": version});
    let cluster = EtcdCluster::etcd(&up, "users", spec).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "users").await?;
    declare(
        &up,
        "EtcdRole",
        "writer",
        json!({"cluster": "users", "permissions": [
        {"access": "readWrite", "prefix": "writer/"}]}),
    )
    .await?;
    declare(&up, "EtcdUser", "client", json!({"cluster": "users", "roles": ["writer"]})).await?;
    becomes(&up, ("EtcdUser", "client"), "AuthenticationIsOff").await?;
    writer.slowest();
    set_auth(&cluster, true).await?;
    becomes(&up, ("EtcdUser", "client"), "Applied").await?;

    let (_forward, address) = forward(&up, "users", 2379).await?;
    let mut client = EtcdReach::new(&up, "users", &address).await?.connect().await?;
    client.put("writer/x", "v", None).await?;
    ensure!(client.put("other", "v", None).await.is_err(), "the role permits nothing else");
    declare(
        &up,
        "EtcdRole",
        "writer",
        json!({"cluster": "users", "permissions": [
        {"access": "readWrite", "prefix": "writer/"}, {"access": "readWrite", "key": "other"}]}),
    )
    .await?;
    eventually("it may write", async || Ok(client.put("other", "v", None).await.is_ok())).await?;
    by_a_certificate_of_its_own(&up, &address).await?;

    let member = cluster.members().await?.into_iter().next().context("nobody")?;
    kill_and_wipe(&up, &member, &[]).await?;
    cluster
        .until("it is replaced", move |it| {
            !json!(it.data["status"]["members"]).to_string().contains(&member)
        })
        .await?;
    cluster.settled(3).await?;
    set_auth(&cluster, false).await?;
    becomes(&up, ("EtcdUser", "client"), "AuthenticationIsOff").await?;
    client.put("anything", "v", None).await?;
    let slowest = writer.slowest();
    ensure!(slowest < SLOWEST_MAX, "a write took {slowest:?}");
    ensure!(writer.check().await? > 0);
    up.endstate(&["delete", "etcdusers/client", "--wait"]).await?;
    up.stop().await
}

/// A user without a password has a certificate of its own: it may do what its roles say and nothing else, and both go
/// with the object.
async fn by_a_certificate_of_its_own(up: &Up, address: &str) -> Result<()> {
    let reader = json!({"cluster": "users", "permissions": [{"access": "read", "key": "other"}]});
    declare(up, "EtcdRole", "reader", reader).await?;
    declare(up, "EtcdUser", "dora", json!({"cluster": "users", "roles": ["reader"]})).await?;
    becomes(up, ("EtcdUser", "dora"), "Applied").await?;
    let secret = "users-client-tls-dora";
    let secrets: Api<Secret> = Api::default_namespaced(up.client().await?);
    let is_made = async || Ok(secrets.get_opt(secret).await?.is_some());
    eventually("its certificate is made", is_made).await?;
    let mut dora = EtcdReach::new(up, "users", address).await?.connect_as(secret).await?;
    ensure!(dora.get("other", None).await?.kvs()[0].value() == b"v");
    ensure!(dora.put("other", "w", None).await.is_err(), "she may only read");
    ensure!(dora.get("writer/x", None).await.is_err(), "and nothing else");
    up.endstate(&["delete", "etcdusers/dora", "--wait"]).await?;
    eventually("her certificate is gone", async || Ok(!is_made().await?)).await?;
    ensure!(dora.get("other", None).await.is_err(), "there is no such user any more");
    Ok(())
}

#[tokio::test]
async fn authentication_is_turned_on_and_off_under_a_writer() -> Result<()> {
    Box::pin(with_certificates("3.7.3")).await
}

#[tokio::test]
async fn authentication_is_turned_on_and_off_under_a_writer_on_3_5() -> Result<()> {
    Box::pin(with_certificates("3.5.35")).await
}

/// Without TLS everybody, the operator included, is known by a password.
async fn with_passwords(version: &str) -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let off = json!({"mode": "Off"});
    let spec = json!({"size": 3, "version": version, "tls": {"client": off, "peer": off},
        "auth": {"enabled": true}});
    let cluster = EtcdCluster::etcd(&up, "users", spec).await?;
    set_password(&up, "anna", "first").await?;
    declare(
        &up,
        "EtcdUser",
        "anna",
        json!({"cluster": "users", "roles": ["reader"],
        "password": {"secret": "anna"}}),
    )
    .await?;
    declare(&up, "EtcdUser", "ben", json!({"cluster": "users", "roles": ["root"], "password": {}}))
        .await?;
    declare(&up, "EtcdUser", "carl", json!({"cluster": "users", "password": {"secret": "none"}}))
        .await?;
    declare(&up, "EtcdUser", "dora", json!({"cluster": "nowhere", "password": {}})).await?;
    becomes(&up, ("EtcdUser", "carl"), "SecretNotFound").await?;
    becomes(&up, ("EtcdUser", "dora"), "ClusterNotFound").await?;
    becomes(&up, ("EtcdUser", "anna"), "RoleNotFound").await?;
    declare(
        &up,
        "EtcdRole",
        "reader",
        json!({"cluster": "users", "permissions": [
        {"access": "read", "key": "k"}]}),
    )
    .await?;
    becomes(&up, ("EtcdUser", "anna"), "Applied").await?;
    becomes(&up, ("EtcdUser", "ben"), "Applied").await?;
    cluster.settled(3).await?;

    let (_forward, address) = forward(&up, "users", 2379).await?;
    let ben = password(&up, "users-user-ben").await?;
    as_user(&address, "ben", &ben).await?.put("k", "v", None).await?;
    let mut anna = as_user(&address, "anna", "first").await?;
    ensure!(anna.get("k", None).await?.kvs()[0].value() == b"v");
    ensure!(anna.put("k", "w", None).await.is_err(), "she may only read");
    ensure!(anna.get("other", None).await.is_err());

    set_password(&up, "anna", "second").await?;
    eventually("the new password", async || Ok(as_user(&address, "anna", "second").await.is_ok()))
        .await?;
    ensure!(as_user(&address, "anna", "first").await.is_err(), "the former one is over");

    let member = cluster.members().await?.into_iter().next().context("nobody")?;
    kill_and_wipe(&up, &member, &[]).await?;
    cluster
        .until("it is replaced", move |it| {
            !json!(it.data["status"]["members"]).to_string().contains(&member)
        })
        .await?;
    cluster.settled(3).await?;
    let objects = api(&up, "EtcdUser").await?;
    let before = objects.get("anna").await?.metadata.resource_version;
    set_auth(&cluster, false).await?;
    becomes(&up, ("EtcdUser", "ben"), "AuthenticationIsOff").await?;
    ensure!(objects.get("anna").await?.metadata.resource_version != before, "it says so, too");
    up.stop().await
}

#[tokio::test]
async fn users_have_passwords_where_there_is_no_tls() -> Result<()> {
    with_passwords("3.7.3").await
}

/// Here etcd tells everybody who the members are, and does not let a follower promote.
#[tokio::test]
async fn users_have_passwords_where_there_is_no_tls_on_an_old_version() -> Result<()> {
    with_passwords("3.5.16").await
}

/// Somebody turned it on by hand: the status says so, and their password lets the operator in.
#[tokio::test]
async fn a_password_takes_over_what_was_turned_on_by_hand() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let off = json!({"mode": "Off"});
    let spec = json!({"size": 3, "version": "3.7.3", "tls": {"client": off, "peer": off}});
    let cluster = EtcdCluster::etcd(&up, "users", spec).await?;
    cluster.settled(3).await?;
    let (_forward, address) = forward(&up, "users", 2379).await?;
    let mut client = Client::connect([format!("http://{address}")], None).await?;
    client.user_add("root", "theirs", None).await?;
    client.user_grant_role("root", "root").await?;
    client.auth_client().auth_enable().await?;
    let status = |it: &DynamicObject| it.data["status"].to_string();
    cluster.until("it says so", move |it| status(it).contains("rootSecret")).await?;
    set_password(&up, "theirs", "theirs").await?;
    cluster.patch(json!({"spec": {"auth": {"enabled": true, "rootSecret": "theirs"}}})).await?;
    cluster.settled(3).await?;
    declare(&up, "EtcdUser", "ben", json!({"cluster": "users", "password": {}})).await?;
    becomes(&up, ("EtcdUser", "ben"), "Applied").await?;
    let patch = Patch::Merge(json!({"spec": {"size": 4}}));
    api(&up, "EtcdCluster").await?.patch("users", &PatchParams::default(), &patch).await?;
    cluster.settled(4).await?;
    as_user(&address, "root", "theirs").await?;
    up.stop().await
}
