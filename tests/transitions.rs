//! Every state with every input, compared with the table of transitions.

extern crate videokit_session_inside as videokit_session;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use videokit_session::exchange::{DenialKind, Endpoint, Flaw, IdentitySource};
use videokit_session::session::transitions::{Cause, InputName, StateName, TABLE, Transition};
use videokit_session::session::{
    AdoptError, Advance, AuthorizeError, Input, Misuse, ReceiveError, Rejection, RenewError,
    RequestId, SendError, StaleRequest, Step, TypedSession,
};
use videokit_session::{
    Active, AllowedOrigin, AnySession, ApiToken, Authenticating, Backend, Config, Credentials,
    Expired, Gateway, Grant, Identity, Moment, Session, SessionToken, TransportFailure,
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
    /// Whether the login has held a token, so that the next one has to be for the same identity.
    identity_held: bool,
    build: fn() -> (AnySession, Option<RequestId>),
}

fn authenticating() -> (Session<Authenticating>, RequestId) {
    let session = Session::new(config(), 1);
    let (session, outgoing) = session.authenticate(&credentials(), START).unwrap();
    (session, outgoing.id())
}

fn active() -> Session<Active> {
    let (session, id) = authenticating();
    session.receive(id, &granting(), START).unwrap().0
}

fn renewing() -> (AnySession, RequestId) {
    let mut session = active();
    let outgoing = session.renew(&credentials(), START).unwrap();
    (session.into(), outgoing.id())
}

fn expired() -> Session<Expired> {
    let Advance::Lapsed(session) = active().advance(late()) else { panic!("it has lapsed") };
    session
}

fn adopted() -> Session<Active> {
    Session::new(config(), 1).adopt(adoptable(), START).unwrap()
}

/// The same, whose authentication after the token expired is in flight.
fn reauthenticating() -> (Session<Authenticating>, RequestId) {
    let (session, outgoing) = expired().authenticate(&credentials(), START).unwrap();
    (session, outgoing.id())
}

/// Each state, and each that differs in what an input does.
fn setups() -> Vec<Setup> {
    let setup = |name, identity_held, build| Setup { name, identity_held, build };
    vec![
        setup("Unauthenticated", false, || (AnySession::new(config(), 1), None)),
        setup("Unauthenticated, after a failed re-authentication", true, || {
            let (session, id) = reauthenticating();
            let session = session.fail(id, TransportFailure::Unreachable, START).unwrap();
            (session.into(), None)
        }),
        setup("Authenticating", false, || {
            let (session, id) = authenticating();
            (session.into(), Some(id))
        }),
        setup("Authenticating, once more", true, || {
            let (session, id) = reauthenticating();
            (session.into(), Some(id))
        }),
        setup("Authenticating, after a lapse in flight", true, || {
            let (mut session, id) = renewing();
            assert!(matches!(session.step(Input::Advance, late()), Step::Moved(_)));
            (session, Some(id))
        }),
        setup("Active", true, || (active().into(), None)),
        setup("Active, renewing", true, || {
            let (session, id) = renewing();
            (session, Some(id))
        }),
        setup("Active, adopted", true, || (adopted().into(), None)),
        setup("Expired", true, || (expired().into(), None)),
        setup("Expired, adopted", true, || {
            let mut session = AnySession::from(adopted());
            assert!(matches!(session.step(Input::Advance, late()), Step::Moved(_)));
            (session, None)
        }),
    ]
}

/// An id that is in flight nowhere.
fn foreign_id() -> RequestId {
    let session = Session::new(config(), 99);
    session.authenticate(&credentials(), START).unwrap().1.id()
}

/// What an input is about, as far as the table can't know it.
#[derive(Clone, Copy, PartialEq)]
enum About {
    /// The identity of every session here, or none.
    Ours,
    /// Another identity.
    Another,
    /// A request that is in flight nowhere.
    Foreign,
    /// A time at which nothing is due.
    Early,
}

