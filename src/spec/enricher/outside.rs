//! The keys of enrichers that ask somebody outside: a model behind an address, or a program.

use crate::domain::enricher::command::Command;
use crate::domain::enricher::model::Model;
use crate::domain::enricher::outside::{Budget, Terms};
use crate::domain::ids::KeyPath;
use crate::domain::time::Seconds;
use crate::spec::fields::Fields;
use crate::spec::report::Report;
use crate::spec::source::read_url;
use crate::spec::yaml::Node;

/// The longest patience.
const LONGEST_TIMEOUT: u64 = 60;
/// The longest time that an answer or a budget's window lasts.
const LONGEST: u64 = 31 * 86_400;
/// The most calls in a window.
const MOST_CALLS: u32 = 1_000_000;
/// The longest prompt, in bytes.
const LONGEST_PROMPT: usize = 8_192;
/// The most words of a command.
const MOST_WORDS: usize = 20;

/// Reads what a model has beside the keys of every enricher.
pub(super) fn read_model(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Model> {
    let url = fields.required("url", report).and_then(|n| read_url(n, "key", report));
    let model = fields.required("model", report).and_then(|n| read_short(n, "model", 200, report));
    let key = fields.optional("key").map(|n| report.read_name(n, "key", KeyPath::parse));
    let prompt = match fields.optional("prompt") {
        Some(node) => read_short(node, "prompt", LONGEST_PROMPT, report),
        None => Some(String::new()),
    };
    let terms = read_terms(fields, report);
    let key = match key {
        Some(None) => return None,
        Some(key) => key,
        None => None,
    };
    Some(Model { url: url?, model: model?, key, prompt: prompt?, terms: terms? })
}

/// Reads what a program has beside the keys of every enricher.
pub(super) fn read_command(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Command> {
    let words = fields.required("command", report).and_then(|n| read_words(n, report));
    let terms = read_terms(fields, report);
    Some(Command { words: words?, terms: terms? })
}

fn read_words(node: &Node, report: &mut Report<'_>) -> Option<Vec<String>> {
    let texts = report.read_texts(node, "command")?;
    let words: Vec<String> = texts.into_iter().map(|(text, _)| text).collect();
    let whole = words.first().is_some_and(|program| {
        program.starts_with('/')
            && !program.ends_with('/')
            && program.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..")
    });
    if !whole {
        let hint = "write a list: the program's whole path, such as `/opt/interlock/label`, and its arguments";
        report.error("bad_value", node.span, "`command` names no program", Some(hint));
        return None;
    }
    if words.len() > MOST_WORDS || words.iter().any(|w| w.len() > 1_000 || w.contains('\0')) {
        let hint = format!("use at most {MOST_WORDS} words of 1000 bytes");
        report.error("out_of_range", node.span, "`command` is too long", Some(hint));
        return None;
    }
    if words.iter().any(|word| word.contains("{{")) {
        let hint = "the words are fixed; the event's text is on the program's standard input";
        report.error("bad_value", node.span, "`command` holds `{{`, but no value is filled in there", Some(hint));
        return None;
    }
    Some(words)
}

fn read_terms(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Terms> {
    let timeout = match fields.optional("timeout") {
        Some(node) => read_time(node, "timeout", LONGEST_TIMEOUT, report),
        None => Some(Seconds::new(10)),
    };
    let budget = match fields.optional("budget") {
        Some(node) => read_budget(node, report),
        None => Some(Budget { calls: 100, window: Seconds::new(3_600) }),
    };
    let cache = match fields.optional("cache") {
        Some(node) => {
            let time = report.read_duration(node, "cache").filter(|time| within(*time, "cache", LONGEST, node, report));
            time.map(|time| Some(time).filter(|time| time.get() > 0))
        }
        None => Some(Some(Seconds::new(86_400))),
    };
    Some(Terms { timeout: timeout?, budget: budget?, cache: cache? })
}

fn read_budget(node: &Node, report: &mut Report<'_>) -> Option<Budget> {
    let mut fields = Fields::open(node, "`budget`", report)?;
    let calls = fields.required("calls", report).and_then(|n| report.read_count(n, "calls", 1, MOST_CALLS));
    let window = fields.required("window", report).and_then(|n| read_time(n, "window", LONGEST, report));
    fields.finish(report);
    Some(Budget { calls: calls?, window: window? })
}

fn read_time(node: &Node, key: &str, longest: u64, report: &mut Report<'_>) -> Option<Seconds> {
    report.read_some_time(node, key).filter(|time| within(*time, key, longest, node, report))
}

fn within(time: Seconds, key: &str, longest: u64, node: &Node, report: &mut Report<'_>) -> bool {
    if time.get() > longest {
        let hint = format!("use at most {}", Seconds::new(longest));
        report.error("out_of_range", node.span, format!("`{key}` is {time}, which is too long"), Some(hint));
    }
    time.get() <= longest
}

fn read_short(node: &Node, key: &str, longest: usize, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, key)?;
    if text.trim().is_empty() || text.len() > longest {
        let hint = format!("write 1 to {longest} bytes");
        report.error("out_of_range", node.span, format!("`{key}` has {} bytes", text.len()), Some(hint));
        return None;
    }
    Some(text)
}
