//! Who is in an ensemble, as `/zookeeper/config` tells and as a server's dynamic configuration file has it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::Zxid;

/// A server's `myid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u64);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a server votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It votes.
    Participant,
    /// It follows and does not vote.
    Observer,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name, or an IP address; one of version 6 in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A server of the ensemble. Its text is what ZooKeeper has after `server.N=`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// Where followers reach it when it leads.
    pub quorum: Address,
    /// The port of elections, on the same host.
    pub election_port: u16,
    /// Whether it votes.
    pub role: Role,
    /// Where clients reach it.
    pub client: Address,
}

impl Server {
    /// The line of the dynamic configuration, which is also the argument of a reconfiguration.
    #[must_use]
    pub fn line(&self, id: ServerId) -> String {
        format!("server.{id}={self}")
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::Participant => "participant",
            Role::Observer => "observer",
        };
        write!(f, "{}:{}:{role};{}", self.quorum, self.election_port, self.client)
    }
}

/// The members, and the version of that configuration: the zxid of the change that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensemble {
    /// What a conditional change names.
    pub version: Zxid,
    /// The members.
    pub servers: BTreeMap<ServerId, Server>,
}

/// A configuration that is not what ZooKeeper gives for an ensemble of ours: one majority, one address a server, and
/// both client and server ports in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not understood in the ensemble's configuration: {0:?}")]
pub struct Malformed(String);

impl FromStr for Ensemble {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (mut version, mut servers) = (None, BTreeMap::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            let malformed = || Malformed(line.to_owned());
            let (key, value) = line.split_once('=').ok_or_else(malformed)?;
            let repeats = match key.strip_prefix("server.") {
                Some(id) => {
                    let id = ServerId(id.parse().map_err(|_| malformed())?);
                    let server = server(value).ok_or_else(malformed)?;
                    servers.insert(id, server).is_some()
                }
                None if key == "version" => {
                    version.replace(value.parse().map_err(|_| malformed())?).is_some()
                }
                None => true,
            };
            if repeats {
                return Err(malformed());
            }
        }
        let version = version.ok_or_else(|| Malformed("no version".to_owned()))?;
        Ok(Self { version, servers })
    }
}

/// `HOST:QUORUM:ELECTION:ROLE;HOST:CLIENT`.
fn server(text: &str) -> Option<Server> {
    let (peer, client) = text.split_once(';')?;
    let (peer, role) = peer.rsplit_once(':')?;
    let (quorum, election_port) = peer.rsplit_once(':')?;
    let role = match role {
        "participant" => Role::Participant,
        "observer" => Role::Observer,
        _ => return None,
    };
    Some(Server {
        quorum: address(quorum)?,
        election_port: election_port.parse().ok()?,
        role,
        client: address(client)?,
    })
}

fn address(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let one = bare.unwrap_or(host);
    let fits = !one.is_empty() && !one.contains(['|', ';', '[', ']', '/', ' ']);
    let fits = fits && (bare.is_some() || !one.contains(':'));
    Some(Address { host: host.to_owned(), port: port.parse().ok()? }).filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::{Ensemble, Role, ServerId};
    use crate::Zxid;

    #[test]
    fn what_a_server_tells_is_read_and_written_alike() {
        let text = "server.1=zk-1.zk.default.svc:2888:3888:participant;zk-1.zk.default.svc:2181\n\
                    server.12=[fd00::7]:2888:3888:observer;0.0.0.0:2181\nversion=20000002a";
        let ensemble: Ensemble = text.parse().unwrap();
        assert_eq!(ensemble.version, Zxid::new(2, 42));
        let lines: Vec<_> = ensemble.servers.iter().map(|(id, it)| it.line(*id)).collect();
        assert_eq!(lines, text.lines().take(2).collect::<Vec<_>>());
        let observer = &ensemble.servers[&ServerId(12)];
        assert_eq!(observer.role, Role::Observer);
        assert_eq!(observer.quorum.host, "[fd00::7]");
        assert_eq!((observer.quorum.port, observer.election_port), (2888, 3888));
        assert_eq!(observer.client.to_string(), "0.0.0.0:2181");
    }

    #[test]
    fn what_is_not_understood_is_refused_as_a_whole() {
        let server = "server.1=a:1:2:participant;a:3";
        for text in [
            String::new(),
            server.to_owned(),
            format!("{server}\nversion=zz"),
            format!("{server}\n{server}\nversion=1"),
            format!("{server}\nversion=1\nversion=1"),
            format!("{server}\ngroup.1=1\nversion=1"),
            format!("{server}\nrubbish\nversion=1"),
            "server.x=a:1:2:participant;a:3\nversion=1".to_owned(),
            "server.1=a:1:2:leader;a:3\nversion=1".to_owned(),
            "server.1=a:1:2:participant\nversion=1".to_owned(),
            "server.1=a:1:2:participant;a:70000\nversion=1".to_owned(),
            "server.1=a:1:2|b:1:2:participant;a:3\nversion=1".to_owned(),
            "server.1=:1:2:participant;a:3\nversion=1".to_owned(),
            "server.1=fd00::7:1:2:participant;a:3\nversion=1".to_owned(),
        ] {
            assert!(text.parse::<Ensemble>().is_err(), "{text}");
        }
        assert!(format!("{server}\nversion=1").parse::<Ensemble>().is_ok());
    }
}
