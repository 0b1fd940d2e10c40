//! What happens between the example's exchange and an authorization server: told of each server alike.

use std::time::Duration;

use http::StatusCode;
use videokit_session::driver::Blocked;
use videokit_session::session::transitions::Cause;
use videokit_session::{Event, TransportFailure};

use super::app::{App, Service, client, post, user};

/// The client as the server knows it. What stands in its names has to be encoded before they are put into a header.
pub(crate) const CLIENT: &str = "app 1:test";
pub(crate) const SECRET: &str = "s3cret +%&=:";
pub(crate) const WRONG_SECRET: &str = "s3cret";

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

const INVALID_GRANT: &str = "; the refresh token expired, was revoked or was used twice: log in";

/// Makes a test of each scenario, of which `play` takes the name and the function.
macro_rules! tests_of_scenarios {
    ($play:path) => {
        tests_of_scenarios! { $play:
            client_credentials_are_granted_tokens_again_and_again,
            refresh_tokens_rotate_through_a_hundred_generations,
            a_lost_reply_spends_its_refresh_token_and_another_login_mends_it,
            a_refresh_token_that_is_used_twice_revokes_its_family,
            a_revocation_is_found_by_a_401,
            an_outage_ends_no_login,
            a_wrong_secret_is_refused_once,
            a_scope_that_is_not_granted_is_refused_once,
        }
    };
    ($play:path: $($name:ident,)+) => {
        $(#[test] fn $name() { $play(stringify!($name), scenarios::$name); })+
    };
}

pub(crate) fn client_credentials_are_granted_tokens_again_and_again(service: &mut dyn Service) {
    let mut app = App::start(service, client(service, SECRET, "videos.read"));
    for generation in 1..=3 {
        app.until_granted(service);
        assert_eq!(app.call(service), StatusCode::OK);
        assert_eq!(app.sent, generation, "one request a token");
        let scopes = app.driver.granted_scopes().map(ToString::to_string);
        assert_eq!(scopes.as_deref(), Some("videos.read"));
    }
    assert_eq!(app.count(&Event::CredentialsChanged), 0);
}

pub(crate) fn refresh_tokens_rotate_through_a_hundred_generations(service: &mut dyn Service) {
    let first = service.log_in();
    let mut app = App::start(service, user(service, first.clone()));
    let mut tokens = vec![first];
    for _ in 0..=100 {
        app.until_granted(service);
        assert!(!tokens.contains(&app.refresh_token()), "another one");
        tokens.push(app.refresh_token());
    }
    assert_eq!(app.call(service), StatusCode::OK);
    app.run(service, Duration::ZERO);
    assert_eq!((app.sent, app.transitions(Cause::Renewed)), (101, 100));
    assert_eq!(app.count(&Event::CredentialsChanged), 101);
}

pub(crate) fn a_lost_reply_spends_its_refresh_token_and_another_login_mends_it(
    service: &mut dyn Service,
) {
    let login = service.log_in();
    let mut app = App::start(service, user(service, login));
    app.until_granted(service);
    let spent = app.refresh_token();
    app.loses_reply = true;
    app.run(service, 9 * MINUTE);
    assert_eq!((app.sent, app.count(&Event::CredentialsSpent)), (2, 1));
    assert_eq!(app.driver.blocked(), Some(Blocked::Spent));
    assert_eq!(app.call(service), StatusCode::OK, "the token stays in use");
    app.run(service, HOUR);
    assert_eq!(app.sent, 2, "the refresh token is not sent again");

    // It would have revoked the login.
    let again = format!("grant_type=refresh_token&refresh_token={spent}");
    let reply = service.send(post(service, "/token", again)).unwrap();
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);

    let login = service.log_in();
    app.set(user(service, login));
    app.until_granted(service);
    assert_eq!((app.call(service), app.driver.blocked()), (StatusCode::OK, None));
}

pub(crate) fn a_refresh_token_that_is_used_twice_revokes_its_family(service: &mut dyn Service) {
    let first = service.log_in();
    let mut app = App::start(service, user(service, first.clone()));
    app.until_granted(service);
    assert_eq!(app.call(service), StatusCode::OK);

    // Another program has a copy of the first one.
    let mut copy = App::start(service, user(service, first));
    copy.run(service, MINUTE);
    copy.assert_refused(service, INVALID_GRANT);
    assert_eq!((copy.sent, copy.driver.generation()), (1, None));

    // And so the app's own, which nobody else has used, is refused as well.
    app.run(service, 9 * MINUTE);
    app.assert_refused(service, INVALID_GRANT);
    assert_eq!(app.sent, 2);
}

pub(crate) fn a_revocation_is_found_by_a_401(service: &mut dyn Service) {
    let login = service.log_in();
    let mut app = App::start(service, user(service, login));
    app.until_granted(service);
    app.run(service, MINUTE);
    assert_eq!(app.call(service), StatusCode::OK);
    let token = format!("token={}&token_type_hint=refresh_token", app.refresh_token());
    let revoked = service.send(post(service, "/token/revocation", token)).unwrap();
    assert_eq!(revoked.status(), StatusCode::OK);

    assert_eq!(app.call(service), StatusCode::UNAUTHORIZED);
    app.run(service, MINUTE);
    assert_eq!(app.sent, 2, "the 401 causes one renewal");
    app.assert_refused(service, INVALID_GRANT);
}

pub(crate) fn an_outage_ends_no_login(service: &mut dyn Service) {
    let login = service.log_in();
    let mut app = App::start(service, user(service, login));
    app.until_granted(service);
    let token = app.refresh_token();
    service.stop();
    app.run(service, 20 * MINUTE);
    assert!((5..50).contains(&app.sent), "{} requests", app.sent);
    let failures = app.events.iter().filter_map(|event| match event {
        Event::Failed(_, why) => Some(*why),
        _ => None,
    });
    assert!(failures.eq(vec![TransportFailure::Unreachable; app.sent - 1]));
    assert_eq!((app.driver.generation(), app.refresh_token()), (None, token));
    assert_eq!(app.driver.blocked(), None, "no secret was spent");

    service.start();
    app.until_granted(service);
    assert_eq!(app.call(service), StatusCode::OK);
}

pub(crate) fn a_wrong_secret_is_refused_once(service: &mut dyn Service) {
    let mut app = App::start(service, client(service, WRONG_SECRET, "videos.read"));
    app.run(service, MINUTE);
    app.assert_refused(service, "; the service doesn't know this id and secret: correct them");
    assert_eq!(app.sent, 1);
}

pub(crate) fn a_scope_that_is_not_granted_is_refused_once(service: &mut dyn Service) {
    let mut app = App::start(service, client(service, SECRET, "videos.edit"));
    app.run(service, MINUTE);
    app.assert_refused(service, "; a scope is unknown, or more than is granted: ask for less");
    assert_eq!(app.sent, 1);
}
