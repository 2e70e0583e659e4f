//! `cargo xtask test`: everything that must hold, with what the tests need.

use anyhow::Result;

use crate::{build, images, run};

/// Arguments of `test`.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Only this crate
    #[arg(long, short)]
    package: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let endstate = build::endstate()?;
    images::ensure(&endstate, &images::store(), images::Wanted::All)?;
    let mut test = run::cargo();
    test.args(["test", "--locked", "--no-fail-fast"]);
    match &args.package {
        Some(package) => test.args(["--package", package]),
        None => test.arg("--workspace"),
    };
    test.args(&args.filter);
    test.env("ENDSTATE_BIN", &endstate)
        .env("ENDSTATE_IMAGE_STORE", images::store())
        .env("ENDSTATE_TEST_ETCD", images::etcd::executable()?)
        .env("ENDSTATE_TEST_ETCD_VERSIONS", images::etcd::programs_of_all()?)
        .env("ENDSTATE_TEST_ZOOKEEPER", images::zookeeper_servers()?);
    run::check(&mut test)
}
