//! The simulated gateway as a server, for whoever writes or tests a client, in any language.
//!
//! ```sh
//! cargo run --example gateway
//! cargo run --example gateway -- --identity user-17 --lifetime 60 --plan faults.jsonl
//! curl http://127.0.0.1:8700/v1/sessions -H 'Authorization: Bearer my-app:my-secret' \
//!     -H 'Content-Type: application/json' -d '{"identity":"user-17","scopes":[]}'
//! ```
//!
//! What the gateway answers to is in the docs of `videokit_session::sim::Gateway`. The control page shows each request
//! as it comes, and has a button for each fault. `simulation.rs` joins the gateway, its faults and their history;
//! `control.rs` serves the page, and `page/` is the page.

pub(crate) mod arguments;
pub(crate) mod control;
pub(crate) mod faults;
pub(crate) mod simulation;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use arguments::Options;
use shared::interrupt::interrupted;
use shared::loopback;
use simulation::Simulation;
use tokio::net::TcpListener;
use videokit_session::sim;

fn main() -> ExitCode {
    let options = match arguments::options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("gateway: {error}\nSee --help.");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> io::Result<()> {
    let (source, lifetime) = (options.api_token_source.clone(), options.lifetime.as_secs());
    let incidents = options.plan.incidents();
    let others = incidents.iter().filter(|one| !faults::is_of_the_server(one.fault)).count();
    if others > 0 {
        eprintln!("gateway: {others} incidents of the plan change nothing: they are the client's");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Watched for before anybody is asked to send one.
        let interrupted = interrupted()?;
        let (gateway, page) = start(options).await?;
        println!("gateway         http://{gateway}\ncontrol page    http://{page}");
        println!("API token       {source}\ntokens live     {lifetime} s\nCtrl-C ends it.");
        interrupted.await;
        Ok(())
    })
}

/// Starts both servers, and returns where the gateway and the page are. They stop with the runtime.
pub(crate) async fn start(options: Options) -> io::Result<(SocketAddr, SocketAddr)> {
    let gateway_listener = listen(options.port, "--port").await?;
    let page_listener = listen(options.page_port, "--page-port").await?;
    let addresses = (gateway_listener.local_addr()?, page_listener.local_addr()?);
    let mut gateway = sim::Gateway::new(&options.api_token, options.lifetime, options.seed);
    if let Some(identity) = &options.identity {
        gateway.set_backend_identity(identity.as_str());
    }
    let simulation = Simulation::new(gateway, &options.api_token);
    tokio::spawn(simulation.clone().follow(options.plan));
    let page = control::router(simulation.clone());
    tokio::spawn(async { axum::serve(page_listener, page).await });
    tokio::spawn(loopback::serve(gateway_listener, move |request| {
        let simulation = simulation.clone();
        async move {
            match loopback::read(request).await {
                Ok(request) => simulation.handle(&request).deliver().await,
                Err(refusal) => Ok(refusal),
            }
        }
    }));
    Ok(addresses)
}

async fn listen(port: u16, option: &str) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        let error = format!("port {port} of 127.0.0.1: {error}: give another with {option}");
        io::Error::other(error)
    })
}
