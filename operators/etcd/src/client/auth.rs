//! etcd's users and roles, and the operator as one of them.

use endstate::client::{CHANGE_TIMEOUT, Endpoint, READ_TIMEOUT, within};
use endstate_core::{Access, Permission};
use etcd_client::{Error, PermissionType, RoleRevokePermissionOptions, UserAddOptions};
use etcd_plan::ROOT;
use etcd_plan::auth::Change;

use super::{Code, Connection, Failure, failure, wants_user};

/// How the operator says who it is where its certificate does not. It is not printed.
#[derive(Clone, Default)]
pub struct Login {
    /// Root's password, and that of before.
    pub passwords: Vec<String>,
    /// Other members: a learner takes no password, but it knows the token that a voter gave for one.
    pub others: Vec<Endpoint>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("others", &self.others).finish_non_exhaustive()
    }
}

/// What came of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the user's.
    Yes,
    /// It is not.
    No,
    /// Authentication is off.
    Off,
}

/// How a member answers a password that it did not look at.
const NOT_TRIED: [Code; 2] = [Code::FailedPrecondition, Code::Unavailable];

impl Connection {
    /// Prepares a connection as root, if authentication is on and one of the passwords is root's; and else as nobody.
    pub async fn login(endpoint: &Endpoint, login: &Login) -> Result<Self, Failure> {
        let mut connection = Box::pin(Self::to(endpoint)).await?;
        for password in &login.passwords {
            match connection.become_root(password).await {
                Err(Failure::Refused(no)) if NOT_TRIED.contains(&no.code) => {
                    // Either authentication is off, or the member is a learner.
                    let off = !connection.status().await.is_err_and(|it| wants_user(&it));
                    let other = if off {
                        None
                    } else {
                        Box::pin(connection.by_another(login, password)).await
                    };
                    return Ok(other.unwrap_or(connection));
                }
                Err(Failure::Refused(_)) => {}
                Ok(()) => break,
                Err(other) => return Err(other),
            }
        }
        Ok(connection)
    }

    async fn become_root(&mut self, password: &str) -> Result<(), Failure> {
        let user = Some((ROOT.to_owned(), password.to_owned()));
        within(READ_TIMEOUT, self.client.update_user(user), failure).await
    }

    /// The same connection with a token that another member gave.
    async fn by_another(&self, login: &Login, password: &str) -> Option<Self> {
        for other in login.others.iter().filter(|it| it.url() != self.endpoint.url()) {
            let Ok(mut connection) = Self::to(other).await else { continue };
            if connection.become_root(password).await.is_err() {
                continue;
            }
            connection.client.remove_endpoint(other.url()).await.ok()?;
            connection.client.add_endpoint(self.endpoint.url()).await.ok()?;
            return Some(Self { endpoint: self.endpoint.clone(), ..connection });
        }
        None
    }

    /// Whether a password is a user's.
    pub async fn takes(&self, user: &str, password: &str) -> Result<Taken, Failure> {
        let mut client = self.client.auth_client();
        let call = client.authenticate(user.to_owned(), password.to_owned());
        match within(READ_TIMEOUT, call, failure).await {
            Ok(_) => Ok(Taken::Yes),
            Err(Failure::Refused(no)) => match no.code {
                Code::FailedPrecondition => Ok(Taken::Off),
                Code::InvalidArgument => Ok(Taken::No),
                _ => Err(Failure::Refused(no)),
            },
            Err(other) => Err(other),
        }
    }

    /// The names of all users.
    pub async fn users(&self) -> Result<Vec<String>, Failure> {
        let mut client = self.client.auth_client();
        Ok(within(READ_TIMEOUT, client.user_list(), failure).await?.users().to_vec())
    }

    /// The names of all roles.
    pub async fn roles(&self) -> Result<Vec<String>, Failure> {
        let mut client = self.client.auth_client();
        Ok(within(READ_TIMEOUT, client.role_list(), failure).await?.roles().to_vec())
    }

