//! Misuse, and inputs that nobody sends by accident.

use videokit_session::TransportFailure;

use crate::world::{HOUR, World};

/// A loop ignores it with a semicolon, and `?` has nothing to end a loop with.
#[test]
#[deny(unused_must_use)]
fn r9_a_late_reply_is_a_value_that_needs_no_handling() {
    let (mut world, id, reply) = World::with_a_late_reply(true);
    let now = world.now();
    assert!(world.driver.handle_failure(id, TransportFailure::Interrupted, now).is_accepted());
    world.driver.handle_response(id, &reply, now);
    assert_eq!(world.driver.counters().stale, 1);
    assert!(world.driver.handle_response(id, &reply, now).is_stale());
    assert!(World::new(HOUR).driver.handle_failure(id, TransportFailure::Other, now).is_stale());
}
