//! The grammar of commands: a verb, what it is about, and for a run its options as `-name value`.

use crate::domain::ids::RunNumber;
use crate::domain::template::{options_of, split_arg_string};

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What can be asked for.
    Help,
    /// The jobs, those alone that all of these words are found in.
    Jobs(Vec<String>),
    /// A job with its options.
    Show(String),
    /// A run of a job.
    Run {
        /// The job as written: `project/group/name`, `group/name` or an id.
        job: String,
        /// Its options as written.
        options: Vec<(String, String)>,
        /// Why.
        reason: String,
    },
    /// The newest runs, of one job where one is named.
    Runs(Option<String>),
    /// Where a run stands.
    Status(RunNumber),
    /// The end of a run's output.
    Log(RunNumber),
    /// The end of a run.
    Cancel(RunNumber),
    /// A signature, which is not given here.
    Sign,
    /// Words that are no command of these.
    Other(String),
}

/// What can be asked for: each form, and what it does.
pub const HELP: [(&str, &str); 8] = [
    ("jobs [words]", "the jobs that you may see"),
    ("show JOB", "a job with its options"),
    ("run JOB -option value … [reason \"why\"]", "run a job"),
    ("runs [JOB]", "the newest runs"),
    ("status #N", "where a run stands"),
    ("log #N", "the last lines of a run's output"),
    ("cancel #N", "stop a run"),
    ("help", "this list"),
];

/// Reads a command.
///
/// # Errors
/// A sentence that says what to type instead.
pub fn parse(text: &str) -> Result<Command, String> {
    let words = split_arg_string(text).map_err(|e| format!("That cannot be read: {}.", e.message))?;
    let Some((verb, rest)) = words.split_first() else { return Ok(Command::Help) };
    let none_more = |command: Command| match rest.first() {
        None => Ok(command),
        Some(more) => Err(format!("I do not know what to do with `{}`.", shown(more))),
    };
    match verb.to_lowercase().as_str() {
        "help" => Ok(Command::Help),
        "jobs" => Ok(Command::Jobs(rest.iter().map(|w| w.to_lowercase()).collect())),
        "show" => one(rest, "show JOB").map(Command::Show),
        "run" => run(rest),
        "runs" if rest.is_empty() => none_more(Command::Runs(None)),
        "runs" => one(rest, "runs JOB").map(|job| Command::Runs(Some(job))),
        "status" => number(rest, "status").map(Command::Status),
        "log" => number(rest, "log").map(Command::Log),
        "cancel" => number(rest, "cancel").map(Command::Cancel),
        "approve" | "reject" | "sign" => Ok(Command::Sign),
        _ => Ok(Command::Other(text.trim().to_owned())),
    }
}

fn one(rest: &[String], form: &str) -> Result<String, String> {
    match rest {
        [only] => Ok(only.clone()),
        _ => Err(format!("Write `{form}`.")),
    }
}

fn number(rest: &[String], verb: &str) -> Result<RunNumber, String> {
    let bad = || format!("Write the number of a run: `{verb} #12`.");
    let [only] = rest else { return Err(bad()) };
    let digits = only.strip_prefix('#').unwrap_or(only);
    digits.parse::<i64>().ok().filter(|n| *n > 0).map(RunNumber::new).ok_or_else(bad)
}

fn run(rest: &[String]) -> Result<Command, String> {
    let Some((job, rest)) = rest.split_first().filter(|(job, _)| !job.starts_with('-')) else {
        return Err("Say which job: `run JOB -option value`.".to_owned());
    };
    // The word stands where an option's name could, so no value is taken for it.
    let at = rest.chunks(2).position(|pair| pair.first().is_some_and(|w| w.eq_ignore_ascii_case("reason")));
    let (options, reason) = rest.split_at(at.map_or(rest.len(), |pairs| pairs * 2));
    let reason = match reason {
        [] => String::new(),
        [_] => return Err("Say why behind `reason`: `reason \"the disk is full\"`.".to_owned()),
        [_, words @ ..] => words.join(" "),
    };
    let options = options_of(options).map_err(|e| {
        let mut chars = e.chars();
        let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        format!("{first}{}.", chars.as_str())
    })?;
    for (place, (name, _)) in options.iter().enumerate() {
        if options.iter().take(place).any(|(other, _)| other == name) {
            return Err(format!("The option `-{}` is given twice.", shown(name)));
        }
    }
    Ok(Command::Run { job: job.clone(), options, reason })
}

/// Words of somebody's own, and the reason behind the word `reason`; `None` where there is none.
#[must_use]
pub fn with_reason(text: &str) -> Option<(&str, String)> {
    let at = text.rfind(" reason ")?;
    let (words, why) = text.split_at(at);
    let why = why.trim_start().strip_prefix("reason")?.trim();
    let inside = |quote: char| why.strip_prefix(quote).and_then(|w| w.strip_suffix(quote));
    let why = inside('"').or_else(|| inside('\'')).unwrap_or(why);
    (!words.trim().is_empty() && !why.is_empty()).then(|| (words, why.to_owned()))
}

/// A word as it is repeated: short, on one line.
fn shown(word: &str) -> String {
    crate::domain::notice::message::one_line(word, 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(text: &str) -> (String, Vec<(String, String)>, String) {
        match parse(text).unwrap() {
            Command::Run { job, options, reason } => (job, options, reason),
            other => panic!("{other:?}"),
        }
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn each_form_is_read() {
        assert_eq!(parse("  ").unwrap(), Command::Help);
        assert_eq!(parse("jobs Web restart").unwrap(), Command::Jobs(vec!["web".to_owned(), "restart".to_owned()]));
        assert_eq!(parse("status #12").unwrap(), Command::Status(RunNumber::new(12)));
        assert_eq!(parse("LOG 12").unwrap(), Command::Log(RunNumber::new(12)));
        assert_eq!(parse("runs").unwrap(), Command::Runs(None));
        assert_eq!(parse("approve #12").unwrap(), Command::Sign);
        assert_eq!(parse("restart nginx on web1").unwrap(), Command::Other("restart nginx on web1".to_owned()));
    }

    #[test]
    fn values_stay_what_they_are() {
        let (job, options, reason) =
            run_of("run ops/restart -service 'a; rm -rf /' -note reason -x -y reason disk full");
        assert_eq!(job, "ops/restart");
        assert_eq!(options, [pair("service", "a; rm -rf /"), pair("note", "reason"), pair("x", "-y")]);
        assert_eq!(reason, "disk full");
        assert_eq!(run_of("run j reason \"as told\"").2, "as told");
    }

    #[test]
    fn a_reason_stands_behind_words_of_ones_own() {
        assert_eq!(with_reason("kick it reason \"the disk\""), Some(("kick it", "the disk".to_owned())));
        assert_eq!(with_reason("kick it reason as told"), Some(("kick it", "as told".to_owned())));
        assert_eq!((with_reason("kick it"), with_reason(" reason x")), (None, None));
    }

    #[test]
    fn what_cannot_be_read_says_what_to_type() {
        for (text, says) in [
            ("run", "which job"),
            ("run -a b", "which job"),
            ("run j -a", "has no value"),
            ("run j a b", "stands where an option is expected"),
            ("run j -a 1 -a 2", "given twice"),
            ("run j -a \"x", "never closed"),
            ("run j reason", "Say why"),
            ("status", "number of a run"),
            ("cancel #0", "number of a run"),
            ("log #1 #2", "number of a run"),
            ("show", "show JOB"),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.contains(says), "{text}: {told}");
        }
    }
}
