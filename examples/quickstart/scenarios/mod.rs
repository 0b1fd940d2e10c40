//! The scenarios, in their order.

mod ending;
mod login;
mod trouble;
mod unauthorized;

use std::time::Duration;

use videokit_session::exchange::Endpoint;
use videokit_session::{ApiToken, Backend, Credentials, Gateway, Identity, Scope};

use crate::SESSIONS;
use crate::app::{App, Done};
use crate::conditions::Condition::{self, Busy, Clear, Delayed, Outage, Portal};

/// Who uses the app, and who comes after.
const USER: &str = "user-17";
const OTHER_USER: &str = "user-18";

/// So long that it is not renewed within the play.
const LONG: Duration = Duration::from_secs(120);

/// What the requests for tokens meet, up to the scenario "A captive portal", in their order. It is set
/// beforehand, so that a renewal never comes too early for it, however slow this machine is; and each of
/// these scenarios ends with a reply that is held until the scenario has seen enough.
const SCHEDULE: [Condition; 10] =
    [Clear, Clear, Delayed, Outage, Outage, Delayed, Busy, Delayed, Portal, Delayed];

/// The whole play.
pub(crate) fn play(app: &mut App<'_>, api_token: &str) -> Done {
    app.servers.schedule(&SCHEDULE);
    login::refused(app)?;
    login::development(app, api_token)?;
    login::other_origin(app)?;
    login::renewal(app)?;
    trouble::outage(app)?;
    trouble::throttled(app)?;
    trouble::portal(app)?;
    trouble::no_network(app)?;
    trouble::another_user(app, api_token)?;
    unauthorized::recovered(app)?;
    unauthorized::surfaced(app)?;
    ending::late_reply(app, api_token)?;
    ending::expiry(app)?;
    ending::production(app)
}

/// What an app holds in development: the API token, and with it every user.
fn gateway(app: &App<'_>, api_token: &str, user: &str) -> Done<Credentials> {
    let endpoint = Endpoint::loopback(format!("{}{SESSIONS}", app.servers.gateway))?;
    let gateway = Gateway::new(ApiToken::new(api_token)?, Identity::new(user)?)
        .scopes([Scope::VIDEOS_READ].into_iter().collect())
        .endpoint(endpoint);
    Ok(Credentials::for_development(gateway))
}

/// What an app holds in production: the way to its own backend. (A real one would ask for a cookie.)
fn backend(app: &App<'_>, user: &str) -> Done<Backend> {
    let endpoint = Endpoint::loopback(format!("{}/token/{user}", app.servers.backend))?;
    Ok(Backend::new(endpoint).identity(Identity::new(user)?))
}
