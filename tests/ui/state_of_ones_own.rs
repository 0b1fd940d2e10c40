//! The set of states is closed.
use videokit_session::session::State;
use videokit_session::session::transitions::StateName;

struct Immortal;

impl State for Immortal {
    const NAME: StateName = StateName::Active;
}

fn main() {}
