//! Who can be logged in, what the gateway can answer, and the grid of instants on which it all happens.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, DATE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Request, Response};

use crate::driver::{Policy, Start};
use crate::exchange::{BuildError, Denial, Endpoint, Exchange, Reply};
use crate::session::Active;
use crate::{
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

/// Who credentials are for; each has an endpoint of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Person {
    Ann,
    Ben,
    /// The credentials don't say it. The first reply does, for the whole login.
    Whoever,
    /// Likewise, and the credentials are usable once: most replies bring their successor. They don't say where
    /// they are sent, either.
    Rotating,
}

/// Credentials: for whom, and which secret.
pub(crate) type Name = (Person, u8);

/// What a caller can start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Login {
    /// Credentials for somebody, with this secret.
    With(Person, u8),
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
    /// A grant that breaks off.
    CutOff,
    /// Something over which the exchange panics. Only rotating credentials meet it.
    Panic,
}

impl Login {
    /// Returns the person that it states.
    pub(crate) fn person(self) -> Option<Person> {
        match self {
            Self::With(person, _) => person.stated(),
            Self::Token(person, _) => Some(person),
            Self::BareToken => None,
        }
    }

    pub(crate) fn credentials(self) -> Option<Name> {
        if let Self::With(person, secret) = self { Some((person, secret)) } else { None }
    }
}

impl Answer {
    /// The flaw of a token for somebody else.
    pub(crate) const WRONG_IDENTITY: u8 = 1;

    /// Those of a service that doesn't rotate.
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

    /// Returns the number of its flaw, where it is malformed.
    pub(crate) fn flaw(self) -> Option<u8> {
        match self {
            Self::DeadGrant => Some(0),
            Self::OthersGrant => Some(Self::WRONG_IDENTITY),
            Self::Portal => Some(2),
            Self::CutOff => Some(3),
            _ => None,
        }
    }

    /// Returns whether a captive portal answers like that.
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

    /// Returns the person that it has a token for, if it has one.
    pub(crate) fn names(self, asked: Person) -> Option<Person> {
        match self {
            Self::Grant | Self::ShortGrant | Self::UndatedGrant | Self::DeadGrant => {
                Some(asked.taken_for())
            }
            Self::OthersGrant => Some(asked.other()),
            _ => None,
        }
    }

    /// Returns the successor that it brings to these credentials: none that is used up.
    pub(crate) fn successor(self, asked: Name, spent: &[Option<Name>]) -> Option<Name> {
        let others = (0..ROTATIONS).map(|secret| (Person::Rotating, secret));
        let mut fresh = others.filter(|other| *other != asked && !spent.contains(&Some(*other)));
        fresh.next().filter(|_| self.rotates() && asked.0 == Person::Rotating)
    }

    /// Of replies with a token, one has no successor.
    fn rotates(self) -> bool {
        matches!(self, Self::Grant | Self::ShortGrant | Self::DeadGrant | Self::OthersGrant)
    }
}

