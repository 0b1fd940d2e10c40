//! The strategies and fuzzing inputs that users get: a property written with public features only finds
//! a planted bug, and shrinks it to what matters.

extern crate videokit_session_inside as videokit_session;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestError, TestRng, TestRunner};
use videokit_session::driver::{Delivery, Drive, Input};
use videokit_session::exchange::Scopes;
use videokit_session::session::{Generation, RequestId};
use videokit_session::sim::strategies::{self, Script};
use videokit_session::sim::{Answer, FaultPlan, Harness, Login, Seen, Step, To, fuzzing};
use videokit_session::{
    AllowedOrigin, Config, Credentials, Driver, Grant, Identity, Moment, Output, SessionToken,
    Start, TransportFailure,
};

fn driver() -> Driver {
    let config = Config::builder(AllowedOrigin::https("https://api.example").unwrap());
    Driver::new(Arc::new(config.build().unwrap()), 1)
}

/// The ids and generations of this driver's first requests and tokens, which are always the same.
fn ids_and_generations() -> (Vec<RequestId>, Vec<Generation>) {
    let mut harness = Harness::new(driver());
    harness.apply(Step::Start(Login::App { user: 0, secret: 0 }));
    let mut generations = Vec::new();
    for _ in 0..12 {
        for step in [Step::Drain, Step::Answer(To::Live, Answer::Grant(60)), Step::PassToWake] {
            harness.apply(step);
        }
        generations.extend(harness.driver().generation());
    }
    let ids: Vec<RequestId> = harness.sent().iter().map(|sent| sent.id).collect();
    assert!(ids.len() >= 4 && generations.len() >= 4, "{ids:?} {generations:?}");
    (ids, generations)
}

/// Any input of this driver.
fn input() -> impl Strategy<Value = Input> {
    let (ids, generations) = ids_and_generations();
    strategies::input(ids, generations)
}

/// A toy that runs a driver, with two bugs: it puts a stop off while a request is on its way, and it
/// doesn't notice that a reply ends one.
struct Toy {
    driver: Driver,
    busy: bool,
}

impl Drive for Toy {
    fn handle(&mut self, input: Input, now: Moment) -> Delivery {
        match input {
            Input::Stop if self.busy => return Delivery::Accepted,
            Input::Failure(..) => self.busy = false,
            _ => {}
        }
        self.driver.handle(input, now)
    }

    fn poll(&mut self, now: Moment) -> Output {
        let output = self.driver.poll(now);
        self.busy |= matches!(output, Output::Send(_));
        output
    }

    fn driver(&self) -> &Driver {
        &self.driver
    }
}

/// No token serves between a stop and the next start.
fn stops<D: Drive>(script: &Script, driver: D) -> Result<(), TestCaseError> {
    let mut harness = Harness::new(driver);
    let mut stopped = false;
    for step in script.steps() {
        harness.apply(step);
        stopped = match step {
            Step::Stop => true,
            // Credentials without a login begin one.
            Step::Start(_) | Step::SetCredentials(_) => false,
            _ => stopped,
        };
        prop_assert!(!stopped || harness.token().is_none(), "a token after a stop");
    }
    Ok(())
}

#[test]
fn a_planted_bug_is_found_and_shrunk_to_what_matters() {
    let cases = Cases { failure_persistence: None, ..Cases::with_cases(1_000) };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(cases, rng);
    let tried = Cell::new(0);
    let found = runner.run(&strategies::script(strategies::step()), |script| {
        tried.set(tried.get() + 1);
        stops(&script, Toy { driver: driver(), busy: false })
    });
    let Err(TestError::Fail(_, script)) = found else {
        panic!("not found in 1,000 cases: {found:?}")
    };
    println!("{} runs, shrinking included: {script:?}", tried.get());
    assert!(script.steps().count() <= 6, "{script:?}");
    stops(&script, driver()).expect("the driver itself stops");
}

proptest! {
    #![proptest_config(Cases { failure_persistence: None, ..Cases::with_cases(256) })]

    /// Whatever the strategies make, a driver takes.
    #[test]
    fn a_driver_takes_every_input(
        starts in proptest::collection::vec(strategies::start(), 1..6),
        moments in proptest::collection::vec(strategies::moment(), 6),
        replies in proptest::collection::vec(strategies::response(), 6),
    ) {
        let mut driver = driver();
        for ((start, now), reply) in starts.into_iter().zip(moments).zip(replies) {
            driver.start(start, now);
            while let Output::Send(_) | Output::Event(_) | Output::Abandon(_) = driver.poll(now) {}
            if let Some(id) = driver.in_flight() {
                prop_assert!(driver.handle_response(id, &reply, now).is_accepted());
            }
        }
    }

    /// Neither does a sequence of them make it send twice under one id, or queue without bound.
    #[test]
    fn a_driver_takes_any_sequence_of_inputs(
        steps in proptest::collection::vec((input(), 0_u64..100_000, any::<bool>()), 1..60),
    ) {
        let mut driver = driver();
        let (mut ids, mut now) = (BTreeSet::new(), Moment::from_millis(5_000, 1_795_492_800_000));
        for (input, passed, polled) in steps {
            now = now.after(Duration::from_millis(passed));
            let reports = matches!(input, Input::Response(..) | Input::Failure(..));
            let in_flight = driver.in_flight();
            let names_it = match &input {
                Input::Response(id, _) | Input::Failure(id, _) => Some(*id) == in_flight,
                _ => true,
            };
            let delivery = driver.handle(input, now);
            prop_assert_eq!(delivery.is_accepted(), names_it || !reports);
            prop_assert!(driver.queued() <= Driver::MOST_QUEUED);
            for _ in 0..if polled { 20 } else { 0 } {
                match driver.poll(now) {
                    Output::Send(outgoing) => prop_assert!(ids.insert(outgoing.id())),
                    Output::Event(_) | Output::Abandon(_) => {}
                    Output::Wait(_) => break,
                }
            }
        }
    }

    /// A plan of faults survives being written down.
    #[test]
    fn a_fault_plan_survives_being_written_down(plan in strategies::fault_plan(20, 86_400_000)) {
        prop_assert_eq!(plan.to_string().parse::<FaultPlan>(), Ok(plan));
    }
}

