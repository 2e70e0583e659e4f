//! The operators that this executable holds: a line each, and every command has them.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use endstate::package::Package;
use endstate_etcd::EtcdPackage;
use endstate_zookeeper::ZooKeeperPackage;

/// All of them, in the order in which they are listed.
pub(crate) const PACKAGES: &[&dyn Package] = &[&EtcdPackage, &ZooKeeperPackage];

/// Finds a package by its name on the command line; the error for an unknown name lists the known ones.
#[derive(Clone, Copy)]
pub(crate) struct Packages;

impl TypedValueParser for Packages {
    type Value = &'static dyn Package;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let names = PACKAGES.iter().map(|it| it.name());
        let name =
            clap::builder::PossibleValuesParser::new(names).parse_ref(command, argument, value)?;
        let found = PACKAGES.iter().find(|it| it.name() == name);
        Ok(*found.expect("the parser knows these names only"))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |it: &&dyn Package| PossibleValue::new(it.name()).help(it.about());
        Some(Box::new(PACKAGES.iter().map(value)))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[arg(value_parser = Packages)]
        name: &'static dyn Package,
    }

    #[test]
    fn every_package_is_found_by_its_name_and_an_unknown_one_is_told_which_there_are() {
        for package in PACKAGES {
            let found = Command::try_parse_from(["endstate", package.name()]).unwrap();
            assert_eq!(found.name.about(), package.about());
        }
        let error = Command::try_parse_from(["endstate", "frob"]).err().unwrap().to_string();
        for package in PACKAGES {
            assert!(error.contains(package.name()), "{error}");
        }
    }
}
