//! The next credentials come with a grant, and take the place of those before.

use videokit_session::Event;
use videokit_session::exchange::{DenialKind, Flaw, IdentitySource};
use videokit_session::session::transitions::Cause;

use crate::app::{App, HOUR, access, first, secret, secret_of};
use crate::oauth::{self, RefreshToken};

const CHANGED: Event = Event::CredentialsChanged;

#[test]
fn each_token_is_renewed_with_the_successor_that_came_with_it() {
    let (mut app, _) = App::logged_in();
    for number in 1..=10 {
        assert_eq!(app.next_secret(), Some(secret(number)));
        let changes = app.count(&CHANGED);
        app.answer();
        assert_eq!(app.last_secret(), secret(number));
        assert_eq!(app.token(), Some(access(number + 1)));
        assert_eq!(app.count(&CHANGED), changes + 1, "once for each change");
        // The event says of a change that has been made.
        assert_eq!(app.next_secret(), Some(secret(number + 1)));
    }
    assert_eq!(app.service.used_again, 0);
    assert_eq!(app.driver().epoch(), 1);
}

#[test]
fn the_event_of_the_change_follows_that_of_the_token() {
    let (app, _) = App::logged_in();
    let ends = app.events.iter().rev().take(2).collect::<Vec<_>>();
    assert_eq!(ends[0], &CHANGED);
    assert_eq!(ends[1].transition().unwrap().cause, Cause::Granted);
    assert_eq!(CHANGED.to_string(), "the reply brought new credentials: store them");
}

