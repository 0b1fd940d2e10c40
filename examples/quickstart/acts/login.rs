//! A login as it should be: refused without the right credentials, renewed with them.

use http::StatusCode;
use videokit_session::driver::{AuthorizeError, Blocked};
use videokit_session::session::transitions::Cause;

use super::{USER, gateway};
use crate::player::{Done, Player};
use crate::timeline::Timeline;

pub(super) fn refused(player: &Player<'_>) -> Done {
    Timeline::act("1. A wrong API token: refused for good, so the driver asks no more");
    player.start("user-17, with a wrong API token", gateway(player, "not-the-token", USER)?);
    player.until(Cause::Denied)?;
    player.cannot_call(&player.videos(), AuthorizeError::Start(Blocked::Refused))
}

pub(super) fn development(player: &mut Player<'_>, api_token: &str) -> Done {
    Timeline::act("2. In development: an API token and an identity");
    player.start("user-17, with the API token", gateway(player, api_token, USER)?);
    player.until(Cause::Granted)?;
    player.show_token()?;
    player.call(StatusCode::OK)
}

pub(super) fn other_origin(player: &Player<'_>) -> Done {
    Timeline::act("3. The token goes to allowed origins only");
    player.cannot_call("https://elsewhere.example/v1/videos", AuthorizeError::OtherOrigin)
}

pub(super) fn renewal(player: &mut Player<'_>) -> Done {
    Timeline::act("4. Renewal: the app goes on meanwhile, with the old token");
    player.until(Cause::RenewalSent)?;
    let old = player.token();
    player.call(StatusCode::OK)?;
    player.call(StatusCode::OK)?;
    player.servers.release();
    player.until(Cause::Renewed)?;
    if player.token() <= old {
        return Err("the renewal gave no newer token".into());
    }
    player.call(StatusCode::OK)
}
