//! The command line. Every command has an example in its help.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{
    Args as Group, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
};
use endstate::package::Package;

use crate::catalogue::Packages;

/// Run stateful distributed applications by their declared end state
#[derive(Parser)]
#[command(
    name = "endstate",
    version,
    after_help = "\
Examples:
  endstate up                                  the embedded cluster, until Ctrl-C
  endstate install etcd                        the etcd operator, here or on any Kubernetes
  endstate apply -f examples/etcd-cluster.yaml
  endstate status etcd demo --watch

Exit codes: 0 done, 1 failed, 2 wrong usage; exec gives the exit code of its command.
A reader that stops early (`endstate get pods | head -1`) is not a failure."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the cluster is.
#[derive(Group)]
pub(crate) struct Global {
    /// Kubeconfig; default: that of the running embedded cluster, then ~/.kube/config
    #[arg(long, global = true, env = "KUBECONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Whether the flag or the environment named it.
    #[arg(skip)]
    kubeconfig_source: Option<ValueSource>,
    /// Namespace; default: that of the kubeconfig's context
    #[arg(long, short, global = true)]
    pub(crate) namespace: Option<String>,
    #[command(flatten)]
    pub(crate) color: colorchoice_clap::Color,
}

impl Args {
    /// Like `Parser::parse`, and keeps what only the matches know.
    pub(crate) fn read() -> Self {
        match Self::try_read(std::env::args_os()) {
            Ok(args) => args,
            Err(error) => error.exit(),
        }
    }

    fn try_read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(words)?;
        let mut args = Self::from_arg_matches(&matches)?;
        args.global.kubeconfig_source = matches.value_source("kubeconfig");
        Ok(args)
    }
}

impl Global {
    /// The file that the flag names. The environment may name a list of files, which are read and never written.
    pub(crate) fn kubeconfig_flag(&self) -> Option<&Path> {
        let by_flag = self.kubeconfig_source == Some(ValueSource::CommandLine);
        self.kubeconfig.as_deref().filter(|_| by_flag)
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the embedded cluster in the foreground until Ctrl-C
    Up(Up),
    /// Install an operator: its CRDs, RBAC and Deployment
    Install(Install),
    /// Create or update the objects of a file (server-side apply)
    Apply(Apply),
    /// Show objects
    Get(Get),
    /// Delete objects
    Delete(Delete),
    /// Print a container's log
    Logs(Logs),
    /// Run a command in a container
    Exec(Exec),
    /// Forward a local port to a pod or service
    Forward(Forward),
    /// Show a cluster as a tree: members, pods, and what it waits for and why
    Status(Status),
    /// Show what an operator would do next with a cluster, or would do with another spec; nothing is done
    Plan(Plan),
    /// Show what an operator knows of a cluster, and why it does what it does
    Explain(Explain),
    /// Write the embedded cluster's state to a file
    Backup(Backup),
    /// Create a state directory from a backup
    Restore(Restore),
    /// The local image store
    Image(Image),
    /// Check what this machine lacks, and how to install it
    Doctor(Doctor),
    /// Show the version of this executable and of the cluster
    Version(Version),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  endstate completions bash > ~/.local/share/bash-completion/completions/endstate"
    )]
    Completions(Completions),
    /// Run an operator (what its Deployment runs)
    #[command(hide = true)]
    Operator(Operator),
    /// Work for a cluster in a pod beside it (what an operator's agents run)
    #[command(hide = true)]
    Agent(Agent),
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate up
  endstate up --nodes 3 --listen 127.0.0.1:0 --kubeconfig ./kubeconfig
  endstate up --state-dir /srv/endstate
  endstate up --allow-host-path /srv/data

