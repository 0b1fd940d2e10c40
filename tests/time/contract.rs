//! The contract of `videokit_session::time`, in a hundred thousand worlds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use videokit_session::exchange::{DenialKind, Endpoint, Flaw};
use videokit_session::session::{Advance, NotActive};
use videokit_session::time::{Clock, Evidence, ExpiresAt, Lifetime, Remaining, Tolerances};
use videokit_session::{
    Active, AllowedOrigin, ApiToken, Backend, Config, Credentials, Gateway, Identity, Session,
    TransportFailure, Validity,
};

use crate::kind::Kind;
use crate::world::{DAY, MS, World, world};

const WORLDS: u64 = 100_000;

/// One world in so many goes through a session as well.
const SESSIONS: u64 = 10;

/// How much too early `hi` may be where true instants lie between milliseconds: both readings of the
/// monotonic clock are cut, 1/1024 of their difference is, and `expiresAt` is. The contract counts in
/// whole milliseconds.
const CUT: i64 = 3 * MS;

#[derive(Default)]
struct Tally {
    kinds: BTreeMap<Kind, u64>,
    judgements: BTreeMap<Validity, u64>,
    sessions: u64,
    lapsed: u64,
}

/// Says which world fails, and all about it: `world(number)` is that world again.
macro_rules! holds {
    ($world:expr, $claim:expr, $($about:tt)+) => {
        assert!($claim, "{}\n{}", format_args!($($about)+), $world)
    };
}

