//! Tokens that the API refuses before their time: what share of calls that costs over two days, and how many
//! tokens are asked for. The shipped driver, its budget included, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use http::Response;
use httpdate::fmt_http_date;
use videokit_session::driver::Policy;
use videokit_session::session::{Authorized, RequestId};
use videokit_session::{Driver, Moment, Output, Wake};

use crate::world::{T0, config, login, video_call};

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;
/// How long a second try of a refused call waits.
const SECOND_TRY: u64 = 500;
const LASTS: u64 = 2 * DAY;

/// What a reply says about the token's life.
#[derive(Clone, Copy)]
enum Stated {
    Nothing,
    /// So many milliseconds after the reply.
    Life(u64),
    /// The last second of the year 9999.
    Never,
    /// The true life, by a `Date` that is so many milliseconds slow.
    DateSlow(u64),
    /// The true life, by a `Date` of 1970.
    DateIn1970,
}

/// A server, and an app that calls its API.
#[derive(Clone)]
struct Scenario {
    name: &'static str,
    stated: Stated,
    /// How long a token truly lives.
    life: u64,
    /// How long a request for a token takes.
    round_trip: u64,
    /// How long a call takes that is refused.
    call_takes: u64,
    /// Between two calls.
    each: u64,
    /// When the first call is made.
    phase: u64,
    /// Whether a refused call is tried a second time.
    second_try: bool,
    /// Calls are made in the first so many milliseconds of each hour.
    burst: u64,
    refuses_everything: bool,
    refuses_first_token: bool,
    /// When the server forgets all tokens.
    forgets: &'static [u64],
    /// One endpoint always answers 401: when it is called first, and how often.
    bad_endpoint: Option<(u64, u64)>,
}

const HONEST: Scenario = Scenario {
    name: "24 h, as stated",
    stated: Stated::Life(DAY),
    life: DAY,
    round_trip: 200,
    call_takes: 0,
    each: 10 * SECOND,
    phase: 3_700,
    second_try: true,
    burst: HOUR,
    refuses_everything: false,
    refuses_first_token: false,
    forgets: &[],
    bad_endpoint: None,
};

