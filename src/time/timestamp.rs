//! The expiry of a token, as RFC 3339 writes it.

use core::fmt;

use super::{from_seconds, to_seconds, two_digits};

/// The longest text that is read as a date, in bytes: real ones are under 40.
const LONGEST: usize = 64;

/// 0000-01-01T00:00:00Z, the first instant that RFC 3339 can write in UTC, in milliseconds since 1970.
const FIRST: i64 = -62_167_219_200_000;

/// 9999-12-31T23:59:59.999Z, the last one.
const LAST: i64 = 253_402_300_799_999;

/// The instant at which a token expires: the `expiresAt` of a reply, read as RFC 3339 (wire facts, N: "a string of
/// no stated format").
///
/// Accepted is exactly the format of RFC 3339, section 5.6, in up to 64 bytes: `T` and `Z` in either case, any fraction (cut to the
/// millisecond), any offset below 24 hours. Not accepted are a space for the `T`, a comma in the fraction, an offset
/// without its minutes or colon, the basic format of ISO 8601, a year of more than four digits, and the name of a
/// time zone after it (RFC 9557).
///
/// Second 60 is accepted at 23:59 UTC of any day, since leap seconds are not known in advance. It is read as
/// the whole second before it, without its fraction, so that it never counts as
/// [exact](Self::is_whole_second).
///
/// `Display` writes RFC 3339 in UTC. An instant outside the years 0000 to 9999 is written as the first or last in
/// them.
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
    /// Creates an instant from milliseconds since 1970-01-01T00:00:00Z (negative before it).
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self { millis }
    }

    /// Reads RFC 3339. Returns `None` for any other text, and for one of more than 64 bytes: the expiry is then
    /// unknown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_bytes(text.as_bytes())
    }

    pub(crate) fn parse_bytes(text: &[u8]) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (local, rest) = text.split_first_chunk()?;
        #[rustfmt::skip]
        let &[y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T' | b't',
            h1, h2, b':', mi1, mi2, b':', s1, s2] = local else { return None };
        let year = two_digits(y1, y2)?.saturating_mul(100).saturating_add(two_digits(y3, y4)?);
        let date = [year, two_digits(mo1, mo2)?, two_digits(d1, d2)?];
        let (hour, minute, second) =
            (two_digits(h1, h2)?, two_digits(mi1, mi2)?, two_digits(s1, s2)?);
        let (fraction, zone) = fraction(rest)?;
        let is_leap = second == 60;
        let local = to_seconds(date, [hour, minute, if is_leap { 59 } else { second }])?;
        let seconds = local.saturating_sub(offset(zone)?);
        if is_leap && seconds.rem_euclid(86_400) != 86_399 {
            return None;
        }
        let fraction = if is_leap { 0 } else { fraction };
        Some(Self { millis: seconds.saturating_mul(1_000).saturating_add(fraction) })
    }

    /// Returns milliseconds since 1970-01-01T00:00:00Z, negative before it.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.millis
    }

    /// Returns whether this is a whole second, so that the true expiry may lie up to a second after it.
    #[must_use]
    pub const fn is_whole_second(self) -> bool {
        self.millis.rem_euclid(1_000) == 0
    }
}

impl fmt::Display for ExpiresAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis.clamp(FIRST, LAST);
        let ([year, month, day], [hour, minute, second]) = from_seconds(millis.div_euclid(1_000));
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match millis.rem_euclid(1_000) {
            0 => f.write_str("Z"),
            fraction => write!(f, ".{fraction:03}Z"),
        }
    }
}

/// Reads an optional `.` with digits as milliseconds, cut to whole ones. Returns the rest, too.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, text)) };
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(len).filter(|_| len > 0)?;
    let digits = digits.iter().chain(b"00").take(3);
    let millis = digits.fold(0_i64, |millis, digit| {
        millis.saturating_mul(10).saturating_add(i64::from(digit & 0xf))
    });
    Some((millis, rest))
}

/// Reads `Z` or an offset such as `+01:00`, in seconds.
fn offset(zone: &[u8]) -> Option<i64> {
    let &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = zone else {
        return matches!(zone, b"Z" | b"z").then_some(0);
    };
    let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
    let seconds = i64::from(hours.saturating_mul(60).saturating_add(minutes)).saturating_mul(60);
    let signed = if sign == b'-' { seconds.saturating_neg() } else { seconds };
    (hours < 24 && minutes < 60).then_some(signed)
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
    fn long_texts_are_not_looked_at() {
        let precise = |len: usize| format!("2026-11-24T04:00:00.{}Z", "1".repeat(len - 21));
        for (len, looked_at) in [(63, true), (64, true), (65, false), (66, false), (8_192, false)] {
            assert_eq!(ExpiresAt::parse(&precise(len)).is_some(), looked_at, "{len}");
        }
    }
}
