//! A request that is made has to be sent.
#![deny(unused_must_use)]
use videokit_session::session::SendError;
use videokit_session::{Active, Credentials, Moment, Outgoing, Session};

fn ignore_the_request(
    session: &mut Session<Active>,
    credentials: &Credentials,
    now: Moment,
) -> Result<(), SendError> {
    session.renew(credentials, now)?;
    Ok(())
}

fn ignore_the_result(session: &mut Session<Active>, credentials: &Credentials, now: Moment) {
    session.renew(credentials, now);
}

fn ignore_what_a_function_made(make: fn() -> Outgoing) {
    make();
}

fn main() {}
