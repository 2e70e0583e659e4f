//! What etcd says of users and roles, and what it is told of them.

use endstate::client::Proven;
use endstate::driver::Target;
use endstate_core::{AppStep, Password};
use etcd_plan::auth::{
    AuthFacts, Change, DISABLE_AUTH, Declared, ENABLE_AUTH, ROLE_KIND, UserFacts,
};
use etcd_plan::{EtcdClusterSpec, OPERATIONS, ROOT};

use crate::client::{Connection, Failure, Taken, wants_user};

type Asked<'a> = Target<'a, EtcdClusterSpec>;

/// What a member says of root and of everybody who is declared. An error if it cannot say.
pub(super) async fn facts(
    target: &Asked<'_>,
    connection: &Connection,
    proven: &Proven,
) -> Result<AuthFacts, Failure> {
    let root = root_passwords(target).into_iter().next();
    let taken = connection.takes(ROOT, root.as_deref().unwrap_or_default()).await?;
    let mut facts = AuthFacts { enabled: taken != Taken::Off, ..AuthFacts::default() };
    let users = match connection.users().await {
        Err(no) if wants_user(&no) => return Ok(AuthFacts { denied: true, ..facts }),
        users => users?,
    };
    facts.all_roles = connection.roles().await?.into_iter().collect();
    if users.iter().any(|it| it == ROOT) {
        let password = root.filter(|_| facts.enabled).map(|_| taken == Taken::Yes);
        let roles = connection.roles_of(ROOT).await?.into_iter().collect();
        facts.users.insert(ROOT.to_owned(), UserFacts { roles, password });
    }
    for object in target.beside.iter().filter(|it| !OPERATIONS.has(&it.kind)) {
        let Some((declared, name)) = Declared::of(object).filter(|it| it.1 != ROOT) else {
            continue;
        };
        if object.kind == ROLE_KIND {
            if facts.all_roles.contains(&name) {
                let permissions = connection.permissions(&name).await?.into_iter().collect();
                facts.roles.insert(name, permissions);
            }
            continue;
        }
        let place = declared.password.as_ref().map(|it| it.place(object));
        let password = place.and_then(|(secret, key)| target.secrets.text(&secret, &key));
        facts.passwords.extend(password.as_ref().map(|_| object.uid.to_string()));
        if users.contains(&name) {
            let roles = connection.roles_of(&name).await?.into_iter().collect();
            let password = match password.filter(|_| facts.enabled) {
                Some(it) => {
                    let whose = format!("{} {name}", target.object.uid);
                    let ask = async || Ok(connection.takes(&name, &it).await? == Taken::Yes);
                    Some(proven.ask(whose, &it, ask).await?)
                }
                None => None,
            };
            facts.users.insert(name, UserFacts { roles, password });
        }
    }
    Ok(facts)
}

/// Root's password, and that of before.
pub(super) fn root_passwords(target: &Asked<'_>) -> Vec<String> {
    let Some(auth) = &target.spec.auth else { return vec![] };
    let secret = auth.secret(target.object);
    let keys = [Password::KEY, Password::PREVIOUS];
    keys.iter().filter_map(|it| target.secrets.text(&secret, it)).collect()
}

/// Carries out a step of the cluster's.
pub(super) async fn step(
    target: &Asked<'_>,
    connection: &Connection,
    step: &str,
) -> Result<(), Failure> {
    if step == DISABLE_AUTH {
        return connection.disable_auth().await;
    }
    let password = root_passwords(target).into_iter().next();
    let password = password.ok_or_else(|| Failure::unknown("root's secret has no password"))?;
    match step {
        ENABLE_AUTH => connection.enable_auth(&password).await,
        _ => connection.set_root_password(&password).await,
    }
}

/// Carries out one request for an object.
pub(super) async fn tend(
    target: &Asked<'_>,
    connection: &Connection,
    step: &AppStep,
) -> Result<(), Failure> {
    let unknown = || Failure::unknown(format_args!("{} is not known", step.name));
    let change = Change::of(step).ok_or_else(unknown)?;
    let password = match &change {
        Change::AddUser(_, Some(place)) | Change::SetPassword(_, place) => {
            let (secret, key) = place;
            let gone = || Failure::unknown("the secret has no password any more");
            Some(target.secrets.text(secret, key).ok_or_else(gone)?)
        }
        _ => None,
    };
    connection.change_users(&change, password.as_deref()).await
}
