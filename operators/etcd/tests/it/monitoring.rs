//! What alerts and the dashboard read of etcd is told by etcd, of every minor.

use std::collections::BTreeSet;
use std::process::Command;

use endstate::package::{Package, alerts, panels};
use endstate_etcd::EtcdPackage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Place, etcd_of, eventually};

/// Only once a member leads, and has something to say of each.
const LEADS: &str = "etcd_server_has_leader 1";

/// The metrics of etcd's that are read: families, without the suffix of a histogram's part.
fn read() -> BTreeSet<String> {
    let alerts = alerts(&EtcdPackage).into_iter().map(|it| it.expression);
    let lines = panels(&EtcdPackage).into_iter().flat_map(|it| it.lines).map(|it| it.1);
    let mut read = BTreeSet::new();
    for expression in alerts.chain(lines) {
        let words = expression.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        let of_etcd = words.filter(|it| it.starts_with("etcd_") || it.starts_with("process_"));
        read.extend(of_etcd.map(str::to_owned));
    }
    read
}

async fn metrics(place: &Place) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(place.client.strip_prefix("http://").unwrap()).await?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    match text.lines().any(|it| it == LEADS) {
        true => Ok(text),
        false => Err(std::io::Error::other("no leader")),
    }
}

#[tokio::test]
async fn what_alerts_and_the_dashboard_read_of_etcd_is_told_by_each_minor() {
    let read = read();
    assert!(read.len() > 10, "{read:?}");
    assert!(EtcdPackage.monitoring().port.is_some());
    for version in ["3.4.23", "3.5.35", "3.6.16", "3.7.3"] {
        let place = Place::new("told");
        let mut command = Command::new(etcd_of(version));
        command.args(place.arguments(&[&place], "new"));
        let _member = place.spawn(command);
        let text = eventually("it leads", async || metrics(&place).await).await;
        let told = |name: &String| {
            text.lines().any(|it| {
                it.starts_with(&format!("{name}{{")) || it.starts_with(&format!("{name} "))
            })
        };
        let missing: Vec<_> = read.iter().filter(|it| !told(it)).collect();
        assert!(missing.is_empty(), "{version} does not tell {missing:?}");
    }
}
