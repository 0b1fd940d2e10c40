//! The contract of `crate::time`, in a hundred thousand worlds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::exchange::{BuildError, Denial, DenialKind, Endpoint, Exchange, Flaw, Reply};
use crate::session::{AdoptError, Advance, ReceiveError};
use crate::time::{Clock, Evidence, ExpiresAt, Lifetime, Remaining, Tolerances};
use crate::{
    Active, AllowedOrigin, ApiToken, Backend, Config, Credentials, Gateway, Grant, Identity,
    Moment, Session, TransportFailure, Unauthenticated, Validity,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use super::draft::world;
use super::kind::Kind;
use super::world::{DAY, MS, Reading, SECOND, Statements, World};

const WORLDS: u64 = 100_000;

/// One world in so many goes through a session as well.
const SESSIONS: u64 = 10;

/// How much too early `hi` may be where true instants lie between milliseconds: both readings of the
/// monotonic clock are cut, 1/1024 of their difference is, and `expiresAt` is. The contract counts in
/// whole milliseconds.
const CUT: i64 = 3 * MS;

#[derive(Default)]
struct Counts {
    kinds: BTreeMap<Kind, u64>,
    judgements: BTreeMap<Validity, u64>,
    sessions: u64,
    lapsed: u64,
}

impl Counts {
    fn count(&mut self, world: &World, way: TokenSource, by_wall: ByWall) {
        let more = match (way, by_wall) {
            (TokenSource::Adopted, _) => Some(Kind::Adopted),
            (TokenSource::Reply, ByWall::TooFar) => Some(Kind::WallNotBelieved),
            (TokenSource::Reply, ByWall::Dead) => Some(Kind::TakenForDead),
            (TokenSource::Reply, ByWall::NotAsked | ByWall::Believed) => None,
        };
        for kind in world.kinds.iter().copied().chain(more) {
            *self.kinds.entry(kind).or_default() += 1;
        }
    }
}

/// Says which world fails, and all about it: `world(number)` is that world again.
macro_rules! holds {
    ($world:expr, $claim:expr, $($about:tt)+) => {
        assert!($claim, "{}\n{}", format_args!($($about)+), $world)
    };
}

#[test]
fn a_hundred_thousand_worlds_keep_the_contract() {
    let mut counts = Counts::default();
    for number in 0..WORLDS {
        let world = world(number);
        let adopted = matches!(by_wall(&world), ByWall::Believed | ByWall::Dead);
        for way in [Some(TokenSource::Reply), adopted.then_some(TokenSource::Adopted)]
            .into_iter()
            .flatten()
        {
            let judged = judge(&world, way, &mut counts);
            if number % SESSIONS == 0 {
                in_a_session(&world, way, &judged, &mut counts);
            }
        }
    }
    for validity in [Validity::Valid, Validity::Unsure, Validity::Expired] {
        let count = counts.judgements.get(&validity).copied().unwrap_or(0);
        println!("{validity:?}: {count}");
        assert_ne!(count, 0, "{validity:?}");
    }
    for kind in Kind::ALL {
        let count = counts.kinds.get(&kind).copied().unwrap_or(0);
        println!("{kind:?}: {count}");
        assert_ne!(count, 0, "{kind:?}");
    }
    println!("sessions: {}, of them lapsed: {}", counts.sessions, counts.lapsed);
    assert_ne!(counts.lapsed, 0);
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What the device's wall clock alone makes of an `expiresAt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByWall {
    /// There is a `Date`, or no expiry.
    NotAsked,
    Believed,
    /// The token is long dead by it: that is doubt, and no end.
    Dead,
    /// The token lives for more than 366 days by it: the expiry is unknown.
    TooFar,
}

fn by_wall(world: &World) -> ByWall {
    let (Some(expires_at), None) = (world.said.expires_at, world.said.date) else {
        return ByWall::NotAsked;
    };
    let left = expires_at - world.readings[0].moment.wall_millis();
    let whole = if expires_at.rem_euclid(1_000) == 0 { 1_000 } else { 0 };
    let wall_error = i64::try_from(world.tolerances[1]).unwrap();
    if left > 366 * DAY / MS {
        ByWall::TooFar
    } else if left + whole + wall_error <= 0 {
        ByWall::Dead
    } else {
        ByWall::Believed
    }
}

/// How the token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenSource {
    /// In a reply.
    Reply,
    /// Obtained elsewhere, with no more than its `expiresAt`, in the moment in which the reply came.
    Adopted,
}

