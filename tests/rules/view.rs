//! What a caller can see of a driver, before a step and after it: for the rules as properties, and for the
//! fuzzers' watch over them.

use std::time::Duration;

use http::Request;
use http::header::{AUTHORIZATION, HeaderValue};
use videokit_session::driver::{Counters, Stalled};
use videokit_session::session::transitions::{Cause, StateName, Transition};
use videokit_session::session::{Generation, RequestId};
use videokit_session::sim::{Harness, Seen, Step};
use videokit_session::{AnySession, Driver, Identity};

pub(crate) type World = Harness<Driver>;

/// What a caller can see of a driver at one time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    pub(crate) state: StateName,
    pub(crate) last: Option<Transition>,
    pub(crate) token: Option<String>,
    pub(crate) generation: Option<Generation>,
    pub(crate) identity: Option<Identity>,
    pub(crate) stalled: Option<Stalled>,
    pub(crate) counters: Counters,
    pub(crate) queued: usize,
    pub(crate) epoch: u64,
    /// How long until the current token is due for renewal.
    pub(crate) due: Option<Duration>,
}

/// One step of a play: what was done, and what came of it.
pub(crate) struct Turn<'a> {
    pub(crate) step: Step,
    pub(crate) before: &'a View,
    pub(crate) after: &'a View,
    /// Whether the driver will act as it would have before: only to be asked of replies and failures.
    pub(crate) same_future: bool,
    pub(crate) seen: &'a [Seen],
    pub(crate) live_before: Option<RequestId>,
    pub(crate) world: &'a World,
}

pub(crate) fn view(world: &World) -> View {
    let driver = world.driver();
    View {
        state: driver.state(),
        last: driver.session().last_transition(),
        token: token(world),
        generation: driver.generation(),
        identity: driver.identity().cloned(),
        stalled: driver.stalled(),
        counters: driver.counters(),
        queued: driver.queued(),
        epoch: driver.epoch(),
        due: match driver.session() {
            AnySession::Active(session) => Some(session.renewal_due_in(world.now())),
            _ => None,
        },
    }
}

/// The token that an API request gets now, which had another one on it.
fn token(world: &World) -> Option<String> {
    let mut request = Request::get("https://api.example/v1/videos").body(()).unwrap();
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer stray"));
    let authorized = world.driver().authorize(&mut request, world.now());
    let header = request.headers().get(AUTHORIZATION);
    assert_eq!(authorized.is_ok(), header.is_some(), "a header without authorization");
    Some(header?.to_str().unwrap().trim_start_matches("Bearer ").to_owned())
}

/// Whether requests were given up, and nothing else happened.
pub(crate) fn only_failures(seen: &[Seen]) -> bool {
    let mut causes = seen.iter().filter_map(|seen| match seen {
        Seen::Event(event) => event.transition().map(|transition| transition.cause),
        _ => None,
    });
    let given_up = seen.iter().any(|seen| matches!(seen, Seen::Abandoned(_)));
    given_up && causes.all(|cause| matches!(cause, Cause::Failed | Cause::RenewalFailed))
}
