//! Words in a plan's commands that take something away or stop it, so that whoever decides sees them without reading
//! scripts. What is not named here is not therefore harmless.

use super::{Plan, PlannedAction};
use crate::domain::ids::StepName;

/// A word that is worth a second look, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Danger {
    /// The step.
    pub step: StepName,
    /// The word as written.
    pub word: String,
    /// The line.
    pub line: String,
}

const WORDS: [&str; 30] = [
    "rm", "rmdir", "unlink", "shred", "dd", "mkfs", "fdisk", "parted", "wipefs", "truncate", "drop", "delete", "purge",
    "destroy", "format", "reboot", "shutdown", "poweroff", "halt", "kill", "pkill", "killall", "stop", "disable",
    "userdel", "groupdel", "iptables", "--force", "--hard", "--delete",
];

/// The dangerous words of a plan, each line once, in the order of its steps.
#[must_use]
pub fn dangers(plan: &Plan) -> Vec<Danger> {
    let mut found = Vec::new();
    for step in &plan.steps {
        let text = match &step.action {
            PlannedAction::Run { command } => command,
            PlannedAction::Script { body, .. } => body,
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        for line in lines {
            if let Some(word) = words(line).find(|w| is_dangerous(w)) {
                found.push(Danger { step: step.name.clone(), word: word.to_owned(), line: line.to_owned() });
            }
        }
    }
    found
}

/// What a shell might take for words, whatever quotes and brackets stand round them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let within = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    line.split(move |c: char| !within(c)).filter(|w| !w.is_empty())
}

fn is_dangerous(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word).to_lowercase();
    // `mkfs.ext4` is `mkfs`.
    WORDS.contains(&name.as_str()) || WORDS.contains(&name.split('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_whatever_stands_round_them() {
        let found = |line: &str| words(line).find(|w| is_dangerous(w)).map(str::to_owned);
        for (line, word) in [
            ("sudo /bin/rm -rf \"$DIR\"", "/bin/rm"),
            ("psql -c 'DROP TABLE a'", "DROP"),
            ("(mkfs.ext4 /dev/sdb)", "mkfs.ext4"),
            ("git push --force", "--force"),
            ("systemctl stop nginx;true", "stop"),
        ] {
            assert_eq!(found(line).as_deref(), Some(word), "{line}");
        }
        for line in ["echo warm up", "systemctl restart nginx", "cat formatted.txt", "ls /backdrop"] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
