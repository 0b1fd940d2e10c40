//! Strategies for property tests (feature `proptest`): every input and output of a driver, from good to
//! hostile, and whole sequences that shrink to lists a person can read.
//!
//! ```
//! use std::sync::Arc;
//! use proptest::prelude::*;
//! use videokit_session::sim::{Harness, Seen, Step, strategies};
//! use videokit_session::{AllowedOrigin, Config, Driver};
//!
//! proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) }, |(
//!     script in strategies::script(strategies::step()),
//!     seed: u64,
//! )| {
//!     let config = Config::builder(AllowedOrigin::https("https://api.example").unwrap()).build().unwrap();
//!     let mut harness = Harness::new(Driver::new(Arc::new(config), seed));
//!     for step in script.steps() {
//!         let seen = harness.apply(step);
//!         prop_assert!(!seen.contains(&Seen::Busy));
//!         prop_assert!(step != Step::Stop || harness.token().is_none(), "a token after a stop");
//!     }
//! });
//! ```

mod script;

use core::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{AGE, DATE, RETRY_AFTER};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

pub use script::{Script, script};

use super::T0;
use super::fault::Fault;
use super::plan::{FaultPlan, Incident, LONGEST, MOST_INCIDENTS};
use super::step::{Answer, Login, Rotations, Step, To, wild_response};
use crate::driver::{Input, Start};
use crate::exchange::{Credentials, Grant, Identity, Scope, Scopes};
use crate::secret::SessionToken;
use crate::session::{Authorized, Generation, RequestId, TransportFailure};
use crate::time::Moment;

/// Any reading of two clocks: near the start of a device in our days, or nonsense.
pub fn moment() -> impl Strategy<Value = Moment> + Clone {
    let sane = (0_u64..100_000_000, 1_700_000_000_000_i64..1_900_000_000_000);
    prop_oneof![3 => sane, 1 => nonsense()].prop_map(|(mono, wall)| Moment::from_millis(mono, wall))
}

/// Milliseconds of a monotonic and of a wall clock that are often the first or the last.
fn nonsense() -> impl Strategy<Value = (u64, i64)> + Clone {
    (
        prop_oneof![Just(0), Just(u64::MAX), any::<u64>()],
        prop_oneof![Just(0), Just(i64::MIN), Just(i64::MAX), any::<i64>()],
    )
}

/// Any way in which a request gets no reply.
pub fn failure() -> impl Strategy<Value = TransportFailure> + Clone {
    select(vec![
        TransportFailure::Unreachable,
        TransportFailure::TimedOut,
        TransportFailure::Interrupted,
        TransportFailure::Other,
    ])
}

/// Any identity.
pub fn identity() -> impl Strategy<Value = Identity> + Clone {
    "[a-z]{1,8}|\\PC{1,40}".prop_filter_map("an identity", |text| Identity::new(text).ok())
}

/// Any set of scopes.
pub fn scopes() -> impl Strategy<Value = Scopes> + Clone {
    let scope = "[a-z]{1,8}\\.[a-z]{1,8}".prop_filter_map("a scope", |text| Scope::new(text).ok());
    vec(scope, 0..4).prop_map(|scopes| scopes.into_iter().collect())
}

/// Any session token, short or long.
pub fn session_token() -> impl Strategy<Value = SessionToken> + Clone {
    "[!-~]{1,300}".prop_filter_map("a token", |text| SessionToken::new(text).ok())
}

/// Any grant: with or without identity, scopes, a lifetime and an expiry, readable or not.
pub fn grant() -> impl Strategy<Value = Grant> + Clone {
    let expiry = prop_oneof!["2026-11-2[0-9]T0[0-9]:00:00Z", "\\PC{0,30}"];
    let lifetime = (0_u64..10_000_000).prop_map(Duration::from_millis);
    let stated = (option::of(expiry), option::of(lifetime));
    let parts = (session_token(), option::of(identity()), option::of(scopes()), stated);
    parts.prop_map(|(token, identity, scopes, (expiry, lifetime))| {
        let grant = Grant::new(token);
        let grant = lifetime.into_iter().fold(grant, Grant::with_lifetime);
        let grant = identity.into_iter().fold(grant, Grant::with_identity);
        let grant = scopes.into_iter().fold(grant, Grant::with_scopes);
        expiry.into_iter().fold(grant, Grant::with_expires_at)
    })
}

