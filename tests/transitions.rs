//! Every state with every input, held against the table of transitions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use videokit_session::exchange::{DenialKind, Endpoint, Flaw, IdentitySource};
use videokit_session::session::transitions::{Cause, InputName, StateName, TABLE, Transition};
use videokit_session::session::{Input, Misuse, NotSent, Rejection, RequestId, Step};
use videokit_session::{
    AllowedOrigin, AnySession, ApiToken, Backend, Config, Credentials, Gateway, Grant, Identity,
    Moment, Session, SessionToken, TransportFailure,
};

const START: Moment = Moment::from_millis(0, 1_795_492_800_000);
const LIFETIME: Duration = Duration::from_secs(600);

/// Long past the end of every token made at [`START`].
fn late() -> Moment {
    START.after(LIFETIME * 2)
}

fn config() -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(Config::builder(origin).build().unwrap())
}

fn credentials_of(identity: &str) -> Credentials {
    let token = ApiToken::new("api-token").unwrap();
    Credentials::for_development(Gateway::new(token, Identity::new(identity).unwrap()))
}

fn credentials() -> Credentials {
    credentials_of("user-17")
}

fn reply(status: u16, token: &str, identity: &str) -> http::Response<Bytes> {
    let body = format!(
        r#"{{"sessionToken":"{token}","expiresAt":"2026-11-24T04:10:00Z","identity":"{identity}"}}"#
    );
    http::Response::builder()
        .status(status)
        .header("date", "Tue, 24 Nov 2026 04:00:00 GMT")
        .body(Bytes::from(body))
        .unwrap()
}

fn granting() -> http::Response<Bytes> {
    reply(200, "tok-1", "user-17")
}

fn adoptable() -> Grant {
    // A JWT that says it lives for ten minutes: its claims are {"exp":1700000600,"iat":1700000000}.
    let token = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDA2MDAsImlhdCI6MTcwMDAwMDAwMH0.c2ln";
    let grant = Grant::new(SessionToken::new(token).unwrap());
    grant.with_identity(Identity::new("user-17").unwrap())
}

/// A way to bring a session into a state, and the request that is in flight there.
struct Setup {
    name: &'static str,
    /// Whether there are credentials to ask with, and no request in flight.
    may_ask: bool,
    build: fn() -> (AnySession, Option<RequestId>),
}

fn authenticating() -> (AnySession, Option<RequestId>) {
    let (session, outgoing) = Session::new(config(), 1).authenticate(credentials(), START).unwrap();
    (session.into(), Some(outgoing.id()))
}

fn active() -> Session<videokit_session::Active> {
    let (session, outgoing) = Session::new(config(), 1).authenticate(credentials(), START).unwrap();
    session.receive(outgoing.id(), &granting(), START).unwrap()
}

fn expired() -> AnySession {
    let (session, step) = AnySession::from(active()).step(Input::Advance, late());
    assert!(matches!(step, Step::Moved(_)));
    session
}

fn adopted() -> AnySession {
    Session::new(config(), 1).adopt(adoptable(), START).unwrap().into()
}

/// Each state, and each that differs in what an input does.
fn setups() -> Vec<Setup> {
    let setup = |name, may_ask, build| Setup { name, may_ask, build };
    vec![
        setup("Unauthenticated", false, || (AnySession::new(config(), 1), None)),
        setup("Authenticating", false, authenticating),
        setup("Active", true, || (active().into(), None)),
        setup("Active, renewing", false, || {
            let mut session = active();
            let outgoing = session.renew(START).unwrap();
            (session.into(), Some(outgoing.id()))
        }),
        setup("Active, adopted", false, || (adopted(), None)),
        setup("Expired", true, || (expired(), None)),
        setup("Expired, adopted", false, || (adopted().step(Input::Advance, late()).0, None)),
    ]
}

/// An id that is in flight nowhere.
fn foreign_id() -> RequestId {
    let (_, outgoing) = Session::new(config(), 99).authenticate(credentials(), START).unwrap();
    outgoing.id()
}

