//! Connections: how many, how long, and their end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::select;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// How many connections are open; further ones wait. With those to the gateway, they fit in the 1,024 open files that
/// many systems allow.
const MOST_CONNECTIONS: usize = 700;

/// The longest head of a request in bytes, and how long one may take.
const HEAD_LIMIT: usize = 16 * 1_024;
const LONGEST_HEAD: Duration = Duration::from_secs(30);

/// How long the calls under way may take when the server ends: longer than any call.
const LONGEST_END: Duration = Duration::from_secs(15);

/// Serves until `stop`, and then until the calls under way are answered. (`axum::serve` would be shorter, but waits
/// for the head of a request without end.)
pub(super) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    select(pin!(accept(listener, router, &connections)), pin!(stop)).await;
    tracing::info!("ends: no call is taken any more");
    if timeout(LONGEST_END, connections.shutdown()).await.is_err() {
        tracing::warn!("some calls did not end in time");
    }
}

async fn accept(listener: TcpListener, router: Router, connections: &GracefulShutdown) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(LONGEST_HEAD).max_buf_size(HEAD_LIMIT);
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tracing::warn!("no connection was accepted: too many open files, most often");
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Clients hang up at any time.
            let _ended = connection.await;
            drop(permit);
        });
    }
}
