//! What a 401 from the API leads to: a renewal; soon after that renewal, an event instead.

use http::StatusCode;
use videokit_session::Event;
use videokit_session::session::transitions::Cause;

use crate::app::{App, Done};
use crate::timeline::Timeline;

pub(super) fn recovered(app: &mut App<'_>) -> Done {
    Timeline::scenario("10. The API answers 401: one renewal, before it is due, helps");
    app.servers.revoke_all();
    app.timeline.app("(the gateway forgets all its tokens)");
    app.call(StatusCode::UNAUTHORIZED)?;
    app.until(Cause::Renewed)?;
    app.call(StatusCode::OK)
}

pub(super) fn surfaced(app: &mut App<'_>) -> Done {
    Timeline::scenario("11. The API answers 401 to the renewed token, too: one event for the app");
    app.servers.revoke_all();
    app.timeline.app("(the gateway forgets all its tokens)");
    let requests = app.runner.look(|driver, _now| driver.counters().requests);
    app.call(StatusCode::UNAUTHORIZED)?;
    app.until_told(|event| matches!(event, Event::Unauthorized(_)), "the event Unauthorized")?;
    app.call(StatusCode::UNAUTHORIZED)?;
    app.sends_nothing(requests, "its age is not the cause")
}
