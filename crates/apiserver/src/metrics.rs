//! Counters of requests, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use http::{Method, StatusCode};

#[derive(Default)]
pub(crate) struct Metrics {
    in_flight: AtomicI64,
    requests: Mutex<BTreeMap<(&'static str, u16), Totals>>,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    count: u64,
    seconds: f64,
}

/// One request that is being answered.
pub(crate) struct Metered<'a> {
    metrics: &'a Metrics,
    since: Instant,
}

impl Metrics {
    pub(crate) fn begin(&self) -> Metered<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Metered { metrics: self, since: Instant::now() }
    }

    pub(crate) fn render(&self, store_revision: u64) -> String {
        let mut text = String::from("# TYPE apiserver_current_inflight_requests gauge\n");
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let requests =
            self.requests.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let mut line = |it: std::fmt::Arguments<'_>| {
            text.write_fmt(it).expect("writing to a string never fails");
            text.push('\n');
        };
        line(format_args!("apiserver_current_inflight_requests {in_flight}"));
        line(format_args!("# TYPE apiserver_request_total counter"));
        for ((verb, code), totals) in &requests {
            line(format_args!(
                "apiserver_request_total{{verb=\"{verb}\",code=\"{code}\"}} {}",
                totals.count
            ));
        }
        line(format_args!("# TYPE apiserver_request_duration_seconds summary"));
        for ((verb, code), totals) in &requests {
            let labels = format!("{{verb=\"{verb}\",code=\"{code}\"}}");
            line(format_args!("apiserver_request_duration_seconds_count{labels} {}", totals.count));
            line(format_args!(
                "apiserver_request_duration_seconds_sum{labels} {:.6}",
                totals.seconds
            ));
        }
        line(format_args!("# TYPE endstate_store_revision gauge"));
        line(format_args!("endstate_store_revision {store_revision}"));
        text
    }
}

impl Metered<'_> {
    pub(crate) fn end(self, method: &Method, code: StatusCode) {
        let key = (verb(method), code.as_u16());
        let mut requests =
            self.metrics.requests.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let totals = requests.entry(key).or_default();
        totals.count += 1;
        totals.seconds += self.since.elapsed().as_secs_f64();
    }
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}
