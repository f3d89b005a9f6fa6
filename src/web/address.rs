//! What several lists read out of their addresses, and the addresses of the same lists with other words.

use crate::domain::time::{Seconds, Timestamp};
use crate::web::call::Call;

/// `7d` before now, a time as in the API, or the beginning of a day.
#[must_use]
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(ago) = Seconds::parse(text) {
        return now.checked_sub_signed(ago.to_delta());
    }
    let time = chrono::DateTime::parse_from_rfc3339(text).map(|t| t.to_utc());
    time.ok().or_else(|| Some(text.parse::<chrono::NaiveDate>().ok()?.and_time(chrono::NaiveTime::MIN).and_utc()))
}

/// The address of the same list without some words and with others.
#[must_use]
pub fn other(call: &Call, path: &str, without: &[&str], with: &[(&str, &str)]) -> String {
    let kept =
        call.query_pairs().into_iter().filter(|(key, value)| !without.contains(&key.as_str()) && !value.is_empty());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(kept);
    query.extend_pairs(with);
    format!("{path}?{}", query.finish())
}
