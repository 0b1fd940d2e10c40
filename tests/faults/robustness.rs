//! Misuse, and inputs that nobody sends by accident.

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use videokit_session::driver::Start;
use videokit_session::session::Input;
use videokit_session::session::transitions::StateName;
use videokit_session::{
    ApiToken, Config, Driver, Gateway, Grant, Identity, Moment, Output, Session, SessionToken,
    TransportFailure, Validity, Wake,
};

use crate::world::{HOUR, SECOND, World, config, login};

/// A loop ignores it with a semicolon, and `?` has nothing to end a loop with.
#[test]
#[deny(unused_must_use)]
fn r9_a_late_reply_is_a_value_that_needs_no_handling() {
    let (mut world, id, reply) = World::with_a_late_reply(true);
    let now = world.now();
    assert!(world.driver.handle_failure(id, TransportFailure::Interrupted, now).is_accepted());
    world.driver.handle_response(id, &reply, now);
    assert_eq!(world.driver.counters().stale, 1);
    assert!(world.driver.handle_response(id, &reply, now).is_stale());
    assert!(World::new(HOUR).driver.handle_failure(id, TransportFailure::Other, now).is_stale());
}

/// A driver that has announced a request, and not handed it out: its first one, or a renewal.
fn announced(renewing: bool) -> World {
    let mut world = World::new(HOUR);
    if renewing {
        world = world.logged_in();
        world.pass(SECOND * 3_599);
    } else {
        world.start("user-17");
    }
    let expected =
        if renewing { "Active: RenewalSent" } else { "Unauthenticated -> Authenticating: Started" };
    assert_eq!(told(&mut world), [expected]);
    world
}

/// The event that the next poll tells, if it tells one.
fn told(world: &mut World) -> Vec<String> {
    match world.driver.poll(world.now()) {
        Output::Event(event) => vec![event.to_string()],
        _ => Vec::new(),
    }
}

#[test]
fn r12_a_request_is_announced_before_it_goes_out() {
    let mut world = announced(false);
    assert_eq!(world.driver.state(), StateName::Authenticating);
    assert_eq!(world.driver.counters().requests, 0);
    // Its deadline and the budget count from the poll that hands it out.
    world.pass(SECOND * 100);
    let Output::Send(outgoing) = world.driver.poll(world.now()) else { panic!("it asks") };
    assert_eq!(outgoing.deadline(), world.now().since_start() + Duration::from_secs(15));
    assert_eq!(world.driver.counters().requests, 1);
    world.settle();
    assert!(world.events.is_empty(), "nothing is told after it");
}

#[test]
fn r12_a_stop_drops_a_request_that_was_only_announced() {
    for (renewing, end) in [
        (false, "Authenticating -> Unauthenticated: Stopped"),
        (true, "Active -> Unauthenticated: Stopped"),
    ] {
        let mut world = announced(renewing);
        let requests = world.sent.len();
        world.stop();
        assert_eq!(told(&mut world), [end]);
        assert_eq!(world.driver.poll(world.now()), Output::Wait(Wake::OnInput));
        assert_eq!((world.sent.len(), world.driver.counters().abandoned), (requests, 0));
    }
}

