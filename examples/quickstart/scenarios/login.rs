//! A login as it should be: refused without the right credentials, renewed with them.

use http::StatusCode;
use videokit_session::driver::{AuthorizeError, Blocked};
use videokit_session::session::transitions::Cause;

use super::{USER, gateway};
use crate::app::{App, Done};
use crate::timeline::Timeline;

pub(super) fn refused(app: &App<'_>) -> Done {
    Timeline::scenario("1. A wrong API token: refused for good, so the driver asks no more");
    app.start("user-17, with a wrong API token", gateway(app, "not-the-token", USER)?);
    app.until(Cause::Denied)?;
    app.cannot_call(&app.videos(), AuthorizeError::Start(Blocked::Refused))
}

pub(super) fn development(app: &mut App<'_>, api_token: &str) -> Done {
    Timeline::scenario("2. In development: an API token and an identity");
    app.start("user-17, with the API token", gateway(app, api_token, USER)?);
    app.until(Cause::Granted)?;
    app.show_token()?;
    app.call(StatusCode::OK)
}

pub(super) fn other_origin(app: &App<'_>) -> Done {
    Timeline::scenario("3. The token goes to allowed origins only");
    app.cannot_call("https://elsewhere.example/v1/videos", AuthorizeError::OtherOrigin)
}

pub(super) fn renewal(app: &mut App<'_>) -> Done {
    Timeline::scenario("4. Renewal: the app goes on meanwhile, with the old token");
    app.until(Cause::RenewalSent)?;
    let old = app.token();
    app.call(StatusCode::OK)?;
    app.call(StatusCode::OK)?;
    app.servers.release();
    app.until(Cause::Renewed)?;
    if app.token() <= old {
        return Err("the renewal gave no newer token".into());
    }
    app.call(StatusCode::OK)
}
