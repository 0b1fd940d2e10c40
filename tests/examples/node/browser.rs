//! The control page of the example `gateway`, in headless Chromium. `npm ci` in this folder installs what drives it.

mod run;

#[path = "../gateway/program.rs"]
mod program;

use program::Program;
use program::example::arguments::Options;
use videokit_session::sim::{Fault, FaultPlan, Incident};

#[test]
fn the_control_page_is_readable_and_its_buttons_work() {
    let lasts_ms = 86_400_000;
    let incidents = [Incident { at_ms: 0, lasts_ms, fault: Fault::DateOff { ms: 500 } }];
    let plan = FaultPlan::new(incidents).expect("a plan");
    let program = Program::start(Options { plan, ..Options::default() });
    run::node("browser.mjs", &[&program.gateway, &program.page]);
}