/// Credentials that are usable once, and change with each token.
pub fn rotating() -> impl Strategy<Value = Login> + Clone {
    (0_u8..2, 0_u8..4).prop_map(|(user, number)| Login::Rotating { user, number })
}

/// Anything to start with: credentials of every kind, of few users with few secrets, so that sequences of
/// them join, rotate and replace each other.
pub fn login() -> impl Strategy<Value = Login> + Clone {
    prop_oneof![
        6 => (0_u8..2, 0_u8..2).prop_map(|(user, secret)| Login::App { user, secret }),
        2 => (0_u8..2).prop_map(Login::Cookie),
        2 => (0_u8..2, 0_u8..2).prop_map(|(user, cookie)| Login::Named { user, cookie }),
        1 => (0_u8..2).prop_map(Login::Token),
        2 => (0_u8..2, 0_u8..2).prop_map(|(user, number)| Login::TokenOf { user, number }),
        2 => rotating(),
        1 => Just(Login::Unbuildable),
    ]
}

/// The same, as what a driver is started with; or any grant.
pub fn start() -> impl Strategy<Value = Start> + Clone {
    prop_oneof![3 => login().prop_map(Login::start), 1 => grant().prop_map(Start::from)]
}

/// Any credentials among them.
pub fn credentials() -> impl Strategy<Value = Credentials> + Clone {
    login().prop_filter_map("credentials", |login| login.credentials(&mut Rotations::new()))
}

/// Any input of a driver. A reply or a failure is of one of the requests `ids`, a 401 of one of the tokens
/// `generations`: those that the driver makes, since equal seeds make equal ones, or others.
pub fn input(
    ids: Vec<RequestId>,
    generations: Vec<Generation>,
) -> impl Strategy<Value = Input> + Clone {
    let mut kinds = vec![
        (3, start().prop_map(Input::Start).boxed()),
        (2, credentials().prop_map(Input::SetCredentials).boxed()),
        (2, any::<bool>().prop_map(Input::Online).boxed()),
        (1, Just(Input::Stop).boxed()),
        (1, Just(Input::Observe).boxed()),
    ];
    if !ids.is_empty() {
        let (replied, failed) = (select(ids.clone()), select(ids));
        let reply = |(id, reply)| Input::Response(id, reply);
        kinds.push((8, (replied, response()).prop_map(reply).boxed()));
        let fail = |(id, why)| Input::Failure(id, why);
        kinds.push((2, (failed, failure()).prop_map(fail).boxed()));
    }
    if !generations.is_empty() {
        let refused = (select(generations), any::<u32>());
        let refused = refused.prop_map(|(of, age)| Authorized::valid(of, age.into()));
        kinds.push((2, refused.prop_map(Input::Unauthorized).boxed()));
    }
    Union::new_weighted(kinds)
}

/// A `Retry-After` in seconds, or none.
fn retry_after() -> impl Strategy<Value = Option<u32>> + Clone {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(0)),
        2 => (1_u32..120).prop_map(Some),
        1 => (1_000_u32..20_000).prop_map(Some),
    ]
}

/// An answer that gives a token.
pub fn granting() -> impl Strategy<Value = Answer> + Clone {
    prop_oneof![
        6 => (30_u32..4_000).prop_map(Answer::Grant),
        1 => (1_u32..30).prop_map(Answer::Grant),
        1 => (60_u32..4_000).prop_map(Answer::GrantUndated),
        1 => Just(Answer::GrantUnstated),
    ]
}

/// An answer that gives none, and may be another one next time.
pub fn soft_denial() -> impl Strategy<Value = Answer> + Clone {
    prop_oneof![
        2 => denial(&[429]),
        3 => denial(&[500, 503, 407, 408, 421, 425]),
        1 => denial(&[302, 204, 307]),
        1 => Just(Answer::Portal),
        1 => Just(Answer::CutOff),
        1 => Just(Answer::GrantDead),
        1 => (30_u32..4_000).prop_map(Answer::GrantForAnother),
    ]
}

/// An answer that refuses for good.
pub fn refusal() -> impl Strategy<Value = Answer> + Clone {
    denial(&[401, 403, 404, 400])
}

/// A denial with one of these statuses.
fn denial(statuses: &'static [u16]) -> impl Strategy<Value = Answer> + Clone {
    (select(statuses), retry_after()).prop_map(|(status, wait)| Answer::Deny(status, wait))
}

