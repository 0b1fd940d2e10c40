//! Who can be logged in, what the gateway can answer, and the grid of instants on which it all happens.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http::header::{AUTHORIZATION, DATE, HeaderValue, LOCATION, RETRY_AFTER};
use videokit_session::driver::{Policy, Start};
use videokit_session::exchange::Endpoint;
use videokit_session::{
    AllowedOrigin, ApiToken, Backend, Config, Credentials, Driver, Gateway, Grant, Identity,
    Moment, SessionToken,
};

/// All times in the model are multiples of this many milliseconds: it is longer than the second at which
/// drift of the wall clock becomes sleep, and 1024 is where the formulas for `lo` and `hi` round.
pub(crate) const UNIT: u64 = 1_024;

/// What a token's `lo` is when it is fresh: it falls to 0 one unit after its request was sent.
const ONE_UNIT: u64 = 1_025;

/// What a token's `hi` is at first if it falls to 0 one unit after it came, and three units.
const ONE_UNIT_AT_MOST: i64 = 1_023;
const THREE_UNITS_AT_MOST: u64 = 3 * 1_023;

/// σ and ω, such that both ends of a token of this lifetime lie on the grid:
/// `lo = L - 1000 - σ - 1000` and `hi = L + σ`.
const LIFETIME: u64 = ONE_UNIT + 2_000 + SKEW;
const SKEW: u64 = (THREE_UNITS_AT_MOST - ONE_UNIT - 2_000) / 2;

/// σ for tokens that were obtained elsewhere, such that the end of one that lives for a second lies on the
/// grid too: `hi = 1000 + 1000 + σ`.
const OWN_SKEW: u64 = 2 * 1_023 - 2_000;

/// When the wall clock and every `Date` begin.
const BEGIN: i64 = 1_795_492_800_000;

/// b, T and g.
pub(crate) const BURST: u64 = 2;
pub(crate) const INTERVAL: u64 = 2 * UNIT;
pub(crate) const SPACING: u64 = UNIT;
/// The longest pause after a failure.
pub(crate) const PAUSE: u64 = UNIT;
pub(crate) const TIMEOUT: u64 = UNIT;
/// What is made of the `Retry-After` of [`Answer::Throttle`].
pub(crate) const FLOOR: u64 = 2 * UNIT;

/// The age from which a 401 counts as age, and its cap; and the most tokens between two trials.
pub(crate) const THRESHOLD: (u64, u64) = (UNIT, 2 * UNIT);
pub(crate) const MOST_BETWEEN_TRIALS: u32 = 2;

/// Two people, and whoever a backend takes a caller for; each has an endpoint of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Person {
    Ann,
    Ben,
    /// The credentials don't say it. The first reply does, for the whole login.
    Whoever,
}

/// What a caller can start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wish {
    /// Credentials for somebody; Ann has two secrets.
    Asks(Person, u8),
    /// A token that says whose it is: one that lives on, and one whose end is near.
    Token(Person, Lives),
    /// A token that doesn't.
    BareToken,
}

/// How long a token lives that was obtained elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lives {
    On,
    /// It may have expired when it is taken, and has two units later.
    TwoUnits,
}

/// What a gateway, or what stands in its place, can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// A token that is valid for a unit and expired after three.
    Grant,
    /// A token that may have expired on its way, and has after a unit.
    ShortGrant,
    /// A token that has.
    DeadGrant,
    /// A token with no expiry.
    UndatedGrant,
    /// A token for the other person.
    OthersGrant,
    /// 429, with a `Retry-After`.
    Throttle,
    /// 503, without.
    Fail,
    /// 401: the credentials are refused for good.
    Refuse,
    /// A captive portal's page.
    Portal,
    /// To another place.
    Redirect,
}

impl Wish {
    /// For whom it is, as far as it says so.
    pub(crate) fn person(self) -> Option<Person> {
        match self {
            Self::Asks(Person::Whoever, _) | Self::BareToken => None,
            Self::Asks(person, _) | Self::Token(person, _) => Some(person),
        }
    }
}

impl Answer {
    /// The flaw of a token for somebody else.
    pub(crate) const WRONG_IDENTITY: u8 = 1;

    pub(crate) const ALL: &[Self] = &[
        Self::Grant,
        Self::ShortGrant,
        Self::DeadGrant,
        Self::UndatedGrant,
        Self::OthersGrant,
        Self::Throttle,
        Self::Fail,
        Self::Refuse,
        Self::Portal,
        Self::Redirect,
    ];

