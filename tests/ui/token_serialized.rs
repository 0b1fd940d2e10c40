//! Neither a token nor a grant can be serialized.
use serde::Serialize;
use videokit_session::{Grant, SessionToken};

fn takes(_: &impl Serialize) {}

fn misuse(token: &SessionToken, grant: &Grant) {
    takes(token);
    takes(grant);
}

fn main() {}
