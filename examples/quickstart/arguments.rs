//! The command line.

use std::env::{VarError, var};
use std::error::Error;
use std::ffi::OsString;
use std::fs::read_to_string;
use std::path::PathBuf;

use http::header::{COOKIE, HeaderName, HeaderValue};
use lexopt::Arg::{Long, Short};
use lexopt::ValueExt;
use videokit_session::{ApiToken, Identity, Scope, Scopes};

use crate::probe::Probe;
use crate::remote::{self, Remote};

/// The environment variable that the API token comes from: an argument would show in lists of processes.
const TOKEN_VARIABLE: &str = "VIDEOKIT_API_TOKEN";

pub(crate) const HELP: &str = "\
Keeps a login alive with a driver, against its own gateway and backend on 127.0.0.1, through
everything that can go wrong, in about fifteen seconds.

Usage: quickstart [--trace FILE]
       quickstart --gateway URL --identity ID [--scope NAME]... [--legacy]
       quickstart --backend URL [--identity ID] [--cookie @FILE] [--header @FILE]...

  --trace FILE     write down what happens, to be drawn by the example `timeline`
  --gateway URL    log in once at this gateway instead, show what it grants, and stop: the address
                   of its sessions, such as https://gateway.video.io/v1/sessions; /v1/sessions is
                   added to one that ends after its host. Plain http is for 127.0.0.1 and the like
  --backend URL    ask a backend of yours for a token instead, once: say what its reply is, and what to
                   change if it is none; such as https://app.example/token
  --cookie @FILE   the cookies of a user's login at the backend, as the file holds them: name=value
  --header @FILE   a header that the backend wants, as the file holds it: Name: value; may be given again
  --identity ID    the unique id of the user or device to log in as; with --backend, the one that its
                   reply has to name
  --scope NAME     ask for this scope, such as videos.read; may be given again
  --legacy         speak the legacy dialect (https://api.video.io/v1/sessions), which has no scopes
  --help           show this

The API token for --gateway comes from the environment variable VIDEOKIT_API_TOKEN. No token is ever
printed, nor what is in those files. Exit codes: 0 for success, 1 for failure, 2 for a command line that makes no sense.";

/// What to do.
pub(crate) enum Command {
    Help,
    Play { trace: Option<PathBuf> },
    Remote(Remote),
    Probe(Probe),
}

/// The arguments as they were given.
#[derive(Default)]
struct Arguments {
    trace: Option<PathBuf>,
    gateway: Option<String>,
    backend: Option<String>,
    identity: Option<String>,
    scopes: Vec<Scope>,
    legacy: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
}

pub(crate) fn command() -> Result<Command, Box<dyn Error>> {
    let mut given = Arguments::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("trace") => given.trace = Some(PathBuf::from(parser.value()?)),
            Long("gateway") => given.gateway = Some(parser.value()?.string()?),
            Long("backend") => given.backend = Some(parser.value()?.string()?),
            Long("identity") => given.identity = Some(parser.value()?.string()?),
            Long("scope") => given.scopes.push(parser.value()?.parse::<Scope>()?),
            Long("legacy") => given.legacy = true,
            Long("cookie") => given.headers.push(cookie(parser.value()?)?),
            Long("header") => given.headers.push(header(parser.value()?)?),
            Long("help") | Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    match (given.gateway.take(), given.backend.take()) {
        (None, None) => given.play(),
        (Some(_), Some(_)) => Err("--gateway and --backend exclude each other".into()),
        (Some(url), None) => given.remote(&url),
        (None, Some(url)) => given.probe(&url),
    }
}

impl Arguments {
    fn play(self) -> Result<Command, Box<dyn Error>> {
        if !self.headers.is_empty() {
            return Err("--backend is missing".into());
        }
        if self.identity.is_some() || !self.scopes.is_empty() || self.legacy {
            return Err("--gateway is missing, or --backend".into());
        }
        Ok(Command::Play { trace: self.trace })
    }

    fn remote(self, url: &str) -> Result<Command, Box<dyn Error>> {
        if self.trace.is_some() || !self.headers.is_empty() {
            return Err("--trace, --cookie and --header don't go with --gateway".into());
        }
        if self.legacy && !self.scopes.is_empty() {
            return Err(
                "--legacy and --scope exclude each other: the legacy dialect has no scopes".into(),
            );
        }
        let (endpoint, origin) = remote::address(url).map_err(|e| format!("--gateway: {e}"))?;
        let identity = Identity::new(self.identity.ok_or("--identity is missing")?)?;
        let (scopes, legacy) = (self.scopes.into_iter().collect::<Scopes>(), self.legacy);
        let api_token = api_token()?;
        Ok(Command::Remote(Remote { endpoint, origin, identity, scopes, legacy, api_token }))
    }

    fn probe(self, url: &str) -> Result<Command, Box<dyn Error>> {
        if self.trace.is_some() || !self.scopes.is_empty() || self.legacy {
            return Err("--trace, --scope and --legacy don't go with --backend".into());
        }
        let endpoint = remote::endpoint(url).map_err(|e| format!("--backend: {e}"))?;
        let identity = self.identity.map(Identity::new).transpose()?;
        Ok(Command::Probe(Probe { endpoint, headers: self.headers, identity }))
    }
}

/// Reads the file that an argument names. A secret in the argument would show in lists of processes.
fn secret(argument: OsString, option: &str) -> Result<String, Box<dyn Error>> {
    let argument = argument.string()?;
    let Some(path) = argument.strip_prefix('@') else {
        return Err(
            format!("{option} takes a file: put the secret into one, and give @FILE").into()
        );
    };
    let text = read_to_string(path).map_err(|error| format!("{option} {path}: {error}"))?;
    Ok(text.trim().to_owned())
}

fn cookie(argument: OsString) -> Result<(HeaderName, HeaderValue), Box<dyn Error>> {
    let text = secret(argument, "--cookie")?;
    let value = text.parse().map_err(|_| "--cookie: the file holds no value of a header")?;
    Ok((COOKIE, value))
}

fn header(argument: OsString) -> Result<(HeaderName, HeaderValue), Box<dyn Error>> {
    let text = secret(argument, "--header")?;
    let (name, value) = text.split_once(':').ok_or("--header: the file holds no `Name: value`")?;
    let name = name.trim().parse().map_err(|_| "--header: the file names no header")?;
    let value =
        value.trim().parse().map_err(|_| "--header: the file holds no value of a header")?;
    Ok((name, value))
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
