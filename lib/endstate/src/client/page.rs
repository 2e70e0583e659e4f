//! What a member says where its metrics are: a page in the exposition format of Prometheus.

use super::{Endpoint, READ_TIMEOUT, get};

/// A page of metrics. Names and labels are read as a server writes them: one metric a line, no space within it.
///
/// ```
/// use endstate::client::Page;
/// let page = Page::new("# TYPE applied counter\napplied 1.2345678e+07\nid{of=\"a1\"} 1\n");
/// assert_eq!(page.whole("applied"), Some(12_345_678));
/// assert_eq!((page.label("id", "of"), page.whole("id")), (Some("a1"), None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page(String);

impl Page {
    /// One that was read before.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The page that an endpoint has at `/metrics`, if it gives one within [`READ_TIMEOUT`], of at most 1 MiB.
    pub async fn of(endpoint: &Endpoint) -> Option<Self> {
        let asked = tokio::time::timeout(READ_TIMEOUT, get(endpoint, "/metrics")).await;
        let (_, page) = asked.ok()?.ok().filter(|(code, _)| *code == 200)?;
        Some(Self::new(std::str::from_utf8(&page).ok()?))
    }

    /// The value of a metric without labels that is a whole number; large ones are written with an exponent.
    pub fn whole(&self, metric: &str) -> Option<u64> {
        let of = |it: &str| Some(it.strip_prefix(metric)?.strip_prefix(' ')?.trim().to_owned());
        let number: f64 = self.0.lines().find_map(of)?.parse().ok()?;
        format!("{number}").parse().ok()
    }

    /// The value of the first label of a metric.
    pub fn label(&self, metric: &str, label: &str) -> Option<&str> {
        let begin = format!("{metric}{{{label}=\"");
        Some(self.0.lines().find_map(|it| it.strip_prefix(&begin)?.split_once('"'))?.0)
    }
}
