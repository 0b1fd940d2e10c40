//! The configuration of a session: where tokens may go, how far clocks are trusted, when to renew.

use core::time::Duration;

use http::Uri;
use http::header::{AUTHORIZATION, HeaderName};

use super::{AuthorizeError, Generation};
use crate::exchange::AllowedOrigin;
use crate::rng::mix;
use crate::secret::BEARER;
use crate::time::{Tolerances, millis};

/// The configuration of a session: immutable, checked, shared between sessions in an `Arc`.
///
/// No default below is a fact about VideoKit: none is documented. Each is this project's choice, with
/// its reason.
///
/// | setting | default | why |
/// |---|---|---|
/// | [`authorization`](ConfigBuilder::authorization) | `Authorization: Bearer` | RFC 6750; how the API wants it is not known |
/// | [`request_timeout`](ConfigBuilder::request_timeout) | 15 s | a mobile network's slow minute, well under a token's life |
/// | [`gateway_skew`](ConfigBuilder::gateway_skew) | 1 s | one operator's machines, kept in step by NTP |
/// | [`backend_skew`](ConfigBuilder::backend_skew) | 10 s | `Date` is the backend's, `expiresAt` the gateway's |
/// | [`wall_error`](ConfigBuilder::wall_error) | 2 min | a device's clock, where nothing better is known |
/// | [`assumed_lifetime`](ConfigBuilder::assumed_lifetime) | 15 min | for a token of unknown expiry; a driver [learns](crate::driver#tokens-that-die-early) from 401s if it is less |
/// | [`renewal_margin`](ConfigBuilder::renewal_margin) | 60 s | four timeouts: room for failed tries |
/// | [`renewal_percent`](ConfigBuilder::renewal_percent) | 25 % | so that the margin of a short-lived token leaves it most of its life |
///
/// **Short-lived tokens.** A token is never Valid if it lives for no more than its skew and two seconds (one
/// that a `Date` may lose by being cut, one for clock drift): 3 s from the gateway, 12 s from a backend, by
/// default. It is used as Unsure, and is renewed at each backoff. Lower
/// [`backend_skew`](ConfigBuilder::backend_skew) to what the clocks of backend and gateway really differ by, or
/// have the backend hand out longer-lived tokens. Without a `Date`, the wall clock's error counts in place of
/// the skew: 122 s by default. A [relative](crate::Grant::with_lifetime) lifetime needs one second only.
///
/// ```
/// use std::time::Duration;
/// use videokit_session::{AllowedOrigin, Config};
///
/// let config = Config::builder(AllowedOrigin::https("https://api.video.io")?)
///     .request_timeout(Duration::from_secs(5))
///     .build()?;
/// assert_eq!(config.request_timeout(), Duration::from_secs(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    origins: Vec<AllowedOrigin>,
    header: HeaderName,
    scheme: Box<str>,
    request_timeout: Duration,
    gateway_skew: Duration,
    backend_skew: Duration,
    wall_error: Duration,
    assumed_lifetime: Duration,
    renewal_margin: Duration,
    renewal_percent: u8,
}

/// A configuration that is not valid: the setting, and its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The scheme before the token can't stand in a header.
    #[error("the scheme is not visible ASCII, with spaces allowed inside and at the end")]
    Scheme,
    /// The scheme before the token ends in neither a space nor `=`, so that the token would follow without
    /// anything between them.
    #[error("the scheme would run into the token: end it with a space or `=`, as in \"Bearer \"")]
    SchemeEnd,
    /// The time-out is out of range.
    #[error("the request time-out is not from 1 ms to 1 h")]
    RequestTimeout,
    /// The assumed lifetime is out of range.
    #[error("the assumed lifetime is not from 1 s to 366 days")]
    AssumedLifetime,
    /// The percentage is out of range.
    #[error("the renewal percentage is not from 1 to 50")]
    RenewalPercent,
    /// A skew or clock error, or the margin, is out of range.
    #[error("a skew, the wall clock's error or the renewal margin is over 366 days")]
    Tolerance,
}

/// Builds a [`Config`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ConfigBuilder(Config);

impl Config {
    /// Starts with the first origin that session tokens may be sent to: the API's.
    pub fn builder(origin: AllowedOrigin) -> ConfigBuilder {
        ConfigBuilder(Self {
            origins: vec![origin],
            header: AUTHORIZATION,
            scheme: BEARER.into(),
            request_timeout: Duration::from_secs(15),
            gateway_skew: Duration::from_secs(1),
            backend_skew: Duration::from_secs(10),
            wall_error: Duration::from_secs(120),
            assumed_lifetime: Duration::from_secs(15 * 60),
            renewal_margin: Duration::from_secs(60),
            renewal_percent: 25,
        })
    }

    /// Returns the origins that tokens may be sent to.
    #[must_use]
    pub fn origins(&self) -> &[AllowedOrigin] {
        &self.origins
    }

    /// Returns the name of the header that session tokens are sent in.
    #[must_use]
    pub fn header_name(&self) -> &HeaderName {
        &self.header
    }

