//! Reads the change freezes of a project.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime};

use super::approvals::read_need;
use crate::domain::change_freeze::{ChangeFreeze, Day, LONGEST, Window};
use crate::domain::cron::Cron;
use crate::domain::ids::{Environment, FreezeName};
use crate::domain::time::{Seconds, Timestamp};
use crate::domain::zone::Zone;
use crate::spec::diagnostic::Span;
use crate::spec::fields::Fields;
use crate::spec::report::{Refers, Report};
use crate::spec::yaml::Node;

/// Reads `freezes:`.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Vec<ChangeFreeze>> {
    let mut out = Vec::new();
    let mut names = BTreeSet::new();
    for item in report.read_list(node, "freezes")? {
        let Some(freeze) = read_one(item, report) else { continue };
        if !names.insert(freeze.name.to_string()) {
            let message = format!("there are two change freezes of the name `{}`", freeze.name);
            report.error("duplicate_item", item.span, message, Some("give one of them another name"));
        }
        out.push(freeze);
    }
    Some(out)
}

fn read_one(node: &Node, report: &mut Report<'_>) -> Option<ChangeFreeze> {
    let mut fields = Fields::open(node, "a change freeze", report)?;
    let start = fields.start();
    let name = fields.required("name", report).and_then(|n| report.read_name(n, "name", FreezeName::parse));
    let reason = fields.required("reason", report).and_then(|n| reason(n, report));
    let named = fields.optional("time_zone").map(|n| report.read_name(n, "time_zone", Zone::parse));
    let times = Times {
        from: fields.optional("from"),
        until: fields.optional("until"),
        days: fields.optional("days"),
        cron: fields.optional("cron"),
        lasts: fields.optional("for"),
        zone: named.unwrap_or(Some(Zone::UTC)),
        zone_is_named: named.is_some(),
        start,
    };
    let window = times.read(report);
    let jobs = fields.optional("jobs").map(|n| jobs(n, report));
    let environments = fields.optional("environments").map(|n| environments(n, report));
    let need = fields.optional("need").map(|n| read_need(n, report));
    fields.finish(report);
    Some(ChangeFreeze {
        name: name?,
        reason: reason?,
        window: window?,
        time_zone: named.unwrap_or(Some(Zone::UTC))?,
        jobs: jobs.unwrap_or(Some(Vec::new()))?,
        environments: environments.unwrap_or(Some(Vec::new()))?,
        need: need.unwrap_or(Some(Vec::new()))?,
    })
}

fn reason(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, "reason")?.trim().to_owned();
    if text.is_empty() {
        report.error("empty_value", node.span, "`reason` is empty", Some("say why nothing is to change then"));
        return None;
    }
    Some(text)
}

fn jobs(node: &Node, report: &mut Report<'_>) -> Option<Vec<String>> {
    let globs = some(report.read_texts(node, "jobs")?, node.span, "jobs", report)?;
    for (glob, span) in &globs {
        report.refer(Refers::SomeJob(glob.clone()), *span);
    }
    Some(globs.into_iter().map(|(glob, _)| glob).collect())
}

fn environments(node: &Node, report: &mut Report<'_>) -> Option<Vec<Environment>> {
    let texts = some(report.read_texts(node, "environments")?, node.span, "environments", report)?;
    let mut out = Vec::new();
    for (text, span) in texts {
        let name = report.accept(Environment::parse(&text), span, "environments")?;
        report.refer(Refers::Environment(name.clone()), span);
        out.push(name);
    }
    Some(out)
}

/// An empty list would cover nothing, or all, depending on who reads it.
fn some<T>(list: Vec<T>, span: Span, key: &str, report: &mut Report<'_>) -> Option<Vec<T>> {
    if list.is_empty() {
        let hint = "name at least one, or remove the line to cover all";
        report.error("empty_list", span, format!("`{key}` is empty"), Some(hint));
        return None;
    }
    Some(list)
}

/// The keys that say when.
struct Times<'t> {
    from: Option<&'t Node>,
    until: Option<&'t Node>,
    days: Option<&'t Node>,
    cron: Option<&'t Node>,
    lasts: Option<&'t Node>,
    zone: Option<Zone>,
    zone_is_named: bool,
    start: Span,
}

const FORMS: &str = "write `from` and `until`, or `days`, `from` and `for`, or `cron` and `for`";

