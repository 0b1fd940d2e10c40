//! Inputs of a driver as a trace has them: with placeholders in place of secrets.

use core::time::Duration;
use std::time::UNIX_EPOCH;

use http::HeaderValue;

use super::line::{Body, DenialNote, GrantNote, Headers, Input, ReplyNote, Start, Status, Text};
use super::placeholder::Placeholder;
use super::pseudonym::Pseudonyms;
use crate::driver::{self, Driver};
use crate::exchange::{Credentials, Grant, Reply};
use crate::time::millis;

impl Pseudonyms {
    /// Returns the note of an input. A reply to the request in flight is read as its credentials read it.
    pub(super) fn input(&mut self, input: &driver::Input, driver: &Driver) -> Input {
        match input {
            driver::Input::Start(driver::Start::Token(grant)) => {
                Input::Start(Start::Token(self.grant(grant)))
            }
            driver::Input::Start(driver::Start::Exchange(credentials)) => {
                Input::Start(Start::Credentials(self.placeholder(credentials)))
            }
            driver::Input::SetCredentials(credentials) => {
                Input::SetCredentials(self.placeholder(credentials))
            }
            driver::Input::Response(id, reply) => {
                let asked_with = driver.asked_with().filter(|_| driver.in_flight() == Some(*id));
                let reply = asked_with.map(|asked_with| self.reply(asked_with, reply.into()));
                Input::Response { id: Text(*id), reply }
            }
            driver::Input::Failure(id, why) => Input::Failure { id: Text(*id), why: *why },
            driver::Input::Unauthorized(of) => {
                Input::Unauthorized { generation: of.generation, age_ms: of.age_millis }
            }
            driver::Input::Online(online) => Input::Online(*online),
            driver::Input::Stop => Input::Stop,
            driver::Input::Observe => Input::Observe,
        }
    }

    /// Returns what credentials are, apart from their secrets.
    fn placeholder(&mut self, credentials: &Credentials) -> Placeholder {
        let exchange = credentials.exchange();
        let request = exchange.request().ok();
        let endpoint = request.and_then(|request| self.endpoint(request.uri()));
        Placeholder {
            name: self.credentials.name(credentials),
            // An insecure endpoint is one in a replay, too.
            error: if endpoint.is_some() { None } else { credentials.request().err() },
            endpoint,
            stated_endpoint: exchange.endpoint().and_then(|uri| self.endpoint(uri)),
            identity: exchange.identity().and_then(|identity| self.identity(identity)),
            scopes: exchange.scopes().map(|scopes| self.scopes(scopes)),
            issuer_writes_date: exchange.issuer_writes_date(),
            single_use: exchange.is_single_use(),
        }
    }

    fn reply(&mut self, asked_with: &Credentials, reply: Reply<'_>) -> ReplyNote {
        let seconds = |wait: Duration| millis(wait).div_ceil(1_000).to_string();
        let age = match reply.age() {
            Some(Duration::ZERO) => None,
            Some(age) => Some(seconds(age)),
            None => Some("unreadable".to_owned()),
        };
        let value = |text: String| HeaderValue::try_from(text).ok().map(Text);
        ReplyNote {
            status: Status(reply.status()),
            headers: Headers {
                date: reply.date().and_then(http_date).and_then(value),
                age: age.and_then(value),
                retry_after: reply.retry_after().map(seconds).and_then(value),
            },
            body: match asked_with.exchange().read(reply) {
                Ok(grant) => Body::Grant(self.grant(&grant)),
                Err(denial) => Body::Denial(DenialNote::from(&denial)),
            },
        }
    }

    fn grant(&mut self, grant: &Grant) -> GrantNote {
        GrantNote {
            token: self.token(grant.token()),
            identity: grant.identity().and_then(|identity| self.identity(identity)),
            expires_at: grant.expires_at().map(|expires_at| self.expiry(expires_at)),
            lifetime_ms: grant.lifetime().map(millis),
            scopes: grant.scopes().map(|scopes| self.scopes(scopes)),
            successor: grant.successor().map(|next| Box::new(self.placeholder(next))),
        }
    }
}

/// Returns the text of a `Date`.
fn http_date(millis: i64) -> Option<String> {
    let since = Duration::from_millis(u64::try_from(millis).ok()?);
    Some(httpdate::fmt_http_date(UNIX_EPOCH.checked_add(since)?))
}