/// What is said of the token: all of it but an age, and all of it.
fn evidence(world: &World, way: TokenSource) -> (Evidence, Evidence) {
    let said = Evidence::NONE
        .expires_at(world.said.expires_at.map(ExpiresAt::from_millis))
        .date(world.said.date)
        .longest(world.said.jwt.map(|(exp, iat)| (exp - iat) * 1_000));
    if way == TokenSource::Adopted {
        return (said.adopted(), said.adopted());
    }
    let said = said.lifetime(world.said.lifetime.map(millis));
    match world.said.age {
        Some(age) => (said, said.age(Duration::from_secs(age))),
        None => (said, said.unreadable_age()),
    }
}

/// What has to be true of the judgements in a world.
struct Wanted {
    /// Until when the token may be Valid.
    valid_until: i64,
    /// Whether `hi` is known.
    has_end: bool,
    /// How far below the truth `lo` may be besides what a reading allows; `None` if as far as it likes.
    loose_lo: Option<i64>,
    /// How much too early `hi` may be.
    cut: i64,
    /// What the schedule has to go by, where that isn't `lo`.
    schedule: Option<Lifetime>,
}

impl Wanted {
    fn of(world: &World, way: TokenSource, lifetime: impl Fn(Evidence) -> Lifetime) -> Self {
        let said = match way {
            TokenSource::Reply => world.said,
            TokenSource::Adopted => Statements { lifetime: None, age: Some(0), ..world.said },
        };
        let by_wall = by_wall(world);
        let (but_age, all) = evidence(world, way);
        let schedule = match (by_wall, way, said.age) {
            (ByWall::Dead, TokenSource::Reply, None) => Some(lifetime(but_age.expires_at(None))),
            (ByWall::Dead, TokenSource::Reply, Some(_)) => Some(lifetime(all.expires_at(None))),
            (_, TokenSource::Reply, None) => Some(lifetime(but_age)),
            _ => None,
        };
        // An unknown expiry is Valid for as long as is assumed, or as its JWT says; that much is certain.
        let states_end = said.expires_at.is_some() && by_wall != ByWall::TooFar;
        let known = states_end || said.lifetime.is_some();
        let assumed = i64::try_from(world.tolerances[2]).unwrap();
        let assumed = world.sent.truth + assumed * MS;
        let bounded = said.jwt.is_some() || said.lifetime.is_some();
        // A wall clock that is off by more than it may be leaves a token in doubt for as long.
        let is_tight = said.age.is_some() && !(world.wild && by_wall == ByWall::Dead);
        // How far the wall clock may stand behind at an adoption is not among the readings' own terms.
        let behind = if way == TokenSource::Adopted { SECOND } else { 0 };
        Self {
            valid_until: match (known, said.jwt.is_some()) {
                (true, _) => world.expiry,
                (false, true) => world.expiry.min(assumed),
                (false, false) => assumed,
            },
            has_end: bounded || states_end && by_wall != ByWall::Dead,
            loose_lo: is_tight.then_some(behind),
            cut: if world.kinds.contains(&Kind::Cut) { CUT } else { 0 },
            schedule,
        }
    }
}

