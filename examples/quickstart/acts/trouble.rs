//! What goes wrong on the way to a token, and costs nobody the login.

use http::StatusCode;
use videokit_session::driver::AuthorizeError;
use videokit_session::session::transitions::Cause;

use super::{LONG, OTHER_USER, gateway};
use crate::player::{Done, Player};
use crate::timeline::Timeline;
use crate::weather::BUSY_FOR;
use crate::weather::Weather::{Clear, Held};

pub(super) fn outage(player: &mut Player<'_>) -> Done {
    Timeline::act("5. An outage of the gateway: the driver backs off, and the old token serves");
    player.until(Cause::RenewalDenied)?;
    player.until(Cause::RenewalDenied)?;
    player.until(Cause::RenewalSent)?;
    renewed_after_all(player)
}

pub(super) fn throttled(player: &mut Player<'_>) -> Done {
    Timeline::act("6. A busy gateway: it is left alone for as long as it asks");
    player.until(Cause::RenewalDenied)?;
    player.until(Cause::RenewalSent)?;
    player.until_held(1)?;
    let (left_alone, asked) = (player.servers.left_alone().unwrap_or_default(), BUSY_FOR);
    // The driver counts whole milliseconds.
    if left_alone.as_millis() + 1 < asked.as_millis() {
        return Err(format!("the gateway was left alone for {left_alone:?} only").into());
    }
    let (left_alone, asked) = (left_alone.as_secs_f64(), asked.as_secs());
    player.timeline.app(format_args!(
        "(the gateway had asked for {asked} s, and was left alone for {left_alone:.2} s)"
    ));
    renewed_after_all(player)
}

pub(super) fn portal(player: &mut Player<'_>) -> Done {
    Timeline::act("7. A captive portal's page for a reply: no logout");
    player.until(Cause::RenewalDenied)?;
    player.until(Cause::RenewalSent)?;
    player.until_held(1)?;
    player.call(StatusCode::OK)?;
    // For the next act. Not after the reply: the next renewal could come before the cable is pulled.
    player.transport.plug_in(false);
    player.servers.release();
    player.until(Cause::Renewed)
}

/// After failed tries, the old token serves until the reply comes that is still held.
fn renewed_after_all(player: &mut Player<'_>) -> Done {
    player.call(StatusCode::OK)?;
    player.servers.release();
    player.until(Cause::Renewed)?;
    player.call(StatusCode::OK)
}

pub(super) fn no_network(player: &mut Player<'_>) -> Done {
    Timeline::act("8. The network is lost: the token stays, and nothing is sent until it is back");
    player.timeline.app("(the cable is pulled)");
    player.until(Cause::RenewalFailed)?;
    player.set_online(false);
    let requests = player.runner.look(|driver, _now| driver.counters().requests);
    player.sends_nothing(requests, "the driver is offline")?;
    player.show_token()?;
    // Also for the next act, while nothing can come too early for it.
    player.servers.forecast(&[Clear, Held, Held]);
    player.transport.plug_in(true);
    player.timeline.app("(the cable is back)");
    player.set_online(true);
    player.until(Cause::Renewed)?;
    player.call(StatusCode::OK)
}

pub(super) fn another_user(player: &mut Player<'_>, api_token: &str) -> Done {
    Timeline::act("9. Another user: the first one's token serves no more, nor does one on its way");
    player.until(Cause::RenewalSent)?;
    player.until_held(1)?;
    player.servers.set_lifetime(LONG);
    player.start("user-18, with the API token", gateway(player, api_token, OTHER_USER)?);
    player.until(Cause::Started)?;
    player.cannot_call(&player.videos(), AuthorizeError::Wait)?;
    player.servers.release();
    player.until_late()?;
    player.cannot_call(&player.videos(), AuthorizeError::Wait)?;
    player.servers.release();
    player.until(Cause::Granted)?;
    player.show_token()?;
    player.call(StatusCode::OK)
}