    /// Returns what stands before the token in that header.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns how long a request for a token may take.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Returns σ for the gateway: the most that its `Date` and its `expiresAt` are apart.
    #[must_use]
    pub fn gateway_skew(&self) -> Duration {
        self.gateway_skew
    }

    /// Returns σ for backends: the most that a backend's `Date` and the gateway's `expiresAt` are apart.
    #[must_use]
    pub fn backend_skew(&self) -> Duration {
        self.backend_skew
    }

    /// Returns ω: the most that the device's wall clock is off.
    #[must_use]
    pub fn wall_error(&self) -> Duration {
        self.wall_error
    }

    /// Returns how long a token of unknown expiry counts as valid.
    #[must_use]
    pub fn assumed_lifetime(&self) -> Duration {
        self.assumed_lifetime
    }

    /// Returns how long before its end a token is renewed, at the latest.
    #[must_use]
    pub fn renewal_margin(&self) -> Duration {
        self.renewal_margin
    }

    /// Returns which part of its life that margin may take, in per cent.
    #[must_use]
    pub fn renewal_percent(&self) -> u8 {
        self.renewal_percent
    }

    /// Returns the allowed origin of a URI.
    pub(super) fn origin_of(&self, uri: &Uri) -> Option<&AllowedOrigin> {
        self.origins.iter().find(|allowed| allowed.covers(uri))
    }

    pub(crate) fn check_origin(&self, origin: &AllowedOrigin) -> Result<(), AuthorizeError> {
        if self.origins.contains(origin) { Ok(()) } else { Err(AuthorizeError::OtherOrigin) }
    }

    /// Returns σ: the most that `Date` and `expiresAt` are apart, by who writes `Date`.
    pub(crate) fn skew(&self, issuer_writes_date: bool) -> Duration {
        if issuer_writes_date { self.gateway_skew } else { self.backend_skew }
    }

    pub(super) fn tolerances(&self, issuer_writes_date: bool) -> Tolerances {
        let skew = self.skew(issuer_writes_date);
        Tolerances::new(skew, self.wall_error, self.assumed_lifetime)
    }

    /// Returns the margin of one token, in milliseconds: `min(configured, fraction × initial)`, and up to
    /// half of that again by chance. `initial` is what the schedule of renewals starts with, normally `lo`.
    /// At most 75 % of it, so that the token can always be used first.
    pub(super) fn margin(&self, initial: i64, seed: u64, generation: Generation) -> i64 {
        let initial = u64::try_from(initial).unwrap_or(0);
        let fraction = u128::from(initial).saturating_mul(u128::from(self.renewal_percent));
        let fraction = u64::try_from(fraction.saturating_div(100)).unwrap_or(u64::MAX);
        let margin = millis(self.renewal_margin).min(fraction);
        let chance = mix(seed ^ mix(generation.number()));
        let jitter = chance.checked_rem((margin / 2).saturating_add(1)).unwrap_or(0);
        i64::try_from(margin.saturating_add(jitter)).unwrap_or(i64::MAX)
    }
}

impl ConfigBuilder {
    /// Allows another origin.
    pub fn origin(mut self, origin: AllowedOrigin) -> Self {
        self.0.origins.push(origin);
        self
    }

    /// Sends session tokens in another header, or behind another scheme. `scheme` is all that stands
    /// before the token: it ends in a space (`"Bearer "`) or in `=` (`"App token="`), or is empty.
    pub fn authorization(mut self, header: HeaderName, scheme: &str) -> Self {
        self.0.header = header;
        self.0.scheme = scheme.into();
        self
    }

