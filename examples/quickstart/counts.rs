//! Compares what the client counted with what the servers counted.

use std::error::Error;

use videokit_session::driver::Counters;

use crate::app::Calls;
use crate::servers::Servers;

/// Prints the table. It is an error if the two sides disagree.
pub(crate) fn compare(
    driver: Counters,
    calls: Calls,
    servers: &Servers,
) -> Result<(), Box<dyn Error>> {
    let (gateway, met) = (servers.counts(), servers.met());
    // The app fetched the tokens that it adopted; those that came too late were granted, too.
    let requests = driver.requests - driver.unanswered + driver.adoptions;
    let granted = driver.authentications + driver.renewals + driver.adoptions + driver.stale;
    let rows = [
        ("requests for a token", u64::from(requests), met.requests),
        ("  granted", u64::from(granted), gateway.granted),
        ("  refused", u64::from(driver.refused), gateway.refused),
        ("  put off (503)", u64::from(driver.transient), met.outages),
        ("  throttled (429)", u64::from(driver.throttled), met.busy),
        ("  malformed (200, a page)", u64::from(driver.malformed), met.portals),
        ("API calls served", calls.served, gateway.served),
        ("API calls answered 401", calls.unauthorized, gateway.unauthorized),
        ("anything else", u64::from(driver.redirected), gateway.unknown),
    ];
    println!("\n{:<28}{:>6}{:>9}", "counted by", "client", "servers");
    for (what, client, servers) in rows {
        println!("{what:<28}{client:>6}{servers:>9}");
    }
    if rows.iter().any(|(_, client, servers)| client != servers) {
        return Err("client and servers do not agree".into());
    }
    println!("They agree.");
    println!(
        "Of the tokens granted, {} came too late and {} was fetched by the app itself; requests that \
         met no network: {}.",
        driver.stale, driver.adoptions, driver.unanswered
    );
    Ok(())
}