/// Holds every judgement against the truth, and gives them.
fn judge(world: &World, way: TokenSource, counts: &mut Counts) -> Vec<Remaining> {
    let [skew, wall_error, assumed] = world.tolerances;
    let tolerances = Tolerances::new(millis(skew), millis(wall_error), millis(assumed));
    let sent = world.before.iter().fold(Clock::default(), |clock, now| clock.advanced(*now));
    let sent = sent.advanced(world.sent.moment);
    let received = world.readings[0].moment;
    let mut clock = sent.advanced(received);
    let stamps = match way {
        TokenSource::Reply => (sent.stamp(), clock.stamp()),
        TokenSource::Adopted => (clock.stamp(), clock.stamp()),
    };
    let lifetime = |evidence| Lifetime::new(evidence, tolerances, stamps, received);
    let wanted = Wanted::of(world, way, lifetime);
    let lifetime = lifetime(evidence(world, way).1);
    counts.count(world, way, by_wall(world));

    let mut judged = Vec::new();
    for reading in &world.readings {
        clock = clock.advanced(reading.moment);
        let left = lifetime.remaining(clock.stamp());
        holds!(world, lifetime.validity(clock.stamp()) == left.validity(), "the short way");
        judged.push(left);
        *counts.judgements.entry(left.validity()).or_default() += 1;
        check_start(world, &wanted, reading, left);
        check_end(world, &wanted, reading, left);
        let is_due = |lifetime: &Lifetime| lifetime.until_at_least(0, clock.stamp()) == 0;
        let due = wanted.schedule.as_ref().map_or(left.at_least_millis() <= 0, is_due);
        holds!(world, is_due(&lifetime) == due, "due or not, at {}", reading.truth);
    }
    if judged[0].validity() == Validity::Expired {
        *counts.kinds.entry(Kind::ExpiredOnArrival).or_default() += 1;
    }
    judged
}

/// `lo` is under the truth, and not too far.
fn check_start(world: &World, wanted: &Wanted, reading: &Reading, left: Remaining) {
    let at = reading.truth;
    let validity = left.validity();
    let valid = validity == Validity::Valid;
    holds!(world, !valid || at < wanted.valid_until, "Valid too late, at {at}");
    let truth = wanted.valid_until - at;
    let lo = left.at_least_millis().saturating_mul(MS);
    holds!(world, lo <= truth, "lo {lo} is over the truth {truth}, at {at}");
    let Some((loose, more)) = reading.loose_lo.zip(wanted.loose_lo) else { return };
    let loose = loose + more;
    holds!(world, lo >= truth - loose, "lo {lo}, truth {truth} - {loose}, at {at}");
    holds!(world, valid || truth <= loose, "{validity:?} and no use, at {at}");
}

/// `hi` is over the truth, and not too far.
fn check_end(world: &World, wanted: &Wanted, reading: &Reading, left: Remaining) {
    let (at, cut) = (reading.truth, wanted.cut);
    let hi = left.at_most_millis().map(|hi| hi.saturating_mul(MS));
    holds!(world, hi.is_some() == wanted.has_end, "hi is known or not, at {at}");
    let Some(hi) = hi else { return };
    let validity = left.validity();
    let (truth, loose) = (world.expiry - at, reading.loose_hi);
    let expired = validity == Validity::Expired;
    holds!(world, !expired || truth <= cut, "Expired too early, at {at}");
    holds!(world, hi >= truth - cut, "hi {hi} is under the truth {truth}, at {at}");
    holds!(world, hi <= truth + loose, "hi {hi}, truth {truth} + {loose}, at {at}");
    holds!(world, expired || truth > -loose, "{validity:?} and no use, at {at}");
}

fn config(world: &World, way: TokenSource) -> Arc<Config> {
    let [skew, wall_error, assumed] = world.tolerances;
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    // The skew of the exchange that the world doesn't use must not matter.
    let other = millis(77_000);
    let (gateway, backend) = if way == TokenSource::Reply && uses_gateway(world) {
        (millis(skew), other)
    } else {
        (other, millis(skew))
    };
    let config = Config::builder(origin)
        .gateway_skew(gateway)
        .backend_skew(backend)
        .wall_error(millis(wall_error))
        .assumed_lifetime(millis(assumed));
    Arc::new(config.build().unwrap())
}

fn uses_gateway(world: &World) -> bool {
    (world.number / SESSIONS).is_multiple_of(2)
}

fn credentials(world: &World) -> Credentials {
    let credentials = if uses_gateway(world) {
        let token = ApiToken::new("app:secret").unwrap();
        Credentials::for_development(Gateway::new(token, Identity::new("u").unwrap()))
    } else {
        Credentials::backend(Backend::new(Endpoint::https("https://app.example/token").unwrap()))
    };
    match world.said.lifetime {
        Some(lifetime) => Credentials::custom(Arc::new(Relative(credentials, millis(lifetime)))),
        None => credentials,
    }
}

/// An exchange whose grants state a lifetime.
struct Relative(Credentials, Duration);

