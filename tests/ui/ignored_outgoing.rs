//! A request that is made has to be sent.
#![deny(unused_must_use)]
use videokit_session::session::NotSent;
use videokit_session::{Active, Moment, Outgoing, Session};

fn ignore_the_request(session: &mut Session<Active>, now: Moment) -> Result<(), NotSent> {
    session.renew(now)?;
    Ok(())
}

fn ignore_the_result(session: &mut Session<Active>, now: Moment) {
    session.renew(now);
}

fn ignore_what_a_function_made(make: fn() -> Outgoing) {
    make();
}

fn main() {}
