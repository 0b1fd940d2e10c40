//! Dates and durations: `expiresAt` as RFC 3339, the headers `Date` and `Age`, and `Retry-After` in both
//! forms, each compared with a second reading and with the formula of the remaining lifetime.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::Response;
use http::header::{AGE, DATE, HeaderName, HeaderValue, RETRY_AFTER};
use videokit_session::exchange::{DenialKind, Flaw};
use videokit_session::session::ReceiveError;
use videokit_session::time::ExpiresAt;
use videokit_session::{
    AllowedOrigin, ApiToken, Config, Credentials, Gateway, Identity, Moment, Session,
};

/// 2026-11-24T04:00:00Z, in milliseconds since 1970.
const WALL: i64 = 1_795_492_800_000;

/// The longest text that is looked at, in bytes.
const LONGEST: usize = 64;

/// Four lines: `expiresAt`, `Date`, `Age` and `Retry-After`. An empty one is left out.
pub(crate) fn check(input: &[u8]) {
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let mut next = || lines.next().filter(|line| !line.is_empty());
    let expires_at = next().map(String::from_utf8_lossy);
    let expires_at = expires_at.as_deref();
    let headers = [(); 3].map(|()| HeaderValue::from_bytes(next()?).ok());
    let [date, age, retry_after] = headers.each_ref().map(Option::as_ref);
    expires_at.into_iter().for_each(check_expiry);
    check_retry_after(date, retry_after);
    check_remaining(expires_at, date, age);
}

/// RFC 3339 is read, and nothing else; what is read is written down and read as the same again.
fn check_expiry(text: &str) {
    let read = ExpiresAt::parse(text);
    assert_eq!(read.map(ExpiresAt::as_millis), rfc3339_of(text), "{text:?}");
    let Some(at) = read else { return };
    assert!(text.len() <= LONGEST);
    assert_eq!(at.is_whole_second(), at.as_millis().rem_euclid(1_000) == 0);
    assert_eq!(ExpiresAt::parse(text), read, "read again");
    let written = rfc3339(at.as_millis());
    if let Some(written) = written {
        assert_eq!(ExpiresAt::parse(&written), read, "{text:?} as {written:?}");
        assert_eq!(at.to_string(), written.replace(".000Z", "Z"));
    }
}

/// What a server asks to be left alone for.
fn check_retry_after(date: Option<&HeaderValue>, retry_after: Option<&HeaderValue>) {
    let mut reply = Response::new("");
    *reply.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    put(&mut reply, DATE, date);
    put(&mut reply, RETRY_AFTER, retry_after);
    let denial = gateway().read(&reply).expect_err("503");
    let expected = retry_after.and_then(text).and_then(|text| {
        let whole = seconds(text).or_else(|| {
            let until =
                http_date(text)?.saturating_sub(date.and_then(self::text).and_then(http_date)?);
            Some(u64::try_from(until).unwrap_or(0))
        });
        // Otherwise, whatever in it is a number of seconds.
        let in_parts =
            || text.split(',').filter_map(seconds).fold(None, |most, part| most.max(Some(part)));
        whole.or_else(in_parts)
    });
    assert_eq!(denial.retry_after(), expected.map(Duration::from_millis), "{reply:?}");
    assert!(denial.to_string().len() < 300);
}

