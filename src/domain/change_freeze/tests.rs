use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDateTime, NaiveTime, TimeDelta};
use proptest::prelude::*;

use super::*;
use crate::domain::cron::Cron;
use crate::domain::ids::RoleName;
use crate::domain::time::Seconds;

fn utc(text: &str) -> Timestamp {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
}

fn berlin() -> Zone {
    Zone::parse("Europe/Berlin").unwrap()
}

fn weekly(days: &[Day], from: (u32, u32), hours: u64) -> Window {
    let from = NaiveTime::from_hms_opt(from.0, from.1, 0).unwrap();
    Window::Weekly { days: days.to_vec(), from, lasts: Seconds::new(hours * 3_600) }
}

fn freeze(window: Window) -> ChangeFreeze {
    ChangeFreeze {
        name: FreezeName::parse("quiet").unwrap(),
        reason: "Books are closed.".to_owned(),
        window,
        time_zone: berlin(),
        jobs: vec!["db/**".to_owned()],
        environments: vec![Environment::parse("production").unwrap()],
        need: Vec::new(),
    }
}

#[test]
fn once_is_within_from_its_start_and_not_at_its_end() {
    let once = Window::Once { from: utc("2026-12-20 00:00"), until: utc("2027-01-04 00:00") };
    assert_eq!(once.on_until(Zone::UTC, utc("2026-12-19 23:59")), None);
    assert_eq!(once.on_until(Zone::UTC, utc("2026-12-20 00:00")), Some(utc("2027-01-04 00:00")));
    assert_eq!(once.on_until(Zone::UTC, utc("2027-01-04 00:00")), None);
}

#[test]
fn a_weekend_is_on_from_friday_evening_over_the_change_of_the_clock() {
    let weekend = weekly(&[Day::Fri], (18, 0), 62);
    // In winter; then over the night in which the clock goes forward: 62 hours pass all the same.
    assert_eq!(weekend.on_until(berlin(), utc("2027-01-08 16:59")), None);
    assert_eq!(weekend.on_until(berlin(), utc("2027-01-08 17:00")), Some(utc("2027-01-11 07:00")));
    assert_eq!(weekend.on_until(berlin(), utc("2027-03-28 12:00")), Some(utc("2027-03-29 07:00")));
}

#[test]
fn turns_that_follow_without_a_break_are_told_as_one() {
    let days = weekly(&[Day::Sat, Day::Sun], (0, 0), 24);
    assert_eq!(days.on_until(Zone::UTC, utc("2027-01-09 03:00")), Some(utc("2027-01-11 00:00")));
    let always = Window::Cron { expression: Cron::parse("0 * * * *").unwrap(), lasts: Seconds::new(7_200) };
    assert!(always.on_until(Zone::UTC, utc("2027-01-09 03:30")).is_some_and(|end| end > utc("2027-01-10 00:00")));
}

#[test]
fn a_start_in_the_gap_begins_after_it_and_one_that_comes_twice_at_the_first() {
    for window in [
        weekly(&[Day::Sun], (2, 30), 1),
        Window::Cron { expression: Cron::parse("30 2 * * 0").unwrap(), lasts: Seconds::new(3_600) },
    ] {
        assert_eq!(window.on_until(berlin(), utc("2027-03-28 00:59")), None);
        assert_eq!(window.on_until(berlin(), utc("2027-03-28 01:00")), Some(utc("2027-03-28 02:00")));
        assert_eq!(window.on_until(berlin(), utc("2027-10-31 00:29")), None);
        assert_eq!(window.on_until(berlin(), utc("2027-10-31 00:30")), Some(utc("2027-10-31 01:30")));
        assert_eq!(window.on_until(berlin(), utc("2027-10-31 01:30")), None);
    }
}

#[test]
fn it_covers_by_job_and_by_any_node_and_the_unknown() {
    let freeze = freeze(weekly(&[Day::Mon], (0, 0), 24));
    let places = |names: &[&str]| names.iter().map(|n| Environment::parse(n).unwrap()).collect::<BTreeSet<_>>();
    let covers = |job: &str, names: &[&str]| freeze.covers(&JobPath::parse(job).unwrap(), &places(names));
    assert!(covers("db/vacuum", &["production"]) && covers("db/vacuum", &["staging", "production"]));
    assert!(covers("db/vacuum", &[]), "a run of which no environment is known");
    assert!(!covers("db/vacuum", &["staging"]) && !covers("web/restart", &["production"]));
}

