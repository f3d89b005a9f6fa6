//! How connections to nodes are made, as it is named on the command line.

use clap::{Args, ValueEnum};

use crate::exec::ssh::KeyExchange;

/// Options of every command that carries runs out.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub(super) struct Options {
    /// How connections to nodes agree on their key: `quick` with elliptic curves, `openssh` as the installed ssh has it,
    /// which later quantum computers cannot break but takes up to three times as long
    #[arg(long, global = true, value_enum, default_value = "quick")]
    ssh_key_exchange: Choice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    Quick,
    Openssh,
}

impl Options {
    pub(super) fn key_exchange(&self) -> KeyExchange {
        match self.ssh_key_exchange {
            Choice::Quick => KeyExchange::Quick,
            Choice::Openssh => KeyExchange::OpenSsh,
        }
    }
}
