//! A gateway, a customer's backend and a client in one process, and what they say to each other.
//!
//! ```sh
//! cargo run --example quickstart
//! VIDEOKIT_API_TOKEN=… cargo run --example quickstart -- --gateway https://gateway.video.io/v1/sessions --identity user-17
//! ```

mod client;
mod remote;
mod servers;
mod timeline;
mod transport;

use std::env::{VarError, var};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use anstream::{eprintln, println};
use lexopt::Arg::{Long, Short};
use lexopt::ValueExt;
use videokit_session::{ApiToken, Identity, Scope, Scopes, sim};

use client::Client;
use remote::Remote;
use servers::Servers;

/// The environment variable that the API token comes from: an argument would show in lists of processes.
const TOKEN_VARIABLE: &str = "VIDEOKIT_API_TOKEN";

/// What the local gateway and the local backend share.
const LOCAL_API_TOKEN: &str = "quickstart-app:quickstart-secret";

/// Short, so that a token's whole life can be watched.
const LIFETIME: Duration = Duration::from_secs(6);

const HELP: &str = "\
Plays a session against a gateway and a backend of its own, on 127.0.0.1, in about ten seconds.

Usage: quickstart
       quickstart --gateway URL --identity ID [--scope NAME]... [--older]

  --gateway URL    log in once at this gateway instead, show what it grants, and stop: the address
                   of its sessions, such as https://gateway.video.io/v1/sessions; /v1/sessions is
                   added to one that ends after its host. Plain http is for 127.0.0.1 and the like
  --identity ID    the unique id of the user or device to log in as
  --scope NAME     ask for this scope, such as videos.read; may be given again
  --older          speak the older dialect (https://api.video.io/v1/sessions), which has no scopes
  --help           show this

The API token for --gateway comes from the environment variable VIDEOKIT_API_TOKEN. No token is ever
printed. Exit codes: 0 for success, 1 for failure, 2 for a command line that makes no sense.";

fn main() -> ExitCode {
    let remote = match arguments() {
        Ok(Some(Command::Help)) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Some(Command::Remote(remote))) => Some(remote),
        Ok(None) => None,
        Err(error) => {
            eprintln!("quickstart: {error}\nSee --help.");
            return ExitCode::from(2);
        }
    };
    let done = match remote {
        Some(remote) => remote.run(),
        None => play(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Command {
    Help,
    Remote(Remote),
}

fn arguments() -> Result<Option<Command>, Box<dyn Error>> {
    let (mut gateway, mut identity, mut scopes, mut older) = (None, None, Vec::new(), false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("gateway") => gateway = Some(parser.value()?.string()?),
            Long("identity") => identity = Some(parser.value()?.string()?),
            Long("scope") => scopes.push(parser.value()?.parse::<Scope>()?),
            Long("older") => older = true,
            Long("help") | Short('h') => return Ok(Some(Command::Help)),
            other => return Err(other.unexpected().into()),
        }
    }
    let scopes: Scopes = scopes.into_iter().collect();
    let Some(url) = gateway else {
        let alone = identity.is_none() && scopes.is_empty() && !older;
        return if alone { Ok(None) } else { Err("--gateway is missing".into()) };
    };
    if older && !scopes.is_empty() {
        return Err(
            "--older and --scope exclude each other: the older dialect has no scopes".into()
        );
    }
    let (endpoint, origin) = remote::address(&url).map_err(|e| format!("--gateway: {e}"))?;
    let identity = Identity::new(identity.ok_or("--identity is missing")?)?;
    let api_token = match var(TOKEN_VARIABLE) {
        Ok(token) => ApiToken::try_from(token).map_err(|e| format!("{TOKEN_VARIABLE}: {e}"))?,
        Err(VarError::NotPresent) => {
            return Err(format!("{TOKEN_VARIABLE} is not set: put the API token there").into());
        }
        Err(VarError::NotUnicode(_)) => return Err(format!("{TOKEN_VARIABLE} is not text").into()),
    };
    Ok(Some(Command::Remote(Remote { endpoint, origin, identity, scopes, older, api_token })))
}

fn play() -> Result<(), Box<dyn Error>> {
    let servers = Servers::start(LOCAL_API_TOKEN, LIFETIME)?;
    println!(
        "One session from login to stop: -> is sent, <- comes back, and the state stands before it.\n"
    );
    println!("gateway  {}   (its tokens live for {} s)", servers.gateway, LIFETIME.as_secs());
    println!("backend  {}   (it alone knows the API token)", servers.backend);
    let mut client = Client::new(&servers);
    client.run(LOCAL_API_TOKEN)?;
    compare(client.counts, servers.counts())?;
    println!("\nNext: README.md, and `cargo doc --open`.");
    Ok(())
}

/// Holds what the client counted against what the gateway did.
fn compare(client: sim::Counts, gateway: sim::Counts) -> Result<(), Box<dyn Error>> {
    println!("\n{:<26}{:>8}{:>9}", "counted by", "client", "gateway");
    for (what, client, gateway) in [
        ("tokens granted", client.granted, gateway.granted),
        ("tokens refused", client.refused, gateway.refused),
        ("API calls served", client.served, gateway.served),
        ("API calls answered 401", client.unauthorized, gateway.unauthorized),
        ("anything else", client.unknown, gateway.unknown),
    ] {
        println!("{what:<26}{client:>8}{gateway:>9}");
    }
    if client != gateway {
        return Err("client and gateway do not agree".into());
    }
    println!("They agree.");
    Ok(())
}
