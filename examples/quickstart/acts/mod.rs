//! The acts, in their order.

mod ending;
mod login;
mod trouble;
mod unauthorized;

use std::time::Duration;

use videokit_session::exchange::Endpoint;
use videokit_session::{ApiToken, Backend, Credentials, Gateway, Identity, Scope};

use crate::SESSIONS;
use crate::player::{Done, Player};
use crate::weather::Weather::{self, Busy, Clear, Held, Outage, Portal};

/// Who uses the app, and who comes after.
const USER: &str = "user-17";
const OTHER_USER: &str = "user-18";

/// So long that it is not renewed within the play.
const LONG: Duration = Duration::from_secs(120);

/// What the requests for tokens meet, up to the act "A captive portal", in their order. It is told
/// beforehand, so that a renewal never comes too early for it, however slow this machine is; and each of
/// these acts ends with a reply that is held until the act has seen enough.
const FORECAST: [Weather; 10] =
    [Clear, Clear, Held, Outage, Outage, Held, Busy, Held, Portal, Held];

/// The whole play.
pub(crate) fn play(player: &mut Player<'_>, api_token: &str) -> Done {
    player.servers.forecast(&FORECAST);
    login::refused(player)?;
    login::development(player, api_token)?;
    login::other_origin(player)?;
    login::renewal(player)?;
    trouble::outage(player)?;
    trouble::throttled(player)?;
    trouble::portal(player)?;
    trouble::no_network(player)?;
    trouble::another_user(player, api_token)?;
    unauthorized::recovered(player)?;
    unauthorized::surfaced(player)?;
    ending::late_reply(player, api_token)?;
    ending::expiry(player)?;
    ending::production(player)
}

/// What an app holds in development: the API token, and with it every user.
fn gateway(player: &Player<'_>, api_token: &str, user: &str) -> Done<Credentials> {
    let endpoint = Endpoint::loopback(format!("{}{SESSIONS}", player.servers.gateway))?;
    let gateway = Gateway::new(ApiToken::new(api_token)?, Identity::new(user)?)
        .scopes([Scope::VIDEOS_READ].into_iter().collect())
        .endpoint(endpoint);
    Ok(Credentials::for_development(gateway))
}

/// What an app holds in production: the way to its own backend. (A real one would ask for a cookie.)
fn backend(player: &Player<'_>, user: &str) -> Done<Backend> {
    let endpoint = Endpoint::loopback(format!("{}/token/{user}", player.servers.backend))?;
    Ok(Backend::new(endpoint).identity(Identity::new(user)?))
}