/// What a session makes of a granting reply's dates is what the formula says.
fn check_remaining(
    expires_at: Option<&str>,
    date: Option<&HeaderValue>,
    age: Option<&HeaderValue>,
) {
    let expiry = expires_at.map_or(serde_json::Value::Null, Into::into);
    let body = serde_json::json!({"sessionToken": "tok-1", "identity": "u", "expiresAt": expiry});
    let body = body.to_string();
    let mut reply = Response::new(body.as_str());
    put(&mut reply, DATE, date);
    put(&mut reply, AGE, age);
    let config = Config::builder(AllowedOrigin::https("https://api.example").unwrap()).build();
    let now = Moment::from_millis(5_000, WALL);
    let session = Session::new(Arc::new(config.unwrap()), 1);
    let (session, outgoing) =
        session.authenticate(&Credentials::for_development(gateway()), now).unwrap();
    let read = expires_at.and_then(ExpiresAt::parse);
    let age = match age {
        None => Some(0),
        Some(age) => text(age).and_then(|text| seconds(text.split(',').next()?)),
    };
    let (lo, hi) = formula(read, date.and_then(text).and_then(http_date), age);
    match session.receive(outgoing.id(), &reply, now) {
        Ok((session, _)) => {
            let left = session.remaining(now);
            assert_eq!((left.at_least_millis(), left.at_most_millis()), (lo, hi), "{reply:?}");
            let _ = (session.renewal_due_in(now), session.lapses_in(now));
        }
        Err(ReceiveError::Denied(rejected, _)) => {
            let dead = DenialKind::Malformed(Flaw::ExpiredOnArrival);
            assert_eq!(rejected.reason().kind(), dead);
            assert!(hi.is_some_and(|hi| hi <= 0), "{lo} to {hi:?} left: {reply:?}");
        }
        Err(stale) => panic!("{stale}"),
    }
}

fn gateway() -> Gateway {
    Gateway::new(ApiToken::new("api-token").unwrap(), Identity::new("u").unwrap())
}

fn put(reply: &mut Response<&str>, name: HeaderName, value: Option<&HeaderValue>) {
    if let Some(value) = value {
        reply.headers_mut().insert(name, value.clone());
    }
}

/// A header as text, if it is visible ASCII.
fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// `lo` and `hi` in the moment of sending and receiving, with the defaults of the configuration.
fn formula(
    expires_at: Option<ExpiresAt>,
    date: Option<i64>,
    age: Option<u64>,
) -> (i64, Option<i64>) {
    const GATEWAY_SKEW: i64 = 1_000;
    const WALL_ERROR: i64 = 120_000;
    const YEAR: i64 = 366 * 86_400_000;
    // After an age that can't be read, nothing is certain but the end.
    let certain = |lo: i64| if age.is_none() { i64::MIN } else { lo };
    let unknown = (certain(900_000 - 1_000), None);
    let Some(at) = expires_at else { return unknown };
    let r = if at.is_whole_second() { 1_000 } else { 0 };
    let slack = if date.is_some() { GATEWAY_SKEW } else { WALL_ERROR };
    let length = at.as_millis().saturating_sub(date.unwrap_or(WALL));
    let hi = length.saturating_add(r).saturating_add(slack);
    if date.is_none() && length > YEAR {
        return unknown;
    }
    let lo = length.saturating_sub(1_000 + slack).saturating_sub_unsigned(age.unwrap_or(0));
    // A wall clock alone calls no token expired.
    let believed = date.is_some() || hi > 0;
    (certain(lo.saturating_sub(1_000)), believed.then_some(hi))
}

/// A count of seconds, in milliseconds.
fn seconds(text: &str) -> Option<u64> {
    let digits = text.trim_matches([' ', '\t']);
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count = digits.bytes().fold(0_u64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0')))
    });
    all.then(|| count.saturating_mul(1_000))
}

/// An HTTP date in milliseconds since 1970. The form that senders have to use is read here; for the two
/// older ones, the library is taken at its word.
fn http_date(text: &str) -> Option<i64> {
    if text.len() > LONGEST {
        return None;
    }
    let text = text.trim_matches([' ', '\t']);
    let read = httpdate::parse_http_date(text).ok();
    let read = read.map(|at| i64::try_from(at.duration_since(UNIX_EPOCH).unwrap().as_millis()));
    let read = read.and_then(Result::ok);
    if let Some(expected) = imf_fixdate(text) {
        assert_eq!(read, Some(expected), "{text:?}");
    }
    read
}

