//! Credentials that the caller sets while the login goes on.

use videokit_session::driver::{AuthorizeError, Blocked, Policy, WakeReason};
use videokit_session::session::transitions::{Cause, StateName};
use videokit_session::{AllowedOrigin, Event, Grant, Identity, SessionToken, TransportFailure};

use crate::app::{App, HOUR, MINUTE, SECOND, access, first, secret};
use crate::oauth::{self, RefreshToken};

fn set_later() -> RefreshToken {
    RefreshToken::new("hush-set")
}

/// What the service gives the credentials above: it knows of them only here.
fn granted() -> http::Response<bytes::Bytes> {
    let next = r#","refresh_token":"hush-set-next""#;
    oauth::reply(200, oauth::granting("hush-access-of-set", 600, next))
}

#[test]
fn set_without_a_login_starts_one() {
    let mut app = App::new();
    app.set(first().credentials());
    assert_eq!(app.driver().epoch(), 1);
    app.answer();
    assert_eq!((app.token(), app.last_secret()), (Some(access(1)), secret(0)));

    // The same after a stop.
    app.stop();
    app.set(set_later().credentials());
    assert_eq!(app.driver().epoch(), 2);
    app.answer_by(&granted());
    assert_eq!(app.last_secret(), "hush-set");
}

#[test]
fn set_while_offline_are_sent_once_there_is_a_network() {
    let (mut app, _) = App::logged_in();
    app.online(false);
    let sent = app.sent.len();
    app.set(set_later().credentials());
    assert_eq!((app.token(), app.next_secret()), (Some(access(1)), Some("hush-set".to_owned())));
    app.run(HOUR);
    assert_eq!((app.sent.len(), app.token()), (sent, None));
    app.online(true);
    app.answer_by(&granted());
    assert_eq!(app.last_secret(), "hush-set");
    assert_eq!(app.driver().epoch(), 1);

    let mut app = App::new();
    app.online(false);
    app.set(first().credentials());
    assert!(app.sent.is_empty());
    app.online(true);
    app.answer();
    assert_eq!(app.token(), Some(access(1)));
}

#[test]
fn a_successor_does_not_replace_credentials_set_while_its_reply_was_on_its_way() {
    for renewing in [false, true] {
        let mut app = App::new();
        app.start(first().credentials());
        if renewing {
            app.answer();
        }
        let changes = usize::from(renewing);
        let id = app.asked();
        let reply = app.service.answer(&app.request());
        app.set(set_later().credentials());
        assert_eq!(app.driver().in_flight(), Some(id), "the request goes on");
        assert!(app.reply(id, &reply).is_accepted());
        let number = if renewing { 2 } else { 1 };
        assert_eq!(app.token(), Some(access(number)), "its token is held");
        assert_eq!(app.next_secret().as_deref(), Some("hush-set"));
        assert_eq!(app.count(&Event::CredentialsChanged), changes, "renewing: {renewing}");
        app.answer_by(&granted());
        assert_eq!(app.last_secret(), "hush-set");
        assert_eq!(app.next_secret().as_deref(), Some("hush-set-next"));
        assert_eq!(app.count(&Event::CredentialsChanged), changes + 1, "renewing: {renewing}");
    }
}

/// The same where newer credentials come by a start that joins the login.
#[test]
fn a_successor_does_not_replace_credentials_started_while_its_reply_was_on_its_way() {
    let mut app = App::new();
    app.start(first().of("user-17").credentials());
    let id = app.asked();
    let reply = app.service.answer(&app.request());
    app.start(set_later().of("user-17").credentials());
    assert_eq!((app.driver().epoch(), app.driver().in_flight()), (1, Some(id)));
    assert!(app.reply(id, &reply).is_accepted());
    assert_eq!((app.token(), app.next_secret().as_deref()), (Some(access(1)), Some("hush-set")));
    assert_eq!(app.count(&Event::CredentialsChanged), 0);
}

