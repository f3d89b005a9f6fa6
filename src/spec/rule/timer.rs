//! StackStorm's timers as triggers of a rule. Here the moment is a source's business, so that it is kept once and shown in
//! one place; the author is told the source's file word by word.

use serde_json::{Map, Value};

use crate::spec::diagnostic::Span;
use crate::spec::report::Report;

/// Tells the author of a rule with such a trigger what to write instead.
pub(super) fn told(kind: &str, parameters: &Value, name: Option<&str>, span: Span, report: &mut Report<'_>) {
    let when = match kind {
        "core.st2.CronTimer" => cron(parameters),
        "core.st2.IntervalTimer" => interval(parameters),
        "core.st2.DateTimer" => date(parameters),
        _ => return,
    };
    let name = name.unwrap_or("NAME");
    let message = format!("`{kind}` is no trigger here: a timer is a source of its own");
    let hint = match when {
        Ok(when) => format!(
            "write sources/{name}.yaml with `name: {name}`, `type: timer`, {when}, and `trigger: {{type: source.{name}}}` here"
        ),
        Err(why) => format!(
            "{why}; write sources/{name}.yaml with `type: timer` and `cron:`, `every:` or `at:`, and `trigger: {{type: source.{name}}}` here"
        ),
    };
    report.error("timer_in_rule", span, message, Some(hint));
}

fn text(fields: &Map<String, Value>, key: &str) -> Option<String> {
    match fields.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Fields before the first one that is given stand still at their beginning, as in StackStorm.
fn cron(parameters: &Value) -> Result<String, String> {
    let empty = Map::new();
    let fields = parameters.as_object().unwrap_or(&empty);
    if let Some(key) = ["year", "week"].into_iter().find(|k| text(fields, k).is_some_and(|v| v != "*")) {
        return Err(format!("a cron pattern has no `{key}`"));
    }
    if text(fields, "second").is_some_and(|v| v != "0") {
        return Err("a cron pattern has no seconds".to_owned());
    }
    let mut rest = "*";
    let mut pattern = Vec::new();
    // From the coarse to the fine: what is finer than anything that was given starts at its beginning.
    for (key, beginning) in [("month", "1"), ("day", "1"), ("day_of_week", "*"), ("hour", "0"), ("minute", "0")] {
        let given = text(fields, key);
        if given.is_some() {
            rest = "";
        }
        let unset = if rest == "*" || key == "day_of_week" { "*" } else { beginning };
        pattern.push(given.unwrap_or_else(|| unset.to_owned()));
    }
    let [month, day, weekday, hour, minute] = pattern.as_slice() else { return Err(String::new()) };
    let day = if fields.contains_key("day_of_week") && !fields.contains_key("day") { "*" } else { day };
    let zone = text(fields, "timezone").map(|z| format!(", `time_zone: {z}`")).unwrap_or_default();
    Ok(format!("`cron: '{minute} {hour} {day} {month} {}'`{zone}", weekdays(weekday)))
}

/// StackStorm counts days of the week from Monday as 0, cron from Sunday.
fn weekdays(text: &str) -> String {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let day =
        |word: &str| word.parse::<usize>().ok().and_then(|n| DAYS.get(n)).map_or(word.to_owned(), |d| (*d).to_owned());
    let range = |range: &str| range.split('-').map(day).collect::<Vec<_>>().join("-");
    text.split(',').map(range).collect::<Vec<_>>().join(",")
}

fn interval(parameters: &Value) -> Result<String, String> {
    let fields = parameters.as_object().ok_or("it does not say how long")?;
    let unit = text(fields, "unit").unwrap_or_default();
    let letter = ["weeks", "days", "hours", "minutes", "seconds"].into_iter().find(|u| *u == unit);
    match (letter.and_then(|l| l.get(..1)), text(fields, "delta")) {
        (Some(letter), Some(delta)) => Ok(format!("`every: {delta}{letter}`")),
        _ => Err("its `unit` and `delta` say no interval".to_owned()),
    }
}

fn date(parameters: &Value) -> Result<String, String> {
    let date = parameters.as_object().and_then(|fields| text(fields, "date"));
    date.map(|date| format!("`at: {date}` (with its zone, such as +01:00)")).ok_or("its `date` is missing".to_owned())
}
