//! Credentials that are usable once, and replies that are lost.

use bytes::Bytes;
use http::Response;
use videokit_session::driver::{AuthorizeError, Blocked, Policy};
use videokit_session::{
    AllowedOrigin, Driver, Event, Moment, Output, SessionToken, TransportFailure,
};

use crate::app::{App, HOUR, MINUTE, SECOND, access, config, first, secret};
use crate::oauth::{self, RefreshToken};

const SPENT: Event = Event::CredentialsSpent;

/// What became of a request, and whether its secret may be sent again.
enum Outcome {
    Fails(TransportFailure),
    Answers(Response<Bytes>),
}

fn outcomes() -> Vec<(&'static str, Outcome, bool)> {
    use Outcome::{Answers, Fails};
    let reply = |status: u16, body: &'static str| Answers(oauth::reply(status, body));
    let whole = oauth::granting("hush-access", 600, r#","refresh_token":"hush-next""#);
    let cut = whole[..whole.len() / 2].to_owned();
    vec![
        ("no connection", Fails(TransportFailure::Unreachable), true),
        ("a time-out", Fails(TransportFailure::TimedOut), false),
        ("a connection that broke", Fails(TransportFailure::Interrupted), false),
        ("another failure", Fails(TransportFailure::Other), false),
        ("429", reply(429, ""), true),
        ("500", reply(500, "it may not even have been read"), true),
        ("502", reply(502, "<html>bad gateway</html>"), true),
        ("503", reply(503, ""), true),
        ("407", reply(407, ""), true),
        ("408", reply(408, ""), true),
        ("a redirect", reply(302, ""), true),
        ("a portal's page", reply(200, "<html>log in</html>"), true),
        ("a portal's page under 404", reply(404, "<html>log in</html>"), true),
        ("a 200 whose body is cut off", Answers(oauth::reply(200, cut)), false),
        ("a 200 without a body", reply(200, ""), false),
        ("a 201 of another shape", reply(201, r#"{"token":"hush"}"#), false),
        ("a 204", reply(204, ""), false),
        ("a token that can't be used", reply(200, r#"{"access_token":""}"#), false),
    ]
}

#[test]
fn a_secret_is_sent_again_only_if_it_was_not_used_up() {
    for renewing in [false, true] {
        for (name, outcome, again) in outcomes() {
            let mut app = App::new();
            let (mut number, mut token) = (0, None);
            app.start(first().credentials());
            if renewing {
                app.answer();
                (number, token) = (1, Some(access(1)));
            }
            match outcome {
                Outcome::Fails(why) => app.fail(why),
                Outcome::Answers(reply) => app.answer_by(&reply),
            }
            let case = format!("{name}, renewing: {renewing}");
            let blocked = (!again).then_some(Blocked::Spent);
            assert_eq!(app.driver().blocked(), blocked, "{case}");
            assert_eq!(app.count(&SPENT), usize::from(!again), "{case}");
            assert_eq!(app.token(), token, "{case}: it stays in use");
            let sent = app.sent.len();
            if again {
                app.answer();
                assert_eq!(app.last_secret(), secret(number), "{case}");
                assert_eq!(app.token(), Some(access(number + 1)), "{case}");
            } else {
                app.run(HOUR);
                assert_eq!(app.sent.len(), sent, "{case}: nothing is sent");
                assert_eq!(app.count(&SPENT), 1, "{case}: reported once");
            }
        }
    }
}

/// Whether the same credentials may be sent again is for the exchange to say.
#[test]
fn a_secret_that_is_no_single_use_one_is_always_sent_again() {
    for (name, outcome, _) in outcomes() {
        let mut app = App::new();
        app.start(first().reusable().credentials());
        match outcome {
            Outcome::Fails(why) => app.fail(why),
            Outcome::Answers(reply) => app.answer_by(&reply),
        }
        app.answer();
        assert_eq!((app.last_secret(), app.token()), (secret(0), Some(access(1))), "{name}");
        assert_eq!(app.count(&SPENT), 0, "{name}");
    }
}

/// The service refused it, so nobody need ask whether it is used up.
#[test]
fn a_refused_secret_is_refused_and_not_spent() {
    let (mut app, _) = App::logged_in();
    app.answer_by(&oauth::reply(400, r#"{"error":"invalid_grant"}"#));
    assert_eq!(app.driver().blocked(), Some(Blocked::Refused));
    assert_eq!(app.count(&SPENT), 0);
}

#[test]
fn a_request_that_is_given_up_spends_its_secret() {
    // Its deadline has passed.
    let (mut app, _) = App::logged_in();
    app.asked();
    app.pass(15 * SECOND);
    assert_eq!((app.driver().blocked(), app.count(&SPENT)), (Some(Blocked::Spent), 1));

    // The login has ended.
    let (mut app, _) = App::logged_in();
    app.asked();
    let current = app.driver().credentials().unwrap().clone();
    app.stop();
    assert_eq!(app.driver().blocked(), Some(Blocked::NotStarted));
    app.start(current);
    assert_eq!((app.driver().blocked(), app.count(&SPENT)), (Some(Blocked::Spent), 1));

    // Another login has begun.
    let (mut app, _) = App::logged_in();
    app.asked();
    let current = app.driver().credentials().unwrap().clone();
    app.start(RefreshToken::new("hush-other").of("user-18").credentials());
    assert_eq!(app.driver().blocked(), None, "these are others");
    app.start(current);
    assert_eq!((app.driver().blocked(), app.count(&SPENT)), (Some(Blocked::Spent), 1));
}

/// A late reply, however good, was not read: its successor is lost.
#[test]
fn a_reply_that_comes_after_its_time_mends_nothing() {
    let (mut app, _) = App::logged_in();
    let id = app.asked();
    let reply = app.service.answer(&app.request());
    app.pass(15 * SECOND);
    assert!(app.reply(id, &reply).is_stale());
    assert_eq!((app.driver().blocked(), app.count(&SPENT)), (Some(Blocked::Spent), 1));
    assert_eq!(app.token(), Some(access(1)));
}

#[test]
fn a_grant_for_another_identity_spends_the_secret_that_it_used_up() {
    let mut app = App::new();
    app.start(first().of("user-17").credentials());
    app.answer();
    app.answer_with(r#","user":"user-18""#);
    assert_eq!((app.driver().blocked(), app.count(&SPENT)), (Some(Blocked::Spent), 1));
    assert_eq!(app.token(), Some(access(1)));
    app.run(HOUR);
    assert_eq!(app.service.used_again, 0);
}

#[test]
fn a_spent_secret_is_not_sent_again_whatever_is_started() {
    let (mut app, original) = App::logged_in();
    app.fail(TransportFailure::TimedOut);
    let (sent, current) = (app.sent.len(), app.driver().credentials().unwrap().clone());
    // The same login, in either form: it joins.
    for same in [original, current.clone()] {
        app.start(same);
        assert_eq!((app.driver().epoch(), app.driver().blocked()), (1, Some(Blocked::Spent)));
    }
    app.set(current.clone());
    app.online(true);
    app.run(MINUTE);
    assert_eq!((app.count(&SPENT), app.sent.len()), (1, sent));

    // A new login: it is reported once more.
    for times in 2..4 {
        app.stop();
        app.run(HOUR);
        app.start(current.clone());
        app.run(HOUR);
        assert_eq!(app.driver().blocked(), Some(Blocked::Spent));
        assert_eq!((app.count(&SPENT), app.sent.len()), (times, sent));
        let origin = AllowedOrigin::https("https://api.example").unwrap();
        let refused = app.driver().authorization(&origin, app.now).unwrap_err();
        assert_eq!(refused, AuthorizeError::Start(Blocked::Spent));
    }
    assert_eq!(app.service.used_again, 0);
}

#[test]
fn the_token_of_a_spent_secret_serves_until_it_expires() {
    let (mut app, _) = App::logged_in();
    app.fail(TransportFailure::Interrupted);
    let text = Event::CredentialsSpent.to_string();
    assert_eq!(text, "the credentials are usable once and may be used up: set new ones");
    assert_eq!(app.token(), Some(access(1)));
    let sent = app.sent.len();
    // A 401 can't be mended by a renewal now. It is reported, once.
    app.refuse();
    app.refuse();
    let generation = app.driver().generation().unwrap();
    assert_eq!(app.count(&Event::Unauthorized(generation)), 1);
    app.run(HOUR);
    assert_eq!((app.token(), app.sent.len()), (None, sent));
    assert_eq!(app.count(&SPENT), 1);
}

#[test]
fn other_credentials_make_up_for_a_spent_secret() {
    for lapsed in [false, true] {
        let (mut app, _) = App::logged_in();
        app.fail(TransportFailure::TimedOut);
        if lapsed {
            app.run(HOUR);
        }
        let token = (!lapsed).then(|| access(1));
        // The app has logged in once more, elsewhere.
        let fresh = RefreshToken::new(app.service.current());
        app.set(fresh.credentials());
        assert_eq!(app.driver().blocked(), None, "lapsed: {lapsed}");
        assert_eq!((app.token(), app.driver().epoch()), (token, 1), "lapsed: {lapsed}");
        app.answer();
        assert_eq!(app.token(), Some(access(2)), "lapsed: {lapsed}");
        app.answer();
        assert_eq!(app.token(), Some(access(3)), "lapsed: {lapsed}");
        assert_eq!((app.count(&SPENT), app.service.used_again), (1, 0), "lapsed: {lapsed}");
    }
}

/// A driver that gave up over an outage tries again with the same secret, which the outage didn't use up.
#[test]
fn giving_up_spends_nothing() {
    let mut app = App::with(Policy::builder().attempts(2).build().unwrap());
    let credentials = first().credentials();
    app.start(credentials.clone());
    app.fail(TransportFailure::Unreachable);
    app.answer_by(&oauth::reply(503, ""));
    assert_eq!(app.driver().blocked(), Some(Blocked::GaveUp));
    app.start(credentials);
    app.answer();
    assert_eq!(app.token(), Some(access(1)));
}

/// The network goes between the event that announces a request and the request: it was never made.
#[test]
fn a_request_that_was_only_announced_spends_nothing() {
    let mut app = App::new();
    app.online(false);
    app.start(first().credentials());
    app.announce();
    app.online(false);
    assert_eq!((app.sent.len(), app.driver().blocked()), (0, None));
    app.online(true);
    app.answer();
    assert_eq!((app.token(), app.count(&SPENT)), (Some(access(1)), 0));
}

#[test]
fn a_token_to_adopt_is_waited_for_though_the_credentials_set_with_it_are_spent() {
    let (mut driver, spent) = (Driver::new(config(), 1), first().credentials());
    let now = Moment::from_millis(5_000, 1_795_492_800_000);
    driver.start(spent.clone(), now);
    let id = loop {
        if let Output::Send(outgoing) = driver.poll(now) {
            break outgoing.id();
        }
    };
    driver.handle_failure(id, TransportFailure::TimedOut, now);
    driver.start(SessionToken::new("hush-elsewhere").unwrap(), now);
    driver.set_credentials(spent, now);
    assert_eq!(driver.blocked(), Some(Blocked::Spent));
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    assert_eq!(driver.authorization(&origin, now).err(), Some(AuthorizeError::Wait));
    while !matches!(driver.poll(now), Output::Wait(_)) {}
    assert!(driver.authorization(&origin, now).is_ok(), "it serves");
}

/// The reply of other credentials, which were set meanwhile and are in flight, is lost, too.
#[test]
fn a_spent_secret_that_is_set_again_stays_spent_whatever_is_lost_after_it() {
    let (mut app, _) = App::logged_in();
    let first = app.driver().credentials().unwrap().clone();
    app.fail(TransportFailure::TimedOut);
    let second = RefreshToken::new("hush-second").credentials();
    app.set(second.clone());
    app.asked();
    app.set(first);
    assert_eq!(app.driver().blocked(), Some(Blocked::Spent));
    let sent = app.sent.len();
    app.run(HOUR);
    assert_eq!(app.driver().blocked(), Some(Blocked::Spent), "the second one timed out");
    assert_eq!(app.sent.len(), sent, "nothing is sent");
    // Both are known.
    app.set(second);
    assert_eq!(app.driver().blocked(), Some(Blocked::Spent));
}
