//! `interlock demo`.

use clap::Args;

use super::Done;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:4440", value_name = "ADDRESS:PORT")]
    listen: String,
}

pub(super) fn run(_options: Options) -> Done {
    Ok(())
}
