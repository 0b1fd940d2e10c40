#![doc = include_str!("../README.md")]
//!
//! # Where to read on
//!
//! | page | what it has |
//! |---|---|
//! | [`driver`] | the loop, the ten rules, credentials that change, tokens that die early |
//! | [`session`] | the four states in one walk |
//! | [`exchange`] | ways to a token: gateway, backend, and one of your own |
//! | [`time`] | the formula of a token's remaining life, and its terms |
//! | [`sending`] | `send` for ureq, reqwest and hyper |
#![cfg_attr(feature = "sim", doc = "| [`sim::testing`] | tests of your own loop, in three steps |")]
#![cfg_attr(
    feature = "trace",
    doc = "| [`trace`] | runs recorded without their secrets, and played again |"
)]
//! | [`wire`] | every known fact of the protocol, with its source |
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod driver;
pub mod exchange;
mod rng;
pub mod secret;
pub mod session;
#[cfg(feature = "sim")]
pub mod sim;
pub mod time;
#[cfg(feature = "trace")]
pub mod trace;

#[doc = include_str!("docs/sending.md")]
/// # ureq 3
///
/// With `bytes`, `http`, `ureq` 3 and this crate:
///
/// ```ignore
#[doc = include_str!("docs/send/ureq.rs")]
/// ```
///
/// # reqwest 0.13
///
/// With `bytes`, `http`, `reqwest` 0.13 and this crate:
///
/// ```ignore
#[doc = include_str!("docs/send/reqwest.rs")]
/// ```
///
/// # hyper 1
///
/// With hyper-util 0.1 (`client-legacy`, `http1`, `tokio`) and http-body-util 0.1:
///
/// ```ignore
#[doc = include_str!("docs/send/hyper.rs")]
/// ```
pub mod sending {}

#[doc = include_str!("docs/wire.md")]
pub mod wire {}

pub use driver::{AuthorizeError, Driver, Event, Output, Policy, Start, Wake};
pub use exchange::{
    AllowedOrigin, Backend, Credentials, Denial, Endpoint, Gateway, Grant, Identity, Scope, Scopes,
};
pub use secret::{ApiToken, SessionToken};
pub use session::{
    Active, AnySession, Authenticating, Config, Expired, Generation, Outgoing, RequestId, Session,
    TransportFailure, Unauthenticated,
};
pub use time::{Moment, Validity};
