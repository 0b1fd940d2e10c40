//! A successor that is sent elsewhere: waits and ages belong to the endpoint that they came from.

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use videokit_session::driver::WakeReason;

use crate::app::{App, HOUR, MINUTE, SECOND, access, first, millis, secret};
use crate::oauth::{self, ENDPOINT, RefreshToken};

const OTHER: &str = "https://login-2.example/token";

/// The member of a reply that names the next endpoint.
fn next_at(endpoint: &str) -> String {
    format!(r#","next_endpoint":"{endpoint}""#)
}

#[test]
fn a_successor_is_sent_to_its_own_endpoint() {
    let (mut app, _) = App::logged_in();
    assert_eq!(app.request().uri(), ENDPOINT);
    app.answer_with(&next_at(OTHER));
    app.answer();
    assert_eq!(app.request().uri(), OTHER);
    app.answer_with(&next_at(ENDPOINT));
    app.answer();
    assert_eq!(app.request().uri(), ENDPOINT);
    assert_eq!(app.driver().epoch(), 1);
}

/// A token that expired on arrival, with a wait for the endpoint that gave it.
#[test]
fn a_wait_is_kept_for_the_endpoint_that_asked_for_it() {
    for (next, elsewhere) in [(OTHER, true), (ENDPOINT, false)] {
        let mut app = App::new();
        app.start(first().credentials());
        let id = app.asked();
        let more = format!(r#","expires_at":"2026-11-24T03:00:00Z"{}"#, next_at(next));
        let mut dead = app.service.answer_with(&app.request(), &more);
        dead.headers_mut().insert(DATE, "Tue, 24 Nov 2026 04:00:00 GMT".parse().unwrap());
        dead.headers_mut().insert(RETRY_AFTER, "3000".parse().unwrap());
        assert!(app.reply(id, &dead).is_accepted());
        let asked = app.elapsed();
        app.asked();
        let waited = app.elapsed() - asked;
        assert_eq!(waited < millis(MINUTE), elsewhere, "{next}: {waited} ms");
        assert_eq!((app.request().uri().to_string(), app.last_secret()), (next.into(), secret(1)));
        if !elsewhere {
            continue;
        }
        // The other endpoint may ask to wait, too.
        let mut busy = oauth::reply(429, "");
        busy.headers_mut().insert(RETRY_AFTER, "600".parse().unwrap());
        app.answer_by(&busy);
        assert_eq!(app.wait(), (600 * SECOND, WakeReason::RetryAfter));
        // Back at the first one, its wait is not over.
        app.set(RefreshToken::new("hush-set").credentials());
        let (wait, why) = app.wait();
        assert_eq!(
            (app.elapsed() + millis(wait), why),
            (asked + 3_000_000, WakeReason::RetryAfter)
        );
    }
}

/// A token that the API refuses after a minute, though its reply states ten: the driver renews sooner from then on.
fn learned() -> App {
    let (mut app, _) = App::logged_in();
    app.run(MINUTE);
    app.refuse();
    app.answer();
    assert_eq!(app.token(), Some(access(2)));
    app.run(11 * SECOND);
    let (wait, why) = app.wait();
    assert!(why == WakeReason::Renewal && wait < MINUTE, "{wait:?} {why:?}");
    app
}

#[test]
fn what_was_learned_of_an_endpoints_tokens_is_kept_while_the_credentials_stay_there() {
    let mut app = learned();
    app.answer();
    assert!(due_in(&mut app) < 2 * MINUTE, "one try of twice the age");
    app.set(RefreshToken::new(app.service.current()).credentials());
    assert!(due_in(&mut app) < 2 * MINUTE, "credentials that are set there change nothing");
}

#[test]
fn what_was_learned_of_an_endpoints_tokens_is_forgotten_with_the_endpoint() {
    let mut app = learned();
    app.answer_with(&next_at(OTHER));
    assert!(due_in(&mut app) > 8 * MINUTE, "as its reply states");

    let mut app = learned();
    app.set(RefreshToken::new("hush-set").at(OTHER).credentials());
    assert!(due_in(&mut app) > 7 * MINUTE, "the current token's schedule, too");
}

/// Nor does a 401 that comes once more, on the same token, while its renewal waits for a network.
#[test]
fn a_401_from_before_the_endpoint_changed_teaches_nothing_of_the_next() {
    let (mut app, _) = App::logged_in();
    app.run(MINUTE);
    app.online(false);
    app.refuse();
    app.set(RefreshToken::new("hush-set").at(OTHER).credentials());
    app.refuse();
    app.online(true);
    app.answer_by(&oauth::reply(200, oauth::granting("hush-access", 600, "")));
    assert_eq!(app.token().as_deref(), Some("hush-access"));
    app.run(11 * SECOND);
    assert!(due_in(&mut app) > 7 * MINUTE, "as its reply states");
}

fn due_in(app: &mut App) -> Duration {
    let (wait, why) = app.wait();
    assert_eq!(why, WakeReason::Renewal);
    assert!(wait < HOUR);
    wait
}