impl Person {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Ann | Self::Whoever | Self::Rotating => Self::Ben,
            Self::Ben => Self::Ann,
        }
    }

    /// Returns the person, if credentials for them state it.
    pub(crate) fn stated(self) -> Option<Self> {
        matches!(self, Self::Ann | Self::Ben).then_some(self)
    }

    /// Returns the person that a server takes them for.
    fn taken_for(self) -> Self {
        self.stated().unwrap_or(Self::Ann)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ann | Self::Whoever | Self::Rotating => "ann",
            Self::Ben => "ben",
        }
    }

    /// Returns whether their credentials are usable once.
    pub(crate) fn is_single_use(self) -> bool {
        self == Self::Rotating
    }

    pub(crate) fn endpoint(self) -> &'static str {
        match self {
            Self::Ann => "https://gateway.example/v1/sessions",
            Self::Ben => "https://gateway.example/proxy/sessions",
            Self::Whoever => "https://backend.example/token",
            Self::Rotating => "https://rotating.example/token",
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
pub(crate) struct Fixtures {
    config: Arc<Config>,
    policy: Policy,
    pub(crate) origin: AllowedOrigin,
    pub(crate) panics: bool,
    starts: Vec<(Login, Start)>,
    replies: Vec<(Asked, Response<String>)>,
}

/// What a reply is made of: the answer, the identity that the request asks for, and the successor.
type Asked = (Answer, Person, Option<Name>);

impl Fixtures {
    /// `panics` says whether exchanges may panic.
    pub(crate) fn new(attempts: Option<u32>, panics: bool) -> Self {
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
            .age_threshold(ms(THRESHOLD.0), ms(THRESHOLD.1));
        let policy = match attempts {
            Some(attempts) => policy.attempts(attempts),
            None => policy,
        };
        let mut policy = policy.build().unwrap();
        policy.most_tokens_before_trial = MOST_BETWEEN_TRIALS;
        // Longer pauses would only make more states.
        policy.broken_cap = PAUSE;
        let people = [Person::Ann, Person::Ben, Person::Whoever, Person::Rotating];
        let all = [Answer::ALL, &[Answer::CutOff, Answer::Panic]].concat();
        let all = all.into_iter().flat_map(|answer| people.map(|person| (answer, person)));
        Self {
            config: Arc::new(config),
            policy,
            origin,
            panics,
            starts: starts(),
            replies: all
                .flat_map(|(answer, person)| {
                    let successors = (0..ROTATIONS).map(|secret| Some((Person::Rotating, secret)));
                    successors.chain([None]).map(move |successor| {
                        ((answer, person, successor), reply(answer, person, successor))
                    })
                })
                .collect(),
        }
    }

    pub(crate) fn driver(&self) -> Driver {
        Driver::with_policy(Arc::clone(&self.config), self.policy, 1)
    }

    pub(crate) fn start(&self, login: Login) -> Start {
        self.starts.iter().find(|start| start.0 == login).unwrap().1.clone()
    }

    pub(crate) fn credentials(&self, login: Login) -> Credentials {
        let Start::Exchange(credentials) = self.start(login) else {
            panic!("{login:?} is a token")
        };
        credentials
    }

    /// Returns the name of credentials.
    pub(crate) fn name(&self, credentials: &Credentials) -> Name {
        let same = |start: &Start| matches!(start, Start::Exchange(known) if known == credentials);
        let known = self.starts.iter().find(|(_, start)| same(start));
        known.and_then(|(login, _)| login.credentials()).expect("no others are made")
    }

    /// Returns which of the tokens to start with this is.
    pub(crate) fn name_of_grant(&self, grant: &Grant) -> Login {
        let same = |start: &Start| matches!(start, Start::Token(known) if known == grant);
        self.starts.iter().find(|(_, start)| same(start)).expect("no others are made").0
    }

    /// Returns which of the tokens to start with is in use, if it is one of them.
    pub(crate) fn name_of_token(&self, active: &Active) -> Option<Login> {
        let same =
            |start: &Start| matches!(start, Start::Token(known) if active.token.is_from(known));
        self.starts.iter().find(|(_, start)| same(start)).map(|(login, _)| *login)
    }

    /// The answer to a request of this person's, with a successor of its credentials.
    pub(crate) fn reply(
        &self,
        answer: Answer,
        asked: Person,
        successor: Option<Name>,
    ) -> &Response<String> {
        &self.replies.iter().find(|reply| reply.0 == (answer, asked, successor)).unwrap().1
    }
}

/// How many secrets a service rotates.
const ROTATIONS: u8 = 3;

/// Says which successor a reply brings, and that the exchange panics over it.
const SUCCESSOR: HeaderName = HeaderName::from_static("x-successor");
const PANIC: HeaderName = HeaderName::from_static("x-panic");

thread_local! {
    /// Whether an exchange panics that is asked for a request.
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Calls with exchanges that panic when they are asked for a request.
pub(crate) fn with_panics<R>(call: impl FnOnce() -> R) -> R {
    struct Until;

    impl Drop for Until {
        fn drop(&mut self) {
            PANICS.set(false);
        }
    }

    let _until = Until;
    PANICS.set(true);
    call()
}

/// An exchange whose secret is usable once.
struct Rotating(Backend);

static ROTATING: LazyLock<Vec<Credentials>> = LazyLock::new(|| {
    let backends = (0..ROTATIONS).map(|secret| backend(Person::Rotating, secret));
    backends.map(|backend| Credentials::custom(Arc::new(Rotating(backend)))).collect()
});

impl Exchange for Rotating {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        if PANICS.get() {
            // Without a message for each of many thousand.
            resume_unwind(Box::new("no request"));
        }
        Ok(self.0.request())
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        if reply.headers().contains_key(PANIC) {
            resume_unwind(Box::new("no reply"));
        }
        let grant = Exchange::read(&self.0, reply)?;
        let Some(secret) = reply.headers().get(SUCCESSOR) else { return Ok(grant) };
        let secret: usize = secret.to_str().unwrap().parse().unwrap();
        Ok(grant.with_successor(ROTATING[secret].clone()))
    }

    fn is_single_use(&self) -> bool {
        true
    }
}

fn backend(person: Person, secret: u8) -> Backend {
    let endpoint = Endpoint::https(person.endpoint()).unwrap();
    let header = HeaderValue::try_from(format!("Login {person:?}:{secret}")).unwrap();
    Backend::new(endpoint).header(AUTHORIZATION, header)
}

fn starts() -> Vec<(Login, Start)> {
    let with = |person: Person, secret: u8| {
        let credentials = match person {
            Person::Ann | Person::Ben => {
                let token = ApiToken::new(format!("app:{secret}")).unwrap();
                let endpoint = Endpoint::https(person.endpoint()).unwrap();
                let gateway = Gateway::new(token, person.identity()).endpoint(endpoint);
                Credentials::for_development(gateway)
            }
            Person::Whoever => Credentials::backend(backend(person, secret)),
            Person::Rotating => ROTATING[usize::from(secret)].clone(),
        };
        (Login::With(person, secret), credentials.into())
    };
    let token = |text: &str| Grant::new(SessionToken::new(text).unwrap());
    let own = |person: Person, lives| {
        let text = match lives {
            Lives::On => format!("own-{}", person.name()),
            // A JWT with an `exp` a second after its `iat`.
            Lives::TwoUnits => format!("e30.eyJleHAiOjEsImlhdCI6MH0.{}", person.name()),
        };
        let grant = token(text.as_str()).with_identity(person.identity());
        (Login::Token(person, lives), grant.into())
    };
    vec![
        with(Person::Ann, 0),
        with(Person::Ann, 1),
        with(Person::Ben, 0),
        with(Person::Whoever, 0),
        with(Person::Whoever, 1),
        with(Person::Rotating, 0),
        with(Person::Rotating, 1),
        with(Person::Rotating, 2),
        own(Person::Ann, Lives::On),
        own(Person::Ann, Lives::TwoUnits),
        (Login::BareToken, token("bare").into()),
    ]
}

fn reply(answer: Answer, asked: Person, successor: Option<Name>) -> Response<String> {
    let lifetime = i64::try_from(LIFETIME).unwrap();
    let short = ONE_UNIT_AT_MOST - i64::try_from(SKEW).unwrap();
    let (status, body) = match answer {
        Answer::Grant | Answer::Panic => (200, grant(asked, Some(lifetime))),
        Answer::ShortGrant => (200, grant(asked, Some(short))),
        Answer::DeadGrant => (200, grant(asked, Some(-2_000))),
        Answer::UndatedGrant => (200, grant(asked, None)),
        Answer::OthersGrant => (200, grant(asked.other(), Some(lifetime))),
        Answer::Throttle => (429, String::new()),
        Answer::Fail => (503, String::new()),
        Answer::Refuse => (401, String::new()),
        Answer::Portal => (200, "<html>Welcome</html>".to_owned()),
        Answer::Redirect => (307, String::new()),
        Answer::CutOff => (200, grant(asked, Some(lifetime)).replace('}', "")),
    };
    let mut reply =
        Response::builder().status(status).header(DATE, "Tue, 24 Nov 2026 04:00:00 GMT");
    if answer == Answer::Throttle {
        reply = reply.header(RETRY_AFTER, "60");
    }
    if answer == Answer::Redirect {
        reply = reply.header(LOCATION, "https://elsewhere.example/");
    }
    if let Some((_, secret)) = successor {
        reply = reply.header(SUCCESSOR, u16::from(secret));
    }
    if answer == Answer::Panic {
        reply = reply.header(PANIC, "1");
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

/// Whether the milliseconds before and after each grid point are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Things happen there too.
    Too,
    /// They are left out.
    Left,
}
