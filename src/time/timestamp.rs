//! Dates as the wire writes them.

use core::fmt;
use core::time::Duration;

use jiff::civil::{Date, DateTime, Time};

use super::moment::Moment;

/// The longest header or member that is read as a date, in bytes: real ones are under 40.
const DATE_LIMIT: usize = 64;

/// 1970-01-01T00:00:00.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// 0000-01-01T00:00:00Z, the first instant that RFC 3339 can write in UTC, in milliseconds since 1970.
const FIRST: i64 = -62_167_219_200_000;

/// 9999-12-31T23:59:59.999Z, the last one.
const LAST: i64 = 253_402_300_799_999;

/// The `expiresAt` of a reply, read as RFC 3339 (wire facts, N: "a string of no stated format").
///
/// Exactly the format of RFC 3339, section 5.6, is taken: `T` and `Z` in either case, any fraction (cut to
/// the millisecond), any offset below 24 hours. These are not: a space for the `T`, a comma in the fraction,
/// an offset without its minutes or colon, the basic format of ISO 8601, a year of more than four digits, a
/// time zone's name behind it (RFC 9557).
///
/// Second 60 is taken at 23:59 UTC of any day, since leap seconds are not known in advance. It is read as
/// the whole second before it, without its fraction, so that it is never taken to be
/// [exact](Self::is_whole_second).
///
/// `Display` writes RFC 3339 in UTC; an instant outside the years 0000 to 9999 as the first or last in them.
///
/// ```
/// use videokit_session::time::ExpiresAt;
///
/// let at = ExpiresAt::parse("2026-11-24T05:00:00.250+01:00").unwrap();
/// assert_eq!(at, ExpiresAt::from_millis(1_795_492_800_250));
/// assert_eq!(at.to_string(), "2026-11-24T04:00:00.250Z");
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
    /// error. So is a text of more than 64 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > DATE_LIMIT {
            return None;
        }
        let mut text = Scanner(text.as_bytes());
        let date = text.date()?;
        text.one_of(b"Tt")?;
        let (hour, minute, second) = text.time()?;
        let fraction = text.fraction()?;
        let offset = text.offset()?;
        if !text.0.is_empty() {
            return None;
        }
        let is_leap = second == 60;
        let time = Time::new(hour, minute, if is_leap { 59 } else { second }, 0).ok()?;
        // Not by way of an absolute time stamp: that type ends a day before the year 9999 does, and
        // 9999-12-31T23:59:59Z is what some backends write for "never".
        let local = DateTime::from_parts(date, time).duration_since(EPOCH).as_secs();
        let seconds = local.checked_sub(offset)?;
        if is_leap && seconds.rem_euclid(86_400) != 86_399 {
            return None;
        }
        let fraction = if is_leap { 0 } else { fraction };
        Some(Self { millis: seconds.checked_mul(1_000)?.checked_add(fraction)? })
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

impl fmt::Display for ExpiresAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis.clamp(FIRST, LAST);
        let since_1970 = jiff::SignedDuration::from_millis(millis);
        let at = EPOCH.checked_add(since_1970).map_err(|_| fmt::Error)?;
        write!(f, "{:04}-{:02}-{:02}", at.year(), at.month(), at.day())?;
        write!(f, "T{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())?;
        match millis.rem_euclid(1_000) {
            0 => f.write_str("Z"),
            fraction => write!(f, ".{fraction:03}Z"),
        }
    }
}

/// Reads the parts of RFC 3339, section 5.6, from left to right.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        bytes.contains(first).then_some(*first)
    }

    fn digit(&mut self) -> Option<u8> {
        self.one_of(b"0123456789")?.checked_sub(b'0')
    }

    fn two_digits(&mut self) -> Option<i8> {
        let number = self.digit()?.checked_mul(10)?.checked_add(self.digit()?)?;
        i8::try_from(number).ok()
    }

    /// `2026-11-24`
    fn date(&mut self) -> Option<Date> {
        let (century, year) = (self.two_digits()?, self.two_digits()?);
        let year = i16::from(century).checked_mul(100)?.checked_add(year.into())?;
        self.one_of(b"-")?;
        let month = self.two_digits()?;
        self.one_of(b"-")?;
        Date::new(year, month, self.two_digits()?).ok()
    }

    /// `04:00:00`, with any two digits.
    fn time(&mut self) -> Option<(i8, i8, i8)> {
        let hour = self.two_digits()?;
        self.one_of(b":")?;
        let minute = self.two_digits()?;
        self.one_of(b":")?;
        Some((hour, minute, self.two_digits()?))
    }

    /// Nothing, or `.` with digits: the first three of them, as milliseconds.
    fn fraction(&mut self) -> Option<i64> {
        let Some(digits) = self.0.strip_prefix(b".") else { return Some(0) };
        self.0 = digits;
        let mut millis = i64::from(self.digit()?).checked_mul(100)?;
        let mut worth = 10_i64;
        while self.0.first().is_some_and(u8::is_ascii_digit) {
            millis = millis.checked_add(i64::from(self.digit()?).checked_mul(worth)?)?;
            worth = worth.checked_div(10)?;
        }
        Some(millis)
    }

    /// `Z`, or `+01:00`: in seconds.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1_i64,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.two_digits()?;
        self.one_of(b":")?;
        let minutes = self.two_digits()?;
        if hours > 23 || minutes > 59 {
            return None;
        }
        let minutes = i64::from(hours).checked_mul(60)?.checked_add(minutes.into())?;
        minutes.checked_mul(60)?.checked_mul(sign)
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
            ("2026-11-24T06:00:00+02:00", Some(1_795_492_800_000), true),
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
    fn what_is_written_is_read_as_the_same() {
        for (millis, text) in [
            (1_795_492_800_000, "2026-11-24T04:00:00Z"),
            (1_795_492_800_070, "2026-11-24T04:00:00.070Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (FIRST, "0000-01-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
        ] {
            let at = ExpiresAt::from_millis(millis);
            assert_eq!(at.to_string(), text);
            assert_eq!(ExpiresAt::parse(text), Some(at));
        }
        for (beyond, end) in
            [(FIRST - 1, FIRST), (i64::MIN, FIRST), (LAST + 1, LAST), (i64::MAX, LAST)]
        {
            let written = [beyond, end].map(|millis| ExpiresAt::from_millis(millis).to_string());
            assert_eq!(written[0], written[1]);
        }
    }

    #[test]
    fn long_dates_are_not_looked_at() {
        // With a long fraction, and with spaces.
        let precise = |len: usize| format!("2026-11-24T04:00:00.{}Z", "1".repeat(len - 21));
        let padded = |len: usize| format!("Tue, 24 Nov 2026 04:00:00 GMT{}", " ".repeat(len - 29));
        for (len, looked_at) in [(63, true), (64, true), (65, false), (66, false), (8_192, false)] {
            assert_eq!(ExpiresAt::parse(&precise(len)).is_some(), looked_at, "{len}");
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