    /// Which flaw it has, where it is malformed: a number.
    pub(crate) fn flaw(self) -> Option<u8> {
        match self {
            Self::DeadGrant => Some(0),
            Self::OthersGrant => Some(Self::WRONG_IDENTITY),
            Self::Portal => Some(2),
            _ => None,
        }
    }

    /// Whether a captive portal answers like that.
    pub(crate) fn is_portal(self) -> bool {
        matches!(self, Self::Portal | Self::Redirect)
    }

    /// The age at which a token is scheduled to die: `L - 1000 - σ`, or the assumed lifetime.
    pub(crate) fn stated(self) -> i64 {
        match self {
            Self::Grant | Self::OthersGrant | Self::UndatedGrant => {
                (ONE_UNIT + 1_000).cast_signed()
            }
            _ => 0,
        }
    }

    /// For whom it has a token that lives, if it has one.
    pub(crate) fn grants(self, asked: Person) -> Option<Person> {
        match self {
            Self::Grant | Self::ShortGrant | Self::UndatedGrant => Some(asked.taken_for()),
            Self::OthersGrant => Some(asked.other()),
            _ => None,
        }
    }
}

impl Person {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Ann | Self::Whoever => Self::Ben,
            Self::Ben => Self::Ann,
        }
    }

    /// Whom a server takes them for.
    fn taken_for(self) -> Self {
        if self == Self::Whoever { Self::Ann } else { self }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ann | Self::Whoever => "ann",
            Self::Ben => "ben",
        }
    }

    pub(crate) fn endpoint(self) -> &'static str {
        match self {
            Self::Ann => "https://gateway.example/v1/sessions",
            Self::Ben => "https://gateway.example/proxy/sessions",
            Self::Whoever => "https://backend.example/token",
        }
    }

    fn identity(self) -> Identity {
        Identity::new(self.name()).unwrap()
    }
}

/// The value of the `Authorization` header, and to whom it belongs.
pub(crate) fn owner(header: &str) -> Option<Person> {
    [Person::Ann, Person::Ben].into_iter().find(|person| header.ends_with(person.name()))
}

/// Everything that is made once: requests and replies are compared, copied and parsed millions of times.
pub(crate) struct Cast {
    config: Arc<Config>,
    policy: Policy,
    pub(crate) origin: AllowedOrigin,
    starts: Vec<(Wish, Start)>,
    replies: Vec<((Answer, Person), Response<String>)>,
}

impl Cast {
    pub(crate) fn new(attempts: Option<u32>) -> Self {
        let ms = Duration::from_millis;
        let origin = AllowedOrigin::https("https://api.example").unwrap();
        let config = Config::builder(origin.clone())
            .request_timeout(ms(TIMEOUT))
            .gateway_skew(ms(SKEW))
            .backend_skew(ms(OWN_SKEW))
            .assumed_lifetime(ms(ONE_UNIT + 1_000))
            // So small a margin has no jitter.
            .renewal_margin(ms(1))
            .build()
            .unwrap();
        let policy = Policy::builder()
            .burst(u32::try_from(BURST).unwrap())
            .interval(ms(INTERVAL))
            .spacing(ms(SPACING))
            .backoff(ms(PAUSE), ms(PAUSE))
            .retry_after_cap(ms(FLOOR))
            .age_threshold(ms(THRESHOLD.0), ms(THRESHOLD.1))
            .most_tokens_before_trial(MOST_BETWEEN_TRIALS)
            // Longer pauses would only make more states.
            .broken_cap(ms(PAUSE));
        let policy = match attempts {
            Some(attempts) => policy.attempts(attempts),
            None => policy,
        };
        let people = [Person::Ann, Person::Ben, Person::Whoever];
        let all = Answer::ALL.iter().flat_map(|answer| people.map(|person| (*answer, person)));
        Self {
            config: Arc::new(config),
            policy: policy.build().unwrap(),
            origin,
            starts: starts(),
            replies: all
                .map(|(answer, person)| ((answer, person), reply(answer, person)))
                .collect(),
        }
    }

    pub(crate) fn driver(&self) -> Driver {
        Driver::with_policy(Arc::clone(&self.config), self.policy, 1)
    }

    pub(crate) fn start(&self, wish: Wish) -> Start {
        self.starts.iter().find(|start| start.0 == wish).unwrap().1.clone()
    }

    /// The answer to a request of this person's.
    pub(crate) fn reply(&self, answer: Answer, asked: Person) -> &Response<String> {
        &self.replies.iter().find(|reply| reply.0 == (answer, asked)).unwrap().1
    }
}

