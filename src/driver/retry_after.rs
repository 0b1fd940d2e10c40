//! The waits that servers ask for, for each endpoint.

use core::num::NonZeroU64;

use http::Uri;

use super::digest;
use crate::exchange::{AllowedOrigin, Credentials};

/// The number of endpoints whose waits are kept apart. More than these share the longest wait: nothing is
/// forgotten, and nothing grows.
const APART: usize = 4;

/// An endpoint, by its origin and path: a digest of both. What stands in a query doesn't make another endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Endpoint(NonZeroU64);

impl Endpoint {
    /// Returns where credentials are sent; `None` where the exchange has no request to offer.
    pub(super) fn of(credentials: &Credentials) -> Option<Self> {
        let exchange = credentials.exchange();
        match exchange.endpoint() {
            Some(uri) => Self::at(uri),
            None => Self::at(exchange.request().ok()?.uri()),
        }
    }

    /// Returns `None` for a URI without an origin.
    pub(super) fn at(uri: &Uri) -> Option<Self> {
        digest((AllowedOrigin::of(uri).ok()?, uri.path())).map(Self)
    }
}

/// The `Retry-After`s that were received, as ticks until which nothing is sent. Neither stop nor start
/// clears them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct RetryAfter(pub(super) Option<Box<Waits>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Waits {
    pub(super) apart: Vec<(Endpoint, u64)>,
    pub(super) others: u64,
}

impl RetryAfter {
    /// Returns whether no server has asked for a wait.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the tick until which nothing goes to `endpoint`.
    pub(super) fn until(&self, endpoint: Option<Endpoint>) -> u64 {
        self.0.as_ref().map_or(0, |waits| waits.until(endpoint))
    }

    /// Sends nothing to `endpoint` until the tick `until`; a longer wait stays. An unknown endpoint uses the
    /// shared wait.
    pub(super) fn raise(&mut self, endpoint: Option<Endpoint>, until: u64, now: u64) {
        self.0.get_or_insert_default().raise(endpoint, until, now);
    }
}

impl Waits {
    fn until(&self, endpoint: Option<Endpoint>) -> u64 {
        let apart = self.apart.iter().find(|(known, _)| Some(*known) == endpoint);
        apart.map_or(self.others, |(_, until)| *until)
    }

    fn raise(&mut self, endpoint: Option<Endpoint>, until: u64, now: u64) {
        self.apart.retain(|(_, until)| *until > now);
        let until = until.max(self.until(endpoint));
        if let Some((_, wait)) = self.apart.iter_mut().find(|(known, _)| Some(*known) == endpoint) {
            *wait = until;
            return;
        }
        match endpoint {
            Some(endpoint) if self.apart.len() < APART => self.apart.push((endpoint, until)),
            _ => self.others = self.others.max(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(number: usize) -> Option<Endpoint> {
        Endpoint::at(&format!("https://gateway.example/{number}").parse().unwrap())
    }

    #[test]
    fn an_endpoint_is_an_origin_and_a_path() {
        let at = |uri: &str| Endpoint::at(&uri.parse().unwrap());
        let endpoint = at("https://a.example/x");
        assert!(endpoint.is_some());
        for same in ["https://A.example:443/x", "https://a.example/x?y"] {
            assert_eq!(at(same), endpoint, "{same}");
        }
        for other in ["http://a.example/x", "https://a.example:444/x", "https://a.example/X"] {
            assert_ne!(at(other), endpoint, "{other}");
        }
        assert_eq!(at("/x"), None);
    }

    #[test]
    fn a_wait_may_be_raised_again_and_gets_no_shorter() {
        let mut waits = RetryAfter::default();
        for (until, longest) in [(200, 200), (100, 200), (300, 300)] {
            waits.raise(endpoint(1), until, 0);
            assert_eq!(waits.until(endpoint(1)), longest);
        }
        assert_eq!(waits.until(endpoint(2)), 0, "it is for one endpoint");
    }

    #[test]
    fn a_wait_that_is_over_makes_room_for_another() {
        let mut waits = RetryAfter::default();
        for number in 0..APART {
            waits.raise(endpoint(number), 100, 0);
        }
        waits.raise(endpoint(APART), 200, 100);
        assert_eq!(waits.until(endpoint(APART)), 200);
        assert_eq!(waits.until(endpoint(APART + 1)), 0, "no wait is shared");

        let mut crowded = RetryAfter::default();
        for number in 0..=APART {
            crowded.raise(endpoint(number), 100, 99);
        }
        assert_eq!(crowded.until(endpoint(APART + 1)), 100, "more than these share one");
    }
}
