//! The first line: what a replay builds the same driver from.

use core::fmt;
use core::time::Duration;

use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::VERSION;
use super::error::TraceError;
use super::line::Text;
use crate::driver::{Policy, PolicyBuilder, PolicyError};
use crate::exchange::AllowedOrigin;
use crate::session::{Config, ConfigError};
use crate::time::millis;

/// By which a trace is known.
pub(super) const NAME: &str = "videokit-session";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) trace: String,
    pub(super) version: u64,
    /// The release of this crate.
    #[serde(rename = "crate")]
    release: String,
    pub(super) seed: u64,
    pub(super) config: ConfigNote,
    pub(super) policy: PolicyNote,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigNote {
    origins: Vec<Text<AllowedOrigin>>,
    header: Text<HeaderName>,
    scheme: String,
    request_timeout_ms: u64,
    gateway_skew_ms: u64,
    backend_skew_ms: u64,
    wall_error_ms: u64,
    assumed_lifetime_ms: u64,
    renewal_margin_ms: u64,
    renewal_percent: u8,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyNote {
    burst: u32,
    interval_ms: u64,
    spacing_ms: u64,
    backoff_base_ms: u64,
    backoff_cap_ms: u64,
    retry_after_cap_ms: u64,
    age_threshold_ms: u64,
    age_threshold_cap_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
}

impl Header {
    pub(super) fn new(config: &Config, policy: &Policy, seed: u64) -> Self {
        Self {
            trace: NAME.to_owned(),
            version: VERSION,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            seed,
            config: ConfigNote::of(config),
            policy: PolicyNote::of(policy),
        }
    }
}

fn unreadable(field: &str, problem: &dyn fmt::Display) -> TraceError {
    TraceError::unreadable(1, field, problem.to_string())
}

impl ConfigNote {
    fn of(config: &Config) -> Self {
        Self {
            origins: config.origins().iter().cloned().map(Text).collect(),
            header: Text(config.header_name().clone()),
            scheme: config.scheme().to_owned(),
            request_timeout_ms: millis(config.request_timeout()),
            gateway_skew_ms: millis(config.gateway_skew()),
            backend_skew_ms: millis(config.backend_skew()),
            wall_error_ms: millis(config.wall_error()),
            assumed_lifetime_ms: millis(config.assumed_lifetime()),
            renewal_margin_ms: millis(config.renewal_margin()),
            renewal_percent: config.renewal_percent(),
        }
    }

    pub(super) fn config(&self) -> Result<Config, TraceError> {
        let mut origins = self.origins.iter().map(|origin| origin.0.clone());
        let Some(first) = origins.next() else {
            return Err(unreadable("config.origins", &"expected at least one origin"));
        };
        let builder = Config::builder(first)
            .authorization(self.header.0.clone(), &self.scheme)
            .request_timeout(Duration::from_millis(self.request_timeout_ms))
            .gateway_skew(Duration::from_millis(self.gateway_skew_ms))
            .backend_skew(Duration::from_millis(self.backend_skew_ms))
            .wall_error(Duration::from_millis(self.wall_error_ms))
            .assumed_lifetime(Duration::from_millis(self.assumed_lifetime_ms))
            .renewal_margin(Duration::from_millis(self.renewal_margin_ms))
            .renewal_percent(self.renewal_percent);
        let config = origins.fold(builder, crate::session::ConfigBuilder::origin).build();
        config.map_err(|error| {
            let member = match error {
                ConfigError::Scheme | ConfigError::SchemeEnd => "config.scheme",
                ConfigError::RequestTimeout => "config.request_timeout_ms",
                ConfigError::AssumedLifetime => "config.assumed_lifetime_ms",
                ConfigError::RenewalPercent => "config.renewal_percent",
                // One of several.
                ConfigError::Tolerance => "config",
            };
            unreadable(member, &error)
        })
    }
}

impl PolicyNote {
    fn of(policy: &Policy) -> Self {
        let [(backoff_base, backoff_cap), (age_threshold, age_threshold_cap)] =
            [policy.backoff(), policy.age_threshold()];
        Self {
            burst: policy.burst(),
            interval_ms: millis(policy.interval()),
            spacing_ms: millis(policy.spacing()),
            backoff_base_ms: millis(backoff_base),
            backoff_cap_ms: millis(backoff_cap),
            retry_after_cap_ms: millis(policy.retry_after_cap()),
            age_threshold_ms: millis(age_threshold),
            age_threshold_cap_ms: millis(age_threshold_cap),
            attempts: policy.attempts(),
        }
    }

    pub(super) fn policy(&self) -> Result<Policy, TraceError> {
        let time = Duration::from_millis;
        let builder = Policy::builder()
            .burst(self.burst)
            .interval(time(self.interval_ms))
            .spacing(time(self.spacing_ms))
            .backoff(time(self.backoff_base_ms), time(self.backoff_cap_ms))
            .retry_after_cap(time(self.retry_after_cap_ms))
            .age_threshold(time(self.age_threshold_ms), time(self.age_threshold_cap_ms));
        let builder = self.attempts.into_iter().fold(builder, PolicyBuilder::attempts);
        builder.build().map_err(|error| {
            let member = match error {
                PolicyError::Burst => "policy.burst",
                PolicyError::Interval => "policy.interval_ms",
                PolicyError::Spacing => "policy.spacing_ms",
                // One of two.
                PolicyError::Backoff | PolicyError::AgeThreshold => "policy",
                PolicyError::RetryAfterCap => "policy.retry_after_cap_ms",
                PolicyError::Attempts => "policy.attempts",
            };
            unreadable(member, &error)
        })
    }
}