Objects and the volumes of pods survive a restart on the same state directory.")]
pub(crate) struct Up {
    /// Where everything is kept [default: $XDG_STATE_HOME/endstate or ~/.local/state/endstate]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Where to serve the Kubernetes API; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6443")]
    pub(crate) listen: SocketAddr,
    /// How many virtual nodes to run; never fewer than before [default: as many as last time, or 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=32))]
    pub(crate) nodes: Option<u16>,
    /// The local image store [default: $XDG_DATA_HOME/endstate/images or ~/.local/share/endstate/images]
    #[arg(long, value_name = "DIR", env = "ENDSTATE_IMAGE_STORE", hide_env_values = true)]
    pub(crate) image_store: Option<PathBuf>,
    /// A folder below which pods may mount the host's files (hostPath); may be repeated [default: none]
    #[arg(long, value_name = "DIR")]
    pub(crate) allow_host_path: Vec<PathBuf>,
    /// Allow privileged pods, extra capabilities, hostNetwork and hostIPC
    #[arg(long)]
    pub(crate) allow_privileged: bool,
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate backup ~/monday.endstate
  endstate backup --state-dir /srv/endstate /backup/endstate.tar.gz

The cluster may be running or stopped. The file is a tar.gz with checksums: every object at one revision, the cluster's
keys and the number of its nodes. Keep it secret: whoever reads it can act as the cluster's administrator.

It does not contain volumes of pods, images or logs. Back up a database with its own tools, or copy the whole state
directory of a stopped cluster.")]
pub(crate) struct Backup {
    /// The file to create; an existing file is not overwritten
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The cluster's state directory [default: as for `endstate up`]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate restore ~/monday.endstate --state-dir ./restored
  endstate up --state-dir ./restored

The directory is created as a whole, after all checksums were verified, or not at all. Kubeconfigs and tokens stay valid.
Revisions continue well above all that were used before, so clients list again and never mistake an old object for a new
one. Pods start with empty volumes: operators report the data of their members as lost.")]
pub(crate) struct Restore {
    /// A file that `endstate backup` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The directory to create, or an empty one [default: as for `endstate up`]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate install
  endstate install etcd
  endstate install etcd --print | kubectl apply --server-side -f -
  endstate install etcd --monitoring")]
pub(crate) struct Install {
    /// The operator; if omitted, all operators are listed
    #[arg(value_name = "NAME", value_parser = Packages)]
    pub(crate) operator: Option<&'static dyn Package>,
    /// Print the manifests instead of applying them
    #[arg(long, requires = "operator")]
    pub(crate) print: bool,
    /// Also what Prometheus and Grafana need: ServiceMonitors, alerts, a dashboard (needs the Prometheus operator)
    #[arg(long, requires = "operator")]
    pub(crate) monitoring: bool,
    /// The image that the operator's pod runs
    #[arg(long, default_value = concat!("endstate:", env!("CARGO_PKG_VERSION")))]
    pub(crate) image: String,
    /// How long to wait for the operator to be ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) timeout: u64,
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate apply -f examples/etcd-cluster.yaml
  kubectl kustomize . | endstate apply -f -")]
pub(crate) struct Apply {
    /// A YAML or JSON file, a directory of such files, or - for standard input
    #[arg(long, short, required = true, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// Take over fields that another field manager owns
    #[arg(long)]
    pub(crate) force: bool,
    /// Show what would change without changing it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `KIND`, `KIND NAME…` or `KIND/NAME…`
#[derive(Group)]
pub(crate) struct Targets {
    /// KIND, KIND/NAME, or KIND NAME...; a kind by plural, singular, short name or PLURAL.GROUP
    #[arg(required = true, value_name = "KIND[/NAME]")]
    pub(crate) targets: Vec<String>,
    /// Only objects with these labels
    #[arg(long, short = 'l')]
    pub(crate) selector: Option<String>,
    /// In all namespaces
    #[arg(long, short = 'A')]
    pub(crate) all_namespaces: bool,
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate get pods -o wide
  endstate get etcd/demo -o yaml
  endstate get pods -l endstate.dev/cluster=demo -A")]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Output format [default: table]
    #[arg(long, short)]
    pub(crate) output: Option<Format>,
}

/// Formats for programs.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Document {
    Json,
    Yaml,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Yaml,
    Wide,
    Name,
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate delete etcd/demo
  endstate delete -f examples/etcd-cluster.yaml --wait")]
pub(crate) struct Delete {
    /// KIND/NAME, or KIND NAME...
    #[arg(value_name = "KIND/NAME", required_unless_present = "file")]
    pub(crate) targets: Vec<String>,
    /// Delete what a file describes; - for standard input
    #[arg(long, short, value_name = "FILE", conflicts_with = "targets")]
    pub(crate) file: Vec<PathBuf>,
    /// Wait until the objects are gone, without a time limit
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate logs demo-abcde
  endstate logs -f demo-abcde -c etcd --tail 20")]
pub(crate) struct Logs {
    /// The pod
    pub(crate) pod: String,
    /// The container; default: the first
    #[arg(long, short)]
    pub(crate) container: Option<String>,
    /// Follow the log
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Show the log of the container's previous run
    #[arg(long, short)]
    pub(crate) previous: bool,
    /// Show only the last lines
    #[arg(long, value_name = "LINES")]
    pub(crate) tail: Option<i64>,
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate exec demo-abcde -- etcdctl endpoint status
  endstate exec service/demo-client -- etcdctl member list
  endstate exec -it demo-abcde -- sh")]
pub(crate) struct Exec {
    /// The pod, or service/NAME for one of its ready pods
    pub(crate) pod: String,
    /// The container; default: the first
    #[arg(long, short)]
    pub(crate) container: Option<String>,
    /// Pass standard input to the command
    #[arg(long, short = 'i')]
    pub(crate) stdin: bool,
    /// Allocate a terminal
    #[arg(long, short)]
    pub(crate) tty: bool,
    /// The command
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate forward service/demo-client 2379:2379
  endstate forward pod/demo-abcde 0:2379")]
pub(crate) struct Forward {
    /// pod/NAME or service/NAME
    pub(crate) target: String,
    /// LOCAL:REMOTE, or one port for both; local 0 picks a free one
    #[arg(required = true, value_name = "LOCAL:REMOTE")]
    pub(crate) ports: Vec<Ports>,
}

/// A local port and the remote port it forwards to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) local: u16,
    pub(crate) remote: u16,
}

impl std::str::FromStr for Ports {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (local, remote) = text.split_once(':').unwrap_or((text, text));
        match (local.parse(), remote.parse()) {
            (Ok(local), Ok(remote)) if remote != 0 => Ok(Self { local, remote }),
            _ => Err("expected LOCAL:REMOTE, two ports up to 65535 as in 2379:2379"),
        }
    }
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate status etcd demo
  endstate status etcd demo --watch
  endstate status etcd demo -o json")]
pub(crate) struct Status {
    /// The application
    #[arg(value_name = "NAME", value_parser = Packages)]
    pub(crate) application: &'static dyn Package,
    /// The cluster's name
    #[arg(value_name = "CLUSTER")]
    pub(crate) name: String,
    /// Update the tree as the cluster changes
    #[arg(long, short)]
    pub(crate) watch: bool,
    /// Output format [default: text]
    #[arg(long, short)]
    pub(crate) output: Option<Document>,
}

#[derive(Group)]
#[command(after_help = "\
Examples:
  endstate plan etcd demo
  endstate plan etcd demo -f bigger.yaml

The operator itself is asked, by a port of its pod that is forwarded; it answers by a look that it takes then.")]
pub(crate) struct Plan {
    /// The application
    #[arg(value_name = "NAME", value_parser = Packages)]
    pub(crate) application: &'static dyn Package,
    /// The cluster's name
    #[arg(value_name = "CLUSTER")]
    pub(crate) name: String,
    /// A manifest of the cluster with another spec; - for standard input
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Output format [default: text]
    #[arg(long, short)]
    pub(crate) output: Option<Document>,
}

#[derive(Group)]
#[command(after_help = "Example:\n  endstate explain etcd demo")]
pub(crate) struct Explain {
    /// The application
    #[arg(value_name = "NAME", value_parser = Packages)]
    pub(crate) application: &'static dyn Package,
    /// The cluster's name
    #[arg(value_name = "CLUSTER")]
    pub(crate) name: String,
    /// Output format [default: text]
    #[arg(long, short)]
    pub(crate) output: Option<Document>,
}

#[derive(Group)]
pub(crate) struct Image {
    #[command(subcommand)]
    pub(crate) command: ImageCommand,
    /// The local image store [default: $XDG_DATA_HOME/endstate/images or ~/.local/share/endstate/images]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "ENDSTATE_IMAGE_STORE",
        hide_env_values = true
    )]
    pub(crate) image_store: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum ImageCommand {
    /// Show the images of the store
    #[command(after_help = "Example:\n  endstate image list -o json")]
    List {
        /// Output format [default: table]
        #[arg(long, short)]
        output: Option<Document>,
    },
    /// Import an OCI or Docker archive
    #[command(
        after_help = "Example:\n  docker save quay.io/coreos/etcd:v3.5.16 -o etcd.tar && endstate image import etcd.tar"
    )]
    Import {
        /// The archive
        archive: PathBuf,
    },
    /// Pull an image from its registry
    #[command(after_help = "Example:\n  endstate image pull quay.io/coreos/etcd:v3.5.16")]
    Pull {
        /// The image, as in quay.io/coreos/etcd:v3.5.16
        reference: String,
    },
}

#[derive(Group)]
#[command(after_help = "\
Example:
  endstate doctor -o json

Exit codes: 0 pods can run here, 1 something is missing that pods need.")]
pub(crate) struct Doctor {
    /// Output format [default: text]
    #[arg(long, short)]
    pub(crate) output: Option<Document>,
}

#[derive(Group)]
#[command(after_help = "Example:\n  endstate version -o yaml")]
pub(crate) struct Version {
    /// Output format [default: text]
    #[arg(long, short)]
    pub(crate) output: Option<Document>,
}

#[derive(Group)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Group)]
pub(crate) struct Operator {
    /// The operator
    #[arg(value_name = "NAME", value_parser = Packages)]
    pub(crate) operator: &'static dyn Package,
}

#[derive(Group)]
pub(crate) struct Agent {
    /// The operator that asks for it
    #[arg(value_name = "NAME", value_parser = Packages)]
    pub(crate) operator: &'static dyn Package,
    /// What it is told
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_a_pair_or_one_for_both() {
        assert_eq!("1:2".parse(), Ok(Ports { local: 1, remote: 2 }));
        assert_eq!("3".parse(), Ok(Ports { local: 3, remote: 3 }));
        assert_eq!("0:3".parse(), Ok(Ports { local: 0, remote: 3 }));
        for wrong in ["a:1", "1:99999", "1:0", "0", "", "1:2:3"] {
            assert!(wrong.parse::<Ports>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_command_shows_an_example() {
        let mut command = Args::command();
        command.build();
        let mut stack: Vec<&clap::Command> = vec![&command];
        while let Some(command) = stack.pop() {
            let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
            let inner: Vec<_> = shown.filter(|it| it.get_name() != "help").collect();
            let has_example =
                command.get_after_help().is_some_and(|it| it.to_string().contains("endstate "));
            assert!(has_example || !inner.is_empty(), "{}", command.get_name());
            stack.extend(inner);
        }
    }
}