/// Every input, with what it amounts to in the current session: the table's name for it, or none for
/// one that can't be a transition there.
fn inputs(state: StateName, flight: Option<RequestId>) -> Vec<(Input, Moment, Option<InputName>)> {
    let id = flight.unwrap_or_else(foreign_id);
    let landing = |name| flight.map(|_| name);
    let lapse = match flight {
        Some(_) => InputName::LapseInFlight,
        None => InputName::Lapse,
    };
    let other = credentials_of("somebody-else");
    vec![
        (Input::Authenticate(credentials()), START, Some(InputName::Authenticate)),
        (Input::Reauthenticate, START, Some(InputName::Reauthenticate)),
        (Input::Renew, START, Some(InputName::Renew)),
        (Input::Adopt(adoptable()), START, Some(InputName::Adopt)),
        (Input::SetCredentials(credentials()), START, Some(InputName::SetCredentials)),
        (Input::SetCredentials(other), START, None),
        (Input::Reply(id, granting()), START, landing(InputName::Grant)),
        (Input::Reply(id, reply(401, "t", "user-17")), START, landing(InputName::Denial)),
        (Input::Reply(id, reply(200, "t", "User-17")), START, landing(InputName::Denial)),
        (Input::Reply(foreign_id(), granting()), START, None),
        (Input::Failure(id, TransportFailure::TimedOut), START, landing(InputName::Failure)),
        (Input::Failure(foreign_id(), TransportFailure::Other), START, None),
        (Input::Advance, START, None),
        (Input::Advance, late(), (state == StateName::Active).then_some(lapse)),
        (Input::Stop, START, Some(InputName::Stop)),
    ]
}

/// What the table says, but for what it can't know: whether there is something to ask with.
fn expected(state: StateName, may_ask: bool, input: Option<InputName>) -> Option<Transition> {
    let input = input?;
    let asks = matches!(input, InputName::Renew | InputName::Reauthenticate);
    let row = TABLE.iter().find(|row| row.from == state && row.input == input)?;
    (may_ask || !asks).then_some(*row)
}

/// What a token or credentials are that are not for the identity of the token before.
fn wrong_identity() -> Flaw {
    Flaw::WrongIdentity { expected: IdentitySource::EarlierToken }
}

#[test]
fn every_state_takes_every_input_as_the_table_says() {
    let mut pairs = 0;
    let mut seen = Vec::new();
    for setup in setups() {
        let (probe, flight) = (setup.build)();
        for n in 0..inputs(probe.state(), flight).len() {
            let (session, flight) = (setup.build)();
            let before = (session.state(), session.last_transition());
            let (input, now, name) = inputs(session.state(), flight).swap_remove(n);
            let wanted = expected(session.state(), setup.may_ask, name);
            let case = format!("{} with {input:?}", setup.name);
            let (session, step) = session.step(input, now);
            let done = match &step {
                Step::Sent(done, _) | Step::Moved(done) | Step::Denied(done, _) => Some(*done),
                Step::Unchanged | Step::Rejected(_) => None,
            };
            assert_eq!(done, wanted, "{case}: {step:?}");
            match done {
                Some(done) => {
                    assert_eq!(session.state(), done.to, "{case}");
                    assert_eq!(session.last_transition(), wanted, "{case}");
                    seen.push(done);
                }
                None => assert_eq!((session.state(), session.last_transition()), before, "{case}"),
            }
            pairs += 1;
        }
    }
    println!("{pairs} pairs of state and input");
    for row in TABLE {
        assert!(seen.contains(row), "never happened: {row:?}");
    }
}

#[test]
fn the_table_names_each_pair_once_and_leads_back_to_active_from_everywhere() {
    for (n, row) in TABLE.iter().enumerate() {
        let twin = TABLE.iter().skip(n + 1).find(|r| r.from == row.from && r.input == row.input);
        assert_eq!(twin, None);
    }
    let mut ways_back = vec![StateName::Active];
    for _ in 0..TABLE.len() {
        let more = TABLE.iter().filter(|row| ways_back.contains(&row.to)).map(|row| row.from);
        ways_back.extend(more.collect::<Vec<_>>());
    }
    for row in TABLE {
        assert!(ways_back.contains(&row.from), "{:?}", row.from);
    }
}

#[test]
fn what_is_not_taken_says_why_and_names_the_state() {
    let reject = |session: AnySession, input| match session.step(input, START).1 {
        Step::Rejected(rejection) => rejection,
        step => panic!("{step:?}"),
    };
    let misuse = |state, input| Rejection::Misuse(Misuse { state, input });
    let new = || AnySession::new(config(), 1);
    assert_eq!(reject(new(), Input::Renew), misuse(StateName::Unauthenticated, "Renew"));
    assert_eq!(
        reject(new(), Input::Renew).to_string(),
        "`Renew` means nothing to a session that is Unauthenticated"
    );
    assert_eq!(reject(adopted(), Input::Renew), Rejection::NotSent(NotSent::NoCredentials));
    let mut renewing = active();
    let _sent = renewing.renew(START).unwrap();
    assert_eq!(reject(renewing.into(), Input::Renew), Rejection::NotSent(NotSent::InFlight));
    let id = foreign_id();
    match reject(new(), Input::Reply(id, granting())) {
        Rejection::Stale(stale) => assert_eq!(stale.id(), id),
        other => panic!("{other:?}"),
    }
    let other = Input::SetCredentials(credentials_of("somebody-else"));
    assert_eq!(reject(active().into(), other), Rejection::Credentials(wrong_identity()));
}

