//! A `Retry-After` of the gateway, which holds for all users of the backend.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use shared::clocks::Clocks;
use shared::loopback::{Site, serve};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Notify};
use tokio::task::JoinSet;
use videokit_session::Denial;
use videokit_session::exchange::DenialKind;
use videokit_session::sim::Fault;

use super::tokens::Limits;
use super::{API_TOKEN, Fixture, patient, router_at, run, run_alone, throttle};

#[test]
fn a_gateway_that_throttles_is_answered_with_429_and_its_wait() {
    run(async {
        let backend = Fixture::new(Limits::default());
        backend.set(throttle(1_000));
        let cookie = backend.login("ann").await;
        for _ in 0..3 {
            let reply = backend.token(&cookie).await;
            reply.assert_denied(StatusCode::TOO_MANY_REQUESTS);
            assert!((900..=1_000).contains(&reply.retry_after().unwrap()), "of what is left");
        }
        assert_eq!(backend.counts().kept_away, 1);
    });
}

#[test]
fn a_retry_after_holds_for_every_user_and_requests_go_on_after_it() {
    run_alone(async {
        // With drivers that are dropped at once, too: the wait outlives them.
        for idle in [Duration::ZERO, Duration::from_secs(3_600)] {
            // One request at a time: one that should not be sent would go before the last two.
            let (backend, set_forward) =
                Fixture::paused(Limits { idle, requests: 1, ..Limits::default() });
            backend.set(throttle(30));
            let [ann, bob] = [backend.login("ann").await, backend.login("bob").await];
            backend.token(&ann).await.assert_denied(StatusCode::TOO_MANY_REQUESTS);
            backend.site.lock().faults.clear();
            for (left, passing) in [(30, 29), (1, 1)] {
                for cookie in [&bob, &ann, &bob] {
                    let reply =
                        backend.token_at_once(cookie).expect("there is nothing to wait for");
                    assert_eq!(reply.retry_after(), Some(left));
                }
                set_forward(Duration::from_secs(passing));
            }
            for cookie in [&bob, &ann] {
                backend.token(cookie).await.token();
            }
            assert_eq!((backend.counts().kept_away, backend.counts().granted), (1, 2));
        }
    });
}

#[test]
fn a_retry_after_is_not_shortened_by_a_later_reply() {
    run_alone(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = format!("http://{}", listener.local_addr().unwrap());
        // Both requests are there before either is answered, one with 30 s, and after it the other with 10 s.
        let (both, is_answered) = (Arc::new(Barrier::new(2)), Arc::new(Notify::new()));
        let answered = Arc::clone(&is_answered);
        tokio::spawn(serve(listener, move |_request| {
            let (both, answered) = (Arc::clone(&both), Arc::clone(&answered));
            async move {
                let seconds = if both.wait().await.is_leader() {
                    30
                } else {
                    answered.notified().await;
                    10
                };
                let denial = Denial::new(DenialKind::Throttled, StatusCode::TOO_MANY_REQUESTS);
                let denial = denial.with_retry_after(Some(Duration::from_secs(seconds)));
                Ok(denial.to_reply().map(Into::into))
            }
        }));
        let now = Clocks::start().now();
        let router = router_at(&gateway, patient(), move || now);
        let backend = Fixture { site: Site::new(API_TOKEN, Duration::ZERO), router };
        let mut calls = JoinSet::new();
        for user in ["ann", "bob"] {
            let backend = backend.clone();
            calls.spawn(async move { backend.token(&backend.login(user).await).await });
        }
        while let Some(reply) = calls.join_next().await {
            assert_eq!(reply.unwrap().retry_after(), Some(30));
            is_answered.notify_one();
        }
    });
}

#[test]
fn a_retry_after_counts_up_to_the_cap_of_the_policy() {
    run_alone(async {
        let (backend, set_forward) = Fixture::paused(Limits::default());
        backend.set(throttle(1_000_000));
        let [ann, bob] = [backend.login("ann").await, backend.login("bob").await];
        backend.token(&ann).await.assert_denied(StatusCode::TOO_MANY_REQUESTS);
        backend.site.lock().faults.clear();
        assert_eq!(backend.token_at_once(&bob).unwrap().retry_after(), Some(3_600));
        set_forward(Duration::from_secs(3_600));
        backend.token(&bob).await.token();
    });
}

#[test]
fn a_denial_without_a_retry_after_holds_for_its_user_alone() {
    run_alone(async {
        let (backend, _) = Fixture::paused(Limits::default());
        backend.set(Fault::Unavailable { status: 503, retry_after: None });
        let [ann, bob] = [backend.login("ann").await, backend.login("bob").await];
        backend.token(&ann).await.assert_denied(StatusCode::SERVICE_UNAVAILABLE);
        backend.site.lock().faults.clear();
        backend.token(&bob).await.token();
    });
}

#[test]
fn a_request_that_waits_for_its_turn_is_not_sent_during_a_retry_after() {
    run_alone(async {
        let (backend, _) = Fixture::paused(Limits { requests: 1, ..patient() });
        backend.set(throttle(30));
        let mut calls = JoinSet::new();
        for user in ["ann", "bob", "cid"] {
            let backend = backend.clone();
            let cookie = backend.login(user).await;
            calls.spawn(async move { backend.token(&cookie).await });
        }
        for reply in calls.join_all().await {
            assert_eq!(reply.retry_after(), Some(30));
        }
        assert_eq!(backend.counts().kept_away, 1);
    });
}

#[test]
fn a_valid_token_is_served_during_a_retry_after_and_renewed_after_it() {
    run_alone(async {
        let (backend, set_forward) = Fixture::paused(Limits::default());
        let [ann, bob] = [backend.login("ann").await, backend.login("bob").await];
        let first = backend.token(&ann).await;
        // Its renewal is due, and it has less life than a token that is served while that is in flight.
        set_forward(Duration::from_secs(550));
        backend.set(throttle(20));
        backend.token(&bob).await.assert_denied(StatusCode::TOO_MANY_REQUESTS);
        backend.site.lock().faults.clear();
        let served = backend.token_at_once(&ann).expect("there is nothing to wait for");
        assert_eq!(served.token(), first.token());
        assert_eq!(backend.counts().granted, 1);
        set_forward(Duration::from_secs(20));
        assert_ne!(backend.token(&ann).await.token(), first.token());
    });
}
