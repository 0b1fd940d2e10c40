//! Starts the servers and the app, plays the scenarios, and compares what both sides have counted.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use videokit_session::driver::Policy;
use videokit_session::trace::Recorder;
use videokit_session::{AllowedOrigin, Config};

use crate::app::App;
use crate::counts;
use crate::scenarios;
use crate::servers::Servers;

/// What the local gateway and the local backend share.
const API_TOKEN: &str = "quickstart-app:quickstart-secret";

/// Short, so that a renewal can be waited for.
const LIFETIME: Duration = Duration::from_secs(6);

/// Always the same, so that the pauses of the play are, and none is too short to be seen. An app draws
/// another for each driver, as `remote.rs` does.
const SEED: u64 = 74;

pub(crate) fn run(trace: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let servers = Servers::start(API_TOKEN, LIFETIME)?;
    println!("{}\n", prologue(&servers));
    // A driver that writes down, without a secret, what happens.
    let recorder = Recorder::new(Arc::new(config(&servers)?), policy()?, SEED);
    let mut app = App::new(&servers, recorder);
    scenarios::play(&mut app, API_TOKEN)?;
    app.runner.close();
    let counters = app.runner.look(|driver, _now| driver.counters());
    counts::compare(counters, app.calls, &servers)?;
    if let Some(path) = trace {
        let lines = app.runner.input(|recorder, _now| recorder.take_lines());
        fs::write(path, lines).map_err(|error| format!("{}: {error}", path.display()))?;
        let path = path.display();
        println!(
            "\nThe trace is in {path}. To see it: cargo run --example timeline -- {path} {path}.svg"
        );
    }
    println!("\nNext: the loop to copy is examples/quickstart/run_loop.rs; then README.md.");
    Ok(())
}

fn prologue(servers: &Servers) -> String {
    format!(
        "\
One driver from login to stop. Each line says who acts: the app, or the driver in its run loop.

gateway  {}
backend  {}   (it alone knows the API token)
times    short, so that all can be watched: tokens live {} s, pauses after failures are at most
         0.2 s, then 0.4 s, and the request budget grows by one in 0.2 s. Apps keep the defaults.",
        servers.gateway,
        servers.backend,
        LIFETIME.as_secs()
    )
}

fn config(servers: &Servers) -> Result<Config, Box<dyn Error>> {
    let config = Config::builder(AllowedOrigin::loopback(&servers.gateway)?)
        // Of a token's 6 s this leaves 2 to 3 that are certain, so that renewal comes early, and there is
        // time for failures before the token's end.
        .gateway_skew(Duration::from_secs(2))
        .renewal_percent(50)
        .request_timeout(Duration::from_secs(5))
        // All clocks here are one.
        .backend_skew(Duration::from_millis(100))
        .wall_error(Duration::from_millis(100));
    Ok(config.build()?)
}

fn policy() -> Result<Policy, Box<dyn Error>> {
    let policy = Policy::builder()
        .interval(Duration::from_millis(200))
        .spacing(Duration::from_millis(50))
        .backoff(Duration::from_millis(200), Duration::from_millis(400));
    Ok(policy.build()?)
}
