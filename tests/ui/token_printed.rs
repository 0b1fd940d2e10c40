//! A token has no `Display`.
use videokit_session::{ApiToken, SessionToken};

fn misuse(session: &SessionToken, api: &ApiToken) -> String {
    format!("{session} {api}")
}

fn main() {}
