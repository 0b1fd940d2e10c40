//! Dates of the proleptic Gregorian calendar, in UTC.

use core::num::Saturating;

/// Returns the value of two ASCII digits.
pub(crate) fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (u32::from(tens.wrapping_sub(b'0')), u32::from(ones.wrapping_sub(b'0')));
    (tens < 10 && ones < 10).then(|| tens.saturating_mul(10).saturating_add(ones))
}

/// Returns the seconds from 1970 to a date and time, negative before it. `None` for one that does not exist in
/// the years 0 to 9999; a leap second counts as one that does not.
pub(crate) fn to_seconds(
    [year, month, day]: [u32; 3],
    [hour, minute, second]: [u32; 3],
) -> Option<i64> {
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 > 0 || year % 100 == 0 && year % 400 > 0 => 28,
        2 => 29,
        _ => 31,
    };
    let is_date = year < 10_000 && (1..=12).contains(&month) && (1..=length).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let [hour, minute, second] = [hour, minute, second].map(|part| Saturating(i64::from(part)));
    let days = first_of(year.into(), month.into()) + Saturating(i64::from(day)) - Saturating(1);
    let hours = days * Saturating(24) + hour;
    Some(((hours * Saturating(60) + minute) * Saturating(60) + second).0)
}

/// Returns the date and time at `seconds` from 1970, from year 0 on.
pub(crate) fn from_seconds(seconds: i64) -> ([i64; 3], [i64; 3]) {
    let (days, second) = (Saturating(seconds.div_euclid(86_400)), seconds.rem_euclid(86_400));
    // 400 years have 146 097 days, so this misses the year by one at most.
    let since_1970 = (days * Saturating(400)).0.div_euclid(146_097);
    let mut years = (1_969..=1_971).rev().map(|start: i64| start.saturating_add(since_1970));
    let year = years.find(|year| first_of(*year, 1) <= days).unwrap_or_default();
    let month = (2..=12).rev().find(|month| first_of(year, *month) <= days).unwrap_or(1);
    let day = days - first_of(year, month) + Saturating(1);
    ([year, month, day.0], [second / 3_600, second / 60 % 60, second % 60])
}

/// Returns the days from 1970 to the first of a month, 13 being the next January.
fn first_of(year: i64, month: i64) -> Saturating<i64> {
    // Counted from March, so that a leap day is the last of its year; and from 400 years earlier, so that no
    // year is negative.
    let (before, month) =
        if month > 2 { (400, month.saturating_sub(3)) } else { (399, month.saturating_add(9)) };
    let year = year.saturating_add(before);
    let leap_days = Saturating(year / 4) - Saturating(year / 100) + Saturating(year / 400);
    let in_year = Saturating(month.saturating_mul(153).saturating_add(2) / 5);
    Saturating(year) * Saturating(365) + leap_days + in_year - Saturating(719_468 + 146_097)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_the_one_of_another_calendar() {
        // The calendar repeats itself every 400 years.
        for (first, last) in [(0, 799), (1_900, 2_100), (9_600, 9_999)] {
            let mut date = jiff::civil::Date::new(first, 1, 1).unwrap();
            while date.year() <= last {
                let seconds = date.duration_since(jiff::civil::date(1970, 1, 1)).as_secs();
                let parts = [i64::from(date.year()), date.month().into(), date.day().into()];
                let written = parts.map(|part| u32::try_from(part).unwrap());
                assert_eq!(to_seconds(written, [0, 0, 0]), Some(seconds), "{date}");
                assert_eq!(from_seconds(seconds), (parts, [0, 0, 0]), "{date}");
                assert_eq!(from_seconds(seconds + 86_399), (parts, [23, 59, 59]), "{date}");
                let Ok(next) = date.tomorrow() else { break };
                date = next;
            }
        }
    }

    #[test]
    fn dates_and_times_that_do_not_exist_are_none() {
        for year in [0, 1_900, 2_000, 2_023, 2_024, 9_999] {
            for month in 0..=99 {
                for day in 0..=99 {
                    let number = |number: u32| i8::try_from(number).unwrap();
                    let date = jiff::civil::Date::new(
                        year.try_into().unwrap(),
                        number(month),
                        number(day),
                    );
                    let read = to_seconds([year, month, day], [0, 0, 0]);
                    assert_eq!(read.is_some(), date.is_ok(), "{year} {month} {day}");
                }
            }
        }
        for (time, exists) in
            [([23, 59, 59], true), ([24, 0, 0], false), ([0, 60, 0], false), ([0, 0, 60], false)]
        {
            assert_eq!(to_seconds([2026, 11, 24], time).is_some(), exists, "{time:?}");
        }
        assert_eq!(to_seconds([10_000, 1, 1], [0, 0, 0]), None);
        assert_eq!([two_digits(b'0', b'9'), two_digits(b'9', b'0')], [Some(9), Some(90)]);
        for (tens, ones) in [(b'/', b'0'), (b'0', b'/'), (b':', b'0'), (b'0', b':')] {
            assert_eq!(two_digits(tens, ones), None);
        }
    }
}