#[test]
fn a_hundred_thousand_worlds_keep_the_contract() {
    let mut tally = Tally::default();
    for number in 0..WORLDS {
        let world = world(number);
        let judged = judge(&world, &mut tally);
        if number % SESSIONS == 0 {
            in_a_session(&world, &judged, &mut tally);
        }
    }
    for validity in [Validity::Valid, Validity::Unsure, Validity::Expired] {
        let count = tally.judgements.get(&validity).copied().unwrap_or(0);
        println!("{validity:?}: {count}");
        assert_ne!(count, 0, "{validity:?}");
    }
    for kind in Kind::ALL {
        let count = tally.kinds.get(&kind).copied().unwrap_or(0);
        println!("{kind:?}: {count}");
        assert_ne!(count, 0, "{kind:?}");
    }
    println!("sessions: {}, of them lapsed: {}", tally.sessions, tally.lapsed);
    assert_ne!(tally.lapsed, 0);
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Whether the world states an expiry that is believed.
fn is_known(world: &World) -> bool {
    let Some(expires_at) = world.said.expires_at else { return false };
    if world.said.date.is_some() {
        return true;
    }
    let left = expires_at - world.readings[0].moment.wall_millis();
    let whole = if expires_at.rem_euclid(1_000) == 0 { 1_000 } else { 0 };
    let wall_error = i64::try_from(world.tolerances[1]).unwrap();
    left + whole + wall_error > 0 && left <= 366 * DAY / MS
}

/// Holds every judgement against the truth, and gives them.
fn judge(world: &World, tally: &mut Tally) -> Vec<Remaining> {
    let [skew, wall_error, assumed] = world.tolerances;
    let tolerances = Tolerances::new(millis(skew), millis(wall_error), millis(assumed));
    let evidence = Evidence::default()
        .expires_at(world.said.expires_at.map(ExpiresAt::from_millis))
        .date(world.said.date)
        .age(Duration::from_secs(world.said.age))
        .longest(world.said.jwt.map(|(exp, iat)| (exp - iat) * 1_000));
    let sent = world.before.iter().fold(Clock::default(), |clock, now| clock.advanced(*now));
    let sent = sent.advanced(world.sent.moment);
    let received = world.readings[0].moment;
    let mut clock = sent.advanced(received);
    let lifetime = Lifetime::new(evidence, tolerances, (sent.stamp(), clock.stamp()), received);

    // An unknown expiry is Valid for as long as is assumed, or as its JWT says; that much is certain.
    let known = is_known(world);
    let assumed = world.sent.truth + i64::try_from(assumed).unwrap() * MS;
    let stated = known || world.said.jwt.is_some();
    let valid_until = match (known, stated) {
        (true, _) => world.expiry,
        (false, true) => world.expiry.min(assumed),
        (false, false) => assumed,
    };
    let cut = if world.kinds.contains(&Kind::Cut) { CUT } else { 0 };
    for kind in &world.kinds {
        *tally.kinds.entry(*kind).or_default() += 1;
    }
    if world.said.expires_at.is_some() && !known {
        *tally.kinds.entry(Kind::WallNotBelieved).or_default() += 1;
    }

    let mut judged = Vec::new();
    for reading in &world.readings {
        clock = clock.advanced(reading.moment);
        let left = lifetime.remaining(clock.stamp());
        let validity = left.validity();
        judged.push(left);
        *tally.judgements.entry(validity).or_default() += 1;
        let at = reading.truth;
        holds!(world, validity != Validity::Valid || at < valid_until, "Valid too late, at {at}");
        let truth = valid_until - at;
        let lo = left.at_least_millis().saturating_mul(MS);
        holds!(world, lo <= truth, "lo {lo} is over the truth {truth}, at {at}");
        if let Some(loose) = reading.loose_lo {
            holds!(world, lo >= truth - loose, "lo {lo}, truth {truth} - {loose}, at {at}");
            let valid = validity == Validity::Valid;
            holds!(world, valid || truth <= loose, "{validity:?} and no use, at {at}");
        }
        holds!(world, left.at_most_millis().is_some() == stated, "hi is known if stated, at {at}");
        let Some(hi) = left.at_most_millis().map(|hi| hi.saturating_mul(MS)) else { continue };
        let (truth, loose) = (world.expiry - at, reading.loose_hi);
        let expired = validity == Validity::Expired;
        holds!(world, !expired || truth <= cut, "Expired too early, at {at}");
        holds!(world, hi >= truth - cut, "hi {hi} is under the truth {truth}, at {at}");
        holds!(world, hi <= truth + loose, "hi {hi}, truth {truth} + {loose}, at {at}");
        holds!(world, expired || truth > -loose, "{validity:?} and no use, at {at}");
    }
    if judged[0].validity() == Validity::Expired {
        *tally.kinds.entry(Kind::ExpiredOnArrival).or_default() += 1;
    }
    judged
}

fn config(world: &World) -> Arc<Config> {
    let [skew, wall_error, assumed] = world.tolerances;
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    // The skew of the exchange that the world doesn't use must not matter.
    let other = millis(77_000);
    let (gateway, backend) =
        if uses_gateway(world) { (millis(skew), other) } else { (other, millis(skew)) };
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
    if uses_gateway(world) {
        let token = ApiToken::new("app:secret").unwrap();
        return Credentials::for_development(Gateway::new(token, Identity::new("u").unwrap()));
    }
    Credentials::backend(Backend::new(Endpoint::https("https://app.example/token").unwrap()))
}

/// The reply as the wire has it.
fn reply(world: &World) -> http::Response<String> {
    let mut reply = http::Response::builder();
    if let Some(date) = world.said.date {
        let date = UNIX_EPOCH + millis(date.try_into().unwrap());
        reply = reply.header("date", httpdate::fmt_http_date(date));
    }
    if world.said.age > 0 {
        reply = reply.header("age", world.said.age);
    }
    let token = match world.said.jwt {
        Some((exp, iat)) => {
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"iat":{iat},"exp":{exp}}}"#));
            format!("eyJhbGciOiJub25lIn0.{claims}.c2ln")
        }
        None => "opaque".to_owned(),
    };
    let expires_at = match world.said.expires_at {
        Some(at) => format!("\"{}\"", jiff::Timestamp::from_millisecond(at).unwrap()),
        None => "null".to_owned(),
    };
    reply
        .body(format!(r#"{{"sessionToken":"{token}","identity":"u","expiresAt":{expires_at}}}"#))
        .unwrap()
}

/// Drives a session through the world, which has to judge as its parts do.
fn in_a_session(world: &World, judged: &[Remaining], tally: &mut Tally) {
    tally.sessions += 1;
    let mut session = Session::new(config(world), world.number);
    for now in &world.before {
        // A request that fails is the way to show a session without a token the time.
        let (waiting, outgoing) = session.authenticate(credentials(world), *now).unwrap();
        session = waiting.fail(outgoing.id(), TransportFailure::TimedOut, *now).unwrap();
    }
    let (session, outgoing) = session.authenticate(credentials(world), world.sent.moment).unwrap();
    let received = world.readings[0].moment;
    let mut session: Session<Active> = match session.receive(outgoing.id(), &reply(world), received)
    {
        Ok(session) => session,
        Err(NotActive::Denied(denied)) => {
            let kind = DenialKind::Malformed(Flaw::ExpiredOnArrival);
            holds!(world, denied.reason().kind() == kind, "{denied:?}");
            holds!(world, judged[0].validity() == Validity::Expired, "denied");
            return;
        }
        Err(stale @ NotActive::Stale(_)) => panic!("{stale}\n{world}"),
    };
    for (reading, left) in world.readings.iter().zip(judged) {
        let now = reading.moment;
        let said = session.remaining(now);
        holds!(world, said == *left, "the session says {said:?}, not {left:?}, at {now:?}");
        let expired = left.validity() == Validity::Expired;
        match session.advance(now) {
            Advance::Live(live) if !expired => session = live,
            Advance::Lapsed(_) if expired => {
                tally.lapsed += 1;
                return;
            }
            other => panic!("{other:?} at {now:?}, {left:?}\n{world}"),
        }
    }
}
