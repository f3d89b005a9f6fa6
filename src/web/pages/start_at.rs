//! The planned start that somebody types on a job's page: on their own clock, which the page names.

use chrono::NaiveDateTime;

use crate::app::error::{AppError, AppResult};
use crate::domain::time::Timestamp;
use crate::domain::zone::Zone;

/// A planned start as it was typed.
#[derive(Debug, Clone, Default)]
pub struct TypedStart {
    /// `2026-11-26T02:00`; empty starts at once.
    pub at: String,
    /// The clock that it was read from; without a browser's help it is UTC.
    pub zone: String,
}

impl TypedStart {
    /// The clock's name.
    pub fn zone_name(&self) -> String {
        Zone::parse(&self.zone).unwrap_or(Zone::UTC).name().to_owned()
    }

    /// The instant.
    ///
    /// # Errors
    /// `bad_start` for what is no time, or a clock that nobody knows.
    pub fn read(&self) -> AppResult<Option<Timestamp>> {
        let text = self.at.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let zone = match self.zone.trim() {
            "" => Zone::UTC,
            name => Zone::parse(name).map_err(|_| {
                let message =
                    "The time zone of the planned start is not known here; type the start in UTC. Nothing was started.";
                AppError::invalid("bad_start", message)
            })?,
        };
        let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
        let local = forms.into_iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
        let local = local.ok_or_else(|| {
            let message =
                "The planned start has to be a date and a time, such as 2026-11-30 02:00. Nothing was started.";
            AppError::invalid("bad_start", message)
        })?;
        let at = zone.first(local);
        if zone.clock(at).naive_local() != local {
            let message = format!(
                "The clock of {zone} is put forward then and never shows that time. Type another start. Nothing was started."
            );
            return Err(AppError::invalid("bad_start", message));
        }
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(at: &str, zone: &str) -> AppResult<Option<Timestamp>> {
        TypedStart { at: at.to_owned(), zone: zone.to_owned() }.read()
    }

    #[test]
    fn what_is_typed_is_on_the_clock_that_is_named() {
        let utc = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(read("", "Europe/Berlin").unwrap(), None);
        assert_eq!(read("2026-11-30T02:00", "Europe/Berlin").unwrap(), utc("2026-11-30T01:00:00Z"));
        assert_eq!(read("2026-11-30 02:00", "").unwrap(), utc("2026-11-30T02:00:00Z"));
        for (at, zone) in [("tonight", "UTC"), ("2026-11-30T02:00", "Atlantis"), ("2027-03-28T02:30", "Europe/Berlin")]
        {
            assert!(read(at, zone).is_err(), "{at} {zone}");
        }
    }
}