    /// The roles of a user.
    pub async fn roles_of(&self, user: &str) -> Result<Vec<String>, Failure> {
        let mut client = self.client.auth_client();
        Ok(within(READ_TIMEOUT, client.user_get(user), failure).await?.roles().to_vec())
    }

    /// What a role permits.
    pub async fn permissions(&self, role: &str) -> Result<Vec<Permission>, Failure> {
        let mut client = self.client.auth_client();
        let answer = within(READ_TIMEOUT, client.role_get(role), failure).await?;
        Ok(answer.permissions().iter().map(permission).collect())
    }

    /// Gives root a password and turns authentication on. Each part leaves what is so already.
    pub async fn enable_auth(&self, password: &str) -> Result<(), Failure> {
        let mut client = self.client.auth_client();
        if !self.roles().await?.iter().any(|it| it == ROOT) {
            change(client.role_add(ROOT)).await?;
        }
        if self.users().await?.iter().any(|it| it == ROOT) {
            self.set_root_password(password).await?;
        } else {
            change(client.user_add(ROOT, password, None)).await?;
        }
        if !self.roles_of(ROOT).await?.iter().any(|it| it == ROOT) {
            change(client.user_grant_role(ROOT, ROOT)).await?;
        }
        change(client.auth_enable()).await
    }

    /// Sets root's password.
    pub async fn set_root_password(&self, password: &str) -> Result<(), Failure> {
        change(self.client.auth_client().user_change_password(ROOT, password)).await
    }

    /// Turns it off.
    pub async fn disable_auth(&self) -> Result<(), Failure> {
        change(self.client.auth_client().auth_disable()).await
    }

    /// Makes one change, with the password that it takes.
    pub async fn change_users(&self, it: &Change, password: Option<&str>) -> Result<(), Failure> {
        let mut client = self.client.auth_client();
        let password = password.unwrap_or_default();
        match it {
            Change::AddRole(role) => change(client.role_add(role.as_str())).await,
            Change::DeleteRole(role) => change(client.role_delete(role.as_str())).await,
            Change::Permit(role, it) => {
                change(client.role_grant_permission(role.as_str(), sent(it))).await
            }
            Change::Forbid(role, it) => {
                let end = RoleRevokePermissionOptions::new().with_range_end(it.end.clone());
                let call = client.role_revoke_permission(role.as_str(), it.key.clone(), Some(end));
                change(call).await
            }
            Change::AddUser(user, place) => {
                let options = place.is_none().then(|| UserAddOptions::new().with_no_pwd());
                change(client.user_add(user.as_str(), password, options)).await
            }
            Change::DeleteUser(user) => change(client.user_delete(user.as_str())).await,
            Change::SetPassword(user, _) => {
                change(client.user_change_password(user.as_str(), password)).await
            }
            Change::Give(user, role) => {
                change(client.user_grant_role(user.as_str(), role.as_str())).await
            }
            Change::Take(user, role) => {
                change(client.user_revoke_role(user.as_str(), role.as_str())).await
            }
        }
    }
}

async fn change<T>(call: impl Future<Output = Result<T, Error>>) -> Result<(), Failure> {
    within(CHANGE_TIMEOUT, call, failure).await.map(drop)
}

fn sent(it: &Permission) -> etcd_client::Permission {
    let access = match it.access {
        Access::Read => PermissionType::Read,
        Access::Write => PermissionType::Write,
        Access::ReadWrite => PermissionType::Readwrite,
    };
    etcd_client::Permission::new(access, it.key.clone()).with_range_end(it.end.clone())
}

fn permission(it: &etcd_client::Permission) -> Permission {
    let access = match it.get_type() {
        it if it == PermissionType::Read as i32 => Access::Read,
        it if it == PermissionType::Write as i32 => Access::Write,
        _ => Access::ReadWrite,
    };
    Permission { key: it.key().to_vec(), end: it.range_end().to_vec(), access }
}
