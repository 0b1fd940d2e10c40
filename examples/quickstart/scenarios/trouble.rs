//! What goes wrong on the way to a token, and costs nobody the login.

use http::StatusCode;
use videokit_session::driver::AuthorizeError;
use videokit_session::session::transitions::Cause;

use super::{LONG, OTHER_USER, gateway};
use crate::app::{App, Done};
use crate::conditions::BUSY_FOR;
use crate::conditions::Condition::{Clear, Delayed};
use crate::timeline::Timeline;

pub(super) fn outage(app: &mut App<'_>) -> Done {
    Timeline::scenario(
        "5. An outage of the gateway: the driver backs off, and the old token serves",
    );
    app.until(Cause::RenewalDenied)?;
    app.until(Cause::RenewalDenied)?;
    app.until(Cause::RenewalSent)?;
    renewed_after_all(app)
}

pub(super) fn throttled(app: &mut App<'_>) -> Done {
    Timeline::scenario("6. A busy gateway: it is left alone for as long as it asks");
    app.until(Cause::RenewalDenied)?;
    app.until(Cause::RenewalSent)?;
    app.until_held(1)?;
    let (left_alone, asked) = (app.servers.left_alone().unwrap_or_default(), BUSY_FOR);
    // The driver counts whole milliseconds.
    if left_alone.as_millis() + 1 < asked.as_millis() {
        return Err(format!("the gateway was left alone for {left_alone:?} only").into());
    }
    let (left_alone, asked) = (left_alone.as_secs_f64(), asked.as_secs());
    app.timeline.app(format_args!(
        "(the gateway had asked for {asked} s, and was left alone for {left_alone:.2} s)"
    ));
    renewed_after_all(app)
}

pub(super) fn portal(app: &mut App<'_>) -> Done {
    Timeline::scenario("7. A captive portal's page for a reply: no logout");
    app.until(Cause::RenewalDenied)?;
    app.until(Cause::RenewalSent)?;
    app.until_held(1)?;
    app.call(StatusCode::OK)?;
    // For the next scenario. Not after the reply: the next renewal could come before the cable is pulled.
    app.transport.plug_in(false);
    app.servers.release();
    app.until(Cause::Renewed)
}

/// After failed tries, the old token serves until the reply comes that is still held.
fn renewed_after_all(app: &mut App<'_>) -> Done {
    app.call(StatusCode::OK)?;
    app.servers.release();
    app.until(Cause::Renewed)?;
    app.call(StatusCode::OK)
}

pub(super) fn no_network(app: &mut App<'_>) -> Done {
    Timeline::scenario(
        "8. The network is lost: the token stays, and nothing is sent until it is back",
    );
    app.timeline.app("(the cable is pulled)");
    app.until(Cause::RenewalFailed)?;
    app.set_online(false);
    let requests = app.runner.look(|driver, _now| driver.counters().requests);
    app.sends_nothing(requests, "the driver is offline")?;
    app.show_token()?;
    // Also for the next scenario, while nothing can come too early for it.
    app.servers.schedule(&[Clear, Delayed, Delayed]);
    app.transport.plug_in(true);
    app.timeline.app("(the cable is back)");
    app.set_online(true);
    app.until(Cause::Renewed)?;
    app.call(StatusCode::OK)
}

pub(super) fn another_user(app: &mut App<'_>, api_token: &str) -> Done {
    Timeline::scenario(
        "9. Another user: the first one's token serves no more, nor does one on its way",
    );
    app.until(Cause::RenewalSent)?;
    app.until_held(1)?;
    app.servers.set_lifetime(LONG);
    app.start("user-18, with the API token", gateway(app, api_token, OTHER_USER)?);
    app.until(Cause::Started)?;
    app.cannot_call(&app.videos(), AuthorizeError::Wait)?;
    app.servers.release();
    app.until_late()?;
    app.cannot_call(&app.videos(), AuthorizeError::Wait)?;
    app.servers.release();
    app.until(Cause::Granted)?;
    app.show_token()?;
    app.call(StatusCode::OK)
}
