//! One login at a real gateway: `--gateway URL --identity ID`.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::channel;

use videokit_session::driver::Policy;
use videokit_session::exchange::{Denial, DenialKind, Endpoint, OriginError};
use videokit_session::session::transitions::StateName;
use videokit_session::{
    AllowedOrigin, ApiToken, Config, Credentials, Driver, Event, Gateway, Identity, Moment, Scopes,
};

use crate::SESSIONS;
use crate::clocks::seed;
use crate::run_loop::{News, Runner};
use crate::timeline::{Timeline, life};
use crate::transport::Transport;

/// What the command line says of a gateway.
pub(crate) struct Remote {
    pub(crate) endpoint: Endpoint,
    pub(crate) origin: AllowedOrigin,
    pub(crate) identity: Identity,
    pub(crate) scopes: Scopes,
    pub(crate) legacy: bool,
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
pub(crate) fn endpoint(url: &str) -> Result<Endpoint, OriginError> {
    match Endpoint::https(url) {
        Err(OriginError::Insecure) => Endpoint::loopback(url),
        other => other,
    }
}

impl Remote {
    /// Logs in, shows what came, and stops.
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let config = Config::builder(self.origin.clone()).build()?;
        // Somebody is waiting at the command line: one try.
        let policy = Policy::builder().attempts(1).build()?;
        let driver = Driver::with_policy(Arc::new(config), policy, seed());
        let timeline = Timeline::start();
        let (sender, events) = channel();
        let listener = move |news: &News<'_>| {
            timeline.hear(news);
            if let News::Event(event) = news {
                let _ = sender.send((*event).clone());
            }
        };
        let runner = Runner::start(driver, Transport::global(), Box::new(listener));
        let credentials = self.credentials()?;
        runner.input(|driver, now| driver.start(credentials, now));
        // An event comes in any case: the driver gives up what takes too long.
        let granted = loop {
            match events.recv()? {
                Event::Moved(moved) if moved.to == StateName::Active => break Ok(()),
                Event::Denied(_, denial) => break Err(way_out(&denial)),
                Event::Failed(..) => {
                    break Err("no reply: check the address and the network, and try again");
                }
                Event::NotSent(error) => return Err(error.into()),
                _ => {}
            }
        };
        if granted.is_ok() {
            runner.look(|driver, now| self.show(timeline, driver, now));
            runner.input(Driver::stop);
            events.recv()?;
            timeline.app("the token is forgotten and wiped");
        }
        runner.close();
        Ok(granted?)
    }

    fn credentials(&self) -> Result<Credentials, Box<dyn Error>> {
        let gateway = if self.legacy {
            Gateway::legacy(&self.api_token, self.identity.clone())?
        } else {
            Gateway::new(self.api_token.clone(), self.identity.clone()).scopes(self.scopes.clone())
        };
        Ok(Credentials::for_development(gateway.endpoint(self.endpoint.clone())))
    }

    /// Everything about a token but the token.
    fn show(&self, timeline: Timeline, driver: &Driver, now: Moment) {
        if let Some(identity) = driver.identity() {
            timeline.app(format_args!("identity  {identity}"));
        }
        if let Some(remaining) = driver.remaining(now) {
            timeline.app(format_args!("validity  {}", life(remaining)));
        }
        let asked = names(&self.scopes);
        match driver.granted_scopes().map(names) {
            Some(granted) => {
                timeline.app(format_args!("scopes    {granted} (asked: {asked})"));
            }
            None => timeline.app(format_args!(
                "scopes    asked: {asked} (the reply does not list those granted)"
            )),
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
            "no token: is this the address of a gateway's sessions, and in this dialect (--legacy)?"
        }
        _ => "no token: try again later",
    }
}
