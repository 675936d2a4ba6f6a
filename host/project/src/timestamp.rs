//! Times as JavaScript's `toISOString` writes them, from a clock that is handed in.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::format_description::well_known::{Iso8601, Rfc3339, iso8601};
use time::{OffsetDateTime, UtcOffset};

/// The wall clock. This crate has none of its own.
pub type Clock = fn() -> SystemTime;

/// A point in time: ISO 8601 in UTC with milliseconds, `2026-01-19T10:00:00.000Z`.
///
/// Any RFC 3339 time is read; finer than a millisecond is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(OffsetDateTime);

/// What is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("TIMESTAMP_INVALID: {text:?} is no time; give one as 2026-01-19T10:00:00.000Z")]
pub struct TimestampError {
    /// What was given.
    pub text: String,
}

const MILLIS: iso8601::EncodedConfig = iso8601::Config::DEFAULT
    .set_year_is_six_digits(false)
    .set_time_precision(iso8601::TimePrecision::Second { decimal_digits: NonZero::new(3) })
    .encode();

impl Timestamp {
    /// What the clock says. A clock outside of the years 0 to 9999 gives the nearest of these.
    pub fn now(clock: Clock) -> Self {
        let nanos = match clock().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
            Err(before) => {
                i128::try_from(before.duration().as_nanos()).map_or(i128::MIN, |nanos| -nanos)
            }
        };
        const YEAR_0: i128 = -62_167_219_200_000_000_000;
        const YEAR_9999: i128 = 253_402_300_799_999_000_000;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos.clamp(YEAR_0, YEAR_9999));
        Self(to_millis(at.unwrap_or(OffsetDateTime::UNIX_EPOCH)))
    }
}

impl Timestamp {
    /// Milliseconds since 1970; negative before.
    pub fn unix_millis(self) -> i64 {
        // The years that are possible have fewer than 2^48 of them.
        i64::try_from(self.0.unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
    }
}

fn to_millis(at: OffsetDateTime) -> OffsetDateTime {
    at.truncate_to_millisecond()
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(&Iso8601::<MILLIS>).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let invalid = || TimestampError { text: text.to_owned() };
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| invalid())?;
        let at = at.checked_to_offset(UtcOffset::UTC).ok_or_else(invalid)?;
        if at.year() < 0 || at.year() > 9999 {
            return Err(invalid());
        }
        Ok(Self(to_millis(at)))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, TimestampError> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(at: Timestamp) -> Self {
        at.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_as_javascript_does() {
        for (given, written) in [
            ("2026-01-19T10:00:00.000Z", "2026-01-19T10:00:00.000Z"),
            ("2026-01-19T10:00:00Z", "2026-01-19T10:00:00.000Z"),
            ("2026-01-19T12:30:00.987654+02:30", "2026-01-19T10:00:00.987Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(given.parse::<Timestamp>().unwrap().to_string(), written);
        }
        for bad in [
            "",
            "yesterday",
            "2026-01-19",
            "2026-13-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:59:59+01:00",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn milliseconds_are_counted_from_1970_in_both_directions() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-19T10:00:00.987654Z", 1_768_816_800_987),
            ("1969-12-31T23:59:59.9995Z", -1),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().unix_millis(), millis, "{text}");
        }
    }

    #[test]
    fn a_clock_that_is_far_off_is_no_panic() {
        let far = Timestamp::now(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40));
        assert_eq!(far.to_string(), "9999-12-31T23:59:59.999Z");
        let early = Timestamp::now(|| SystemTime::UNIX_EPOCH - Duration::from_millis(1));
        assert_eq!(early.to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(far.to_string().parse(), Ok(far));
    }
}
