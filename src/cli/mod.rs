//! The command line: one file a sub-command, and the start-up wiring.
//!
//! Exit codes: 0 done, 1 the run or check failed, 2 usage, 3 refused.

mod apply;
mod approve;
mod audit;
mod check;
mod demo;
#[cfg(debug_assertions)]
mod die;
mod doctor;
mod enrichers;
mod export;
mod folder;
mod import;
mod key;
mod limits;
mod logs;
mod node;
mod notify;
mod out;
mod plan;
mod reach;
mod remote;
mod rule;
mod run;
mod runs;
mod serve;
mod sources;
mod ssh;
mod start;
mod token;
mod user;
mod why;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::app::error::AppError;
use crate::domain::approval::Verdict;

/// Interlock runs operations jobs over SSH, with approvals bound to exactly what will run.
#[derive(Debug, Parser)]
#[command(name = "interlock", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Global {
    /// The data folder
    #[arg(long, global = true, value_name = "DIR", default_value = "./interlock-data")]
    data: PathBuf,
    /// The database: a SQLite file or postgres://… [default: in the data folder]
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// Work over the API of this server, with the token in INTERLOCK_TOKEN
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    logs: logs::Options,
    #[command(flatten)]
    ssh: ssh::Options,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve(serve::Options),
    /// Try Interlock out: throw-away data, three people and a private sshd as nodes
    Demo(demo::Options),
    /// Find every mistake in a folder of definitions
    Check(check::Options),
    /// Bring a folder of definitions in, after showing what changes
    Apply(apply::Options),
    /// Write a project's definitions out as a folder
    Export(export::Options),
    /// Convert Rundeck's job files to Interlock's form
    Import(import::Options),
    /// Run a job and follow its output
    Run(run::Options),
    /// List runs
    Runs(runs::Options),
    /// Print the output of a run
    Log(runs::LogOptions),
    /// Cancel a run
    Cancel(runs::CancelOptions),
    /// Approve a pending run, as a person
    Approve(approve::Options),
    /// Send a pending run back to be amended, as a person
    PushBack(approve::Options),
    /// Reject a pending run, as a person
    Reject(approve::Options),
    /// Try rules out
    #[command(subcommand)]
    Rule(rule::Command),
    /// The frozen plan of a run and its digest
    #[command(subcommand)]
    Plan(plan::Command),
    /// Check the record
    #[command(subcommand)]
    Audit(audit::Command),
    /// People
    #[command(subcommand)]
    User(user::Command),
    /// API tokens
    #[command(subcommand)]
    Token(token::Command),
    /// The key store
    #[command(subcommand)]
    Key(key::Command),
    /// Nodes and their host keys
    #[command(subcommand)]
    Node(node::Command),
    /// Say who may do something, and which line decides
    Why(why::Options),
    /// What is wrong with this installation, and how to mend it
    Doctor,
}

/// Why a command did not do as asked.
enum Failure {
    /// It was refused: exit code 3.
    Refused(AppError),
    /// A check or run failed; what there is to say was said: exit code 1.
    Failed,
    /// Something is still to be said on the command line; what there is to say was said: exit code 2.
    Incomplete,
    /// The command cannot be understood: exit code 2.
    Usage(String),
    /// Something is in the way: exit code 1.
    Broken(String),
}

/// Reads the file that an option names.
fn file_of(option: &str, file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|e| Failure::Usage(format!("`{option} {}` cannot be read: {e}", file.display())))
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Refused(_) => Self::Refused(error),
            AppError::Fault(cause) => Self::Broken(cause),
        }
    }
}

impl From<crate::domain::ids::BadId> for Failure {
    fn from(bad: crate::domain::ids::BadId) -> Self {
        Self::Usage(bad.to_string())
    }
}

type Done = Result<(), Failure>;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows where each goes.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    if let Err(error) = rustix::process::setrlimit(
        rustix::process::Resource::Core,
        rustix::process::Rlimit { current: Some(0), maximum: Some(0) },
    ) {
        // Secrets could end up in a core file; nothing else depends on it.
        out::warn(&format!("core dumps could not be turned off: {error}"));
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let documents = cli.global.format == Format::Json;
    match run_command(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed) => ExitCode::from(1),
        Err(Failure::Incomplete) => ExitCode::from(2),
        Err(Failure::Refused(error)) => {
            out::refusal(&error);
            if let Some(refusal) = error.refusal().filter(|_| documents) {
                out::error_document(&refusal.code, &refusal.message, &refusal.fields);
            }
            ExitCode::from(3)
        }
        Err(Failure::Usage(message)) => told(documents, "usage", &message, 2),
        Err(Failure::Broken(message)) => told(documents, "broken", &message, 1),
    }
}

fn told(documents: bool, code: &str, message: &str, exit: u8) -> ExitCode {
    out::error(message);
    if documents {
        out::error_document(code, message, &[]);
    }
    ExitCode::from(exit)
}

fn run_command(cli: Cli) -> Done {
    let global = cli.global;
    match cli.command {
        Command::Check(options) => check::run(&global, &options),
        Command::Rule(command) => rule::run(&global, command),
        Command::Import(options) => import::run(&global, &options),
        Command::Serve(options) => serve::run(global, options),
        Command::Demo(options) => demo::run(options),
        other => start::block_on(async move {
            match other {
                Command::Apply(options) => apply::run(&global, options).await,
                Command::Export(options) => export::run(&global, options).await,
                Command::Plan(plan::Command::Export { number }) => plan::export(&global, &number).await,
                Command::Run(options) => run::run(&global, options).await,
                Command::Runs(options) => runs::list(&global, options).await,
                Command::Log(options) => runs::log(&global, options).await,
                Command::Cancel(options) => runs::cancel(&global, options).await,
                Command::Approve(options) => approve::run(&global, options, Verdict::Approve).await,
                Command::PushBack(options) => approve::run(&global, options, Verdict::PushBack).await,
                Command::Reject(options) => approve::run(&global, options, Verdict::Reject).await,
                Command::Audit(command) => audit::run(&global, command).await,
                Command::User(command) => user::run(&global, command).await,
                Command::Token(command) => token::run(&global, command).await,
                Command::Key(command) => key::run(&global, command).await,
                Command::Node(command) => node::run(&global, command).await,
                Command::Why(options) => why::run(&global, options).await,
                Command::Doctor => doctor::run(&global).await,
                Command::Plan(plan::Command::Verify { file, digest }) => {
                    plan::verify(&global, &file, digest.as_deref())
                }
                Command::Check(_) | Command::Rule(_) | Command::Import(_) | Command::Serve(_) | Command::Demo(_) => {
                    Ok(())
                }
            }
        }),
    }
}
