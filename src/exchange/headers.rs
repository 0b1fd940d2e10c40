//! Dates and numbers in the headers of a reply, and the headers of a backend's own replies.

use core::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use crate::time::{Moment, to_seconds, two_digits};

/// The longest header that is read as a date, in bytes: real ones have 29.
const LONGEST_DATE: usize = 64;

/// Days of the week, from that of 1970-01-01.
const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];

/// Returns an HTTP date (RFC 9110, section 5.6.7) in milliseconds since 1970.
pub(super) fn http_date(text: &[u8]) -> Option<i64> {
    if text.len() > LONGEST_DATE {
        return None;
    }
    fixdate(text).or_else(|| {
        let text = core::str::from_utf8(text.trim_ascii()).ok()?;
        let at = httpdate::parse_http_date(text).ok()?;
        Some(Moment::new(Duration::ZERO, at).wall_millis())
    })
}

/// Reads the format that servers send, `Tue, 24 Nov 2026 04:00:00 GMT`, as `httpdate` does.
fn fixdate(text: &[u8]) -> Option<i64> {
    #[rustfmt::skip]
    let &[w1, w2, w3, b',', b' ', d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ',
        h1, h2, b':', mi1, mi2, b':', s1, s2, b' ', b'G', b'M', b'T'] = text else { return None };
    let month = match &[m1, m2, m3] {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    };
    let year = two_digits(y1, y2)?.saturating_mul(100).saturating_add(two_digits(y3, y4)?);
    let time = [two_digits(h1, h2)?, two_digits(mi1, mi2)?, two_digits(s1, s2)?];
    let seconds = to_seconds([year, month, two_digits(d1, d2)?], time)?;
    let days = usize::try_from(seconds.div_euclid(86_400)).ok()?;
    let is_day = DAYS.get(days % 7) == Some(&&[w1, w2, w3]);
    is_day.then(|| seconds.saturating_mul(1_000))
}

/// Returns a count of seconds (`Age`: RFC 9111, section 5.1; `Retry-After`: RFC 9110, section 10.2.3), in
/// milliseconds.
///
/// Digits only. A count too large for an integer is the largest one (RFC 9111, section 1.2.2).
pub(super) fn whole_seconds(text: &str) -> Option<u64> {
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1_000))
}

/// Returns a backend's reply to its app: 200 with a JSON body that nothing stores.
pub(super) fn json_reply(body: Bytes) -> http::Response<Bytes> {
    let mut response = http::Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MONTHS: &[&str] = &[
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "jan",
    ];

    #[test]
    fn headers_table() {
        assert_eq!(http_date(b"Tue, 24 Nov 2026 04:00:00 GMT"), Some(1_795_492_800_000));
        assert_eq!(http_date(b"Tuesday, 24-Nov-26 04:00:00 GMT"), Some(1_795_492_800_000));
        assert_eq!(http_date(b" Tue, 24 Nov 2026 04:00:00 GMT\t"), Some(1_795_492_800_000));
        assert_eq!(http_date("\u{a0}Tue, 24 Nov 2026 04:00:00 GMT".as_bytes()), None);
        assert_eq!(http_date(b"2026-11-24T04:00:00Z"), None);
        assert_eq!(whole_seconds(" 120 "), Some(120_000));
        assert_eq!(whole_seconds("99999999999999999999999"), Some(u64::MAX));
        for junk in ["", "-1", "+1", "1.5", "1 2", "x"] {
            assert_eq!(whole_seconds(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn long_dates_are_not_looked_at() {
        let padded = |len: usize| format!("Tue, 24 Nov 2026 04:00:00 GMT{}", " ".repeat(len - 29));
        for (len, looked_at) in [(63, true), (64, true), (65, false), (66, false), (8_192, false)] {
            assert_eq!(http_date(padded(len).as_bytes()).is_some(), looked_at, "{len}");
        }
    }

    /// What `fixdate` reads, and whether `httpdate` reads the same.
    fn agrees(text: &str) -> (Option<i64>, bool) {
        let read = fixdate(text.as_bytes());
        let by_httpdate = httpdate::parse_http_date(text).ok();
        let by_httpdate = by_httpdate.map(|at| Moment::new(Duration::ZERO, at).wall_millis());
        (read, read.is_none() || read == by_httpdate)
    }

    #[test]
    fn every_day_is_the_day_that_httpdate_reads() {
        // The calendar repeats itself every 400 years, and the last day is in 9999.
        for day in (0..146_097).chain(2_932_000..2_932_897_u64) {
            let at = Duration::from_secs(day * 86_400 + day % 86_400);
            let text = httpdate::fmt_http_date(std::time::UNIX_EPOCH + at);
            assert_eq!(fixdate(text.as_bytes()), i64::try_from(at.as_millis()).ok(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None, ..ProptestConfig::with_cases(20_000)
        })]

        #[test]
        fn a_date_is_read_as_httpdate_reads_it_or_left_to_it(
            day in proptest::sample::select(DAYS.as_slice()),
            (date, year) in (0..=39_u32, 0..=9_999_u32),
            month in proptest::sample::select(MONTHS),
            (hour, minute, second) in (0..=29_u32, 0..=69_u32, 0..=69_u32),
            change in proptest::option::weighted(0.3, (0..29_usize, proptest::char::range(' ', '~'))),
        ) {
            let day = core::str::from_utf8(day).unwrap();
            let mut text =
                format!("{day}, {date:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT");
            if let Some((at, with)) = change {
                text.replace_range(at..=at, with.encode_utf8(&mut [0; 4]));
            }
            let (_, agrees) = agrees(&text);
            prop_assert!(agrees, "{text}");
        }
    }
}