fn starts() -> Vec<(Wish, Start)> {
    let asks = |person: Person, secret: u8| {
        let token = ApiToken::new(format!("app:{secret}")).unwrap();
        let endpoint = Endpoint::https(person.endpoint()).unwrap();
        let gateway = Gateway::new(token, person.identity()).endpoint(endpoint);
        (Wish::Asks(person, secret), Credentials::for_development(gateway).into())
    };
    let asks_as_whoever = |secret: u8| {
        let endpoint = Endpoint::https(Person::Whoever.endpoint()).unwrap();
        let header = HeaderValue::try_from(format!("Login whoever:{secret}")).unwrap();
        let backend = Backend::new(endpoint).header(AUTHORIZATION, header);
        (Wish::Asks(Person::Whoever, secret), Credentials::backend(backend).into())
    };
    let token = |text: &str| Grant::new(SessionToken::new(text).unwrap());
    let own = |person: Person, lives| {
        let text = match lives {
            Lives::On => format!("own-{}", person.name()),
            // A JWT with an `exp` a second after its `iat`.
            Lives::TwoUnits => format!("e30.eyJleHAiOjEsImlhdCI6MH0.{}", person.name()),
        };
        let grant = token(text.as_str()).with_identity(person.identity());
        (Wish::Token(person, lives), grant.into())
    };
    vec![
        asks(Person::Ann, 0),
        asks(Person::Ann, 1),
        asks(Person::Ben, 0),
        asks_as_whoever(0),
        asks_as_whoever(1),
        own(Person::Ann, Lives::On),
        own(Person::Ann, Lives::TwoUnits),
        (Wish::BareToken, token("bare").into()),
    ]
}

fn reply(answer: Answer, asked: Person) -> Response<String> {
    let lifetime = i64::try_from(LIFETIME).unwrap();
    let short = ONE_UNIT_AT_MOST - i64::try_from(SKEW).unwrap();
    let (status, body) = match answer {
        Answer::Grant => (200, grant(asked, Some(lifetime))),
        Answer::ShortGrant => (200, grant(asked, Some(short))),
        Answer::DeadGrant => (200, grant(asked, Some(-2_000))),
        Answer::UndatedGrant => (200, grant(asked, None)),
        Answer::OthersGrant => (200, grant(asked.other(), Some(lifetime))),
        Answer::Throttle => (429, String::new()),
        Answer::Fail => (503, String::new()),
        Answer::Refuse => (401, String::new()),
        Answer::Portal => (200, "<html>Welcome</html>".to_owned()),
        Answer::Redirect => (307, String::new()),
    };
    let mut reply =
        Response::builder().status(status).header(DATE, "Tue, 24 Nov 2026 04:00:00 GMT");
    if answer == Answer::Throttle {
        reply = reply.header(RETRY_AFTER, "60");
    }
    if answer == Answer::Redirect {
        reply = reply.header(LOCATION, "https://elsewhere.example/");
    }
    reply.body(body).unwrap()
}

fn grant(person: Person, lifetime: Option<i64>) -> String {
    let name = person.name();
    let expires_at = lifetime.map_or_else(String::new, |lifetime| {
        let at = 4 * 3_600_000 + lifetime;
        let (second, ms) = (at / 1_000, at % 1_000);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        format!(r#","expiresAt":"2026-11-24T{hour:02}:{minute:02}:{second:02}.{ms:03}Z""#)
    });
    format!(r#"{{"sessionToken":"tok-{name}","identity":"{name}"{expires_at}}}"#)
}

/// A point in time: grid points, and one millisecond to each side of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant {
    /// Milliseconds of the monotonic clock.
    pub(crate) mono: u64,
    /// For how much longer the wall clock has run: sleep.
    pub(crate) slept: u64,
}

impl Instant {
    pub(crate) const FIRST: Self = Self { mono: 10 * UNIT, slept: 0 };

    pub(crate) fn moment(self) -> Moment {
        let passed = i64::try_from(self.mono + self.slept).unwrap();
        Moment::from_millis(self.mono, BEGIN + passed)
    }

    /// Where on the grid it is: it repeats with every unit.
    pub(crate) fn phase(self) -> u64 {
        self.mono % UNIT
    }

    /// The next grid point, or the next instant at all.
    pub(crate) fn next(self, beside: Beside) -> Self {
        let step = match (beside, self.phase()) {
            (Beside::Left, _) => UNIT,
            (Beside::Too, 1) => UNIT - 2,
            (Beside::Too, _) => 1,
        };
        Self { mono: self.mono + step, ..self }
    }
}

/// What becomes of the milliseconds before and after each grid point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Things happen there too.
    Too,
    /// They are left out.
    Left,
}
