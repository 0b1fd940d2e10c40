//! The command line.

use std::env::{VarError, var};
use std::error::Error;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short};
use lexopt::ValueExt;
use videokit_session::{ApiToken, Identity, Scope, Scopes};

use crate::remote::{self, Remote};

/// The environment variable that the API token comes from: an argument would show in lists of processes.
const TOKEN_VARIABLE: &str = "VIDEOKIT_API_TOKEN";

pub(crate) const HELP: &str = "\
Keeps a login alive with a driver, against its own gateway and backend on 127.0.0.1, through
everything that can go wrong, in about fifteen seconds.

Usage: quickstart [--trace FILE]
       quickstart --gateway URL --identity ID [--scope NAME]... [--legacy]

  --trace FILE     write down what happens, to be drawn by the example `timeline`
  --gateway URL    log in once at this gateway instead, show what it grants, and stop: the address
                   of its sessions, such as https://gateway.video.io/v1/sessions; /v1/sessions is
                   added to one that ends after its host. Plain http is for 127.0.0.1 and the like
  --identity ID    the unique id of the user or device to log in as
  --scope NAME     ask for this scope, such as videos.read; may be given again
  --legacy         speak the legacy dialect (https://api.video.io/v1/sessions), which has no scopes
  --help           show this

The API token for --gateway comes from the environment variable VIDEOKIT_API_TOKEN. No token is ever
printed. Exit codes: 0 for success, 1 for failure, 2 for a command line that makes no sense.";

/// What to do.
pub(crate) enum Command {
    Help,
    Play { trace: Option<PathBuf> },
    Remote(Remote),
}

pub(crate) fn command() -> Result<Command, Box<dyn Error>> {
    let (mut gateway, mut identity, mut scopes, mut legacy) = (None, None, Vec::new(), false);
    let mut trace = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("trace") => trace = Some(PathBuf::from(parser.value()?)),
            Long("gateway") => gateway = Some(parser.value()?.string()?),
            Long("identity") => identity = Some(parser.value()?.string()?),
            Long("scope") => scopes.push(parser.value()?.parse::<Scope>()?),
            Long("legacy") => legacy = true,
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    let scopes: Scopes = scopes.into_iter().collect();
    let Some(url) = gateway else {
        let alone = identity.is_none() && scopes.is_empty() && !legacy;
        return if alone {
            Ok(Command::Play { trace })
        } else {
            Err("--gateway is missing".into())
        };
    };
    if trace.is_some() {
        return Err("--trace and --gateway exclude each other".into());
    }
    if legacy && !scopes.is_empty() {
        return Err(
            "--legacy and --scope exclude each other: the legacy dialect has no scopes".into()
        );
    }
    let (endpoint, origin) = remote::address(&url).map_err(|e| format!("--gateway: {e}"))?;
    let identity = Identity::new(identity.ok_or("--identity is missing")?)?;
    let api_token = api_token()?;
    Ok(Command::Remote(Remote { endpoint, origin, identity, scopes, legacy, api_token }))
}

fn api_token() -> Result<ApiToken, Box<dyn Error>> {
    match var(TOKEN_VARIABLE) {
        Ok(token) => Ok(ApiToken::try_from(token).map_err(|e| format!("{TOKEN_VARIABLE}: {e}"))?),
        Err(VarError::NotPresent) => {
            Err(format!("{TOKEN_VARIABLE} is not set: put the API token there").into())
        }
        Err(VarError::NotUnicode(_)) => Err(format!("{TOKEN_VARIABLE} is not text").into()),
    }
}