/// A failure of superseded credentials says nothing of those that were set.
#[test]
fn the_loss_of_a_request_with_superseded_credentials_changes_nothing() {
    for lost in [true, false] {
        let (mut app, _) = App::logged_in();
        let id = app.asked();
        app.set(set_later().credentials());
        if lost {
            app.fail(TransportFailure::TimedOut);
        } else {
            let refusal = oauth::reply(400, r#"{"error":"invalid_grant"}"#);
            assert!(app.reply(id, &refusal).is_accepted());
        }
        assert_eq!(app.driver().blocked(), None, "lost: {lost}");
        assert_eq!(app.count(&Event::CredentialsSpent), 0, "lost: {lost}");
        let (wait, why) = app.wait();
        assert!(why == WakeReason::Budget && wait <= 10 * SECOND, "no backoff: {wait:?} {why:?}");
        app.answer_by(&granted());
        assert_eq!(app.last_secret(), "hush-set");
    }
}

#[test]
fn set_with_another_stated_identity_begin_another_login() {
    for stated in [true, false] {
        let mut app = App::new();
        // The login's identity is stated, or named by its token.
        app.start(if stated { first().of("user-17") } else { first() }.credentials());
        app.answer_with(r#","user":"user-17""#);
        app.set(set_later().of("user-18").credentials());
        assert_eq!(app.driver().epoch(), 2, "stated: {stated}");
        assert_eq!(app.causes().iter().filter(|cause| **cause == Cause::Stopped).count(), 1);
        assert_eq!(app.token(), None, "user-17's token is not used for user-18");
        assert_eq!(app.driver().identity().map(Identity::as_str), Some("user-18"));
        app.answer_by(&granted());
        assert_eq!(app.last_secret(), "hush-set");
    }

    // While a request is in flight, it is given up.
    let mut app = App::new();
    app.start(first().of("user-17").credentials());
    let id = app.asked();
    let reply = app.service.answer(&app.request());
    app.set(set_later().of("user-18").credentials());
    assert_eq!(app.driver().epoch(), 2);
    assert!(app.reply(id, &reply).is_stale());
    assert_eq!(app.token(), None);
    assert_eq!(app.driver().identity().map(Identity::as_str), Some("user-18"));
}

/// The request in flight states nobody, and the credentials that were set meanwhile say whose login it is.
#[test]
fn set_in_flight_say_for_whom_the_reply_has_to_be() {
    for (named, granted) in [("user-17", true), ("user-18", false)] {
        let mut app = App::new();
        app.start(first().credentials());
        let id = app.asked();
        let reply = app.service.answer_with(&app.request(), &format!(r#","user":"{named}""#));
        app.set(set_later().of("user-17").credentials());
        assert_eq!(app.driver().in_flight(), Some(id));
        assert!(app.reply(id, &reply).is_accepted());
        assert_eq!(app.token(), granted.then(|| access(1)), "{named}");
        assert_eq!(app.driver().identity().map(Identity::as_str), Some("user-17"), "{named}");
        assert_eq!((app.driver().epoch(), app.driver().blocked()), (1, None), "{named}");
        assert_eq!(app.next_secret().as_deref(), Some("hush-set"), "{named}");
    }
}

#[test]
fn set_with_the_same_or_no_stated_identity_keep_the_token() {
    for set in [set_later().of("user-17"), set_later()] {
        let mut app = App::new();
        app.start(first().credentials());
        app.answer_with(r#","user":"user-17""#);
        app.set(set.credentials());
        assert_eq!((app.driver().epoch(), app.token()), (1, Some(access(1))));
        assert_eq!(app.driver().identity().map(Identity::as_str), Some("user-17"));
        assert_eq!(app.causes(), [Cause::Started, Cause::Granted], "it is no transition");
    }
}

#[test]
fn set_with_the_same_credentials_change_nothing() {
    let (mut app, _) = App::logged_in();
    let current = app.driver().credentials().unwrap().clone();
    let (sent, events, wait) = (app.sent.len(), app.events.len(), app.wake());
    app.set(current);
    assert_eq!((app.sent.len(), app.events.len(), app.wake()), (sent, events, wait));
    app.answer();
    assert_eq!((app.last_secret(), app.count(&Event::CredentialsChanged)), (secret(1), 2));
}

/// While their request is in flight, they are not superseded by themselves: the successor counts.
#[test]
fn set_with_the_same_credentials_in_flight_keep_the_successor() {
    let (mut app, _) = App::logged_in();
    let id = app.asked();
    let reply = app.service.answer(&app.request());
    app.set(app.driver().credentials().unwrap().clone());
    assert!(app.reply(id, &reply).is_accepted());
    assert_eq!((app.token(), app.next_secret()), (Some(access(2)), Some(secret(2))));
}

#[test]
fn set_make_a_driver_that_gave_up_try_again() {
    for same in [true, false] {
        let mut app = App::with(Policy::builder().attempts(1).build().unwrap());
        let credentials = first().credentials();
        app.start(credentials.clone());
        app.fail(TransportFailure::Unreachable);
        assert_eq!(app.driver().blocked(), Some(Blocked::GaveUp));
        app.set(if same { credentials } else { set_later().credentials() });
        assert_eq!(app.driver().blocked(), None, "same: {same}");
        let secret = if same { secret(0) } else { "hush-set".to_owned() };
        app.asked();
        assert_eq!(app.last_secret(), secret);
    }
}

#[test]
fn set_make_up_for_a_refusal() {
    let (mut app, _) = App::logged_in();
    app.answer_by(&oauth::reply(401, ""));
    assert_eq!(app.driver().blocked(), Some(Blocked::Refused));
    app.set(set_later().credentials());
    assert_eq!((app.driver().blocked(), app.token()), (None, Some(access(1))));
    app.answer_by(&granted());
    assert_eq!(app.last_secret(), "hush-set");
    assert_eq!(app.driver().epoch(), 1);
}

/// A bare token is of nobody in particular: a start with credentials would end its login, and these join it.
#[test]
fn set_for_a_token_that_was_adopted_renew_it() {
    let mut app = App::new();
    let adopted = SessionToken::new("hush-adopted").unwrap();
    app.start(Grant::new(adopted).with_lifetime(10 * MINUTE));
    assert_eq!(app.driver().blocked(), Some(Blocked::NoCredentials));
    app.set(first().credentials());
    assert_eq!(app.driver().blocked(), None);
    assert_eq!((app.token().as_deref(), app.driver().epoch()), (Some("hush-adopted"), 1));
    app.answer();
    assert_eq!((app.token(), app.driver().epoch()), (Some(access(1)), 1));
    assert_eq!(app.driver().state(), StateName::Active);
    assert_eq!(app.next_secret(), Some(secret(1)));
}

/// Both before anybody has polled: the token is adopted all the same.
#[test]
fn set_for_a_token_that_is_to_be_adopted_keep_it() {
    let mut app = App::new();
    app.start_unpolled(SessionToken::new("hush-adopted").unwrap());
    app.set(first().credentials());
    assert_eq!((app.token().as_deref(), app.driver().epoch()), (Some("hush-adopted"), 1));
    assert_eq!(app.causes(), [Cause::Adopted]);
    assert!(app.sent.is_empty());
}

/// What a stopped login's credentials are is for the next start to say.
#[test]
fn stop_forgets_the_credentials() {
    let (mut app, _) = App::logged_in();
    app.set(set_later().credentials());
    app.stop();
    assert!(app.driver().credentials().is_none());
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    let refused = app.driver().authorization(&origin, app.now).unwrap_err();
    assert_eq!(refused, AuthorizeError::Start(Blocked::NotStarted));
    app.run(HOUR);
    assert_eq!(app.sent.len(), 1);
}
