//! Dates as the wire writes them.

use core::time::Duration;

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;

use super::moment::Moment;

/// The longest header or member that is read as a date, in bytes: real ones are under 40.
const DATE_LIMIT: usize = 64;

/// The `expiresAt` of a reply, read as RFC 3339 (wire facts, N: "a string of no stated format").
///
/// Any offset is taken, and any year from 0000 to 9999; a leap second is read as the second before it.
///
/// ```
/// use videokit_session::time::ExpiresAt;
///
/// let at = ExpiresAt::parse("2026-11-24T05:00:00.250+01:00").unwrap();
/// assert_eq!(at, ExpiresAt::from_millis(1_795_492_800_250));
/// assert_eq!(ExpiresAt::parse("now"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExpiresAt {
    millis: i64,
}

impl ExpiresAt {
    /// An instant, in milliseconds since 1970-01-01T00:00:00Z (negative before it).
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self { millis }
    }

    /// Reads RFC 3339, or gives `None`: an expiry that can't be read is an unknown expiry, not an
    /// error. At most 64 bytes are looked at.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > DATE_LIMIT {
            return None;
        }
        let pieces = Pieces::parse(text).ok()?;
        let offset = pieces.to_numeric_offset()?;
        // Not by way of an absolute time stamp: that type ends a day before the year 9999 does, and
        // 9999-12-31T23:59:59Z is what some backends write for "never".
        let local = DateTime::from_parts(pieces.date(), pieces.time()?);
        let since_1970 = local.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
        let shift = i64::from(offset.seconds()).checked_mul(1_000)?;
        let millis = i64::try_from(since_1970.as_millis()).ok()?.checked_sub(shift)?;
        Some(Self { millis })
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, negative before it.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.millis
    }

    /// Whether this names a whole second, so that the true expiry may lie up to a second after it.
    #[must_use]
    pub const fn is_whole_second(self) -> bool {
        self.millis.rem_euclid(1_000) == 0
    }
}

/// An HTTP date (RFC 9110, section 5.6.7) in milliseconds since 1970.
pub(crate) fn http_date(text: &str) -> Option<i64> {
    if text.len() > DATE_LIMIT {
        return None;
    }
    let at = httpdate::parse_http_date(text.trim()).ok()?;
    Some(Moment::new(Duration::ZERO, at).wall_millis())
}

/// A count of seconds (`Age`, `Retry-After`: RFC 9110, section 10.2.3), in milliseconds.
///
/// Digits only. A count too large for an integer is the largest one (RFC 9111, section 1.2.2).
pub(crate) fn whole_seconds(text: &str) -> Option<u64> {
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_table() {
        let rows: &[(&str, Option<i64>, bool)] = &[
            ("2026-11-24T04:00:00Z", Some(1_795_492_800_000), true),
            ("2026-11-24T04:00:00.000Z", Some(1_795_492_800_000), true),
            ("2026-11-24T04:00:00.5Z", Some(1_795_492_800_500), false),
            ("2026-11-24t04:00:00.123456789z", Some(1_795_492_800_123), false),
            ("2026-11-24 06:00:00+02:00", Some(1_795_492_800_000), true),
            ("2016-12-31T23:59:60Z", Some(1_483_228_799_000), true),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000), true),
            ("1969-12-31T23:59:59.999Z", Some(-1), false),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799_000), true),
            ("9999-12-31T23:59:59-23:59", Some(253_402_387_139_000), true),
            ("2026-11-24T04:00:00", None, false),
            ("2026-11-24", None, false),
            ("now", None, false),
            ("", None, false),
            ("1795492800", None, false),
            (" 2026-11-24T04:00:00Z", None, false),
            ("2026-02-30T04:00:00Z", None, false),
        ];
        for (text, millis, whole) in rows {
            let read = ExpiresAt::parse(text);
            assert_eq!(read.map(ExpiresAt::as_millis), *millis, "{text:?}");
            assert_eq!(read.is_some_and(ExpiresAt::is_whole_second), *whole, "{text:?}");
        }
    }

    #[test]
    fn long_dates_are_not_looked_at() {
        // With a time zone's name behind it (RFC 9557), and with spaces.
        let zoned = |len: usize| format!("2026-11-24T04:00:00Z[{}]", "a".repeat(len - 22));
        let padded = |len: usize| format!("Tue, 24 Nov 2026 04:00:00 GMT{}", " ".repeat(len - 29));
        for (len, looked_at) in [(63, true), (64, true), (65, false), (66, false), (8_192, false)] {
            assert_eq!(ExpiresAt::parse(&zoned(len)).is_some(), looked_at, "{len}");
            assert_eq!(http_date(&padded(len)).is_some(), looked_at, "{len}");
        }
    }

    #[test]
    fn headers_table() {
        assert_eq!(http_date("Tue, 24 Nov 2026 04:00:00 GMT"), Some(1_795_492_800_000));
        assert_eq!(http_date("Tuesday, 24-Nov-26 04:00:00 GMT"), Some(1_795_492_800_000));
        assert_eq!(http_date("2026-11-24T04:00:00Z"), None);
        assert_eq!(whole_seconds(" 120 "), Some(120_000));
        assert_eq!(whole_seconds("99999999999999999999999"), Some(u64::MAX));
        for junk in ["", "-1", "+1", "1.5", "1 2", "x"] {
            assert_eq!(whole_seconds(junk), None, "{junk:?}");
        }
    }
}
