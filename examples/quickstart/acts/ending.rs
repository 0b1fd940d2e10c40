//! How logins end: by a stop, or with the token; and the login that apps in production have.

use std::thread::sleep;
use std::time::Duration;

use http::StatusCode;
use videokit_session::driver::{AuthorizeError, Blocked};
use videokit_session::exchange::BODY_LIMIT;
use videokit_session::session::transitions::Cause;
use videokit_session::{Credentials, Driver, Event, Grant, Validity};

use super::{LONG, OTHER_USER, USER, backend, gateway};
use crate::player::{Done, Player};
use crate::timeline::Timeline;
use crate::weather::Weather::Held;

/// Short, to be watched to its end.
const SHORT: Duration = Duration::from_secs(3);

pub(super) fn late_reply(player: &Player<'_>, api_token: &str) -> Done {
    Timeline::act("12. Stop: the token is wiped, and a reply that comes late revives nothing");
    let not_started = AuthorizeError::Start(Blocked::NotStarted);
    player.stop();
    player.until(Cause::Stopped)?;
    player.cannot_call(&player.videos(), not_started)?;
    player.servers.forecast(&[Held]);
    player.start("user-18, with the API token", gateway(player, api_token, OTHER_USER)?);
    player.until(Cause::Started)?;
    player.until_held(1)?;
    player.stop();
    player.until(Cause::Stopped)?;
    player.servers.release();
    player.until_late()?;
    player.cannot_call(&player.videos(), not_started)
}

pub(super) fn expiry(player: &mut Player<'_>) -> Done {
    Timeline::act("13. Expiry: a token that was obtained elsewhere, so that nobody renews it");
    player.servers.set_lifetime(SHORT);
    player.start("user-17, with a token that the app has got by itself", fetch(player)?);
    player.until(Cause::Adopted)?;
    player.show_token()?;
    player.until_told(|event| matches!(event, Event::TokenNeeded(_)), "the event TokenNeeded")?;
    loop {
        let remaining = player.runner.look(Driver::remaining);
        let remaining = remaining.ok_or("the token was gone before it was unsure")?;
        if remaining.validity() != Validity::Valid {
            break;
        }
        sleep(Duration::from_millis(remaining.at_least_millis().unsigned_abs()));
    }
    player.show_token()?;
    player.call(StatusCode::OK)?;
    player.until(Cause::Lapsed)?;
    player.cannot_call(&player.videos(), AuthorizeError::Start(Blocked::NoCredentials))
}

/// Asks for a token without the driver.
fn fetch(player: &Player<'_>) -> Done<Grant> {
    let backend = backend(player, USER)?;
    let reply = player.transport.send(backend.request(), Duration::from_secs(15), BODY_LIMIT)?;
    Ok(backend.read(&reply)?)
}

pub(super) fn production(player: &mut Player<'_>) -> Done {
    Timeline::act("14. In production: the app's own backend, which alone knows the API token");
    player.servers.set_lifetime(LONG);
    player.start("user-17, at the app's backend", Credentials::backend(backend(player, USER)?));
    player.until(Cause::Granted)?;
    player.show_token()?;
    player.call(StatusCode::OK)?;
    player.stop();
    player.until(Cause::Stopped)
}
