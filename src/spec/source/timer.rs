//! The keys of a timer.

use crate::domain::cron::Cron;
use crate::domain::source::timer::{Missed, Schedule, Timer};
use crate::domain::time::Timestamp;
use crate::domain::zone::Zone;
use crate::spec::diagnostic::Span;
use crate::spec::fields::Fields;
use crate::spec::report::Report;
use crate::spec::yaml::Node;

/// Reads what a timer has beside the keys of every source.
pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Timer> {
    let cron = fields.optional("cron");
    let every = fields.optional("every");
    let at = fields.optional("at");
    let zone_node = fields.optional("time_zone");
    let missed = fields.optional("missed").and_then(|n| report.read_word(n, "missed", &Missed::WORDS));
    let zone = zone_node.map(|n| read_zone(n, report));
    if let (None, Some(node)) = (cron, zone_node) {
        let message = "`time_zone` belongs to `cron`";
        report.error("misplaced_key", node.span, message, Some("remove the line; `every` and `at` need no zone"));
    }
    let schedule = match (cron, every, at) {
        (Some(node), None, None) => {
            // A zone that is none has been told; the pattern is looked at all the same.
            let cron = read_cron(node, report);
            zone.unwrap_or(Some(Zone::UTC)).and_then(|zone| Some(Schedule::Cron(cron?, zone)))
        }
        (None, Some(node), None) => report.read_some_time(node, "every").map(Schedule::Every),
        (None, None, Some(node)) => read_moment(node, report).map(Schedule::At),
        (None, None, None) => {
            let message = format!("{} does not say when", fields.what());
            let hint = "write one of `cron: '0 6 * * *'`, `every: 15m` or `at: 2027-01-01T06:00:00Z`";
            report.error("missing_key", fields.start(), message, Some(hint));
            None
        }
        _ => {
            let at = ["at", "every", "cron"].into_iter().find_map(|key| fields.key_span(key));
            let message = "`cron`, `every` and `at` exclude each other";
            report.error("contradiction", at.unwrap_or_else(|| fields.start()), message, Some("keep one of them"));
            None
        }
    };
    Some(Timer { schedule: schedule?, missed: missed.unwrap_or(Missed::One) })
}

fn read_zone(node: &Node, report: &mut Report<'_>) -> Option<Zone> {
    let text = report.read_text(node, "time_zone")?;
    let zone = Zone::parse(&text).ok();
    if zone.is_none() {
        let shown: String = text.chars().take(60).collect();
        let message = format!("`time_zone`: there is no time zone `{shown}`");
        report.error("bad_value", node.span, message, Some("write its IANA name, such as `Europe/Berlin`, or `UTC`"));
    }
    zone
}

fn read_cron(node: &Node, report: &mut Report<'_>) -> Option<Cron> {
    let text = report.read_text(node, "cron")?;
    let cron = match Cron::parse(&text) {
        Ok(cron) => cron,
        Err(why) => {
            let message = format!("`cron` cannot be read: {why}");
            let hint = "write minute, hour, day of the month, month and day of the week, such as `30 6 * * mon-fri`";
            report.error("bad_value", node.span, message, Some(hint));
            return None;
        }
    };
    if cron.next_after(Zone::UTC, Timestamp::UNIX_EPOCH).is_none() {
        never(node.span, report);
        return None;
    }
    Some(cron)
}

fn never(span: Span, report: &mut Report<'_>) {
    let hint = "look at the day and the month: some months are too short";
    report.error("bad_value", span, "`cron` never comes", Some(hint));
}

fn read_moment(node: &Node, report: &mut Report<'_>) -> Option<Timestamp> {
    let text = report.read_scalar(node, "at")?;
    match text.parse::<Timestamp>() {
        Ok(at) => Some(at),
        Err(_) => {
            let shown: String = text.chars().take(60).collect();
            let message = format!("`at`: `{shown}` is not a moment");
            let hint = "write date, time and zone, such as `2027-01-01T06:00:00+01:00` or `2027-01-01T05:00:00Z`";
            report.error("bad_value", node.span, message, Some(hint));
            None
        }
    }
}