#[test]
fn r12_another_login_drops_a_request_that_was_only_announced() {
    let mut world = announced(false);
    world.start("user-18");
    assert_eq!(told(&mut world), ["Authenticating -> Unauthenticated: Stopped"]);
    world.settle();
    assert_eq!(world.served_to(), "user-18");
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn r12_going_offline_ends_a_request_that_was_only_announced() {
    for (renewing, end) in [
        (false, "Authenticating -> Unauthenticated: Failed: no connection could be made"),
        (true, "Active: RenewalFailed: no connection could be made"),
    ] {
        let mut world = announced(renewing);
        let requests = world.sent.len();
        world.driver.set_online(false, world.now());
        assert_eq!(told(&mut world), [end]);
        assert!(told(&mut world).is_empty());
        assert_eq!(world.sent.len(), requests);
        // It was no try that failed: there is no pause after it.
        world.driver.set_online(true, world.now());
        world.settle();
        assert_eq!((world.sent.len(), world.served_to()), (requests + 1, "user-17".to_owned()));
    }
}

#[test]
fn r12_the_same_login_once_more_leaves_an_announced_request_alone() {
    let mut world = announced(false);
    world.start("user-17");
    world.settle();
    assert_eq!((world.sent.len(), world.driver.epoch()), (1, 1));
}

#[test]
fn r12_a_session_taken_out_knows_nothing_of_an_announced_request() {
    let world = announced(false);
    let (policy, now) = (*world.driver.policy(), world.now());
    let session = world.driver.into_session();
    assert_eq!((session.state(), session.in_flight()), (StateName::Unauthenticated, None));
    let mut driver = Driver::from_session(session, policy);
    driver.start(login("user-17"), now);
    assert!(matches!(driver.poll(now), Output::Event(_)));
    assert!(matches!(driver.poll(now), Output::Send(_)), "the budget was not touched");
}

// ------------------------------------------------ R5

#[test]
fn r5_debug_of_a_grant_shows_nothing_that_a_server_has_written() {
    let reply = |expires_at: &str| {
        http::Response::new(format!(
            r#"{{"sessionToken":"s3cret","expiresAt":"{expires_at}","identity":"s3cret","scopes":["s3cret"]}}"#
        ))
    };
    let identity = Identity::new("s3cret").unwrap();
    let gateway = Gateway::new(ApiToken::new("app:hush").unwrap(), identity);
    for expires_at in ["s3cret", "2026-11-24T05:00:00Z", "2026-11-24T05:00:00Z s3cret"] {
        let grant = gateway.read(&reply(expires_at)).unwrap();
        let input = Input::Adopt(grant.clone());
        let start = Start::from(grant.clone());
        for shown in [
            format!("{grant:?} {grant:#?}"),
            format!("{input:?} {input:#?}"),
            format!("{start:?} {start:#?}"),
        ] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        // What was read of it is shown.
        let readable = expires_at.len() == 20;
        assert_eq!(format!("{grant:?}").contains("1795496400000"), readable, "{grant:?}");
    }
}

// ------------------------------------------------ R6

/// How many blocks are allocated while a token with these claims is adopted, and how it is judged then.
fn adopted(claims: &str, config: &Arc<Config>) -> (u64, Validity) {
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let token = SessionToken::new(format!("e30.{claims}.c2ln")).unwrap();
    let grant = Grant::new(token);
    let now = Moment::from_millis(5_000, 1_795_492_800_000);
    let session = Session::new(Arc::clone(config), 1);
    let mut adopted = None;
    let counted = measure(|| adopted = Some(session.adopt(grant, now)));
    let session = adopted.expect("it was called").expect("it lives");
    (counted.count_total, session.validity(now))
}

#[test]
fn r6_a_claim_whose_name_has_escapes_is_copied_nowhere() {
    let config = config(|config| config);
    // Ten seconds, by its claims.
    for (plain, escaped) in [
        (r#""a name of a claim":1"#, r#""https:\/\/app.example\/claims":1"#),
        (r#""a":{"b":["c"]}"#, r#""\u0061":{"\u0062":["\u0063"]}"#),
        (r#""a name of a claim":"a/ba""#, r#""a name of a claim":"a\/b\u0061""#),
    ] {
        let judged = |claim: &str| {
            let first = format!(r#"{{{claim},"exp":1700000010,"iat":1700000000}}"#);
            let last = format!(r#"{{"exp":1700000010,"iat":1700000000,{claim}}}"#);
            [first, last].map(|claims| adopted(&claims, &config))
        };
        let (plain, escaped) = (judged(plain), judged(escaped));
        assert_eq!(escaped, plain);
        assert!(plain.iter().all(|(_, validity)| *validity == Validity::Unsure), "{plain:?}");
    }
    // A name that isn't plain is no hint.
    let (blocks, judged) = adopted(r#"{"\u0065xp":1700000010,"iat":1700000000}"#, &config);
    assert_eq!((blocks, judged), (1, Validity::Valid));
}
