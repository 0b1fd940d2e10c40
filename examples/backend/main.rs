//! The backend of an app, for whoever runs one: it alone knows the API token, and hands each user who is logged in a
//! session token for their own identity.
//!
//! ```sh
//! cargo run --example backend # with a simulated gateway
//! curl --cookie-jar jar --data user=ann http://127.0.0.1:3000/login
//! curl --cookie jar http://127.0.0.1:3000/token
//!
//! VIDEOKIT_GATEWAY=https://gateway.video.io/v1/sessions cargo run --example backend -- --api-token-file FILE
//! ```
//!
//! Read `tokens.rs` first: a driver for each user, which asks the gateway once for any number of calls. `app.rs` has
//! the routes, and the login, where your own goes; `server.rs` the connections.
//!
//! For a gateway with https, give the crate `reqwest` its feature `rustls` in `examples/shared/Cargo.toml`: it is off, since it
//! takes long to build. This server speaks plain http on 127.0.0.1: your users come through a proxy that speaks https.

mod app;
mod server;
mod tokens;

use std::error::Error;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg::{Long, Short};
use lexopt::ValueExt;
use shared::clocks::Clocks;
use shared::interrupt::interrupted;
use shared::loopback::Site;
use shared::settings::{endpoint, setting};
use tokens::{Limits, Tokens};
use tokio::net::TcpListener;
use videokit_session::{ApiToken, Endpoint};

const HELP: &str = "\
Hands session tokens to users: POST user=NAME to /login, then GET /token with the cookie.

Usage: backend [OPTION]...

  --port N                listen on this port of 127.0.0.1: 3000 by default, 0 for a free one
  --api-token-file FILE   the file with the API token, in place of VIDEOKIT_API_TOKEN
  --gateway-file FILE     the file with the gateway's address, in place of VIDEOKIT_GATEWAY: that of
                          its sessions, such as https://gateway.video.io/v1/sessions

Without either, tokens come from a simulated gateway. Prints its address when it is ready, and logs to
stderr. Ctrl-C or SIGTERM ends it, once the calls under way are answered.";

/// The API token of the simulated gateway.
const SIMULATED: &str = "my-app:my-secret";

#[derive(Default)]
struct Arguments {
    port: Option<u16>,
    api_token_file: Option<PathBuf>,
    gateway_file: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = arguments()? else {
        println!("{HELP}");
        return Ok(());
    };
    let colour = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_ansi(colour).with_writer(io::stderr).init();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(arguments))
}

/// Reads the command line; `None` for help.
fn arguments() -> Result<Option<Arguments>, lexopt::Error> {
    let mut given = Arguments::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("port") => given.port = Some(parser.value()?.parse()?),
            Long("api-token-file") => given.api_token_file = Some(parser.value()?.into()),
            Long("gateway-file") => given.gateway_file = Some(parser.value()?.into()),
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(given))
}

async fn run(given: Arguments) -> Result<(), Box<dyn Error>> {
    let (gateway, api_token) = gateway(&given)?;
    tracing::info!(?gateway, "tokens come from there");
    let clocks = Clocks::start();
    let tokens = Tokens::new(gateway, api_token, Limits::default(), move || clocks.now())?;
    let listener = TcpListener::bind(("127.0.0.1", given.port.unwrap_or(3_000))).await?;
    let stop = interrupted()?;
    println!("session service listening on http://{}", listener.local_addr()?);
    server::serve(listener, app::router(tokens), stop).await;
    Ok(())
}

/// Returns the gateway's address and the API token: those that are set, or those of a simulated gateway if neither is.
fn gateway(given: &Arguments) -> Result<(Endpoint, ApiToken), Box<dyn Error>> {
    let url = setting(given.gateway_file.as_deref(), "VIDEOKIT_GATEWAY")?;
    let token = setting(given.api_token_file.as_deref(), "VIDEOKIT_API_TOKEN")?;
    if url.is_none() && token.is_none() {
        let simulated = Site::new(SIMULATED, Duration::from_secs(600)).serve()?;
        let sessions = Endpoint::loopback(format!("{simulated}/v1/sessions"))?;
        return Ok((sessions, ApiToken::new(SIMULATED)?));
    }
    let url = url.ok_or("no gateway: set VIDEOKIT_GATEWAY, or give --gateway-file")?;
    let token = token.ok_or("no API token: set VIDEOKIT_API_TOKEN, or give --api-token-file")?;
    let gateway = endpoint(&url.text).map_err(|error| format!("{}: {error}", url.source))?;
    let api_token = ApiToken::try_from(token.text);
    Ok((gateway, api_token.map_err(|error| format!("{}: {error}", token.source))?))
}
