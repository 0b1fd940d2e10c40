//! The example `gateway`, in this process.

#[path = "../../../examples/gateway/main.rs"]
#[expect(dead_code, reason = "a program's own: its `main`, and its help")]
pub(crate) mod example;

use std::sync::mpsc;
use std::thread;

use example::arguments::Options;
use tokio::sync::oneshot;

/// A running gateway with its page, at ports that the system picked. It stops when it is dropped.
pub(crate) struct Program {
    /// The gateway's URL.
    pub(crate) gateway: String,
    /// The control page's URL.
    #[allow(dead_code, reason = "not each test that starts it uses the page")]
    pub(crate) page: String,
    _stop: oneshot::Sender<()>,
}

impl Program {
    pub(crate) fn start(options: Options) -> Self {
        let options = Options { port: 0, page_port: 0, ..options };
        let (stop, stopped) = oneshot::channel();
        let (sender, addresses) = mpsc::channel();
        thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().expect("a runtime").block_on(async {
                let addresses = example::start(options).await.expect("two ports");
                sender.send(addresses).expect("somebody who starts it");
                let _ = stopped.await;
            });
        });
        let (gateway, page) = addresses.recv().expect("it starts");
        let [gateway, page] = [gateway, page].map(|address| format!("http://{address}"));
        Self { gateway, page, _stop: stop }
    }
}
