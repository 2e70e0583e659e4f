//! Who is in an ensemble, as `/zookeeper/config` tells and as a server's dynamic configuration file has it: a line for
//! each server, and the version of the list, which is the zxid of its last change.

use endstate_core::{Entry, MemberId, Membership};

/// Clients connect here.
pub const CLIENT_PORT: u16 = 2181;
/// Followers connect to the leader here.
const QUORUM_PORT: u16 = 2888;
/// Servers elect a leader here.
const ELECTION_PORT: u16 = 3888;
/// All of them, by name, the clients' first.
pub const PORTS: [(&str, u16); 3] =
    [("client", CLIENT_PORT), ("quorum", QUORUM_PORT), ("election", ELECTION_PORT)];

/// The line of a server. It listens on every address, so that it needs no name of its own to start.
pub fn line(id: &MemberId, host: &str, votes: bool) -> String {
    let role = if votes { "participant" } else { "observer" };
    format!("server.{id}={host}:{QUORUM_PORT}:{ELECTION_PORT}:{role};0.0.0.0:{CLIENT_PORT}")
}

/// The list of an ensemble of ours: one majority, and one host a server, which is the entry's name. Anything else in it
/// makes all of it nothing.
pub fn members(text: &str) -> Option<Membership> {
    let (mut version, mut servers) = (None, vec![]);
    for line in text.lines().filter(|it| !it.is_empty()) {
        match line.split_once('=')? {
            ("version", value) => version = Some(zxid(value)?),
            (key, value) => servers.push(server(key.strip_prefix("server.")?, value)?),
        }
    }
    Some(Membership::new("", servers).revision(version?))
}

fn server(id: &str, text: &str) -> Option<Entry> {
    let (peer, _) = text.split_once(';')?;
    let [role, _, _, host] = peer.rsplitn(4, ':').collect::<Vec<_>>().try_into().ok()?;
    let votes = match role {
        "participant" => true,
        "observer" => false,
        _ => return None,
    };
    let id = id.parse::<u64>().ok()?.to_string();
    // Several hosts of one server are parted by `|`.
    (!host.contains('|')).then(|| Entry::voter(id, host).voting(votes))
}

/// The number of a transaction, in hexadecimal with or without `0x`: ZooKeeper writes both. Its high half is the epoch
/// of the leader that proposed it, so that a later leader's transactions come after all of an earlier one's.
///
/// A server that has just started may say 0 until the first transaction reaches it, and has all its data none the less.
pub fn zxid(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_tells_is_what_was_written() {
        let (first, twelfth) = ("1".into(), "12".into());
        let text = [
            line(&first, "zk-1.zk.default.svc", true),
            line(&twelfth, "[fd00::7]", false),
            "version=20000002a".to_owned(),
        ];
        assert_eq!(text[0], "server.1=zk-1.zk.default.svc:2888:3888:participant;0.0.0.0:2181");
        let servers =
            [Entry::voter(first, "zk-1.zk.default.svc"), Entry::non_voter(twelfth, "[fd00::7]")];
        let list = Membership::new("", servers).revision(0x2_0000_002a);
        assert_eq!(members(&text.join("\n")), Some(list));
    }

    #[test]
    fn what_is_not_understood_is_refused_as_a_whole() {
        let server = "server.1=a:1:2:participant;a:3";
        for text in [
            String::new(),
            server.to_owned(),
            format!("{server}\nversion=zz"),
            format!("{server}\ngroup.1=1\nversion=1"),
            format!("{server}\nrubbish\nversion=1"),
            "server.x=a:1:2:participant;a:3\nversion=1".to_owned(),
            "server.1=a:1:2:leader;a:3\nversion=1".to_owned(),
            "server.1=a:1:2:participant\nversion=1".to_owned(),
            "server.1=1:2:participant;a:3\nversion=1".to_owned(),
            "server.1=a:1:2|b:1:2:participant;a:3\nversion=1".to_owned(),
        ] {
            assert_eq!(members(&text), None, "{text}");
        }
        assert!(members(&format!("{server}\nversion=1")).is_some());
    }

    #[test]
    fn a_later_epoch_is_after_every_transaction_of_an_earlier_one() {
        assert_eq!(zxid("0x100000003"), Some(1 << 32 | 3));
        assert!(zxid("200000000") > zxid("0x1ffffffff"));
        for text in ["", "0x", "-1", "x", "0x0x1", "10000000000000000", " 1"] {
            assert_eq!(zxid(text), None, "{text}");
        }
    }
}
