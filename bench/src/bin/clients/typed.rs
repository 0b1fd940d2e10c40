//! `Session<S>`: the caller keeps the states.

use std::hint::black_box;

use videokit_session_bench::Column;

use crate::case::Case;
use crate::fixtures::{self, Reply};
use crate::ours::{self, Active, App, Session};

/// Returns a session with its first token.
pub(crate) fn active(app: &App, reply: &Reply) -> Session<Active> {
    let (session, outgoing) = ours::ask(app);
    let id = ours::send(outgoing);
    ours::receive(session, id, reply)
}

fn request(n: u64) {
    let app = App::new();
    for _ in 0..n {
        let (session, outgoing) = ours::ask(black_box(&app));
        black_box(ours::send(outgoing));
        drop(black_box(session));
    }
}

/// A request is part of it, since a session that waits for a reply is used up by it.
fn consume(n: u64, reply: &Reply) {
    let app = App::new();
    for _ in 0..n {
        drop(black_box(active(black_box(&app), reply)));
    }
}

fn consume_dated(n: u64) {
    consume(n, &fixtures::dated());
}

fn consume_undated(n: u64) {
    consume(n, &fixtures::undated());
}

fn consume_claims(n: u64) {
    consume(n, &fixtures::with_claims());
}

fn authorize(n: u64) {
    let session = active(&App::new(), &fixtures::dated());
    ours::assert_valid(&session);
    let mut request = fixtures::api_request();
    for _ in 0..n {
        ours::authorize(black_box(&session), &mut request);
        black_box(&mut request);
    }
    fixtures::assert_authorized(&request);
}

fn lend(n: u64) {
    let (session, origin) = (active(&App::new(), &fixtures::dated()), ours::origin());
    for _ in 0..n {
        ours::lend(black_box(&session), black_box(&origin));
    }
}

fn renew(n: u64) {
    let (app, reply) = (App::new(), fixtures::dated());
    let mut session = active(&app, &reply);
    for renewed in 1..=n {
        let session = black_box(&mut session);
        let id = ours::send(ours::renew(session, &app));
        assert_eq!(ours::receive_renewal(session, id, &reply), renewed + 1);
    }
    ours::assert_valid(&session);
}

fn cycle(n: u64, reply: &Reply) {
    let (app, mut request) = (App::new(), fixtures::api_request());
    for _ in 0..n {
        let mut session = active(black_box(&app), reply);
        for _ in 0..10 {
            ours::authorize(black_box(&session), &mut request);
            black_box(&mut request);
        }
        black_box(ours::renewal_due_in(&session));
        let id = ours::send(ours::renew(&mut session, &app));
        assert_eq!(ours::receive_renewal(&mut session, id, reply), 2);
        drop(black_box(session));
    }
    fixtures::assert_authorized(&request);
}

fn cycle_dated(n: u64) {
    cycle(n, &fixtures::dated());
}

fn cycle_undated(n: u64) {
    cycle(n, &fixtures::undated());
}

pub(crate) const CASES: &[Case] = &[
    Case::new(&["request"], Column::Typed, request),
    Case::new(&["consume"], Column::Typed, consume_dated).less("request/typed", 1),
    Case::new(&["consume-undated"], Column::Typed, consume_undated).less("request/typed", 1),
    Case::new(&["consume-claims"], Column::Typed, consume_claims).less("request/typed", 1),
    Case::new(&["authorize"], Column::Typed, authorize),
    Case::new(&["lend"], Column::Typed, lend),
    Case::new(&["renew"], Column::Typed, renew),
    Case::new(&["cycle10"], Column::Typed, cycle_dated),
    Case::new(&["cycle10-undated"], Column::Typed, cycle_undated),
];
