//! Durations as people write them: `30s`, `10m`, `4h`, `1d 12h`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::BadId;

/// The time that a decision is taken at. Always UTC; handed in by the caller, who asks the clock.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// A length of time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(u64);

const RULE: &str = "write whole numbers with units, such as `30s`, `10m`, `4h`, `1d 12h` (w, d, h, m, s; at most 365d)";
const LONGEST: u64 = 365 * 86_400;

impl Seconds {
    /// This many seconds.
    #[must_use]
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Reads `90`, `90s`, `10m`, `1d 12h`, `1h30m`. A bare number is seconds, as in Rundeck.
    ///
    /// # Errors
    /// [`BadId`] when a unit is missing or unknown, or the sum is over 365 days.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let bad = || BadId { what: "duration", given: text.chars().take(80).collect(), rule: RULE };
        let text_trimmed = text.trim();
        if !text_trimmed.is_empty() && text_trimmed.bytes().all(|b| b.is_ascii_digit()) {
            let n = text_trimmed.parse::<u64>().map_err(|_| bad())?;
            return if n <= LONGEST { Ok(Self(n)) } else { Err(bad()) };
        }
        let mut total: u64 = 0;
        let mut number = String::new();
        let mut units = 0;
        for c in text_trimmed.chars() {
            let scale: u64 = match c {
                '0'..='9' => {
                    number.push(c);
                    continue;
                }
                ' ' if number.is_empty() => continue,
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                'w' => 604_800,
                _ => return Err(bad()),
            };
            let n: u64 = number.parse().map_err(|_| bad())?;
            total = n.checked_mul(scale).and_then(|part| total.checked_add(part)).ok_or_else(bad)?;
            number.clear();
            units += 1;
        }
        if units == 0 || !number.is_empty() || total > LONGEST { Err(bad()) } else { Ok(Self(total)) }
    }

    /// The number of seconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As chrono's duration.
    #[must_use]
    pub fn to_delta(self) -> chrono::TimeDelta {
        chrono::TimeDelta::seconds(i64::try_from(self.0).unwrap_or(i64::MAX / 1_000))
    }

    /// As the standard library's duration.
    #[must_use]
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        let mut first = true;
        for (scale, unit) in [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")] {
            let n = rest / scale;
            rest %= scale;
            if n > 0 {
                if !first {
                    f.write_str(" ")?;
                }
                write!(f, "{n}{unit}")?;
                first = false;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in
            [("90", 90), ("30s", 30), ("10m", 600), ("1d 12h", 129_600), ("1h30m", 5_400), ("2w", 1_209_600)]
        {
            assert_eq!(Seconds::parse(text).map(Seconds::get), Ok(seconds), "{text}");
        }
        for text in ["", "m", "10", "10x", "1.5h", "-5s", "10m5", "366d", "99999999999999999999s"] {
            assert_eq!(Seconds::parse(text).is_err(), text != "10", "{text}");
        }
    }

    #[test]
    fn what_it_prints_it_reads() {
        for n in [0, 1, 59, 60, 3_661, 86_400, 90_061] {
            assert_eq!(Seconds::parse(&Seconds::new(n).to_string()).map(Seconds::get), Ok(n));
        }
    }
}
