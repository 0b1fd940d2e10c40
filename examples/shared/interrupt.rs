//! The end of a program that serves until it is asked to stop.

use std::future::Future;
use std::io;

/// Watches, from now on, for Ctrl-C or SIGTERM. The future ends with the first. To be called within a runtime.
///
/// # Errors
/// The system lets nobody watch for signals.
#[cfg(unix)]
pub fn interrupted() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut ctrl_c, mut term) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = ctrl_c.recv() => {}
            _ = term.recv() => {}
        }
    })
}

/// Watches, from now on, for Ctrl-C. To be called within a runtime.
///
/// # Errors
/// The system lets nobody watch for it.
#[cfg(not(unix))]
pub fn interrupted() -> io::Result<impl Future<Output = ()>> {
    let mut ctrl_c = tokio::signal::windows::ctrl_c()?;
    Ok(async move { drop(ctrl_c.recv().await) })
}