#[test]
fn a_plan_names_what_it_was_made_under_and_no_other_freeze_is_on() {
    let one = freeze(weekly(&[Day::Mon], (0, 0), 24));
    let met = MetFreeze::of(&one, utc("2027-01-05 00:00"), Vec::new());
    assert!(met.is_shut());
    assert_eq!(met.words(), "the change freeze `quiet` is on until 2027-01-05 01:00 Europe/Berlin (Books are closed)");
    assert!(new_ones(std::slice::from_ref(&met), std::slice::from_ref(&met)).is_none());
    assert!(new_ones(&[], std::slice::from_ref(&met)).is_some());
    assert!(stand(std::slice::from_ref(&met), std::slice::from_ref(&one)).is_ok());
    let role = RoleName::parse("boss").unwrap();
    let other = ChangeFreeze { need: vec![Need { role, count: 1, when: None }], ..one };
    assert!(
        stand(std::slice::from_ref(&met), std::slice::from_ref(&other)).unwrap_err().contains("`quiet` was changed")
    );
    let now = MetFreeze::of(&other, met.until, other.need.clone());
    assert!(!now.is_shut() && new_ones(&[met], &[now]).is_some());
}

/// Whether a weekly freeze is on, by looking at each minute that went by.
fn by_looking(days: &[Day], from: NaiveTime, lasts: i64, zone: Zone, at: Timestamp) -> bool {
    // It begins on a day at the first instant whose clock shows `from` or later, and never did before on that day or later.
    let shown = |at: Timestamp| zone.clock(at).naive_local();
    (0..lasts).any(|minutes| {
        let then = at - TimeDelta::minutes(minutes);
        let (now, before) = (shown(then), shown(then - TimeDelta::minutes(1)));
        let day =
            |date: chrono::NaiveDate| days.iter().any(|d| d.as_str().eq_ignore_ascii_case(&date.weekday().to_string()));
        let start = now.date().and_time(from);
        let first = || (1..180).all(|m| shown(then - TimeDelta::minutes(m)) < start);
        now >= start && before < start && day(now.date()) && first()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn inside_agrees_with_looking_at_each_minute(
        day in 0usize..7,
        second_day in 0usize..7,
        from in 0u32..24 * 4,
        hours in 1i64..30,
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]),
        // Around the changes of the clock in spring and autumn of each of them, and far from them.
        around in prop::sample::select(vec!["2027-03-28 00:00", "2027-03-14 06:00", "2027-10-31 00:00", "2027-11-07 05:00", "2027-04-03 14:00", "2027-10-02 15:00", "2027-07-01 12:00"]),
        minutes in -3_000i64..3_000,
    ) {
        let zone = Zone::parse(zone).unwrap();
        let mut days = vec![Day::ALL[day], Day::ALL[second_day]];
        days.dedup();
        let from = NaiveTime::from_hms_opt(from / 4, from % 4 * 15, 0).unwrap();
        let at = utc(around) + TimeDelta::minutes(minutes);
        let window = Window::Weekly { days: days.clone(), from, lasts: Seconds::new(hours.unsigned_abs() * 3_600) };
        let end = window.on_until(zone, at);
        prop_assert_eq!(end.is_some(), by_looking(&days, from, hours * 60, zone, at));
        if let Some(end) = end {
            prop_assert!(end > at && window.on_until(zone, end).is_none());
            prop_assert_eq!(window.on_until(zone, end - TimeDelta::seconds(1)), Some(end));
        }
        // The same as a cron expression.
        let list: Vec<&str> = days.iter().map(|d| d.as_str()).collect();
        let expression = Cron::parse(&format!("{} {} * * {}", from.format("%-M"), from.format("%-H"), list.join(",")));
        let cron = Window::Cron { expression: expression.unwrap(), lasts: Seconds::new(hours.unsigned_abs() * 3_600) };
        prop_assert_eq!(cron.on_until(zone, at), end);
    }
}