#[test]
fn fuzzers_get_the_same_inputs() {
    // Knuth's linear congruential generator: bytes in no order.
    let mut state = 1_u64;
    let bytes = std::iter::repeat_with(|| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    let bytes: Vec<u8> = bytes.take(4_096).collect();
    let mut source = Unstructured::new(&bytes);
    let mut harness = Harness::new(driver());
    let mut kinds = BTreeSet::new();
    for _ in 0..300 {
        let step = Step::arbitrary(&mut source).unwrap();
        kinds.insert(format!("{step:?}").split(['(', ' ']).next().unwrap().to_owned());
        harness.apply(step);
    }
    println!("{kinds:?}");
    assert!(kinds.len() >= 10, "{kinds:?}");
    let plans =
        (0..64).map(|from| FaultPlan::arbitrary(&mut Unstructured::new(&bytes[from..])).unwrap());
    let plan = plans.max_by_key(|plan| plan.incidents().len()).unwrap();
    assert!(plan.incidents().len() >= 3, "{plan}");
    assert_eq!(plan.to_string().parse::<FaultPlan>(), Ok(plan));
    assert!(Moment::arbitrary(&mut Unstructured::new(&bytes)).is_ok());
}

/// A step that names another driver's request shows what came of it: a check that never gets one proves nothing.
#[test]
fn a_request_of_another_driver_is_stale() {
    let mut harness = Harness::new(driver());
    let lost = TransportFailure::Interrupted;
    for step in [Step::Answer(To::Foreign, Answer::Grant(60)), Step::Fail(To::Foreign, lost)] {
        let seen = harness.apply(step);
        assert!(matches!(seen[..], [Seen::Reported { taken: false, .. }]), "{step:?}: {seen:?}");
    }
}

/// Bytes that follow from a seed, as a fuzzer might try them.
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut seed32 = [0; 32];
    seed32[..8].copy_from_slice(&seed.to_le_bytes());
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed32);
    let mut bytes = vec![0; count];
    random.fill_bytes(&mut bytes);
    bytes
}

#[test]
fn without_bytes_there_is_a_value_of_each_type() {
    let empty = || Unstructured::new(&[]);
    assert_eq!(Identity::arbitrary(&mut empty()).unwrap().as_str(), "user-0");
    assert_eq!(SessionToken::arbitrary(&mut empty()).unwrap().expose(), "t");
    assert!(Scopes::arbitrary(&mut empty()).unwrap().is_empty());
    assert!(Grant::arbitrary(&mut empty()).is_ok());
    assert!(Start::arbitrary(&mut empty()).is_ok());
    assert!(Credentials::arbitrary(&mut empty()).is_ok());
    assert!(fuzzing::response(&mut empty()).is_ok());
    assert!(fuzzing::input(&mut empty(), &[], &[]).is_ok());
}

#[test]
fn a_fuzzer_makes_every_kind_of_input_and_none_about_what_there_is_not() {
    let kinds = |ids: &[RequestId], generations: &[Generation]| -> BTreeSet<String> {
        let made = (0..2_000).map(|seed| {
            let data = bytes(seed, 512);
            let input = fuzzing::input(&mut Unstructured::new(&data), ids, generations).unwrap();
            format!("{input:?}").split('(').next().unwrap().to_owned()
        });
        made.collect()
    };
    let mut expected = BTreeSet::from(["Observe", "Online", "SetCredentials", "Start", "Stop"]);
    let names = |kinds: &BTreeSet<&str>| kinds.iter().map(ToString::to_string).collect();
    assert_eq!(kinds(&[], &[]), names(&expected));
    let (ids, generations) = ids_and_generations();
    expected.extend(["Failure", "Response", "Unauthorized"]);
    assert_eq!(kinds(&ids, &generations), names(&expected));
}

/// A target that never has a token finds little.
#[test]
fn of_a_fuzzer_s_responses_a_fifth_or_more_grant_a_token() {
    let login = Login::Named { user: 0, cookie: 0 };
    let Start::Exchange(credentials) = login.start() else { panic!("it has credentials") };
    let granted = (0..1_000).filter(|seed| {
        let data = bytes(*seed, 1_024);
        let response = fuzzing::response(&mut Unstructured::new(&data)).unwrap();
        credentials.exchange().read((&response).into()).is_ok()
    });
    let count = granted.count();
    assert!((200..600).contains(&count), "{count}");
}

#[test]
fn an_input_equals_only_one_with_all_the_same_parts() {
    let (ids, _) = ids_and_generations();
    let reply = || http::Response::builder().header("date", "now").body(Bytes::from("a")).unwrap();
    let input = |reply: http::Response<Bytes>| Input::Response(ids[0], reply);
    assert_eq!(input(reply()), input(reply()));
    assert_ne!(input(reply()), Input::Response(ids[1], reply()));
    let changes: [fn(&mut http::Response<Bytes>); 4] = [
        |reply| *reply.status_mut() = http::StatusCode::CREATED,
        |reply| *reply.version_mut() = http::Version::HTTP_2,
        |reply| reply.headers_mut().clear(),
        |reply| *reply.body_mut() = Bytes::from("b"),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = reply();
        change(&mut other);
        assert_ne!(input(reply()), input(other), "change {number}");
    }
}
