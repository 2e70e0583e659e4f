//! Who is in an ensemble, as `/zookeeper/config` tells and as a server's dynamic configuration file has it.

use std::collections::BTreeMap;

use endstate_core::MemberId;

/// The number of a transaction: its high half is the epoch of the leader that proposed it, so that a later leader's
/// transactions come after all of an earlier one's. The version of a list of members is the zxid of its change.
///
/// A server that has just started may say 0 until the first transaction reaches it, and has all its data none the less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Zxid(pub u64);

impl Zxid {
    /// Of a hexadecimal number, with or without `0x`: ZooKeeper writes both.
    pub fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok().map(Self)
    }
}

/// A server of the ensemble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where the others reach it; an address of IP version 6 in brackets.
    pub host: String,
    /// The port on which it is followed, and the one on which leaders are elected.
    pub ports: [u16; 2],
    /// A participant votes, an observer does not.
    pub votes: bool,
    /// Where it listens for clients, `HOST:PORT`.
    pub client: String,
}

impl Server {
    /// The line of the list of members, which is also the argument of a reconfiguration.
    pub fn line(&self, id: &MemberId) -> String {
        let Self { host, ports: [quorum, election], votes, client } = self;
        let role = if *votes { "participant" } else { "observer" };
        format!("server.{id}={host}:{quorum}:{election}:{role};{client}")
    }
}

/// The members by `myid`, and the version of that list: what a change of it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensemble {
    pub version: Zxid,
    pub servers: BTreeMap<MemberId, Server>,
}

impl Ensemble {
    /// Of the text of an ensemble of ours: one majority, and one address a server. Anything else in it makes all of it
    /// nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut version, mut servers) = (None, BTreeMap::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once('=')?;
            let repeats = match key.strip_prefix("server.") {
                Some(id) => {
                    let id = id.parse::<u64>().ok()?.to_string().into();
                    servers.insert(id, server(value)?).is_some()
                }
                None if key == "version" => version.replace(Zxid::parse(value)?).is_some(),
                None => true,
            };
            if repeats {
                return None;
            }
        }
        Some(Self { version: version?, servers })
    }
}

/// `HOST:QUORUM:ELECTION:ROLE;CLIENT`.
fn server(text: &str) -> Option<Server> {
    let (peer, client) = text.split_once(';')?;
    let [role, election, quorum, host] =
        peer.rsplitn(4, ':').collect::<Vec<_>>().try_into().ok()?;
    let votes = match role {
        "participant" => true,
        "observer" => false,
        _ => return None,
    };
    // Several addresses of one server are parted by `|`.
    let one = !host.is_empty() && !host.contains('|');
    let one = one && (host.starts_with('[') || !host.contains(':'));
    let (host, client) = (host.to_owned(), client.to_owned());
    one.then_some(Server {
        host,
        ports: [quorum.parse().ok()?, election.parse().ok()?],
        votes,
        client,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_tells_is_read_and_written_alike() {
        let text = "server.1=zk-1.zk.default.svc:2888:3888:participant;zk-1.zk.default.svc:2181\n\
                    server.12=[fd00::7]:2888:3888:observer;0.0.0.0:2181\nversion=20000002a";
        let ensemble = Ensemble::parse(text).unwrap();
        assert_eq!(ensemble.version, Zxid(0x2_0000_002a));
        let lines: Vec<_> = ensemble.servers.iter().map(|(id, it)| it.line(id)).collect();
        assert_eq!(lines, text.lines().take(2).collect::<Vec<_>>());
        let observer = &ensemble.servers["12"];
        assert!(!observer.votes && ensemble.servers["1"].votes);
        assert_eq!((observer.host.as_str(), observer.ports), ("[fd00::7]", [2888, 3888]));
        assert_eq!(observer.client, "0.0.0.0:2181");
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
            "server.1=a:1:70000:participant;a:3\nversion=1".to_owned(),
            "server.1=a:1:2|b:1:2:participant;a:3\nversion=1".to_owned(),
            "server.1=:1:2:participant;a:3\nversion=1".to_owned(),
            "server.1=fd00::7:1:2:participant;a:3\nversion=1".to_owned(),
        ] {
            assert_eq!(Ensemble::parse(&text), None, "{text}");
        }
        assert!(Ensemble::parse(&format!("{server}\nversion=1")).is_some());
    }

    #[test]
    fn a_later_epoch_is_after_every_transaction_of_an_earlier_one() {
        let zxid = Zxid::parse;
        assert_eq!(zxid("0x100000003"), Some(Zxid(1 << 32 | 3)));
        assert!(zxid("200000000") > zxid("0x1ffffffff"));
        for text in ["", "0x", "-1", "x", "0x0x1", "10000000000000000", " 1"] {
            assert_eq!(zxid(text), None, "{text}");
        }
    }
}
