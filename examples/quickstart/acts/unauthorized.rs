//! What a 401 from the API leads to: a renewal; soon after that renewal, an event instead.

use http::StatusCode;
use videokit_session::Event;
use videokit_session::session::transitions::Cause;

use crate::player::{Done, Player};
use crate::timeline::Timeline;

pub(super) fn recovered(player: &mut Player<'_>) -> Done {
    Timeline::act("10. The API answers 401: one renewal, before it is due, helps");
    player.servers.revoke_all();
    player.timeline.app("(the gateway forgets all its tokens)");
    player.call(StatusCode::UNAUTHORIZED)?;
    player.until(Cause::Renewed)?;
    player.call(StatusCode::OK)
}

pub(super) fn surfaced(player: &mut Player<'_>) -> Done {
    Timeline::act("11. The API answers 401 to the renewed token, too: the app is told, once");
    player.servers.revoke_all();
    player.timeline.app("(the gateway forgets all its tokens)");
    let requests = player.runner.look(|driver, _now| driver.counters().requests);
    player.call(StatusCode::UNAUTHORIZED)?;
    player.until_told(|event| matches!(event, Event::Unauthorized(_)), "the event Unauthorized")?;
    player.call(StatusCode::UNAUTHORIZED)?;
    player.sends_nothing(requests, "its age is not the cause")
}
