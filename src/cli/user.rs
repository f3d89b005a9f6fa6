//! `interlock user …`: people.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};

use clap::Subcommand;
use serde_json::json;

use super::{Done, Failure, Format, Global, out, start};
use crate::domain::ids::{GroupName, UserName};
use crate::domain::notice::address::{MailAddress, SlackAccount};
use crate::domain::secret::SecretText;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a person
    Add {
        /// Their user name
        name: String,
        /// A group they belong to; may be given more than once
        #[arg(long = "group", value_name = "G")]
        groups: Vec<String>,
        /// Let them administer the whole installation
        #[arg(long)]
        admin: bool,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set a person's password; ends their sessions
    Password {
        /// Their user name
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Keep a person from signing in; ends their sessions
    Deactivate {
        /// Their user name
        name: String,
    },
    /// Let a person sign in again
    Activate {
        /// Their user name
        name: String,
    },
    /// Say where mail reaches a person, or that it does not
    Email {
        /// Their user name
        name: String,
        /// The address; none without it
        address: Option<String>,
    },
    /// Say which account of Slack is a person's, or that none is; whoever holds it signs in their name
    Slack {
        /// Their user name
        name: String,
        /// The ids of workspace and member, as T024BE7LD/U2147483697; none without it
        account: Option<String>,
    },
    /// Say that two accounts belong to one person, who then signs once and never for themselves
    SamePerson {
        /// The user name of one account
        name: String,
        /// The user name of the other one
        #[arg(long = "as", value_name = "NAME", required_unless_present = "alone", conflicts_with = "alone")]
        other: Option<String>,
        /// Say that the account belongs to a person of its own
        #[arg(long)]
        alone: bool,
    },
    /// List people
    List,
}

pub(super) async fn run(global: &Global, command: Command) -> Done {
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let actor = start::operator();
    match command {
        Command::Add { name, groups, admin, password_stdin } => {
            let name = UserName::parse(&name)?;
            let groups = groups.iter().map(|g| GroupName::parse(g)).collect::<Result<BTreeSet<_>, _>>()?;
            let password = password(password_stdin)?;
            app.add_user(&actor, name.clone(), groups, admin, password, "cli").await?;
            out::done(global, &format!("added {name}"), &json!({ "name": name, "done": "added" }));
        }
        Command::Password { name, password_stdin } => {
            let name = UserName::parse(&name)?;
            let password = password(password_stdin)?;
            app.set_password(&actor, name.clone(), password, None, "cli").await?;
            let sentence = format!("set the password of {name}; all their sessions have ended");
            out::done(global, &sentence, &json!({ "name": name, "done": "password_set" }));
        }
        Command::Deactivate { name } => {
            let name = UserName::parse(&name)?;
            app.set_active(&actor, name.clone(), false, "cli").await?;
            let sentence = format!("{name} cannot sign in any more; their sessions and tokens have stopped working");
            out::done(global, &sentence, &json!({ "name": name, "done": "deactivated" }));
        }
        Command::Activate { name } => {
            let name = UserName::parse(&name)?;
            app.set_active(&actor, name.clone(), true, "cli").await?;
            out::done(global, &format!("{name} can sign in again"), &json!({ "name": name, "done": "activated" }));
        }
        Command::Email { name, address } => {
            let name = UserName::parse(&name)?;
            let email = address.as_deref().map(MailAddress::parse).transpose()?;
            app.set_email(&actor, name.clone(), email, "cli").await?;
            out::done(
                global,
                &format!("set the mail address of {name}"),
                &json!({ "name": name, "done": "email_set" }),
            );
        }
        Command::Slack { name, account } => {
            let name = UserName::parse(&name)?;
            let slack = account.as_deref().map(SlackAccount::parse).transpose()?;
            app.set_slack(&actor, name.clone(), slack, "cli").await?;
            out::done(
                global,
                &format!("set the Slack account of {name}"),
                &json!({ "name": name, "done": "slack_set" }),
            );
        }
        Command::SamePerson { name, other, alone: _ } => {
            let name = UserName::parse(&name)?;
            let other = other.map(|other| UserName::parse(&other)).transpose()?;
            app.set_person(&actor, name.clone(), other.clone(), "cli").await?;
            let sentence = match &other {
                Some(other) => format!("{name} and {other} are one person"),
                None => format!("{name} is a person of its own"),
            };
            out::done(global, &sentence, &json!({ "name": name, "same_as": other, "done": "person_set" }));
        }
        Command::List => {
            let accounts = app.accounts(&actor).await?;
            if global.format == Format::Json {
                let items: Vec<_> = accounts
                    .iter()
                    .map(|a| json!({ "name": a.name, "groups": a.groups, "administrator": a.administrator, "active": a.active, "person": a.person }))
                    .collect();
                out::json(&json!({ "items": items }));
            } else {
                for a in accounts {
                    let groups: Vec<&str> = a.groups.iter().map(GroupName::as_str).collect();
                    let admin = if a.administrator { " administrator" } else { "" };
                    let inactive = if a.active { "" } else { " inactive" };
                    let person = a.person.filter(|p| *p != a.name).map(|p| format!(" is {p}")).unwrap_or_default();
                    out::line(&format!("{}\t{}{admin}{inactive}{person}", a.name, groups.join(",")));
                }
            }
        }
    }
    Ok(())
}

/// A secret from standard input: the first line.
pub(super) fn password(from_stdin: bool) -> Result<SecretText, Failure> {
    if !from_stdin {
        return Err(Failure::Usage(
            "give the password on standard input with `--password-stdin`, so that it stands in no command line"
                .to_owned(),
        ));
    }
    if std::io::stdin().is_terminal() {
        out::note("Type the password and press Enter (it shows on the screen):");
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|e| Failure::Broken(format!("standard input cannot be read: {e}")))?;
    Ok(SecretText::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
