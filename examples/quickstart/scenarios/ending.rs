//! How logins end: by a stop, or with the token; and the login that apps in production have.

use std::thread::sleep;
use std::time::Duration;

use http::StatusCode;
use videokit_session::driver::{AuthorizeError, Blocked};
use videokit_session::exchange::BODY_LIMIT;
use videokit_session::session::transitions::Cause;
use videokit_session::{Credentials, Driver, Event, Grant, Validity};

use super::{LONG, OTHER_USER, USER, backend, gateway};
use crate::app::{App, Done};
use crate::conditions::Condition::Delayed;
use crate::timeline::Timeline;

/// Short, to be watched to its end.
const SHORT: Duration = Duration::from_secs(3);

pub(super) fn late_reply(app: &App<'_>, api_token: &str) -> Done {
    Timeline::scenario("12. Stop: the token is wiped, and a reply that comes late revives nothing");
    let not_started = AuthorizeError::Start(Blocked::NotStarted);
    app.stop();
    app.until(Cause::Stopped)?;
    app.cannot_call(&app.videos(), not_started)?;
    app.servers.schedule(&[Delayed]);
    app.start("user-18, with the API token", gateway(app, api_token, OTHER_USER)?);
    app.until(Cause::Started)?;
    app.until_held(1)?;
    app.stop();
    app.until(Cause::Stopped)?;
    app.servers.release();
    app.until_late()?;
    app.cannot_call(&app.videos(), not_started)
}

pub(super) fn expiry(app: &mut App<'_>) -> Done {
    Timeline::scenario("13. Expiry: a token that was obtained elsewhere, so that nobody renews it");
    app.servers.set_lifetime(SHORT);
    app.start("user-17, with a token that the app has got by itself", fetch(app)?);
    app.until(Cause::Adopted)?;
    app.show_token()?;
    app.until_told(|event| matches!(event, Event::TokenNeeded(_)), "the event TokenNeeded")?;
    loop {
        let remaining = app.runner.look(Driver::remaining);
        let remaining = remaining.ok_or("the token was gone before it was unsure")?;
        if remaining.validity() != Validity::Valid {
            break;
        }
        sleep(Duration::from_millis(remaining.at_least_millis().unsigned_abs()));
    }
    app.show_token()?;
    app.call(StatusCode::OK)?;
    app.until(Cause::Lapsed)?;
    app.cannot_call(&app.videos(), AuthorizeError::Start(Blocked::NoCredentials))
}

/// Asks for a token without the driver.
fn fetch(app: &App<'_>) -> Done<Grant> {
    let backend = backend(app, USER)?;
    let reply = app.transport.send(backend.request(), Duration::from_secs(15), BODY_LIMIT)?;
    Ok(backend.read(&reply)?)
}

pub(super) fn production(app: &mut App<'_>) -> Done {
    Timeline::scenario("14. In production: the app's own backend, which alone knows the API token");
    app.servers.set_lifetime(LONG);
    app.start("user-17, at the app's backend", Credentials::backend(backend(app, USER)?));
    app.until(Cause::Granted)?;
    app.show_token()?;
    app.call(StatusCode::OK)?;
    app.stop();
    app.until(Cause::Stopped)
}
