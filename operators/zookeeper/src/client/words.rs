//! Four-letter words: a question of four letters on a connection of its own, and a text for an answer.
//!
//! The texts are ZooKeeper's interface for monitoring. What is read of one is read whole into a type, or not at all.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zookeeper_plan::Zxid;

use super::{CONNECT_TIMEOUT, Code, Failure, READ_TIMEOUT, late};

/// The most that an answer may have.
const LIMIT: u64 = 1 << 20;

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It leads; or it did and has not noticed yet that it does no more.
    Leader,
    /// It follows, with a vote or without.
    Follower,
    /// It follows as an observer.
    Observer,
}

/// What one server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The ZooKeeper version.
    pub version: String,
    /// What it does.
    pub mode: Mode,
    /// The last transaction in its memory.
    pub zxid: Zxid,
}

/// What the leader says about those who follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followers {
    /// Those with a vote who have its data, without the leader itself.
    pub synced_voters: u32,
    /// Followers without a vote who have its data: not added yet, or removed.
    pub synced_others: u32,
    /// Observers who have its data.
    pub synced_observers: u32,
    /// Those who are about to have it.
    pub pending: u32,
}

/// What the server at `endpoint` says about itself. One that serves nobody is [`Code::NotServing`].
pub async fn status(endpoint: &str) -> Result<Status, Failure> {
    let text = ask(endpoint, "srvr").await?;
    parse_status(&text).ok_or_else(|| not_serving(endpoint))
}

/// What the leader at `endpoint` says about its followers; nothing if it does not lead.
pub async fn followers(endpoint: &str) -> Result<Option<Followers>, Failure> {
    let text = ask(endpoint, "mntr").await?;
    if field(&text, "zk_server_state\t").is_none() {
        return Err(not_serving(endpoint));
    }
    Ok(parse_followers(&text))
}

/// The text in place of an answer has none of an answer's fields.
fn not_serving(endpoint: &str) -> Failure {
    Failure::Refused { endpoint: endpoint.to_owned(), code: Code::NotServing }
}

fn parse_status(text: &str) -> Option<Status> {
    let version = field(text, "Zookeeper version: ")?;
    let mode = match field(text, "Mode: ")? {
        "leader" => Mode::Leader,
        "follower" => Mode::Follower,
        "observer" => Mode::Observer,
        _ => return None,
    };
    let zxid = field(text, "Zxid: ")?.parse().ok()?;
    let version = version.split(['-', ',']).next()?.to_owned();
    Some(Status { version, mode, zxid })
}

fn parse_followers(text: &str) -> Option<Followers> {
    let number = |name: &str| field(text, name)?.parse::<u32>().ok();
    let synced = number("zk_synced_followers\t")?;
    let synced_others = number("zk_synced_non_voting_followers\t")?;
    Some(Followers {
        synced_voters: synced.checked_sub(synced_others)?,
        synced_others,
        synced_observers: number("zk_synced_observers\t")?,
        pending: number("zk_pending_syncs\t")?,
    })
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}

async fn ask(endpoint: &str, word: &str) -> Result<String, Failure> {
    let unreachable = |error: io::Error| Failure::Unreachable {
        endpoint: endpoint.to_owned(),
        why: error.to_string(),
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(endpoint)).await;
    let stream = connected.map_err(|_| late(endpoint, CONNECT_TIMEOUT))?.map_err(unreachable)?;
    let answer = tokio::time::timeout(READ_TIMEOUT, exchange(stream, word)).await;
    answer.map_err(|_| late(endpoint, READ_TIMEOUT))?.map_err(unreachable)
}

async fn exchange(mut stream: TcpStream, word: &str) -> io::Result<String> {
    stream.write_all(word.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LIMIT).read_to_end(&mut answer).await?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended"));
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{Followers, Mode, Status, parse_followers, parse_status};
    use zookeeper_plan::Zxid;

    const SRVR: &str = "Zookeeper version: 3.9.5-293c895a, built on 2026-02-11 20:18 UTC\n\
                        Latency min/avg/max: 0/0.0/0\nZxid: 0x20000002a\nMode: follower\nNode count: 5\n";

    #[test]
    fn a_status_is_read_whole_or_not_at_all() {
        let status =
            Status { version: "3.9.5".into(), mode: Mode::Follower, zxid: Zxid::new(2, 42) };
        assert_eq!(parse_status(SRVR), Some(status));
        for text in [
            "This ZooKeeper instance is not currently serving requests\n".to_owned(),
            "srvr is not executed because it is not in the whitelist.\n".to_owned(),
            SRVR.replace("Mode: follower\n", ""),
            SRVR.replace("follower", "standalone"),
            SRVR.replace("0x2", "y"),
            SRVR.replace("Zookeeper", "Other"),
        ] {
            assert_eq!(parse_status(&text), None, "{text}");
        }
    }

    #[test]
    fn followers_without_a_vote_are_not_counted_as_voters() {
        let text = "zk_server_state\tleader\nzk_synced_followers\t4\nzk_synced_non_voting_followers\t1\n\
                    zk_synced_observers\t2\nzk_pending_syncs\t0\n";
        let followers =
            Followers { synced_voters: 3, synced_others: 1, synced_observers: 2, pending: 0 };
        assert_eq!(parse_followers(text), Some(followers));
        assert_eq!(parse_followers("zk_server_state\tfollower\n"), None);
        assert_eq!(parse_followers(&text.replace("followers\t1", "followers\t5")), None);
    }
}
