//! What a caller can see of a driver, before a step and after it: for the rules as properties, and for the
//! fuzzers' watch over them.

use http::Request;
use http::header::{AUTHORIZATION, COOKIE, HeaderValue};
use videokit_session::driver::{Blocked, Counters};
use videokit_session::exchange::{DenialKind, Flaw};
use videokit_session::session::transitions::{Cause, StateName, Transition};
use videokit_session::session::{Generation, RequestId};
use videokit_session::sim::{Harness, Seen, Step};
use videokit_session::time::Remaining;
use videokit_session::{Credentials, Driver, Event, Identity};

pub(crate) type World = Harness<Driver>;

/// What a caller can see of a driver at one time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    pub(crate) state: StateName,
    pub(crate) last: Option<Transition>,
    pub(crate) token: Option<String>,
    pub(crate) generation: Option<Generation>,
    pub(crate) identity: Option<Identity>,
    pub(crate) blocked: Option<Blocked>,
    pub(crate) counters: Counters,
    pub(crate) queued: usize,
    pub(crate) epoch: u64,
    /// What the next request is made with: where it goes, and its secret.
    pub(crate) credentials: Option<String>,
    /// How long the current token still lives at least, in milliseconds.
    pub(crate) at_least: Option<i64>,
}

/// One step of a play: what was done, and what came of it.
pub(crate) struct Turn<'a> {
    pub(crate) step: Step,
    pub(crate) before: &'a View,
    pub(crate) after: &'a View,
    pub(crate) seen: &'a [Seen],
    pub(crate) live_before: Option<RequestId>,
    pub(crate) world: &'a World,
}

pub(crate) fn view(world: &World) -> View {
    let driver = world.driver();
    View {
        state: driver.state(),
        last: driver.last_transition(),
        token: token(world),
        generation: driver.generation(),
        identity: driver.identity().cloned(),
        blocked: driver.blocked(),
        counters: driver.counters(),
        queued: driver.queued(),
        epoch: driver.epoch(),
        credentials: driver.credentials().map(asks),
        at_least: driver.remaining(world.now()).map(Remaining::at_least_millis),
    }
}

fn asks(credentials: &Credentials) -> String {
    let Ok(request) = credentials.exchange().request() else { return "nothing".to_owned() };
    let secret = request.headers().get(AUTHORIZATION).or(request.headers().get(COOKIE));
    format!("{} {:?}", request.uri(), secret.map(HeaderValue::as_bytes))
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

/// Whether a reply had a token for somebody else than the login is for: then credentials were set that are somebody
/// else's, or somebody else was named first.
pub(crate) fn names_another(seen: &Seen) -> bool {
    let Seen::Event(Event::Denied(_, denial)) = seen else { return false };
    matches!(denial.kind(), DenialKind::Malformed(Flaw::WrongIdentity { .. }))
}

/// Whether a step gives the driver a login or credentials.
pub(crate) fn is_start(step: Step) -> bool {
    matches!(step, Step::Start(_) | Step::SetCredentials(_))
}

/// Plays a script without the replies and failures that were stale, and compares what is seen.
pub(crate) fn stale_reports_change_nothing(
    played: &[(Step, Vec<Seen>, View)],
    mut world: World,
) -> Result<(), String> {
    for (step, expected, after) in played {
        let stale = matches!(expected[..], [Seen::Reported { taken: false, .. }]);
        match step {
            // The server makes its reply all the same, and with it a token.
            Step::Answer(_, answer) if stale => {
                let id = world.sent().first().map(|sent| sent.id);
                drop(id.or(world.foreign()).map(|id| world.reply(id, *answer)));
            }
            Step::Fail(..) if stale => {}
            step => {
                let seen = world.apply(*step);
                if seen != *expected {
                    return Err(format!("{step:?} gives {seen:?} in place of {expected:?}"));
                }
            }
        }
        let mut here = view(&world);
        here.counters.stale = after.counters.stale;
        if here != *after {
            return Err(format!("after {step:?} it is {here:?} in place of {after:?}"));
        }
    }
    Ok(())
}
