//! Where the app of an example logs in, and which API it calls: its arguments.

use std::error::Error;
use std::time::Duration;

use http::Uri;
use http::header::COOKIE;
use lexopt::prelude::{Long, Short, ValueExt};
use videokit_session::exchange::OriginError;
use videokit_session::{AllowedOrigin, Backend, Config, Endpoint, Identity};

use crate::loopback::Site;
use crate::settings::{endpoint, setting};

const HELP: &str = "\
Logs in at a backend, and calls an API with the token. Without arguments, both are a simulated gateway
on 127.0.0.1 whose tokens live for eight seconds.

  --backend URL   where the backend answers with a session token, such as https://app.example/token
  --api URL       what to call with it, such as https://api.video.io/v1/videos
  --help          show this

Plain http is for 127.0.0.1 and the like. How the backend knows its user goes into the environment
variable VIDEOKIT_COOKIE, as the value of the header Cookie.";

/// A login, the API to call with its token, and the configuration for both.
#[derive(Debug)]
pub struct Target {
    /// The login at the backend.
    pub backend: Backend,
    /// The address of the API.
    pub api: Uri,
    /// The configuration: the token goes to the API's origin only.
    pub config: Config,
}

impl Target {
    /// Reads the arguments of the program. `None` if they asked for help, which is printed.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_args() -> Result<Option<Self>, Box<dyn Error>> {
        let (mut backend, mut api) = (None, None);
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("backend") => backend = Some(parser.value()?.string()?),
                Long("api") => api = Some(parser.value()?.string()?),
                Long("help") | Short('h') => {
                    println!("{HELP}");
                    return Ok(None);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        match (backend, api) {
            (None, None) => Self::loopback().map(Some),
            (Some(backend), Some(api)) => Self::elsewhere(&backend, &api).map(Some),
            _ => Err("--backend and --api go together".into()),
        }
    }

    fn loopback() -> Result<Self, Box<dyn Error>> {
        let url = Site::new("my-app:my-secret", Duration::from_secs(8)).serve()?;
        let backend = Backend::new(Endpoint::loopback(format!("{url}/token/user-17"))?)
            .header(COOKIE, "login=abc".parse()?)
            .identity(Identity::new("user-17")?);
        // One machine, one clock: so that these tokens are valid for most of their short lives.
        let skew = Duration::from_secs(1);
        let config = Config::builder(AllowedOrigin::loopback(&url)?).backend_skew(skew).build()?;
        Ok(Self { backend, api: format!("{url}/v1/videos").parse()?, config })
    }

    fn elsewhere(backend: &str, api: &str) -> Result<Self, Box<dyn Error>> {
        let endpoint = endpoint(backend).map_err(|error| format!("--backend: {error}"))?;
        let mut backend = Backend::new(endpoint);
        if let Some(cookie) = setting(None, "VIDEOKIT_COOKIE")? {
            let value = cookie.text.parse().map_err(|_| "VIDEOKIT_COOKIE is no header value")?;
            backend = backend.header(COOKIE, value);
        }
        let api: Uri = api.parse().map_err(|error| format!("--api: {error}"))?;
        let (scheme, authority) = (api.scheme_str(), api.authority());
        let (scheme, authority) = scheme.zip(authority).ok_or("--api: give an absolute URL")?;
        let origin = format!("{scheme}://{authority}");
        let origin = match AllowedOrigin::https(&origin) {
            Err(OriginError::Insecure) => AllowedOrigin::loopback(&origin),
            other => other,
        };
        let origin = origin.map_err(|error| format!("--api: {error}"))?;
        Ok(Self { backend, api, config: Config::builder(origin).build()? })
    }
}
