//! How long each endpoint wants to be left alone.

use http::Uri;

use crate::exchange::{AllowedOrigin, Credentials};

/// For how many endpoints a wait is kept apart. More than these share one wait, the longest: nothing is
/// forgotten, and nothing grows.
const APART: usize = 4;

/// Where credentials are sent: origin and path. What stands in a query doesn't make another endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Target {
    origin: AllowedOrigin,
    path: Box<str>,
}

impl Target {
    /// `None` where the exchange has no request to offer, or one to an unsafe place: it isn't sent.
    pub(super) fn of(credentials: &Credentials) -> Option<Self> {
        Self::at(credentials.exchange().request().ok()?.uri())
    }

    /// `None` for a URI without an origin.
    pub(super) fn at(uri: &Uri) -> Option<Self> {
        Some(Self { origin: AllowedOrigin::of(uri).ok()?, path: uri.path().into() })
    }

    #[cfg(feature = "_model")]
    fn key(&self) -> (String, &str) {
        (self.origin.to_string(), &self.path)
    }
}

/// The `Retry-After`s that were received, as ticks until which nothing is sent. Neither stop nor start
/// clears them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Floors {
    apart: Vec<(Target, u64)>,
    others: u64,
}

impl Floors {
    /// The tick until which nothing goes to `target`.
    pub(super) fn until(&self, target: Option<&Target>) -> u64 {
        let apart = self.apart.iter().find(|(floor, _)| Some(floor) == target);
        apart.map_or(self.others, |(_, until)| *until)
    }

    /// The same waits, as they are at `now`, in an order of their own.
    #[cfg(feature = "_model")]
    pub(super) fn relative_to(&self, now: u64) -> Self {
        let live = self.apart.iter().filter(|(_, until)| *until > now);
        let mut apart: Vec<_> =
            live.map(|(target, until)| (target.clone(), until.saturating_sub(now))).collect();
        apart.sort_by(|(a, _), (b, _)| a.key().cmp(&b.key()));
        Self { apart, others: self.others.saturating_sub(now) }
    }

    /// Leaves `target` alone until the tick `until`, or longer if it is to be left alone longer already. One
    /// that isn't known may be any that isn't kept apart.
    pub(super) fn raise(&mut self, target: Option<&Target>, until: u64, now: u64) {
        self.apart.retain(|(_, until)| *until > now);
        let until = until.max(self.until(target));
        if let Some((_, floor)) = self.apart.iter_mut().find(|entry| Some(&entry.0) == target) {
            *floor = until;
            return;
        }
        match target {
            Some(target) if self.apart.len() < APART => self.apart.push((target.clone(), until)),
            _ => self.others = self.others.max(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(number: usize) -> Target {
        let uri = format!("https://gateway.example/{number}").parse().unwrap();
        Target::at(&uri).unwrap()
    }

    #[test]
    fn a_wait_may_be_told_again_and_gets_no_shorter() {
        let mut floors = Floors::default();
        for (until, longest) in [(200, 200), (100, 200), (300, 300)] {
            floors.raise(Some(&target(1)), until, 0);
            assert_eq!(floors.until(Some(&target(1))), longest);
        }
        assert_eq!(floors.until(Some(&target(2))), 0, "it is of one endpoint");
    }

    #[test]
    fn a_wait_that_is_over_makes_room_for_another() {
        let mut floors = Floors::default();
        for number in 0..APART {
            floors.raise(Some(&target(number)), 100, 0);
        }
        floors.raise(Some(&target(APART)), 200, 100);
        assert_eq!(floors.until(Some(&target(APART))), 200);
        assert_eq!(floors.until(Some(&target(APART + 1))), 0, "no wait is shared");

        let mut crowded = Floors::default();
        for number in 0..=APART {
            crowded.raise(Some(&target(number)), 100, 99);
        }
        assert_eq!(crowded.until(Some(&target(APART + 1))), 100, "more than these share one");
    }
}