/// Every input, with the table's name for it in the current session.
fn inputs(flight: Option<RequestId>) -> Vec<(Input, Moment, InputName, About)> {
    let (id, about) = flight.map_or((foreign_id(), About::Foreign), |id| (id, About::Ours));
    let lapse = if flight.is_some() { InputName::LapseInFlight } else { InputName::Lapse };
    let eve = || Identity::new("eve").unwrap();
    let failure = |id, why| Input::Failure(id, why);
    let at_start = |input, name, about| (input, START, name, about);
    vec![
        at_start(Input::Authenticate(credentials()), InputName::Authenticate, About::Ours),
        at_start(
            Input::Authenticate(credentials_of("eve")),
            InputName::Authenticate,
            About::Another,
        ),
        at_start(Input::Renew(credentials()), InputName::Renew, About::Ours),
        at_start(Input::Renew(credentials_of("eve")), InputName::Renew, About::Another),
        at_start(Input::Adopt(adoptable()), InputName::Adopt, About::Ours),
        at_start(Input::Adopt(adoptable().with_identity(eve())), InputName::Adopt, About::Another),
        at_start(Input::Reply(id, granting()), InputName::Grant, about),
        at_start(Input::Reply(id, reply(401, "t", "user-17")), InputName::Denial, about),
        at_start(Input::Reply(id, reply(200, "t", "User-17")), InputName::Denial, about),
        at_start(Input::Reply(foreign_id(), granting()), InputName::Grant, About::Foreign),
        at_start(failure(id, TransportFailure::TimedOut), InputName::Failure, about),
        at_start(
            failure(foreign_id(), TransportFailure::Other),
            InputName::Failure,
            About::Foreign,
        ),
        at_start(Input::Advance, lapse, About::Early),
        (Input::Advance, late(), lapse, About::Ours),
        at_start(Input::Stop, InputName::Stop, About::Ours),
    ]
}

/// What follows from an input: a row of the table, or why there is none.
fn expected(
    setup: &Setup,
    (state, flight): (StateName, Option<RequestId>),
    (input, name, about): (&Input, InputName, About),
) -> Result<Transition, Option<Rejection>> {
    let row = TABLE.iter().find(|row| row.from == state && row.input == name);
    let in_flight = flight.is_some() && state == StateName::Active;
    let another = about == About::Another && setup.identity_held;
    match (input, row) {
        (Input::Reply(id, _) | Input::Failure(id, _), _) if about == About::Foreign => {
            Err(Some(Rejection::Stale(stale(*id))))
        }
        (Input::Advance, _) if about == About::Early => Err(None),
        (Input::Advance | Input::Stop, None) => Err(None),
        (Input::Authenticate(_), None) => Err(Some(misuse(state, "Authenticate"))),
        (Input::Renew(_), None) => Err(Some(misuse(state, "Renew"))),
        (Input::Adopt(_), None) => Err(Some(misuse(state, "Adopt"))),
        (Input::Renew(_), _) if in_flight => Err(Some(SendError::InFlight.into())),
        (Input::Authenticate(_) | Input::Renew(_), _) if another => {
            Err(Some(SendError::OtherIdentity.into()))
        }
        (Input::Adopt(_), _) if another => Err(Some(AdoptError::OtherIdentity.into())),
        (_, Some(row)) => Ok(*row),
        (other, None) => panic!("{other:?} is in no row for {state}"),
    }
}

fn misuse(state: StateName, input: &'static str) -> Rejection {
    Rejection::Misuse(Misuse { state, input })
}

/// The error for a request that is not in flight.
fn stale(id: RequestId) -> StaleRequest {
    let (session, _) = authenticating();
    *session.fail(id, TransportFailure::Other, START).unwrap_err().reason()
}

