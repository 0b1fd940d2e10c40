//! The command line.

use std::error::Error;
use std::fs::read_to_string;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg::{Long, Short};
use lexopt::ValueExt;
use shared::clocks::seed;
use shared::settings::{Setting, setting};
use videokit_session::sim::FaultPlan;
use videokit_session::{ApiToken, Identity};

/// The environment variable that the API token can come from: an argument would show in lists of processes.
const TOKEN_VARIABLE: &str = "VIDEOKIT_API_TOKEN";

/// The API token unless another is given. It opens nothing but this gateway, and is printed.
const DEMO_TOKEN: &str = "my-app:my-secret";

pub(crate) const HELP: &str = "\
Serves the simulated gateway on 127.0.0.1, with a page to watch it and to make things go wrong.

Usage: gateway [OPTION]...

  --port PORT            the gateway's port (8700); 0 for any that is free
  --page-port PORT       the control page's port (8701); 0 for any that is free
  --identity ID          who is logged in at the backend: GET /token grants for this identity.
                         Without it, GET /token answers 400; GET /token/ID works either way
  --lifetime SECONDS     how long a session token lives: 1 to 31622400 seconds (600)
  --plan FILE            faults that begin and end by themselves: one line {\"fault_plan\":1}, and for
                         each fault a line {\"at_ms\":60000,\"lasts_ms\":5000,\"fault\":\"lost\"}, in
                         milliseconds from the start
  --seed NUMBER          makes the same session tokens in each run; random without
  --api-token-file FILE  the file with the API token
  --help                 show this

The API token comes from --api-token-file, else from the environment variable VIDEOKIT_API_TOKEN; such
a one is never printed. Without either, it is my-app:my-secret. Ctrl-C ends the program.
Exit codes: 0 for success, 1 for failure, 2 for a command line or a file that makes no sense.";

/// What to serve.
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) page_port: u16,
    pub(crate) identity: Option<Identity>,
    pub(crate) lifetime: Duration,
    pub(crate) plan: FaultPlan,
    pub(crate) seed: u64,
    pub(crate) api_token: String,
    /// Where the API token is from; its value, if it is no secret.
    pub(crate) api_token_source: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 8700,
            page_port: 8701,
            identity: None,
            lifetime: Duration::from_secs(600),
            plan: FaultPlan::default(),
            seed: seed(),
            api_token: DEMO_TOKEN.to_owned(),
            api_token_source: format!("{DEMO_TOKEN} (another: --api-token-file)"),
        }
    }
}

/// Reads the command line. `None` is a request for help.
pub(crate) fn options() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options::default();
    let mut token_file = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("port") => options.port = parser.value()?.parse()?,
            Long("page-port") => options.page_port = parser.value()?.parse()?,
            Long("identity") => {
                options.identity = Some(Identity::new(parser.value()?.string()?)?);
            }
            Long("lifetime") => {
                let text = parser.value()?.string()?;
                let seconds =
                    text.parse().ok().filter(|seconds| (1..=31_622_400).contains(seconds));
                let expected = || format!("--lifetime: expected 1 to 31622400, found {text:?}");
                options.lifetime = Duration::from_secs(seconds.ok_or_else(expected)?);
            }
            Long("plan") => {
                let path = PathBuf::from(parser.value()?);
                let source = path.display();
                let text = read_to_string(&path).map_err(|error| format!("{source}: {error}"))?;
                options.plan = text.parse().map_err(|error| format!("{source}: {error}"))?;
            }
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("api-token-file") => token_file = Some(PathBuf::from(parser.value()?)),
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    if let Some(Setting { text, source, .. }) = setting(token_file.as_deref(), TOKEN_VARIABLE)? {
        ApiToken::new(&*text).map_err(|error| format!("{source}: {error}"))?;
        options.api_token = text;
        options.api_token_source = format!("from {source}");
    }
    Ok(Some(options))
}
