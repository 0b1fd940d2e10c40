//! One login at a real gateway: `--gateway URL --identity ID`.

use std::error::Error;
use std::sync::Arc;

use videokit_session::exchange::{Denial, DenialKind, Endpoint, OriginError};
use videokit_session::session::NotActive;
use videokit_session::{
    Active, AllowedOrigin, ApiToken, Config, Credentials, Gateway, Identity, Scopes, Session,
};

use crate::timeline::{Timeline, life};
use crate::transport::{Clocks, Transport};

/// Where a gateway mints its tokens.
const SESSIONS: &str = "/v1/sessions";

/// What the command line says of a gateway.
pub(crate) struct Remote {
    pub(crate) endpoint: Endpoint,
    pub(crate) origin: AllowedOrigin,
    pub(crate) identity: Identity,
    pub(crate) scopes: Scopes,
    pub(crate) older: bool,
    pub(crate) api_token: ApiToken,
}

/// A gateway's address, checked: that of its sessions, and the origin that they are at.
pub(crate) fn address(url: &str) -> Result<(Endpoint, AllowedOrigin), OriginError> {
    let mut checked = endpoint(url)?;
    if checked.uri().path() == "/" && checked.uri().query().is_none() {
        checked = endpoint(&format!("{}{SESSIONS}", url.trim_end_matches('/')))?;
    }
    let uri = checked.uri();
    let origin = format!(
        "{}://{}",
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map_or("", |authority| authority.as_str())
    );
    let origin = AllowedOrigin::https(&origin).or_else(|_| AllowedOrigin::loopback(&origin))?;
    Ok((checked, origin))
}

/// Https anywhere, plain http on this machine only.
fn endpoint(url: &str) -> Result<Endpoint, OriginError> {
    match Endpoint::https(url) {
        Err(OriginError::Insecure) => Endpoint::loopback(url),
        other => other,
    }
}

impl Remote {
    /// Authenticates, shows what came, and stops.
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let (clocks, timeline) = (Clocks::start(), Timeline::start());
        let config = Config::builder(self.origin.clone()).build()?;
        let session = Session::new(Arc::new(config), 42);
        let (session, outgoing) = session.authenticate(self.credentials()?, clocks.now())?;
        // Without the query, which may hold a secret.
        let (method, path) = (outgoing.request().method(), outgoing.request().uri().path());
        timeline.sent(session.state(), format_args!("{method} {}{path}", self.origin));
        let (id, timeout) = (outgoing.id(), outgoing.timeout());
        let reply = match Transport::global().send(outgoing.into_request(), timeout) {
            Ok(reply) => reply,
            Err(why) => {
                let session = session.fail(id, why, clocks.now())?;
                timeline.came(session.state(), format_args!("nothing: {why}"));
                return Err("no reply: check the address and the network, and try again".into());
            }
        };
        match session.receive(id, &reply, clocks.now()) {
            Ok(session) => {
                timeline.came(session.state(), format_args!("{}: a token", reply.status()));
                self.show(&timeline, &session, &clocks);
                let stopped = session.stop();
                timeline.note(stopped.state(), "stopped: the token is forgotten and wiped");
                Ok(())
            }
            Err(NotActive::Denied(rejected)) => {
                let (session, why) = rejected.into_parts();
                timeline.came(session.state(), &why);
                Err(way_out(&why).into())
            }
            Err(stale) => Err(stale.into()),
        }
    }

    fn credentials(&self) -> Result<Credentials, Box<dyn Error>> {
        let gateway = if self.older {
            Gateway::older(&self.api_token, self.identity.clone())?
        } else {
            Gateway::new(self.api_token.clone(), self.identity.clone()).scopes(self.scopes.clone())
        };
        Ok(Credentials::for_development(gateway.endpoint(self.endpoint.clone())))
    }

    /// Everything about a token but the token.
    fn show(&self, timeline: &Timeline, session: &Session<Active>, clocks: &Clocks) {
        if let Some(identity) = session.identity() {
            timeline.note(session.state(), format_args!("identity  {identity}"));
        }
        let remaining = session.remaining(clocks.now());
        timeline.note(session.state(), format_args!("validity  {}", life(remaining)));
        let asked = names(&self.scopes);
        match session.granted_scopes() {
            Some(granted) => {
                let granted = names(granted);
                timeline
                    .note(session.state(), format_args!("scopes    {granted} (asked: {asked})"));
            }
            None => timeline.note(
                session.state(),
                format_args!("scopes    asked: {asked} (the reply does not list those granted)"),
            ),
        }
    }
}

fn names(scopes: &Scopes) -> String {
    if scopes.is_empty() { "none".to_owned() } else { scopes.to_string() }
}

/// What somebody at the command line can do about it.
fn way_out(denial: &Denial) -> &'static str {
    match denial.kind() {
        DenialKind::Refused => {
            "no token: check the address, the API token in VIDEOKIT_API_TOKEN, and --identity"
        }
        DenialKind::Redirect => "no token: give the address that the gateway really has",
        DenialKind::Malformed(_) => {
            "no token: is this the address of a gateway's sessions, and in this dialect (--older)?"
        }
        _ => "no token: try again later",
    }
}
