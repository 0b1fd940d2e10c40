//! What a driver was told and what it answered, as lines: they hold no secret, and play again exactly.

extern crate videokit_session_inside as videokit_session;

mod damage;
mod details;
#[path = "../example/mod.rs"]
mod example;
mod kinds;
mod legible;
#[path = "../rotation/oauth.rs"]
mod oauth;
mod picture;
mod plays;
mod properties;
mod recording;
#[path = "../refused.rs"]
mod refused;
mod secrets;
mod sessions;
mod unreadable;
