//! `endstate version`.

use anyhow::Result;
use serde_json::json;

use crate::args::{Global, Version};
use crate::connect::connect;
use crate::output;

pub(crate) async fn run(global: &Global, args: Version) -> Result<()> {
    let own = env!("CARGO_PKG_VERSION");
    let server = match connect(global).await {
        Ok(connection) => connection.client.apiserver_version().await.ok(),
        Err(_) => None,
    };
    match args.output {
        Some(format) => output::structured(&json!({"version": own, "server": server}), format),
        None => {
            output::line(format_args!("endstate {own}"))?;
            match server {
                Some(server) => output::line(format_args!("cluster {}", server.git_version)),
                None => output::line("cluster none reached"),
            }
        }
    }
}
