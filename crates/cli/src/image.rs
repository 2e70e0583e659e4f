//! `endstate image`.

use anyhow::{Context, Result};
use node::images::Store;

use crate::args::{Document, Image, ImageCommand};
use crate::connect::default_image_store;
use crate::output;

pub(crate) async fn run(args: Image) -> Result<()> {
    let folder = args.image_store.map_or_else(default_image_store, Ok)?;
    let store = Store::open(&folder)
        .with_context(|| format!("cannot open the image store {}", folder.display()))?;
    match args.command {
        ImageCommand::List { output } => list(&store, output),
        ImageCommand::Import { archive } => {
            let imported = store.import(&archive);
            let imported =
                imported.with_context(|| format!("cannot import {}", archive.display()))?;
            for reference in imported {
                output::line(format_args!("{reference} imported"))?;
            }
            Ok(())
        }
        ImageCommand::Pull { reference } => {
            let spinner = output::spinner().with_message(format!("pulling {reference}"));
            let pulled = store.pull(&reference).await;
            spinner.finish_and_clear();
            pulled.with_context(|| format!("cannot pull {reference}"))?;
            output::line(format_args!("{reference} pulled"))
        }
    }
}

fn list(store: &Store, output: Option<Document>) -> Result<()> {
    let images = store.list()?;
    if let Some(format) = output {
        return output::structured(&images, format);
    }
    let mut rows = vec![vec!["IMAGE".to_owned(), "DIGEST".to_owned(), "SIZE".to_owned()]];
    for image in images {
        let megabytes = format!("{:.1} MB", image.size as f64 / 1e6);
        rows.push(vec![image.reference, image.digest, megabytes]);
    }
    output::columns(&rows)
}