impl Exchange for Relative {
    fn request(&self) -> Result<http::Request<Bytes>, BuildError> {
        self.0.exchange().request()
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        Ok(self.0.exchange().read(reply)?.with_lifetime(self.1))
    }

    fn identity(&self) -> Option<&Identity> {
        self.0.exchange().identity()
    }

    fn issuer_writes_date(&self) -> bool {
        self.0.exchange().issuer_writes_date()
    }
}

fn token(world: &World) -> String {
    match world.said.jwt {
        Some((exp, iat)) => {
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"iat":{iat},"exp":{exp}}}"#));
            format!("eyJhbGciOiJub25lIn0.{claims}.c2ln")
        }
        None => "opaque".to_owned(),
    }
}

/// The reply as the wire has it.
fn reply(world: &World) -> http::Response<String> {
    let mut reply = http::Response::builder();
    if let Some(date) = world.said.date {
        let date = UNIX_EPOCH + millis(date.try_into().unwrap());
        reply = reply.header("date", httpdate::fmt_http_date(date));
    }
    match world.said.age {
        Some(0) => {}
        Some(age) => reply = reply.header("age", age),
        None => reply = reply.header("age", "0x0"),
    }
    let expires_at = match world.said.expires_at {
        Some(at) => format!("\"{}\"", jiff::Timestamp::from_millisecond(at).unwrap()),
        None => "null".to_owned(),
    };
    let token = token(world);
    reply
        .body(format!(r#"{{"sessionToken":"{token}","identity":"u","expiresAt":{expires_at}}}"#))
        .unwrap()
}

/// Drives a session through the world, which has to judge as its parts do.
fn in_a_session(world: &World, way: TokenSource, judged: &[Remaining], counts: &mut Counts) {
    counts.sessions += 1;
    let mut session = Session::new(config(world, way), world.number);
    let until_sent =
        world.before.iter().chain((way == TokenSource::Adopted).then_some(&world.sent.moment));
    for now in until_sent {
        // A request that fails is the way to show a session without a token the time.
        let (waiting, outgoing) = session.authenticate(&credentials(world), *now).unwrap();
        session = waiting.fail(outgoing.id(), TransportFailure::TimedOut, *now).unwrap();
    }
    let received = world.readings[0].moment;
    let mut session: Session<Active> = match came(session, world, way, received) {
        Ok(session) => session,
        Err(denied) => {
            holds!(world, denied == DenialKind::Malformed(Flaw::ExpiredOnArrival), "{denied:?}");
            holds!(world, judged[0].validity() == Validity::Expired, "denied");
            return;
        }
    };
    for (reading, left) in world.readings.iter().zip(judged) {
        let now = reading.moment;
        let said = session.remaining(now);
        holds!(world, said == *left, "the session says {said:?}, not {left:?}, at {now:?}");
        let expired = left.validity() == Validity::Expired;
        match session.advance(now) {
            Advance::Live(live) if !expired => session = live,
            Advance::Lapsed(_) if expired => {
                counts.lapsed += 1;
                return;
            }
            other => panic!("{other:?} at {now:?}, {left:?}\n{world}"),
        }
    }
}

/// The session with the world's token, or why it has none.
fn came(
    session: Session<Unauthenticated>,
    world: &World,
    way: TokenSource,
    received: Moment,
) -> Result<Session<Active>, DenialKind> {
    if way == TokenSource::Adopted {
        let at = world.said.expires_at.map(ExpiresAt::from_millis).unwrap();
        let grant = Grant::new(token(world).parse().unwrap()).with_expiry(at);
        return session.adopt(grant, received).map_err(|denied| match *denied.reason() {
            AdoptError::Expired => DenialKind::Malformed(Flaw::ExpiredOnArrival),
            other => panic!("{other}\n{world}"),
        });
    }
    let (session, outgoing) = session.authenticate(&credentials(world), world.sent.moment).unwrap();
    let received = session.receive(outgoing.id(), &reply(world), received);
    received.map(|(session, _)| session).map_err(|error| match error {
        ReceiveError::Denied(denied, _) => denied.reason().kind(),
        stale @ ReceiveError::Stale(_) => panic!("{stale}\n{world}"),
    })
}