#[test]
fn every_state_takes_every_input_as_the_table_says() {
    let mut pairs = 0;
    let mut seen = Vec::new();
    for setup in setups() {
        let (_, flight) = (setup.build)();
        for n in 0..inputs(flight).len() {
            let (mut session, flight) = (setup.build)();
            assert_eq!(session.in_flight(), flight, "{}", setup.name);
            let before = (session.state(), session.last_transition(), flight, session.generation());
            let (input, now, name, about) = inputs(flight).swap_remove(n);
            let wanted = expected(&setup, (before.0, flight), (&input, name, about));
            let case = format!("{} with {input:?}", setup.name);
            let step = session.step(input, now);
            let done = match step {
                Step::Sent(done, outgoing) => {
                    assert_eq!(session.in_flight(), Some(outgoing.id()), "{case}");
                    Ok(done)
                }
                Step::Granted(done, handed_back) | Step::Denied(done, _, handed_back) => {
                    assert_eq!(handed_back, credentials(), "{case}: it rotates nothing");
                    Ok(done)
                }
                Step::Moved(done) => Ok(done),
                Step::Unchanged => Err(None),
                Step::Rejected(rejection) => Err(Some(rejection)),
            };
            assert_eq!(done, wanted, "{case}");
            if let Ok(done) = done {
                assert_eq!(session.state(), done.to, "{case}");
                assert_eq!(session.last_transition(), Some(done), "{case}");
                seen.push(done);
            } else {
                let after = (
                    session.state(),
                    session.last_transition(),
                    session.in_flight(),
                    session.generation(),
                );
                assert_eq!(after, before, "{case}");
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
fn a_misuse_names_the_input_the_state_and_the_way_out() {
    let rows = [
        (StateName::Unauthenticated, "Renew", "authenticate, or adopt a token"),
        (StateName::Authenticating, "Adopt", "wait for the reply, or stop"),
        (StateName::Active, "Authenticate", "renew, or stop"),
        (StateName::Expired, "Renew", "authenticate, or adopt a token"),
    ];
    for (state, input, way_out) in rows {
        let text = format!("`{input}` means nothing to a session that is {state}: {way_out}");
        assert_eq!(misuse(state, input).to_string(), text);
        let none = format!("the session is {state}, and holds no token: {way_out}");
        assert_eq!(AuthorizeError::NotActive(state).to_string(), none);
    }
}

#[test]
fn any_session_and_its_typed_form_are_one_session() {
    for setup in setups() {
        let (session, flight) = (setup.build)();
        let before = (session.state(), session.last_transition(), format!("{session:?}"));
        let (typed, state) = match session.into_typed() {
            TypedSession::Unauthenticated(session) => {
                (AnySession::from(session), StateName::Unauthenticated)
            }
            TypedSession::Authenticating(session) => {
                assert_eq!(Some(session.in_flight()), flight);
                (session.into(), StateName::Authenticating)
            }
            TypedSession::Active(session) => {
                assert_eq!(session.in_flight(), flight);
                (session.into(), StateName::Active)
            }
            TypedSession::Expired(session) => (session.into(), StateName::Expired),
        };
        assert_eq!(before.0, state, "{}", setup.name);
        let after = (typed.state(), typed.last_transition(), format!("{typed:?}"));
        assert_eq!(after, before, "{}", setup.name);
        assert_eq!(typed.in_flight(), flight, "{}", setup.name);
    }
}

/// The caller may let go of the credentials while the request is in flight: the reply hands them back.
#[test]
fn the_credentials_of_a_request_come_back_with_its_reply() {
    let (session, id) = authenticating();
    assert_eq!(session.credentials(), &credentials());
    let (mut session, handed_back) = session.receive(id, &granting(), START).unwrap();
    assert_eq!(handed_back, credentials());
    let id = session.renew(&handed_back, START).unwrap().id();
    let (_, handed_back) = session.receive(id, &granting(), START).unwrap();
    assert_eq!(handed_back, credentials());
    let id = session.renew(&handed_back, START).unwrap().id();
    match session.receive(id, &reply(503, "t", "user-17"), START) {
        Err(RenewError::Denied(_, handed_back)) => assert_eq!(handed_back, credentials()),
        other => panic!("{other:?}"),
    }
    let (session, id) = reauthenticating();
    match session.receive(id, &reply(503, "t", "user-17"), START) {
        Err(ReceiveError::Denied(_, handed_back)) => assert_eq!(handed_back, credentials()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lapse_during_renewal_keeps_the_request_and_its_id() {
    let mut session = active();
    let id = session.renew(&credentials(), START).unwrap().id();
    let Advance::Reauthenticating(session) = session.advance(late()) else { panic!("in flight") };
    assert_eq!(session.in_flight(), id);
    let fresh = reply(200, "tok-2", "user-17");
    let (session, _) = session.receive(id, &fresh, START).expect("the reply was still awaited");
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
        let id = session.renew(&credentials(), START).unwrap().id();
        assert!(session.receive(id, &answer, START).is_err());
        assert_eq!(session.in_flight(), None, "another renewal may be made");
    }
    let id = session.renew(&credentials(), START).unwrap().id();
    session.fail(id, TransportFailure::Interrupted, START).unwrap();
    assert!(session.fail(id, TransportFailure::Interrupted, START).is_err(), "reported twice");
    assert_eq!(token(&session), before);
    assert_eq!(session.remaining(START), remaining);
}

#[test]
fn a_second_reply_to_a_renewal_is_stale() {
    let mut session = active();
    let id = session.renew(&credentials(), START).unwrap().id();
    let (generation, _) = session.receive(id, &reply(200, "tok-2", "user-17"), START).unwrap();
    assert!(session.receive(id, &reply(200, "tok-3", "user-17"), START).is_err());
    assert_eq!(session.generation(), generation);
}

#[test]
fn a_token_put_in_by_hand_gives_the_renewal_in_flight_up() {
    let mut session = active();
    let id = session.renew(&credentials(), START).unwrap().id();
    let generation = session.replace(adoptable(), START).unwrap();
    assert!(session.receive(id, &granting(), START).is_err());
    assert_eq!(session.generation(), generation);
    let stranger = adoptable().with_identity(Identity::new("eve").unwrap());
    assert_eq!(session.replace(stranger, START), Err(AdoptError::OtherIdentity));
    assert_eq!(session.generation(), generation);
}

#[test]
fn the_first_identity_that_a_backend_names_is_kept_until_the_login_ends() {
    let endpoint = Endpoint::https("https://app.example/token").unwrap();
    let backend = Credentials::backend(Backend::new(endpoint));
    let (session, outgoing) = Session::new(config(), 1).authenticate(&backend, START).unwrap();
    let silent = http::Response::new(r#"{"sessionToken":"tok-0"}"#);
    let (mut session, _) = session.receive(outgoing.id(), &silent, START).unwrap();
    assert_eq!(session.identity(), None, "nobody was named yet");

    let id = session.renew(&backend, START).unwrap().id();
    session.receive(id, &granting(), START).unwrap();
    assert_eq!(session.identity().map(Identity::as_str), Some("user-17"));
    let id = session.renew(&backend, START).unwrap().id();
    assert!(session.receive(id, &reply(200, "tok-2", "eve"), START).is_err());

    let Advance::Lapsed(session) = session.advance(late()) else { panic!("it has lapsed") };
    let (session, outgoing) = session.authenticate(&backend, late()).unwrap();
    match session.receive(outgoing.id(), &reply(200, "tok-3", "eve"), late()) {
        Err(ReceiveError::Denied(denied, _)) => {
            let flaw = Flaw::WrongIdentity { expected: IdentitySource::EarlierToken };
            let kind = DenialKind::Malformed(flaw);
            assert_eq!(denied.reason().kind(), kind, "still pinned after the lapse");
        }
        other => panic!("{other:?}"),
    }

    let (session, outgoing) = Session::new(config(), 1).authenticate(&backend, START).unwrap();
    let session = session.stop();
    let (session, again) = session.authenticate(&backend, START).unwrap();
    assert_ne!(outgoing.id(), again.id());
    let (session, _) = session.receive(again.id(), &reply(200, "tok-4", "eve"), START).unwrap();
    assert_eq!(session.identity().map(Identity::as_str), Some("eve"), "a new login");
}

/// A renewal goes on with the secret that it was made with; the next request is made with another one.
#[test]
fn a_secret_may_change_from_one_request_to_the_next() {
    let mut session = active();
    let old = session.renew(&credentials(), START).unwrap();
    assert_eq!(old.request().headers()["authorization"], "Bearer api-token");
    let rotated = Credentials::for_development(Gateway::new(
        ApiToken::new("rotated").unwrap(),
        Identity::new("user-17").unwrap(),
    ));
    let Advance::Reauthenticating(session) = session.advance(late()) else { panic!("in flight") };
    assert_eq!(session.credentials(), &credentials(), "those that the request was made with");
    let (mut session, _) = session.receive(old.id(), &granting(), START).unwrap();
    let next = session.renew(&rotated, START).unwrap();
    assert_eq!(next.request().headers()["authorization"], "Bearer rotated");
}

#[test]
fn an_overdue_request_is_seen_and_its_reply_is_still_read() {
    let session = Session::new(config(), 1);
    let (session, outgoing) = session.authenticate(&credentials(), START).unwrap();
    let just_before = START.after(outgoing.timeout().saturating_sub(Duration::from_millis(1)));
    assert_eq!(session.overdue_in(just_before), Duration::from_millis(1));
    assert_eq!(session.overdue_in(START.after(outgoing.timeout())), Duration::ZERO);
    assert_eq!(outgoing.deadline(), START.since_start() + outgoing.timeout());
    let deadline = START.after(outgoing.timeout());
    let (mut session, _) = session.receive(outgoing.id(), &granting(), deadline).unwrap();
    assert_eq!(session.overdue_in(late()), None, "nothing is in flight");
    let outgoing = session.renew(&credentials(), START.after(outgoing.timeout())).unwrap();
    assert_eq!(session.overdue_in(START.after(outgoing.timeout())), Some(outgoing.timeout()));
    assert_eq!(session.overdue_in(START.after(outgoing.timeout() * 2)), Some(Duration::ZERO));
}

#[test]
fn the_same_seed_and_inputs_give_the_same_outputs() {
    let run = |seed| {
        let (session, first) =
            Session::new(config(), seed).authenticate(&credentials(), START).unwrap();
        let (mut session, _) = session.receive(first.id(), &granting(), START).unwrap();
        let due = session.renewal_due_in(START);
        (first, session.renew(&credentials(), START).unwrap(), due)
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

/// The first grant that is held with credentials that state an identity says whose login it is.
#[test]
fn a_token_of_nobody_in_particular_is_renewed_with_any_credentials_and_is_then_theirs() {
    let bare = || Grant::new(adoptable().token().clone());
    let silent = http::Response::new(r#"{"sessionToken":"tok-1","identity":"user-17"}"#);
    let mut session = Session::new(config(), 1).adopt(bare(), START).unwrap();
    assert_eq!(session.identity(), None);
    let id = session.renew(&credentials(), START).unwrap().id();
    assert_eq!(session.identity(), None, "nothing is known of the current token's");
    session.receive(id, &silent, START).unwrap();
    assert_eq!(session.identity().map(Identity::as_str), Some("user-17"));
    assert_eq!(session.renew(&credentials_of("eve"), START), Err(SendError::OtherIdentity));

    let session = Session::new(config(), 1).adopt(bare(), START).unwrap();
    let Advance::Lapsed(session) = session.advance(late()) else { panic!("it has lapsed") };
    assert_eq!(session.identity(), None);
    let (session, outgoing) = session.authenticate(&credentials(), START).unwrap();
    assert_eq!(session.identity().map(Identity::as_str), Some("user-17"), "the one asked for");
    let (mut session, _) = session.receive(outgoing.id(), &silent, START).unwrap();
    let stranger = bare().with_identity(Identity::new("eve").unwrap());
    assert_eq!(session.replace(stranger, START), Err(AdoptError::OtherIdentity));
}