/// Neither the credentials nor the reply say whose the token is.
#[test]
fn a_successor_comes_with_a_token_for_nobody_in_particular() {
    let (mut app, _) = App::logged_in();
    assert_eq!(app.driver().identity(), None);
    app.answer();
    assert_eq!(app.next_secret(), Some(secret(2)));
    assert_eq!(app.count(&CHANGED), 2);

    // The first reply that names somebody says whose login it is, and the successor goes on for them.
    app.answer_with(r#","user":"user-17""#);
    assert_eq!(app.driver().identity().unwrap().as_str(), "user-17");
    app.answer_with(r#","user":"user-17","next_user":"user-17""#);
    assert_eq!(app.next_secret(), Some(secret(4)));
    assert_eq!(app.count(&CHANGED), 4);
}

#[test]
fn a_reply_without_a_successor_changes_no_credentials() {
    let (mut app, _) = App::logged_in();
    app.answer_by(&oauth::reply(200, oauth::granting(&access(2), 600, "")));
    assert_eq!((app.token(), app.next_secret()), (Some(access(2)), Some(secret(1))));
    assert_eq!(app.count(&CHANGED), 1);
    app.answer();
    assert_eq!(app.last_secret(), secret(1), "a service that doesn't rotate takes it again");
}

/// A successor for another user is a mistake of the service, whoever it is for.
#[test]
fn a_successor_that_states_another_identity_is_ignored() {
    // Where the credentials state whose they are.
    let mut app = App::new();
    app.start(first().of("user-17").credentials());
    app.answer_with(r#","user":"user-17","next_user":"user-18""#);
    assert_eq!((app.token(), app.next_secret()), (Some(access(1)), Some(secret(0))));
    assert_eq!(app.count(&CHANGED), 0);

    // Where the grant names it.
    let mut app = App::new();
    app.start(first().credentials());
    app.answer_with(r#","user":"user-17","next_user":"user-18""#);
    assert_eq!((app.token(), app.next_secret()), (Some(access(1)), Some(secret(0))));
    assert_eq!(app.count(&CHANGED), 0);

    // Where an earlier token of the login was for somebody.
    let mut app = App::new();
    app.start(first().credentials());
    app.answer_with(r#","user":"user-17""#);
    app.answer_with(r#","next_user":"user-18""#);
    assert_eq!((app.token(), app.next_secret()), (Some(access(2)), Some(secret(1))));
    assert_eq!(app.count(&CHANGED), 1);
}

#[test]
fn a_grant_for_another_identity_gives_no_successor() {
    let mut app = App::new();
    app.start(first().of("user-17").reusable().credentials());
    app.answer();
    app.answer_with(r#","user":"user-18""#);
    assert_eq!((app.token(), app.next_secret()), (Some(access(1)), Some(secret(1))));
    let flaw = Flaw::WrongIdentity { expected: IdentitySource::Credentials };
    let wrong = |event: &Event| match event {
        Event::Denied(_, denial) => denial.kind() == DenialKind::Malformed(flaw),
        _ => false,
    };
    assert!(app.events.iter().any(wrong));
    assert_eq!(app.count(&CHANGED), 1);

    // The same where only an earlier token says whose the login is.
    let mut app = App::new();
    app.start(first().reusable().credentials());
    app.answer_with(r#","user":"user-17""#);
    app.answer_with(r#","user":"user-18""#);
    assert_eq!((app.token(), app.next_secret()), (Some(access(1)), Some(secret(1))));
    assert_eq!(app.count(&CHANGED), 1);
}

/// The token is of no use, and the service has used the secret up all the same.
#[test]
fn a_grant_that_expired_on_arrival_gives_its_successor() {
    let mut app = App::new();
    app.start(first().credentials());
    let id = app.asked();
    let more = r#","expires_at":"2026-11-24T03:00:00Z""#;
    let mut dead = app.service.answer_with(&app.request(), more);
    dead.headers_mut().insert("date", "Tue, 24 Nov 2026 04:00:00 GMT".parse().unwrap());
    assert!(app.reply(id, &dead).is_accepted());
    assert_eq!((app.token(), app.next_secret()), (None, Some(secret(1))));
    let kind = DenialKind::Malformed(Flaw::ExpiredOnArrival);
    let denied = |event: &Event| matches!(event, Event::Denied(_, denial) if denial.kind() == kind);
    assert!(app.events.iter().any(denied));
    assert_eq!(app.count(&CHANGED), 1);
    assert_eq!(app.driver().blocked(), None, "the successor is not used up");
    app.answer();
    assert_eq!((app.last_secret(), app.token()), (secret(1), Some(access(2))));
}

#[test]
fn a_late_reply_gives_no_successor() {
    let (mut app, _) = App::logged_in();
    let id = app.asked();
    let reply = app.service.answer(&app.request());
    app.stop();
    assert!(app.reply(id, &reply).is_stale());
    assert_eq!(app.next_secret(), None);

    let mut app = App::new();
    app.start(first().reusable().credentials());
    app.answer();
    let id = app.asked();
    let reply = app.service.answer(&app.request());
    app.run(HOUR / 200); // past its deadline
    assert!(app.reply(id, &reply).is_stale());
    assert_eq!((app.token(), app.next_secret()), (Some(access(1)), Some(secret(1))));
    assert_eq!(app.count(&CHANGED), 1);
}

#[test]
fn a_reply_that_comes_twice_gives_its_successor_once() {
    let (mut app, _) = App::logged_in();
    let id = app.asked();
    let reply = app.service.answer(&app.request());
    assert!(app.reply(id, &reply).is_accepted());
    let other = oauth::reply(200, oauth::granting("x", 600, r#","refresh_token":"hush-x""#));
    for again in [&reply, &other] {
        assert!(app.reply(id, again).is_stale());
        assert_eq!((app.token(), app.next_secret()), (Some(access(2)), Some(secret(2))));
    }
    assert_eq!(app.count(&CHANGED), 2);
}

/// The app knows the credentials that it started with, and need not follow their successors.
#[test]
fn a_start_with_the_original_credentials_joins_after_ten_successors() {
    let (mut app, original) = App::logged_in();
    for _ in 0..10 {
        app.answer();
    }
    let (token, sent, events) = (app.token(), app.sent.len(), app.events.len());
    app.start(original.clone());
    assert_eq!(app.driver().epoch(), 1);
    assert_eq!((app.token(), app.next_secret()), (token.clone(), Some(secret(11))));

    // So does one with the current credentials, which the app has stored.
    app.start(app.driver().credentials().unwrap().clone());
    assert_eq!((app.driver().epoch(), app.token()), (1, token));
    assert_eq!((app.sent.len(), app.events.len()), (sent, events), "nothing happened");
    app.answer();
    assert_eq!(app.last_secret(), secret(11));

    // Those that the app sets take the place of the original ones.
    let later = RefreshToken::new(secret(12)).credentials();
    app.set(later.clone());
    app.answer();
    app.start(later);
    assert_eq!(app.driver().epoch(), 1);
    app.start(original);
    assert_eq!(app.driver().epoch(), 2, "these were given up");
    assert_eq!(app.token(), None);
}

#[test]
fn the_successor_is_what_the_app_can_store() {
    let (mut app, _) = App::logged_in();
    let stored = app.driver().credentials().unwrap().clone();
    assert_eq!(secret_of(&stored), app.service.current());
    // The app ends, and is run again.
    app.stop();
    app.start(stored);
    app.answer();
    assert_eq!(app.token(), Some(access(2)));
    assert_eq!(app.service.used_again, 0);
}