/// Any answer, more often good than not.
pub fn answer() -> impl Strategy<Value = Answer> + Clone {
    prop_oneof![6 => granting(), 3 => soft_denial(), 1 => refusal()]
}

/// Any HTTP response: those that servers give, and those that nobody would.
pub fn response() -> impl Strategy<Value = Response<Bytes>> + Clone {
    let sane = (answer(), session_token(), identity())
        .prop_map(|(answer, token, identity)| answer.reply(token.expose(), identity.as_str(), T0));
    let name = select(vec![DATE, AGE, RETRY_AFTER]);
    let header = (name, vec(any::<u8>(), 0..40));
    let wild = (100_u16..1_000, vec(header, 0..4), vec(any::<u8>(), 0..200));
    prop_oneof![1 => sane, 1 => wild.prop_map(|(status, headers, body)| wild_response(status, headers, body))]
}

/// Any fault, with any numbers.
pub fn fault() -> impl Strategy<Value = Fault> + Clone {
    let kinds = select(Fault::KINDS);
    (kinds, any::<i32>(), 0_u32..100_000, retry_after(), any::<bool>()).prop_map(
        |(kind, signed, ms, retry_after, as_date)| match kind {
            Fault::Slow { .. } => Fault::Slow { ms },
            Fault::Twice { .. } => Fault::Twice { ms },
            Fault::MonotonicBack { .. } => Fault::MonotonicBack { ms },
            Fault::DateOff { .. } => Fault::DateOff { ms: signed },
            Fault::WallSet { .. } => Fault::WallSet { ms: signed },
            Fault::Throttled { .. } => Fault::Throttled { retry_after, as_date },
            Fault::Unavailable { status, .. } => Fault::Unavailable { status, retry_after },
            same => same,
        },
    )
}

/// A plan of up to `most` faults within so many milliseconds, 366 days and 100,000 faults at most. It
/// shrinks to fewer, earlier and shorter ones.
pub fn fault_plan(most: usize, within_ms: u64) -> impl Strategy<Value = FaultPlan> + Clone {
    let within = within_ms.clamp(1, LONGEST.saturating_add(1));
    let incident = (0..within, 0_u64..3_600_000, fault())
        .prop_map(|(at_ms, lasts_ms, fault)| Incident { at_ms, lasts_ms, fault });
    vec(incident, 0..=most.min(MOST_INCIDENTS)).prop_map(FaultPlan)
}

/// Returns a strategy of the request that a reply is to: most often the one in flight.
pub fn to() -> impl Strategy<Value = To> + Clone {
    prop_oneof![8 => Just(To::Live), 2 => (0_u8..6).prop_map(To::Old), 1 => Just(To::Foreign)]
}

/// Time as it passes on an honest device.
pub fn honest_time() -> impl Strategy<Value = Step> + Clone {
    prop_oneof![
        3 => (0_u32..2_000).prop_map(Step::Pass),
        2 => (2_000_u32..400_000).prop_map(Step::Pass),
        4 => Just(Step::PassToWake),
    ]
}

/// Time on a device that sleeps, has a clock to be set, or is broken.
pub fn hostile_time() -> impl Strategy<Value = Step> + Clone {
    prop_oneof![
        any::<u16>().prop_map(Step::Sleep),
        (-100_000_i32..100_000).prop_map(Step::SetWall),
        (1_u32..2_000_000).prop_map(Step::MonoBack),
        nonsense().prop_map(|(mono, wall)| Step::Nonsense(mono, wall)),
    ]
}

/// Any step at all, in a mix that gets somewhere: logins succeed, tokens are renewed, and much goes wrong.
pub fn step() -> impl Strategy<Value = Step> + Clone {
    prop_oneof![
        8 => Just(Step::Poll),
        12 => Just(Step::Drain),
        10 => honest_time(),
        3 => hostile_time(),
        14 => (to(), answer()).prop_map(|(to, answer)| Step::Answer(to, answer)),
        3 => (to(), failure()).prop_map(|(to, why)| Step::Fail(to, why)),
        3 => login().prop_map(Step::Start),
        1 => login().prop_map(Step::SetCredentials),
        1 => Just(Step::Stop),
        2 => any::<bool>().prop_map(Step::Online),
        // Most often to a call that was just authorized.
        3 => (any::<bool>(), prop_oneof![3 => Just(0), 1 => 0..30_000_u32])
            .prop_map(|(current, late_ms)| Step::Unauthorized { current, late_ms }),
    ]
}
