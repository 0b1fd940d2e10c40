//! OAuth 2.0 (RFC 6749) in place of VideoKit's gateway, by an `Exchange` of one's own: client credentials, and refresh
//! tokens with rotation. For apps and services whose tokens come from an authorization server.
//!
//! ```sh
//! cargo run --example oauth   # three generations and a theft, at a service on 127.0.0.1 whose tokens live for 3 s
//! OAUTH_CLIENT_SECRET=… cargo run --example oauth -- --token-endpoint https://login.example/token --client-id app-1
//! ```
//!
//! With `--refresh-token-file FILE`, the login goes on with the refresh token in the file, and each next one is stored
//! there; without it, the client logs in as itself, for each `--scope NAME`. `--no-rotation` is for services whose
//! refresh tokens stay the same.
//!
//! `oauth/exchange.rs` is what an app copies. `keep_alive` is as simple a loop as there is; for one that can be stopped
//! at any time, see the quickstart.

#[path = "oauth/exchange.rs"]
pub(crate) mod exchange;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use exchange::OAuth;
use lexopt::Arg::Long;
use lexopt::ValueExt;
use shared::clocks::{Clocks, seed};
use shared::send::ureq::{agent, send};
use shared::settings::setting;
use shared::token_service::TokenService;
use ureq::Agent;
use videokit_session::driver::Blocked;
use videokit_session::exchange::{BODY_LIMIT, Exchange};
use videokit_session::{
    AllowedOrigin, Config, Credentials, Driver, Endpoint, Event, Output, Scope, Scopes, Wake,
};
use zeroize::Zeroizing;

type Done<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let done = arguments().and_then(|remote| match remote {
        Some((oauth, file)) => keep(oauth, file.as_deref()),
        None => play(),
    });
    let Err(error) = done else { return ExitCode::SUCCESS };
    eprintln!("oauth: {error}");
    ExitCode::FAILURE
}

/// Keeps a login alive until it needs a person, and returns why it does. `hear` is called with each event.
fn keep_alive(
    start: OAuth,
    agent: &Agent,
    mut hear: impl FnMut(&Driver, &Event) -> Done,
) -> Done<Option<Blocked>> {
    // The API that the tokens are for. Nothing calls it here.
    let config = Config::builder(AllowedOrigin::https("https://api.example")?).build()?;
    let clocks = Clocks::start();
    let mut driver = Driver::new(Arc::new(config), seed());
    driver.start(Credentials::custom(Arc::new(start)), clocks.now());
    loop {
        match driver.poll(clocks.now()) {
            Output::Send(outgoing) => {
                println!("{:6.2} s  {outgoing}", clocks.now().since_start().as_secs_f64());
                let limit = outgoing.body_limit();
                let (id, request, timeout) = outgoing.into_parts();
                match send(agent, request, timeout, limit) {
                    Ok(reply) => driver.handle_response(id, &reply, clocks.now()),
                    Err(why) => driver.handle_failure(id, why, clocks.now()),
                };
            }
            Output::Event(event) => {
                println!("{:6.2} s  {event}", clocks.now().since_start().as_secs_f64());
                hear(&driver, &event)?;
            }
            Output::Abandon(_) => {} // `send` has returned since
            Output::Wait(Wake::In(wait, _)) => thread::sleep(wait),
            Output::Wait(Wake::OnInput) => return Ok(driver.blocked()),
        }
    }
}

/// Keeps a login at a real service alive. The refresh token is stored as soon as there is another.
fn keep(oauth: OAuth, file: Option<&Path>) -> Done {
    // A connection that the service closes while a request is sent would lose a refresh token.
    let agent = agent(Agent::config_builder().max_idle_connections(0));
    let ended = keep_alive(oauth, &agent, |driver, event| {
        let next = driver.credentials().and_then(Credentials::downcast_ref::<OAuth>);
        let next = next.and_then(|oauth| oauth.refresh_token.as_ref());
        match (event, file, next) {
            (Event::CredentialsChanged, Some(file), Some(token)) => Ok(store(file, token)?),
            _ => Ok(()),
        }
    })?;
    Err(ended.map_or_else(|| "the login has ended".into(), Into::into))
}

/// Replaces the file in one step: after a crash, it holds the old token or the new one.
pub(crate) fn store(file: &Path, token: &str) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut written = File::create(&new)?;
    written.set_permissions(fs::metadata(file)?.permissions())?;
    written.write_all(token.as_bytes())?;
    written.sync_all()?;
    fs::rename(new, file)
}

/// Plays three generations of refresh tokens, and what follows when one is used a second time.
pub(crate) fn play() -> Done {
    let service = TokenService::new("app 1", "s3cret", Duration::from_secs(3));
    let endpoint = Endpoint::loopback(service.serve()?)?;
    let oauth = OAuth::new(endpoint, "app 1", "s3cret", Scopes::default());
    let oauth = oauth.with_refresh_token(service.log_in());
    let (stolen, agent) = (oauth.clone(), agent(Agent::config_builder().proxy(None)));
    let mut generations = 0;
    let ended = keep_alive(oauth, &agent, |_, event| {
        generations += u32::from(*event == Event::CredentialsChanged);
        if *event == Event::CredentialsChanged && generations == 3 {
            let reply = send(&agent, stolen.request()?, Duration::from_secs(5), BODY_LIMIT)?;
            println!(
                "          a thief sends the first refresh token, and gets {}",
                reply.status()
            );
        }
        Ok(())
    })?;
    match (generations, ended) {
        (3, Some(Blocked::Refused)) => Ok(()),
        other => Err(format!("it should end with a refusal after 3 generations: {other:?}").into()),
    }
}

/// Returns the client of a real service, and the file of its refresh token; `None` without arguments.
fn arguments() -> Done<Option<(OAuth, Option<PathBuf>)>> {
    let (mut endpoint, mut id, mut file) = (None, None, None);
    let (mut scopes, mut rotates) = (Vec::new(), true);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("token-endpoint") => endpoint = Some(parser.value()?.string()?),
            Long("client-id") => id = Some(parser.value()?.string()?),
            Long("scope") => scopes.push(parser.value()?.parse::<Scope>()?),
            Long("refresh-token-file") => file = Some(PathBuf::from(parser.value()?)),
            Long("no-rotation") => rotates = false,
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(endpoint) = endpoint else {
        let alone = id.is_none() && file.is_none() && scopes.is_empty() && rotates;
        return if alone { Ok(None) } else { Err("--token-endpoint is missing".into()) };
    };
    let endpoint = shared::settings::endpoint(&endpoint)?;
    let id = id.ok_or("--client-id is missing")?;
    let secret = setting(None, "OAUTH_CLIENT_SECRET")?.ok_or("OAUTH_CLIENT_SECRET is not set")?;
    let secret = Zeroizing::new(secret.text);
    let mut oauth = OAuth::new(endpoint, &id, &secret, scopes.into_iter().collect());
    oauth.rotates = rotates;
    if let Some(file) = &file {
        oauth = oauth.with_refresh_token(fs::read_to_string(file)?.trim_ascii());
    }
    Ok(Some((oauth, file)))
}