const UNSTATED: Scenario = Scenario { stated: Stated::Nothing, ..HONEST };

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Incident {
    Reply(RequestId),
    Call,
    SecondTry,
    BadCall,
    BadSecondTry,
    /// A call that was authorized so is answered 401, and may be tried again.
    Refused(Authorized, Option<Retry>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Retry {
    Call,
    BadCall,
}

#[derive(Debug, Default)]
struct Outcome {
    calls: u64,
    refused: u64,
    requests: u64,
    /// The longest time without a call that was served, after the first that was refused.
    outage: u64,
}

impl Outcome {
    fn percent(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let share = self.refused as f64 / self.calls as f64;
        share * 100.0
    }
}

struct Run {
    scenario: Scenario,
    driver: Driver,
    at: u64,
    queue: BinaryHeap<Reverse<(u64, Incident)>>,
    /// When each token was granted, by its number.
    granted: Vec<u64>,
    served: u64,
    outcome: Outcome,
}

impl Run {
    fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut driver = Driver::with_policy(config(|config| config), Policy::default(), seed);
        driver.start(login("user-17"), now(0));
        let mut queue = BinaryHeap::from([Reverse((scenario.phase, Incident::Call))]);
        queue.extend(scenario.bad_endpoint.map(|(first, _)| Reverse((first, Incident::BadCall))));
        let (granted, outcome) = (Vec::new(), Outcome::default());
        Self { scenario: scenario.clone(), driver, at: 0, queue, granted, served: 0, outcome }
    }

    fn play(mut self) -> Outcome {
        loop {
            let wake = self.poll_until_idle();
            let next = self.queue.peek().map_or(LASTS, |Reverse((at, _))| *at);
            let next = wake.map_or(next, |wake| wake.min(next));
            if next >= LASTS {
                return self.outcome;
            }
            self.at = next;
            while self.queue.peek().is_some_and(|Reverse((at, _))| *at <= next) {
                let Some(Reverse((_, happening))) = self.queue.pop() else { break };
                self.take(happening);
            }
        }
    }

    /// Polls until the driver waits, and says until when.
    fn poll_until_idle(&mut self) -> Option<u64> {
        loop {
            match self.driver.poll(now(self.at)) {
                Output::Send(outgoing) => {
                    self.outcome.requests += 1;
                    self.after(self.scenario.round_trip, Incident::Reply(outgoing.id()));
                }
                Output::Wait(Wake::In(wait, _)) => {
                    return Some(self.at + u64::try_from(wait.as_millis()).unwrap());
                }
                Output::Wait(Wake::OnInput) => return None,
                Output::Event(_) | Output::Abandon(_) => {}
            }
        }
    }

    fn after(&mut self, wait: u64, happening: Incident) {
        self.queue.push(Reverse((self.at + wait, happening)));
    }

    fn take(&mut self, happening: Incident) {
        match happening {
            Incident::Reply(id) => {
                let reply = self.reply();
                self.driver.handle_response(id, &reply, now(self.at));
            }
            Incident::Call => {
                self.after(self.scenario.each, Incident::Call);
                if self.at % HOUR < self.scenario.burst {
                    self.call(Some(Retry::Call), false);
                }
            }
            Incident::SecondTry => self.call(None, false),
            Incident::BadCall => {
                let (_, each) = self.scenario.bad_endpoint.unwrap();
                self.after(each, Incident::BadCall);
                self.call(Some(Retry::BadCall), true);
            }
            Incident::BadSecondTry => self.call(None, true),
            Incident::Refused(authorized, again) => self.refused(authorized, again),
        }
    }

    /// A token, and what the server says of it.
    fn reply(&mut self) -> Response<String> {
        self.granted.push(self.at);
        let number = self.granted.len() - 1;
        let truth = wall(self.at);
        let (date, expires_at) = match self.scenario.stated {
            Stated::Nothing => (truth, None),
            Stated::Life(life) => (truth, Some(instant(truth + signed(life)))),
            Stated::Never => (truth, Some("9999-12-31T23:59:59Z".to_owned())),
            Stated::DateSlow(slow) => {
                (truth - signed(slow), Some(instant(truth + signed(self.scenario.life))))
            }
            Stated::DateIn1970 => {
                (signed(self.at), Some(instant(truth + signed(self.scenario.life))))
            }
        };
        let expires_at = expires_at.map_or(String::new(), |at| format!(r#","expiresAt":"{at}""#));
        let body =
            format!(r#"{{"sessionToken":"token-{number}","identity":"user-17"{expires_at}}}"#);
        let date = std::time::UNIX_EPOCH + Duration::from_millis(date.unsigned_abs());
        Response::builder().header("date", fmt_http_date(date)).body(body).unwrap()
    }

    fn is_taken(&self, number: usize) -> bool {
        let granted = self.granted[number];
        let lives = self.at < granted + self.scenario.life;
        let forgotten = self.scenario.forgets.iter().any(|at| granted < *at && *at <= self.at);
        let first_refused = self.scenario.refuses_first_token && number == 0;
        lives && !forgotten && !first_refused && !self.scenario.refuses_everything
    }

    fn call(&mut self, second_try: Option<Retry>, bad: bool) {
        let counts = second_try == Some(Retry::Call);
        self.outcome.calls += u64::from(counts);
        let served = self.answer(bad);
        if served == Ok(()) {
            self.served = if bad { self.served } else { self.at };
            return;
        }
        if counts && !self.granted.is_empty() {
            self.outcome.refused += 1;
            self.outcome.outage = self.outcome.outage.max(self.at - self.served);
        }
        if let Err(Some(authorized)) = served {
            if self.scenario.call_takes == 0 {
                self.refused(authorized, second_try);
            } else {
                self.after(self.scenario.call_takes, Incident::Refused(authorized, second_try));
            }
        }
    }

    fn refused(&mut self, authorized: Authorized, second_try: Option<Retry>) {
        self.driver.handle_unauthorized(authorized, now(self.at));
        if let Some(again) = second_try.filter(|_| self.scenario.second_try) {
            let again = match again {
                Retry::Call => Incident::SecondTry,
                Retry::BadCall => Incident::BadSecondTry,
            };
            self.after(SECOND_TRY, again);
        }
    }

    /// Whether the call is served, or how the one that was refused was authorized.
    fn answer(&self, bad: bool) -> Result<(), Option<Authorized>> {
        let mut request = video_call();
        let Ok(authorized) = self.driver.authorize(&mut request, now(self.at)) else {
            return Err(None);
        };
        let header = request.headers()["authorization"].to_str().unwrap();
        let number = header.rsplit('-').next().unwrap().parse().unwrap();
        if self.is_taken(number) && !bad { Ok(()) } else { Err(Some(authorized)) }
    }
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap()
}

fn wall(at: u64) -> i64 {
    T0 + signed(at)
}

fn now(at: u64) -> Moment {
    Moment::from_millis(at, wall(at))
}

fn instant(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).unwrap().to_string()
}

/// The worst of a few phases and seeds, with a line of the table.
fn worst(scenario: &Scenario) -> Outcome {
    let outcomes = [(3_700, 1), (0, 2), (7_300, 3), (9_900, 4)].map(|(phase, seed)| {
        let scenario = Scenario { phase: phase % scenario.each, ..scenario.clone() };
        Run::new(&scenario, seed).play()
    });
    let worst = outcomes.into_iter().reduce(|a, b| Outcome {
        calls: a.calls,
        refused: a.refused.max(b.refused),
        requests: a.requests.max(b.requests),
        outage: a.outage.max(b.outage),
    });
    let worst = worst.unwrap();
    let name = format!(
        "{}, a call each {} s{}{}",
        scenario.name,
        scenario.each / SECOND,
        if scenario.second_try { ", tried twice" } else { "" },
        scenario
            .bad_endpoint
            .map_or(String::new(), |(_, each)| format!(", a refused one each {} s", each / SECOND)),
    );
    println!(
        "{name:90} {:6.2} % refused, {:5} requests, longest outage {:6} s",
        worst.percent(),
        worst.requests,
        worst.outage / SECOND,
    );
    worst
}

#[test]
fn p1_tokens_that_die_before_their_statement_are_renewed_in_time() {
    use Stated::{DateIn1970, DateSlow, Never, Nothing};
    let rows = [
        ("no expiresAt, lives 30 s", Nothing, 30 * SECOND),
        ("no expiresAt, lives 120 s", Nothing, 120 * SECOND),
        ("no expiresAt, lives 300 s", Nothing, 300 * SECOND),
        ("no expiresAt, lives 600 s", Nothing, 600 * SECOND),
        ("expiresAt in 9999, lives 1 h", Never, HOUR),
        ("Date 1 h slow, lives 1 h", DateSlow(HOUR), HOUR),
        ("Date in 1970, lives 1 h", DateIn1970, HOUR),
    ];
    for (name, stated, life) in rows {
        for (second_try, each) in [(true, 10), (false, 10)] {
            let scenario =
                Scenario { name, stated, life, second_try, each: each * SECOND, ..HONEST };
            let outcome = worst(&scenario);
            assert!(outcome.percent() <= 1.0, "{name}: {outcome:?}");
        }
    }
}

#[test]
fn p1_a_forgotten_token_is_renewed_within_seconds() {
    let name = "24 h, forgotten after 1 h and 2 h";
    let outcome = worst(&Scenario { name, forgets: &[HOUR, 2 * HOUR], ..HONEST });
    assert!(outcome.outage <= 20 * SECOND, "{outcome:?}");
    assert!(outcome.requests <= 20, "{outcome:?}");
}

#[test]
fn p1_an_api_that_refuses_everything_causes_no_loop() {
    let schedule = worst(&HONEST).requests;
    for each in [10, 11, 15, 60, 600] {
        for second_try in [true, false] {
            let name = "24 h, everything refused";
            let each = each * SECOND;
            let scenario = Scenario { name, each, second_try, refuses_everything: true, ..HONEST };
            let outcome = worst(&scenario);
            assert!(outcome.requests <= schedule + 100, "each {each} ms: {outcome:?}");
        }
    }
}

#[test]
fn p1_an_endpoint_that_refuses_everything_causes_no_loop() {
    let schedule = worst(&HONEST).requests;
    for each in [15, 60, 300, 900] {
        for first in [2, 15, 40, each * 3 / 4] {
            for second_try in [true, false] {
                let bad_endpoint = Some((first * SECOND, each * SECOND));
                let name = "24 h, one endpoint refuses";
                let outcome = worst(&Scenario { name, second_try, bad_endpoint, ..HONEST });
                assert!(outcome.requests <= schedule + 125, "each {each} s: {outcome:?}");
                assert_eq!(outcome.refused, 0, "the other endpoints are served");
            }
        }
    }
}

/// At which rate and phase calls are made decides what a 401 shows: none of them may keep the driver from
/// learning, or from giving up what it has learned.
#[test]
fn p1_the_rate_of_calls_makes_no_difference() {
    for life in [30, 60, 120] {
        for each in [7, 11, 15, 20] {
            for second_try in [true, false] {
                let name = "no expiresAt";
                let (life, each) = (life * SECOND, each * SECOND);
                let scenario = Scenario { name, life, each, second_try, ..UNSTATED };
                let outcome = worst(&scenario);
                // As a rule, the last of the calls in a token's life is refused now and then.
                assert!(outcome.percent() <= 2.0, "lives {life} ms, each {each} ms: {outcome:?}");
            }
        }
    }
    let schedule = worst(&HONEST).requests;
    for each in [7, 20, 30, 120, 300, 1_800] {
        for second_try in [true, false] {
            let (name, each) = ("24 h, everything refused", each * SECOND);
            let scenario = Scenario { name, each, second_try, refuses_everything: true, ..HONEST };
            let outcome = worst(&scenario);
            assert!(outcome.requests <= schedule + 100, "each {each} ms: {outcome:?}");
        }
    }
}

#[test]
fn p1_a_first_token_that_is_refused_at_once_is_renewed_once() {
    let name = "24 h, the first token refused";
    let outcome = worst(&Scenario { name, refuses_first_token: true, ..HONEST });
    assert!(outcome.requests <= 30 && outcome.outage <= 20 * SECOND, "{outcome:?}");
}

/// An idle app can't see that its tokens die: it pays about one refused call a burst, and the schedule goes on.
#[test]
fn p1_an_app_that_calls_in_bursts_pays_about_one_refused_call_a_burst() {
    use Stated::{Never, Nothing};
    for (name, stated, life) in [
        ("5 min of each hour, no expiresAt, lives 120 s", Nothing, 120 * SECOND),
        ("5 min of each hour, no expiresAt, lives 600 s", Nothing, 600 * SECOND),
        ("5 min of each hour, 9999, lives 1 h", Never, HOUR),
    ] {
        let outcome = worst(&Scenario { name, stated, life, burst: 300 * SECOND, ..HONEST });
        assert!(outcome.refused <= 48 * 3, "{name}: {outcome:?}");
    }
}

/// How long a request for a token takes, and a call that is refused: a slow token service, and an upload whose 401
/// comes after its body.
const SLOW: [(u64, u64); 6] = [
    (1, 0),
    (200, 12 * SECOND),
    (200, 60 * SECOND),
    (1_500, 12 * SECOND),
    (5 * SECOND, 5 * SECOND),
    (12 * SECOND, 12 * SECOND),
];

#[test]
fn p1_slow_refusals_of_everything_cause_no_loop() {
    let schedule = worst(&HONEST).requests;
    for (round_trip, call_takes) in SLOW {
        for each in [1, 11, 15, 60, 300] {
            let name = "24 h, everything refused";
            let each = each * SECOND;
            let scenario =
                Scenario { name, each, round_trip, call_takes, second_try: false, ..HONEST };
            let outcome = worst(&Scenario { refuses_everything: true, ..scenario });
            assert!(
                outcome.requests <= schedule + 100,
                "{round_trip} {call_takes} {each}: {outcome:?}"
            );
        }
    }
}

#[test]
fn p1_slow_refusals_of_an_endpoint_cause_no_loop() {
    let schedule = worst(&HONEST).requests;
    for (round_trip, call_takes) in SLOW {
        for each in [15, 60, 300, 900, 1_800] {
            for first in [2, 15, 40] {
                let name = "24 h, one endpoint refuses";
                let bad_endpoint = Some((first * SECOND, each * SECOND));
                let scenario =
                    Scenario { name, round_trip, call_takes, second_try: false, ..HONEST };
                let outcome = worst(&Scenario { bad_endpoint, ..scenario });
                assert!(
                    outcome.requests <= schedule + 180,
                    "{round_trip} {call_takes} {each}: {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn p1_slow_refusals_of_tokens_that_die_early_are_few() {
    for (round_trip, call_takes) in SLOW {
        for life in [30, 120, 600, 3_600] {
            let name = "no expiresAt, dies early";
            let scenario = Scenario { name, life: life * SECOND, second_try: false, ..UNSTATED };
            let outcome = worst(&Scenario { round_trip, call_takes, ..scenario });
            assert!(outcome.percent() <= 3.0, "{round_trip} {call_takes} {life}: {outcome:?}");
        }
    }
}