/// The form of RFC 9110, section 5.6.7, from 1970 on: `Tue, 24 Nov 2026 04:00:00 GMT`.
fn imf_fixdate(text: &str) -> Option<i64> {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if !has_shape(text, "..., dd ... dddd dd:dd:dd GMT") {
        return None;
    }
    let month = MONTHS.iter().position(|month| *month == &text[8..11])?;
    let day = days(number(&text[12..16]), i64::try_from(month).ok()? + 1, number(&text[5..7]))?;
    let time = time_of_day(&text[17..25], 59)?;
    let named = DAYS[usize::try_from(day.rem_euclid(7)).ok()?];
    (day >= 0 && text.starts_with(named)).then_some((day * 86_400 + time) * 1_000)
}

/// RFC 3339, section 5.6, cut to milliseconds; a leap second as the whole second before it. `None` for
/// anything else.
fn rfc3339_of(text: &str) -> Option<i64> {
    if text.len() > LONGEST || !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (time, mut rest) = rest.split_at_checked(8)?;
    if !has_shape(date, "dddd-dd-dd") || !has_shape(time, "dd:dd:dd") {
        return None;
    }
    let mut millis = 0;
    if let Some(behind) = rest.strip_prefix('.') {
        let digits = behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let fraction = Some(&behind[..digits]).filter(|_| digits > 0)?;
        millis = number(&format!("{fraction:0<3}")[..3]);
        rest = &behind[digits..];
    }
    let day = days(number(&date[..4]), number(&date[5..7]), number(&date[8..]))?;
    let leap = time.ends_with("60");
    let second = day * 86_400 + time_of_day(time, 60)? - i64::from(leap) - offset(rest)?;
    let last_of_a_day = (second + 1) % 86_400 == 0;
    let millis = if leap { 0 } else { millis };
    (!leap || last_of_a_day).then_some(second * 1_000 + millis)
}

/// `Z` or a numeric offset, in seconds.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, hours_and_minutes) = text.split_at_checked(1)?;
    let sign = if sign == "-" { -1 } else { 1 };
    let fits = has_shape(text, "+dd:dd") || has_shape(text, "-dd:dd");
    let time = fits.then(|| format!("{hours_and_minutes}:00"))?;
    Some(sign * time_of_day(&time, 59)?)
}

/// Whether each character is the one of the shape, where `d` is any digit and `.` anything in ASCII.
fn has_shape(text: &str, shape: &str) -> bool {
    let same = |(byte, wanted): (u8, u8)| match wanted {
        b'd' => byte.is_ascii_digit(),
        b'.' => byte.is_ascii(),
        _ => byte == wanted,
    };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(same)
}

fn number(digits: &str) -> i64 {
    digits.parse().expect("digits")
}

/// Seconds since midnight, of `hh:mm:ss`.
fn time_of_day(text: &str, last_second: i64) -> Option<i64> {
    let (hour, minute, second) = (number(&text[..2]), number(&text[3..5]), number(&text[6..8]));
    let fits = hour < 24 && minute < 60 && second <= last_second;
    fits.then_some(hour * 3_600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, counted year by year and month by month.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month - 1).ok()?;
    let fits = (1..=*lengths.get(index)?).contains(&day);
    let leaps_before = |year: i64| {
        let last = year - 1;
        last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400)
    };
    let whole_years = (year - 1970) * 365 + leaps_before(year) - leaps_before(1970);
    fits.then(|| whole_years + lengths[..index].iter().sum::<i64>() + day - 1)
}

/// A time as RFC 3339 has it, for the years with four digits.
fn rfc3339(millis: i64) -> Option<String> {
    let day = millis.div_euclid(86_400_000);
    let mut year = 1970 + day.div_euclid(366).min(day.div_euclid(365)) - 1;
    while days(year + 1, 1, 1)? <= day {
        year += 1;
    }
    let month =
        (1..=12).rev().find(|month| days(year, *month, 1).is_some_and(|first| first <= day))?;
    let date = day - days(year, month, 1)? + 1;
    let within = millis.rem_euclid(86_400_000);
    let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
    let (second, milli) = (within / 1_000 % 60, within % 1_000);
    (0..=9_999).contains(&year).then(|| {
        format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    })
}
