//! `endstate version`.

use anyhow::Result;
use serde_json::json;

use crate::args::{Format, Global, Version};
use crate::connect::connect;
use crate::output;

pub(crate) async fn run(global: &Global, args: Version) -> Result<()> {
    let own = env!("CARGO_PKG_VERSION");
    let server = match connect(global).await {
        Ok(connection) => connection.client.apiserver_version().await.ok(),
        Err(_) => None,
    };
    match args.output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            output::structured(&json!({"version": own, "server": server}), format)
        }
        _ => {
            println!("endstate {own}");
            match server {
                Some(server) => println!("cluster {}", server.git_version),
                None => println!("cluster none reached"),
            }
            Ok(())
        }
    }
}
