//! One login at a real gateway: `--gateway URL --identity ID`.

use std::error::Error;
use std::sync::Arc;

use videokit_session::exchange::Endpoint;
use videokit_session::session::NotActive;
use videokit_session::{
    AllowedOrigin, ApiToken, Config, Credentials, Gateway, Identity, Scopes, Session,
};

use crate::timeline::{Timeline, life};
use crate::transport::{Clocks, Transport};

/// What the command line says of a gateway.
pub(crate) struct Remote {
    pub(crate) url: String,
    pub(crate) identity: Identity,
    pub(crate) scopes: Scopes,
    pub(crate) older: bool,
    pub(crate) api_token: ApiToken,
}

impl Remote {
    /// Authenticates, shows what came, and stops. `Ok(false)` if the gateway gave no token.
    pub(crate) fn run(self) -> Result<bool, Box<dyn Error>> {
        let (clocks, timeline) = (Clocks::start(), Timeline::start());
        let (credentials, origin) = self.credentials()?;
        let session = Session::new(Arc::new(Config::builder(origin).build()?), 42);
        let (session, outgoing) = session.authenticate(credentials, clocks.now())?;
        let request = outgoing.request();
        timeline.sent(session.state(), format_args!("{} {}", request.method(), request.uri()));
        let (id, timeout) = (outgoing.id(), outgoing.timeout());
        let reply = match Transport::global().send(outgoing.into_request(), timeout) {
            Ok(reply) => reply,
            Err(why) => {
                let session = session.fail(id, why, clocks.now())?;
                timeline.came(session.state(), format_args!("nothing: {why}"));
                return Ok(false);
            }
        };
        match session.receive(id, &reply, clocks.now()) {
            Ok(session) => {
                let life = life(session.remaining(clocks.now()));
                timeline.came(session.state(), format_args!("{}: a token, {life}", reply.status()));
                if let Some(identity) = session.identity() {
                    timeline.note(session.state(), format_args!("for the identity {identity}"));
                }
                let stopped = session.stop();
                timeline.note(stopped.state(), "stopped: the token is forgotten and wiped");
                Ok(true)
            }
            Err(NotActive::Denied(rejected)) => {
                let (session, why) = rejected.into_parts();
                timeline.came(session.state(), why);
                Ok(false)
            }
            Err(stale) => Err(stale.into()),
        }
    }

    fn credentials(self) -> Result<(Credentials, AllowedOrigin), Box<dyn Error>> {
        let local = self.url.starts_with("http://");
        let endpoint =
            if local { Endpoint::loopback(&self.url)? } else { Endpoint::https(&self.url)? };
        let uri = endpoint.uri();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let origin = if local {
            AllowedOrigin::loopback(format!("http://{authority}"))?
        } else {
            AllowedOrigin::https(format!("https://{authority}"))?
        };
        let gateway = if self.older {
            Gateway::older(&self.api_token, self.identity)?
        } else {
            Gateway::new(self.api_token, self.identity).scopes(self.scopes)
        };
        Ok((Credentials::for_development(gateway.endpoint(endpoint)), origin))
    }
}