    /// Sets how long a request for a token may take, from 1 ms to 1 h.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.0.request_timeout = timeout;
        self
    }

    /// Sets σ for the gateway: the most that its `Date` and its `expiresAt` are apart, up to 366 days.
    pub fn gateway_skew(mut self, skew: Duration) -> Self {
        self.0.gateway_skew = skew;
        self
    }

    /// Sets σ for backends: the most that a backend's `Date` and the gateway's `expiresAt` are apart,
    /// up to 366 days.
    pub fn backend_skew(mut self, skew: Duration) -> Self {
        self.0.backend_skew = skew;
        self
    }

    /// Sets ω: the most that the device's wall clock is off. It counts only where a reply has no `Date`.
    /// Up to 366 days.
    pub fn wall_error(mut self, error: Duration) -> Self {
        self.0.wall_error = error;
        self
    }

    /// Sets how long a token of unknown expiry counts as valid, from 1 s to 366 days; a second less, in fact, which
    /// covers [hidden sleep](crate::time#the-contract). After that it is
    /// unsure, and never expired: only a 401 tells.
    pub fn assumed_lifetime(mut self, lifetime: Duration) -> Self {
        self.0.assumed_lifetime = lifetime;
        self
    }

    /// Sets how long before its end a token is renewed, at the latest; up to 366 days.
    pub fn renewal_margin(mut self, margin: Duration) -> Self {
        self.0.renewal_margin = margin;
        self
    }

    /// Sets which part of its life that margin may take, from 1 to 50 per cent.
    pub fn renewal_percent(mut self, percent: u8) -> Self {
        self.0.renewal_percent = percent;
        self
    }

    /// Checks the configuration, and returns it.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting (or the four that share one) that is out of range, and the range.
    pub fn build(self) -> Result<Config, ConfigError> {
        const YEAR: Duration = Duration::from_secs(366 * 24 * 3_600);
        let Self(config) = self;
        let visible = config.scheme.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if !visible || config.scheme.starts_with(' ') {
            return Err(ConfigError::Scheme);
        }
        if !(config.scheme.is_empty() || config.scheme.ends_with([' ', '='])) {
            return Err(ConfigError::SchemeEnd);
        }
        if !(1..=50).contains(&config.renewal_percent) {
            return Err(ConfigError::RenewalPercent);
        }
        let (ms, seconds) = (Duration::from_millis, Duration::from_secs);
        let up_to_a_year = Duration::ZERO..=YEAR;
        let ranges = [
            (config.request_timeout, ms(1)..=seconds(3_600), ConfigError::RequestTimeout),
            (config.assumed_lifetime, seconds(1)..=YEAR, ConfigError::AssumedLifetime),
            (config.gateway_skew, up_to_a_year.clone(), ConfigError::Tolerance),
            (config.backend_skew, up_to_a_year.clone(), ConfigError::Tolerance),
            (config.wall_error, up_to_a_year.clone(), ConfigError::Tolerance),
            (config.renewal_margin, up_to_a_year, ConfigError::Tolerance),
        ];
        let wrong = ranges.into_iter().find(|(value, range, _)| !range.contains(value));
        wrong.map_or(Ok(config), |(_, _, error)| Err(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Result<Config, ConfigError> {
        set(Config::builder(AllowedOrigin::https("https://api.example").unwrap())).build()
    }

    #[test]
    fn each_setting_is_held_to_its_range() {
        use ConfigError as E;
        let (ms, secs) = (Duration::from_millis, Duration::from_secs);
        let year = secs(366 * 24 * 3_600);
        let over = year + ms(1);
        let timeout = |timeout| build(|config| config.request_timeout(timeout)).err();
        assert_eq!([ms(0), ms(1)].map(timeout), [Some(E::RequestTimeout), None]);
        assert_eq!([secs(3_600), ms(3_600_001)].map(timeout), [None, Some(E::RequestTimeout)]);
        let assumed = |assumed| build(|config| config.assumed_lifetime(assumed)).err();
        assert_eq!([ms(999), secs(1)].map(assumed), [Some(E::AssumedLifetime), None]);
        assert_eq!([year, over].map(assumed), [None, Some(E::AssumedLifetime)]);
        let percent = |percent| build(|config| config.renewal_percent(percent)).err();
        assert_eq!([0, 1].map(percent), [Some(E::RenewalPercent), None]);
        assert_eq!([50, 51].map(percent), [None, Some(E::RenewalPercent)]);
        for set in [
            ConfigBuilder::gateway_skew,
            ConfigBuilder::backend_skew,
            ConfigBuilder::wall_error,
            ConfigBuilder::renewal_margin,
        ] {
            assert_eq!(build(|config| set(config, Duration::ZERO)).err(), None);
            assert_eq!(build(|config| set(config, year)).err(), None);
            assert_eq!(build(|config| set(config, over)).err(), Some(E::Tolerance));
        }
    }

    #[test]
    fn each_setting_is_kept() {
        let times = [1, 2, 3, 4, 5_000, 6].map(Duration::from_millis);
        let config = build(|config| {
            config
                .request_timeout(times[0])
                .gateway_skew(times[1])
                .backend_skew(times[2])
                .wall_error(times[3])
                .assumed_lifetime(times[4])
                .renewal_margin(times[5])
                .renewal_percent(7)
        })
        .unwrap();
        let kept = [
            config.request_timeout(),
            config.gateway_skew(),
            config.backend_skew(),
            config.wall_error(),
            config.assumed_lifetime(),
            config.renewal_margin(),
        ];
        assert_eq!((kept, config.renewal_percent()), (times, 7));
        let skews = [true, false].map(|by_issuer| config.skew(by_issuer));
        assert_eq!(skews, [times[1], times[2]]);
    }

    #[test]
    fn a_scheme_is_visible_text() {
        let scheme =
            |scheme: &str| build(|config| config.authorization(AUTHORIZATION, scheme)).err();
        for good in ["", "Bearer ", "App token=", "Two words "] {
            assert_eq!(scheme(good), None, "{good:?}");
        }
        for wrong in [" Bearer ", "Bearer\n", "Bearer\t", "Schlüssel "] {
            assert_eq!(scheme(wrong), Some(ConfigError::Scheme), "{wrong:?}");
        }
        assert_eq!(scheme("Bearer"), Some(ConfigError::SchemeEnd));
    }
}
