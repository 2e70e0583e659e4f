//! A member that waits for a quorum. etcd opens its port for clients once it has found one, and that for metrics
//! before: there it says who it is, and up to where it has applied its log. (What is committed it does not say on 3.5
//! and later until it has found a quorum.)
//!
//! What is read are three numbers of the exposition format of Prometheus, by the names that etcd documents.

use endstate::client::{Endpoint, READ_TIMEOUT, get};
use endstate::driver::Address;
use endstate_core::{Position, Starting};
use etcd_plan::METRICS_PORT;

/// Its id is the label.
const ID: &str = "etcd_server_id{server_id=\"";
const APPLIED: &str = "etcd_server_proposals_applied_total";
/// Whether it learned since it started that it has no vote.
const LEARNER: &str = "etcd_server_is_learner";

/// What a member that does not answer clients says where its metrics are.
pub(super) async fn starting(address: &Address) -> Option<Starting> {
    let endpoint = Endpoint::plain(&place(address)?);
    let asked = tokio::time::timeout(READ_TIMEOUT, get(&endpoint, "/metrics")).await;
    let (_, page) = asked.ok()?.ok().filter(|(code, _)| *code == 200)?;
    read(std::str::from_utf8(&page).ok()?)
}

/// Beside the port for clients, wherever that is.
fn place(address: &Address) -> Option<String> {
    match address.host.as_deref()?.strip_prefix("http://") {
        Some(at) => Some(format!("{}:{METRICS_PORT}", at.rsplit_once(':')?.0)),
        None => address.endpoint::<String>(METRICS_PORT).ok(),
    }
}

/// Nothing if any of it lacks: one that has just begun to start has applied nothing yet, as far as it says.
fn read(page: &str) -> Option<Starting> {
    let value = |name: &str| page.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' '));
    let id = page.lines().find_map(|it| it.strip_prefix(ID)?.split_once('"'))?.0;
    let applied = whole(value(APPLIED)?).filter(|it| *it > 0)?;
    let non_voter = whole(value(LEARNER)?)? > 0;
    Some(Starting::new(id, Position::at(applied)).non_voter(non_voter))
}

/// A number as Prometheus writes it: large ones with an exponent.
fn whole(text: &str) -> Option<u64> {
    let number: f64 = text.trim().parse().ok()?;
    format!("{number}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE etcd_server_id gauge\n\
        etcd_server_id{server_id=\"ec850f9e06de94b6\"} 1\n\
        etcd_server_is_learner 0\n\
        etcd_server_proposals_applied_total 1.2345678e+07\n";

    #[test]
    fn who_it_is_and_how_far_is_read() {
        let starting = Starting::new("ec850f9e06de94b6", Position::at(12_345_678));
        assert_eq!(read(PAGE), Some(starting.clone()));
        let learner = PAGE.replace("is_learner 0", "is_learner 1");
        assert_eq!(read(&learner), Some(starting.non_voter(true)));
    }

    #[test]
    fn a_page_that_lacks_any_of_it_says_nothing() {
        assert_eq!(read(&PAGE.replace("1.2345678e+07", "0")), None, "nothing yet");
        assert_eq!(read(&PAGE.replace("1.2345678e+07", "NaN")), None);
        for name in ["server_id", "is_learner", "applied_total"] {
            assert_eq!(read(&PAGE.replace(name, "other")), None, "{name}");
        }
    }

    #[test]
    fn metrics_are_beside_the_port_for_clients() {
        let at = |host: &str| place(&Address::of("a", Some(host.into())));
        assert_eq!(at("10.244.0.7").as_deref(), Some("10.244.0.7:2381"));
        assert_eq!(at("http://127.0.0.1:33333").as_deref(), Some("127.0.0.1:2381"));
        assert_eq!(place(&Address::of("a", None)), None);
    }
}
