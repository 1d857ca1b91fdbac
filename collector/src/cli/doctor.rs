//! `twintap doctor`: reads manifests, Envoys and recorded calls, and says what will hurt.

mod admin;
mod calls;
mod files;

use std::path::PathBuf;
use std::process::ExitCode;

use super::schema_args::SchemaArgs;
use super::{EXIT_INCOMPLETE, EXIT_IO, UsageError, terminal};
use crate::doctor::evidence::Evidence;
use crate::doctor::form::{self, Style};
use crate::doctor::input::Inputs;
use crate::doctor::methods::Methods;
use crate::doctor::trap::{Severity, Trap};
use crate::doctor::{examine, traps};

/// There are findings that count.
const EXIT_FOUND: u8 = 1;
/// Columns where there is no terminal.
const WIDTH: usize = 100;

/// Finds what will hurt in a set-up that mirrors gRPC calls: ports, routes, filters, policies.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Files or folders: YAML or JSON of Kubernetes, /config_dump and /stats of Envoy; `-` is
    /// standard input. What each is, is told by its content
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Admin address of a running Envoy, to read its configuration and statistics from; may be
    /// given several times
    #[arg(long, value_name = "HOST:PORT")]
    envoy_admin: Vec<String>,

    /// Data directory of a collector, to look at recorded calls; may be given several times
    #[arg(long, value_name = "DIR")]
    data_dir: Vec<PathBuf>,

    #[command(flatten)]
    types: SchemaArgs,

    /// Do not look for this trap; may be given several times
    #[arg(long, value_name = "ID")]
    ignore: Vec<String>,

    /// Least severity that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    fail_on: Severity,

    /// Form of the answer
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,

    /// Print all traps and end
    #[arg(long, conflicts_with_all = ["paths", "explain"])]
    list: bool,

    /// Print what a trap is, by id or number, and end
    #[arg(long, value_name = "ID", conflicts_with = "paths")]
    explain: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

const AFTER_HELP: &str = "\
What could not be looked at, for want of an input, is said: no word about a trap does not mean that
all is well. docs/doctor.md has the traps and the JSON.

Exit codes: 0 nothing found that counts; 1 findings of at least --fail-on; 2 usage; 3 an input could
not be read (the others were looked at); 4 nothing that was given is of a kind that doctor reads.

Examples:
  twintap doctor istio/ shop/*.yaml
  kubectl get ns,svc,vs,dr,envoyfilter,deploy,sts,netpol -A -o yaml | twintap doctor -
  kubectl port-forward deploy/frontend 15000 & twintap doctor --envoy-admin 127.0.0.1:15000
  twintap doctor istio/ --data-dir twintap-data --proto protos/ --fail-on warning";

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let style = style();
    if args.list {
        terminal::print(&form::list(style))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(id) = &args.explain {
        terminal::print(&form::explain(known(id)?, style))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.paths.is_empty() && args.envoy_admin.is_empty() && args.data_dir.is_empty() {
        return Err(UsageError::error(
            "nothing to look at: give files or folders, --envoy-admin or --data-dir",
        ));
    }
    let ignored = args
        .ignore
        .iter()
        .map(|id| Ok(known(id)?.id))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (mut evidence, mut inputs) = (Evidence::default(), Inputs::default());
    evidence.methods = args.types.load()?.map(|schema| Methods::of(schema.pool()));
    files::read_all(&args.paths, &mut evidence, &mut inputs);
    admin::read_all(&args.envoy_admin, &mut evidence, &mut inputs)?;
    for folder in &args.data_dir {
        calls::read(folder, &mut evidence, &mut inputs);
    }

    let examination = examine(&evidence, &ignored);
    terminal::print(&match args.output {
        Output::Text => form::text(&examination, &inputs, style),
        Output::Json => form::json(&examination, &inputs)?,
    })?;
    Ok(ExitCode::from(if !inputs.problems.is_empty() {
        EXIT_IO
    } else if !examination.is_known {
        EXIT_INCOMPLETE
    } else if examination.count_at_least(args.fail_on) > 0 {
        EXIT_FOUND
    } else {
        0
    }))
}

fn known(id: &str) -> anyhow::Result<&'static Trap> {
    traps::by_id(id).ok_or_else(|| {
        UsageError::error(format!(
            "no trap is called {id:?}: `twintap doctor --list` prints all"
        ))
    })
}

fn style() -> Style {
    Style {
        colours: terminal::colours(),
        width: terminal::columns(WIDTH).clamp(60, 120),
    }
}
