//! The typed layer hands the credentials for the next request back with each reply.

use videokit_session::exchange::{DenialKind, Flaw, IdentitySource};
use videokit_session::session::{Advance, Input, ReceiveError, Rejection, RenewError, Step};
use videokit_session::{
    Active, AnySession, Authenticating, Credentials, Grant, Moment, Session, SessionToken,
    TransportFailure,
};

use crate::app::{HOUR, access, config, first, secret, secret_of};
use crate::oauth;

const NOW: Moment = Moment::from_millis(5_000, 1_795_492_800_000);

/// The reply with the token and the refresh token of a number.
fn granting(number: u32, more: &str) -> http::Response<bytes::Bytes> {
    let next = format!(r#","refresh_token":"{}"{more}"#, secret(number));
    oauth::reply(200, oauth::granting(&access(number), 600, &next))
}

/// The same for a token that has expired.
fn granting_expired(number: u32) -> http::Response<bytes::Bytes> {
    let mut reply = granting(number, r#","expires_at":"2026-11-24T03:00:00Z""#);
    reply.headers_mut().insert("date", "Tue, 24 Nov 2026 04:00:00 GMT".parse().unwrap());
    reply
}

fn authenticating() -> (Session<Authenticating>, videokit_session::session::RequestId) {
    let session = Session::new(config(), 1);
    let (session, outgoing) = session.authenticate(&first().credentials(), NOW).unwrap();
    (session, outgoing.id())
}

fn active() -> (Session<Active>, Credentials) {
    let (session, id) = authenticating();
    session.receive(id, &granting(1, ""), NOW).unwrap()
}

#[test]
fn each_reply_hands_back_the_credentials_for_the_next_request() {
    let (mut session, mut credentials) = active();
    for number in 1..10 {
        assert_eq!(secret_of(&credentials), secret(number));
        let outgoing = session.renew(&credentials, NOW).unwrap();
        let reply = granting(number + 1, "");
        (_, credentials) = session.receive(outgoing.id(), &reply, NOW).unwrap();
    }
    let Advance::Lapsed(session) = session.advance(NOW.after(HOUR)) else { panic!("it lapses") };
    let (session, outgoing) = session.authenticate(&credentials, NOW.after(HOUR)).unwrap();
    let (_, credentials) = session.receive(outgoing.id(), &granting(11, ""), NOW).unwrap();
    assert_eq!(secret_of(&credentials), secret(11));
}

#[test]
fn a_denial_hands_back_the_credentials_of_its_request() {
    let (session, id) = authenticating();
    match session.receive(id, &oauth::reply(503, ""), NOW) {
        Err(ReceiveError::Denied(_, next)) => assert_eq!(secret_of(&next), secret(0)),
        other => panic!("{other:?}"),
    }
    let (mut session, credentials) = active();
    let id = session.renew(&credentials, NOW).unwrap().id();
    match session.receive(id, &oauth::reply(503, ""), NOW) {
        Err(RenewError::Denied(_, next)) => assert_eq!(next, credentials),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_denial_of_a_token_that_expired_on_arrival_hands_back_its_successor() {
    let kind = DenialKind::Malformed(Flaw::ExpiredOnArrival);
    let (session, id) = authenticating();
    match session.receive(id, &granting_expired(1), NOW) {
        Err(ReceiveError::Denied(denied, next)) => {
            assert_eq!((denied.reason().kind(), secret_of(&next)), (kind, secret(1)));
        }
        other => panic!("{other:?}"),
    }
    let (mut session, credentials) = active();
    let id = session.renew(&credentials, NOW).unwrap().id();
    match session.receive(id, &granting_expired(2), NOW) {
        Err(RenewError::Denied(denial, next)) => {
            assert_eq!((denial.kind(), secret_of(&next)), (kind, secret(2)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_denial_of_a_token_for_another_identity_hands_back_no_successor() {
    let (session, id) = authenticating();
    let reply = granting(1, r#","user":"user-17""#);
    let (mut session, credentials) = session.receive(id, &reply, NOW).unwrap();
    let id = session.renew(&credentials, NOW).unwrap().id();
    match session.receive(id, &granting(2, r#","user":"user-18""#), NOW) {
        Err(RenewError::Denied(denial, next)) => {
            let flaw = Flaw::WrongIdentity { expected: IdentitySource::EarlierToken };
            assert_eq!((denial.kind(), next), (DenialKind::Malformed(flaw), credentials));
        }
        other => panic!("{other:?}"),
    }
}

/// Both hold: the reply names another identity, and its token has expired. The identity is what counts.
#[test]
fn another_identity_is_reported_before_a_token_that_expired_on_arrival() {
    let wrong = |expected| DenialKind::Malformed(Flaw::WrongIdentity { expected });
    let mut both = granting_expired(1);
    let body = String::from_utf8(both.body().to_vec()).unwrap();
    *both.body_mut() = body.replace('{', r#"{"user":"user-18","#).into();

    let session = Session::new(config(), 1);
    let credentials = first().of("user-17").credentials();
    let (session, outgoing) = session.authenticate(&credentials, NOW).unwrap();
    match session.receive(outgoing.id(), &both, NOW) {
        Err(ReceiveError::Denied(denied, next)) => {
            let kind = denied.reason().kind();
            assert_eq!((kind, next), (wrong(IdentitySource::Credentials), credentials));
        }
        other => panic!("{other:?}"),
    }
    let (session, id) = authenticating();
    let named = granting(1, r#","user":"user-17""#);
    let (mut session, credentials) = session.receive(id, &named, NOW).unwrap();
    let id = session.renew(&credentials, NOW).unwrap().id();
    match session.receive(id, &both, NOW) {
        Err(RenewError::Denied(denial, next)) => {
            assert_eq!((denial.kind(), next), (wrong(IdentitySource::EarlierToken), credentials));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_session_hands_back_the_same() {
    let mut session = AnySession::new(config(), 1);
    // Whether the reply to a request gives a token, and the credentials that it hands back.
    let mut exchange = |input, reply| {
        let Step::Sent(_, outgoing) = session.step(input, NOW) else { panic!("{session:?}") };
        match session.step(Input::Reply(outgoing.id(), reply), NOW) {
            Step::Granted(_, next) => (true, next),
            Step::Denied(_, _, next) => (false, next),
            other => panic!("{other:?}"),
        }
    };
    let (granted, next) = exchange(Input::Authenticate(first().credentials()), granting(1, ""));
    assert_eq!((granted, secret_of(&next)), (true, secret(1)));
    let (granted, same) = exchange(Input::Renew(next.clone()), oauth::reply(503, ""));
    assert_eq!((granted, &same), (false, &next));
    let (granted, next) = exchange(Input::Renew(next), granting_expired(2));
    assert_eq!((granted, secret_of(&next)), (false, secret(2)));
}

/// Neither a stale reply nor a failure has credentials to hand back: the caller has its own.
#[test]
fn a_stale_reply_and_a_failure_hand_nothing_back() {
    let (mut session, credentials) = active();
    let id = session.renew(&credentials, NOW).unwrap().id();
    session.fail(id, TransportFailure::TimedOut, NOW).unwrap();
    assert!(matches!(session.receive(id, &granting(2, ""), NOW), Err(RenewError::Stale(_))));
    let mut session = AnySession::from(session);
    let step = session.step(Input::Reply(id, granting(2, "")), NOW);
    assert!(matches!(step, Step::Rejected(Rejection::Stale(_))), "{step:?}");
}

/// There was no request before it, so there is nothing that a successor could take the place of.
#[test]
fn the_successor_of_a_token_that_is_adopted_is_ignored() {
    let token = SessionToken::new(access(1)).unwrap();
    let grant = Grant::new(token).with_successor(first().credentials());
    let mut session = AnySession::new(config(), 1);
    assert!(matches!(session.step(Input::Adopt(grant), NOW), Step::Moved(_)));
}