impl Times<'_> {
    fn read(&self, report: &mut Report<'_>) -> Option<Window> {
        match (self.from, self.until, self.days, self.cron, self.lasts) {
            (Some(from), Some(until), None, None, None) => self.once(from, until, report),
            (Some(from), None, Some(days), None, Some(lasts)) => self.weekly(days, from, lasts, report),
            (None, None, None, Some(cron), Some(lasts)) => self.cron(cron, lasts, report),
            _ => {
                report.error("no_window", self.start, "it is not said when the change freeze is on", Some(FORMS));
                None
            }
        }
    }

    fn once(&self, from: &Node, until: &Node, report: &mut Report<'_>) -> Option<Window> {
        let begins = self.instant(from, "from", false, report);
        let ends = self.instant(until, "until", true, report);
        let (from, ends) = (begins?, ends?);
        if from >= ends {
            let message = "the change freeze ends before it begins";
            report.error("empty_window", until.span, message, Some("write an `until` that is after `from`"));
            return None;
        }
        Some(Window::Once { from, until: ends })
    }

    /// `2026-12-20`, `2026-12-20T18:00`, `2026-12-20T18:00:00+01:00`. A date is its whole day.
    fn instant(&self, node: &Node, key: &str, end: bool, report: &mut Report<'_>) -> Option<Timestamp> {
        let text = report.read_scalar(node, key)?;
        if let Ok(at) = DateTime::parse_from_rfc3339(&text) {
            return Some(at.to_utc());
        }
        let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
        let next = |day: NaiveDate| if end { day.checked_add_days(Days::new(1)) } else { Some(day) };
        let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
        let local = day
            .and_then(next)
            .map(|day| day.and_time(NaiveTime::MIN))
            .or_else(|| forms.into_iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok()));
        let Some(local) = local else {
            let shown: String = text.chars().take(60).collect();
            let hint = "write a date (2026-12-20), a date and time (2026-12-20T18:00), or one with its offset (2026-12-20T18:00:00+01:00)";
            report.error("bad_value", node.span, format!("`{key}`: `{shown}` is no time"), Some(hint));
            return None;
        };
        self.needs_zone(node, report)?;
        let zone = self.zone?;
        // Where the clock shows it twice, the freeze is as long as it can be.
        Some(if end { zone.last(local) } else { zone.first(local) })
    }

    fn weekly(&self, days: &Node, from: &Node, lasts: &Node, report: &mut Report<'_>) -> Option<Window> {
        let days = read_days(days, report);
        let from = time_of_day(from, report).and_then(|at| self.needs_zone(from, report).map(|()| at));
        let lasts = read_lasts(lasts, report);
        Some(Window::Weekly { days: days?, from: from?, lasts: lasts? })
    }

    fn cron(&self, cron: &Node, lasts: &Node, report: &mut Report<'_>) -> Option<Window> {
        let lasts = read_lasts(lasts, report);
        let text = report.read_text(cron, "cron")?;
        let expression = match Cron::parse(&text) {
            Ok(expression) => expression,
            Err(why) => {
                let hint = "write minute, hour, day of the month, month and day of the week: '0 18 * * fri'";
                report.error("bad_cron", cron.span, format!("`cron` cannot be read: {why}"), Some(hint));
                return None;
            }
        };
        if expression.next_after(Zone::UTC, Timestamp::UNIX_EPOCH).is_none() {
            let message = format!("`{text}` is never, so the change freeze would never be on");
            report.error("empty_window", cron.span, message, Some("check day and month"));
            return None;
        }
        self.needs_zone(cron, report)?;
        Some(Window::Cron { expression, lasts: lasts? })
    }

    /// A time on a clock says nothing without the clock.
    fn needs_zone(&self, node: &Node, report: &mut Report<'_>) -> Option<()> {
        if self.zone_is_named {
            return Some(());
        }
        if !report.has_error_at(node.span) {
            let message = "this time stands on a clock, but `time_zone` does not say on which";
            report.error(
                "missing_key",
                node.span,
                message,
                Some("add `time_zone: Europe/Berlin`, or `time_zone: UTC`"),
            );
        }
        None
    }
}

fn read_days(node: &Node, report: &mut Report<'_>) -> Option<Vec<Day>> {
    let words: Vec<(&'static str, Day)> = Day::ALL.iter().map(|day| (day.as_str(), *day)).collect();
    let items = some(report.read_list(node, "days")?.iter().collect(), node.span, "days", report)?;
    let mut days: Vec<Day> = Vec::new();
    for item in items {
        days.push(report.read_word(item, "days", &words)?);
    }
    days.sort_unstable();
    days.dedup();
    Some(days)
}

fn time_of_day(node: &Node, report: &mut Report<'_>) -> Option<NaiveTime> {
    let text = report.read_scalar(node, "from")?;
    let time = NaiveTime::parse_from_str(&text, "%H:%M").ok();
    if time.is_none() {
        let shown: String = text.chars().take(60).collect();
        let message = format!("`from`: `{shown}` is no time of the day");
        report.error("bad_value", node.span, message, Some("write hours and minutes in quotes: '18:00'"));
    }
    time
}

fn read_lasts(node: &Node, report: &mut Report<'_>) -> Option<Seconds> {
    let lasts = report.read_some_time(node, "for")?;
    if lasts > LONGEST {
        let message = format!("`for` is {lasts}, but one turn lasts at most {LONGEST}");
        report.error("out_of_range", node.span, message, Some("write a longer time with `from` and `until`"));
        return None;
    }
    Some(lasts)
}
