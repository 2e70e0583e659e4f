//! A member that waits for a quorum. etcd opens its port for clients once it has found one, and that for metrics
//! before: there it says who it is, and up to where it has applied its log. (What is committed it does not say on 3.5
//! and later until it has found a quorum.)
//!
//! What is read are three numbers of the exposition format of Prometheus, by the names that etcd documents.

use endstate::client::{Endpoint, Page};
use endstate::driver::Address;
use endstate_core::{Position, Starting};
use etcd_plan::METRICS_PORT;

/// What a member that does not answer clients says where its metrics are.
pub(super) async fn starting(address: &Address) -> Option<Starting> {
    read(&Page::of(&Endpoint::plain(&address.beside(METRICS_PORT)?)).await?)
}

/// Nothing if any of it lacks: one that has just begun to start has applied nothing yet, as far as it says. Whether it
/// is a learner it says as far as it learned since it started.
fn read(page: &Page) -> Option<Starting> {
    let id = page.label("etcd_server_id", "server_id")?;
    let applied = page.whole("etcd_server_proposals_applied_total").filter(|it| *it > 0)?;
    let non_voter = page.whole("etcd_server_is_learner")? > 0;
    Some(Starting::new(id, Position::at(applied)).non_voter(non_voter))
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
        assert_eq!(read(&Page::new(PAGE)), Some(starting.clone()));
        let learner = PAGE.replace("is_learner 0", "is_learner 1");
        assert_eq!(read(&Page::new(learner)), Some(starting.non_voter(true)));
    }

    #[test]
    fn a_page_that_lacks_any_of_it_says_nothing() {
        let read = |from: &str, to: &str| read(&Page::new(PAGE.replace(from, to)));
        assert_eq!(read("1.2345678e+07", "0"), None, "nothing yet");
        assert_eq!(read("1.2345678e+07", "NaN"), None);
        for name in ["server_id", "is_learner", "applied_total"] {
            assert_eq!(read(name, "other"), None, "{name}");
        }
    }
}
