//! The cluster that is backed up: which of its members is asked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use endstate::client::{Endpoint, TlsFiles};
use endstate_etcd::client::{Connection, Login, Status};

use crate::error::AgentError;
use crate::task::KeepTask;

/// How far behind the leader a follower may be.
const LAG_MAX: u64 = 1_000;

/// A member, and the cluster that it is in.
#[derive(Debug)]
pub struct Asked {
    /// The connection to it.
    pub connection: Connection,
    /// The id of the cluster.
    pub cluster: u64,
}

/// A follower that has what the leader has, or else the leader: a backup costs its member work.
pub async fn follower(task: &KeepTask) -> Result<Asked, AgentError> {
    let service = connect(task, &task.endpoint).await?;
    let members = service.members().await?;
    let mut asked = vec![];
    for member in members.members.iter().filter(|it| !it.learner) {
        let Some(url) = member.client_urls.iter().find(|it| is_of_service(it, task)) else {
            continue;
        };
        let Ok(connection) = connect(task, url).await else { continue };
        let Ok(status) = connection.status().await else { continue };
        if status.cluster == members.cluster && status.member == member.id && status.leader != 0 {
            asked.push((connection, status));
        }
    }
    let corrupt = match asked.first() {
        Some((connection, _)) => connection.alarms().await?.corrupt,
        None => BTreeSet::new(),
    };
    let ahead = asked.iter().map(|it| it.1.raft_index).max().unwrap_or_default();
    // An alarm that names nobody may mean anybody.
    let is_corrupt = |it: &Status| corrupt.contains(&it.member) || corrupt.contains(&0);
    let fit = |it: &Status| it.raft_index + LAG_MAX >= ahead && !is_corrupt(it);
    asked.retain(|it| fit(&it.1));
    asked.sort_by_key(|(_, it)| (it.leader == it.member, it.member));
    let (connection, status) = asked.into_iter().next().ok_or(AgentError::NoMember)?;
    Ok(Asked { connection, cluster: status.cluster })
}

/// Whether a member's URL is of the scheme that clients use.
fn is_of_service(url: &str, task: &KeepTask) -> bool {
    url.starts_with("https://") == task.tls.is_some()
}

async fn connect(task: &KeepTask, url: &str) -> Result<Connection, AgentError> {
    let address = url.split_once("://").map_or(url, |it| it.1);
    let endpoint = match &task.tls {
        None => Endpoint::plain(address),
        Some(names) => {
            let host = address.rsplit_once(':').map_or(address, |it| it.0);
            Endpoint::secured(address, host.to_owned(), files(names)?)
        }
    };
    let passwords = task.password.iter().map(|it| read(it)).collect::<Result<Vec<_>, _>>()?;
    let passwords = passwords.into_iter().map(|it| String::from_utf8_lossy(&it).into_owned());
    let login = Login { passwords: passwords.collect(), others: vec![] };
    Ok(Connection::login(&endpoint, &login).await?)
}

fn files([certificate, key, authorities]: &[PathBuf; 3]) -> Result<TlsFiles, AgentError> {
    Ok(TlsFiles {
        certificate: read(certificate)?,
        key: read(key)?,
        authorities: read(authorities)?,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, AgentError> {
    fs::read(path).map_err(AgentError::file(path))
}
