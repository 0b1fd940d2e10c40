//! A session in a result or an answer has to be taken on.
#![deny(unused_must_use)]
use videokit_session::session::{Input, Step};
use videokit_session::{Active, Moment, Session};

fn ignore_the_advance(session: Session<Active>, now: Moment) {
    session.advance(now);
}

fn ignore_the_stop(session: Session<Active>) {
    session.stop();
}

fn ignore_what_a_step_did(step: fn(Input) -> Step) {
    step(Input::Stop);
}

fn main() {}