#[test]
fn a_lapse_during_renewal_keeps_the_request_and_its_id() {
    let mut session = active();
    let id = session.renew(START).unwrap().id();
    let (session, _) = AnySession::from(session).step(Input::Advance, late());
    let AnySession::Authenticating(session) = session else { panic!("{session:?}") };
    assert_eq!(session.in_flight(), id);
    let fresh = reply(200, "tok-2", "user-17");
    let session = session.receive(id, &fresh, START).expect("the reply was still awaited");
    assert_eq!(session.generation().number(), 2);
    assert_eq!(session.last_transition().unwrap().cause, Cause::Granted);
}

#[test]
fn a_failed_renewal_leaves_the_current_token_alone() {
    let mut session = active();
    let token = |session: &Session<_>| {
        let mut call = http::Request::get("https://api.example/v1/videos").body(()).unwrap();
        session.authorize(&mut call, START).map(|authorized| (authorized, call.headers().clone()))
    };
    let before = token(&session);
    let remaining = session.remaining(START);
    for answer in [reply(503, "x", "user-17"), reply(401, "x", "user-17"), reply(200, "x", "eve")] {
        let id = session.renew(START).unwrap().id();
        assert!(session.receive(id, &answer, START).is_err());
        assert_eq!(session.in_flight(), None, "another renewal may be made");
    }
    let id = session.renew(START).unwrap().id();
    session.fail(id, TransportFailure::Interrupted, START).unwrap();
    assert!(session.fail(id, TransportFailure::Interrupted, START).is_err(), "reported twice");
    assert_eq!(token(&session), before);
    assert_eq!(session.remaining(START), remaining);
}

#[test]
fn a_second_reply_to_a_renewal_is_stale() {
    let mut session = active();
    let id = session.renew(START).unwrap().id();
    let generation = session.receive(id, &reply(200, "tok-2", "user-17"), START).unwrap();
    assert!(session.receive(id, &reply(200, "tok-3", "user-17"), START).is_err());
    assert_eq!(session.generation(), generation);
}

#[test]
fn a_token_put_in_by_hand_gives_the_renewal_in_flight_up() {
    let mut session = active();
    let id = session.renew(START).unwrap().id();
    let generation = session.replace(adoptable(), START).unwrap();
    assert!(session.receive(id, &granting(), START).is_err());
    assert_eq!(session.generation(), generation);
    let stranger = adoptable().with_identity(Identity::new("eve").unwrap());
    let denial = session.replace(stranger, START).unwrap_err();
    assert_eq!(denial.kind(), DenialKind::Malformed(wrong_identity()));
    assert_eq!(session.generation(), generation);
}

#[test]
fn the_first_identity_that_a_backend_names_is_kept_until_the_login_ends() {
    let backend = || {
        let endpoint = Endpoint::https("https://app.example/token").unwrap();
        Credentials::backend(Backend::new(endpoint))
    };
    let (session, outgoing) = Session::new(config(), 1).authenticate(backend(), START).unwrap();
    let silent = http::Response::new(r#"{"sessionToken":"tok-0"}"#);
    let mut session = session.receive(outgoing.id(), &silent, START).unwrap();
    assert_eq!(session.identity(), None, "nobody was named yet");

    let id = session.renew(START).unwrap().id();
    session.receive(id, &granting(), START).unwrap();
    assert_eq!(session.identity().map(Identity::as_str), Some("user-17"));
    let id = session.renew(START).unwrap().id();
    assert!(session.receive(id, &reply(200, "tok-2", "eve"), START).is_err());

    let (session, _) = AnySession::from(session).step(Input::Advance, late());
    let AnySession::Expired(session) = session else { panic!("{session:?}") };
    let (session, outgoing) = session.reauthenticate(late()).unwrap();
    let denied = session.receive(outgoing.id(), &reply(200, "tok-3", "eve"), late());
    assert!(denied.is_err(), "still pinned after the lapse");

    let (session, outgoing) = Session::new(config(), 1).authenticate(backend(), START).unwrap();
    let session = session.stop();
    let (session, again) = session.authenticate(backend(), START).unwrap();
    assert_ne!(outgoing.id(), again.id());
    let session = session.receive(again.id(), &reply(200, "tok-4", "eve"), START).unwrap();
    assert_eq!(session.identity().map(Identity::as_str), Some("eve"), "a new login");
}

#[test]
fn credentials_set_during_a_renewal_outlive_the_lapse() {
    let mut session = active();
    let old = session.renew(START).unwrap();
    let rotated = Credentials::for_development(Gateway::new(
        ApiToken::new("rotated").unwrap(),
        Identity::new("user-17").unwrap(),
    ));
    session.set_credentials(rotated.clone()).unwrap();
    assert_eq!(session.in_flight(), Some(old.id()), "the renewal goes on as it was sent");
    let (session, _) = AnySession::from(session).step(Input::Advance, late());
    let AnySession::Authenticating(session) = session else { panic!("{session:?}") };
    assert_eq!(session.credentials(), &rotated);
    let mut session = session.receive(old.id(), &granting(), START).unwrap();
    let next = session.renew(START).unwrap();
    assert_eq!(next.request().headers()["authorization"], "Bearer rotated");
}

#[test]
fn an_overdue_request_is_seen_and_its_reply_is_still_read() {
    let (session, outgoing) = Session::new(config(), 1).authenticate(credentials(), START).unwrap();
    let just_before = START.after(outgoing.timeout().saturating_sub(Duration::from_millis(1)));
    assert!(!session.is_overdue(just_before));
    assert!(session.is_overdue(START.after(outgoing.timeout())));
    assert_eq!(outgoing.deadline(), START.since_start() + outgoing.timeout());
    let mut session =
        session.receive(outgoing.id(), &granting(), START.after(outgoing.timeout())).unwrap();
    assert!(!session.is_overdue(late()), "nothing is in flight");
    let outgoing = session.renew(START.after(outgoing.timeout())).unwrap();
    assert!(!session.is_overdue(START.after(outgoing.timeout())));
    assert!(session.is_overdue(START.after(outgoing.timeout() * 2)));
}

#[test]
fn the_same_seed_and_inputs_give_the_same_outputs() {
    let run = |seed| {
        let (session, first) =
            Session::new(config(), seed).authenticate(credentials(), START).unwrap();
        let mut session = session.receive(first.id(), &granting(), START).unwrap();
        let due = session.renewal_due_in(START);
        (first, session.renew(START).unwrap(), due)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).0, run(8).0, "ids of two sessions differ");
    assert_ne!(run(7).0.id(), run(7).1.id());
}

#[test]
fn a_token_goes_to_allowed_origins_only() {
    let session = active();
    let authorize = |uri: &str| {
        let mut call =
            http::Request::get(uri).header("authorization", "Basic old").body(()).unwrap();
        let authorized = session.authorize(&mut call, START).is_ok();
        (authorized, call.headers().get("authorization").cloned())
    };
    for uri in ["https://api.example/x", "https://API.EXAMPLE:443/", "https://api.example"] {
        let (authorized, header) = authorize(uri);
        assert!(authorized, "{uri}");
        let header = header.unwrap();
        assert_eq!(header, "Bearer tok-1");
        assert!(header.is_sensitive());
    }
    for uri in [
        "http://api.example/x",
        "https://api.example:8443/x",
        "https://api.example.evil.example/x",
        "https://evil.example/https://api.example/",
        "https://user@api.example/x",
        "https://api.example@evil.example/x",
        "https://api.example./x",
        "https://xn--api.example/x",
        "/x",
        "api.example",
    ] {
        assert_eq!(authorize(uri), (false, None), "{uri}");
    }
    let other = AllowedOrigin::https("https://other.example").unwrap();
    assert!(session.authorization(&other, START).is_err(), "checked, but not configured");
    let own = AllowedOrigin::https("https://api.example").unwrap();
    assert!(session.authorization(&own, START).is_ok());
    assert!(session.authorization(&own, late()).is_err(), "expired");
    let mut call = http::Request::get("https://api.example/x")
        .header("authorization", "old")
        .body(())
        .unwrap();
    assert!(session.authorize(&mut call, late()).is_err());
    assert_eq!(call.headers().get("authorization"), None);
}

#[test]
fn credentials_set_for_a_token_of_nobody_in_particular_say_whose_login_it_is() {
    let bare = || Grant::new(adoptable().token().clone());
    let mut session = Session::new(config(), 1).adopt(bare(), START).unwrap();
    assert_eq!(session.identity(), None);
    session.set_credentials(credentials()).unwrap();
    assert_eq!(session.identity().map(Identity::as_str), Some("user-17"));
    assert!(session.set_credentials(credentials_of("eve")).is_err());

    let session = Session::new(config(), 1).adopt(bare(), START).unwrap();
    let (session, _) = AnySession::from(session).step(Input::Advance, late());
    let AnySession::Expired(mut session) = session else { panic!("{session:?}") };
    session.set_credentials(credentials()).unwrap();
    assert_eq!(session.identity().map(Identity::as_str), Some("user-17"));
    let stranger = bare().with_identity(Identity::new("eve").unwrap());
    assert!(session.adopt(stranger, START).is_err());
}
