//! What the scenarios are made of: the app's moves, and waiting for what comes of them.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use videokit_session::Event;
use videokit_session::driver::{AuthorizeError, Drive, Start};
use videokit_session::session::transitions::Cause;
use videokit_session::trace::Recorder;

use crate::run_loop::{CallError, News, Runner};
use crate::servers::Servers;
use crate::timeline::{Timeline, life};
use crate::transport::Transport;

/// How long anything may take that doesn't take long, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to look on, to see that nothing happens: longer than any pause of the policy.
const QUIET: Duration = Duration::from_millis(500);

pub(crate) type Done<T = ()> = Result<T, Box<dyn Error>>;

/// The app, and what it has counted.
pub(crate) struct App<'a> {
    pub(crate) servers: &'a Servers,
    pub(crate) runner: Arc<Runner<Recorder>>,
    pub(crate) transport: Transport,
    pub(crate) timeline: Timeline,
    pub(crate) calls: Calls,
    heard: Receiver<Heard>,
}

/// The API calls that were answered.
#[derive(Clone, Copy, Default)]
pub(crate) struct Calls {
    pub(crate) served: u64,
    pub(crate) unauthorized: u64,
}

/// The news that scenarios wait for.
enum Heard {
    Event(Event),
    Late,
}

impl<'a> App<'a> {
    pub(crate) fn new(servers: &'a Servers, driver: Recorder) -> Self {
        let (timeline, transport) = (Timeline::start(), Transport::local());
        let (sender, heard) = channel();
        let listener = move |news: &News<'_>| {
            timeline.hear(news);
            forward(news, &sender);
        };
        let runner = Runner::start(driver, transport.clone(), Box::new(listener));
        Self { servers, runner, transport, timeline, calls: Calls::default(), heard }
    }

    /// Starts a login. `how` is what the timeline says about it.
    pub(crate) fn start(&self, how: &str, start: impl Into<Start>) {
        self.timeline.app(format_args!("start: {how}"));
        self.runner.input(|driver, now| driver.start(start, now));
    }

    pub(crate) fn stop(&self) {
        self.timeline.app("stop");
        self.runner.input(Drive::stop);
    }

    pub(crate) fn set_online(&self, online: bool) {
        self.timeline.app(format_args!("set_online({online})"));
        self.runner.input(|driver, now| driver.set_online(online, now));
    }

    /// The address of the API.
    pub(crate) fn videos(&self) -> String {
        format!("{}/v1/videos", self.servers.gateway)
    }

    /// Makes an API call, which has to be answered like this.
    pub(crate) fn call(&mut self, expected: StatusCode) -> Done {
        let reply = self.runner.call(Request::get(self.videos()).body(Bytes::new())?)?;
        match reply.status() {
            StatusCode::OK => self.calls.served += 1,
            _ => self.calls.unauthorized += 1,
        }
        if reply.status() != expected {
            return Err(format!("the API answered {}, not {expected}", reply.status()).into());
        }
        Ok(())
    }

    /// Tries an API call that gets no token, for this reason: nothing is sent.
    pub(crate) fn cannot_call(&self, uri: &str, expected: AuthorizeError) -> Done {
        match self.runner.call(Request::get(uri).body(Bytes::new())?) {
            Err(CallError::NotAuthorized(why)) if why == expected => {
                self.timeline.app(format_args!("GET {uri} is not sent: {why}"));
                Ok(())
            }
            Err(other) => Err(other.into()),
            Ok(_) => Err(format!("a token for {uri}").into()),
        }
    }

    /// The number of the current token.
    pub(crate) fn token(&self) -> Option<u64> {
        self.runner.look(|driver, _now| Some(driver.generation()?.number()))
    }

    /// Shows everything about the current token but the token.
    pub(crate) fn show_token(&self) -> Done {
        let (generation, remaining) =
            self.runner.look(|driver, now| (driver.generation(), driver.remaining(now)));
        let (token, remaining) = generation.zip(remaining).ok_or("there is no token")?;
        self.timeline.app(format_args!("has token {}: {}", token.number(), life(remaining)));
        Ok(())
    }

    /// Waits for a transition for this reason.
    pub(crate) fn until(&self, cause: Cause) -> Done {
        let wanted = |heard: &Heard| match heard {
            Heard::Event(event) => event.transition().is_some_and(|moved| moved.cause == cause),
            Heard::Late => false,
        };
        self.hear(wanted, &format!("the event {cause:?}"))
    }

    /// Waits for an event that is no transition.
    pub(crate) fn until_told(&self, wanted: fn(&Event) -> bool, what: &str) -> Done {
        self.hear(|heard| matches!(heard, Heard::Event(event) if wanted(event)), what)
    }

    /// Waits for a reply that nobody waits for any more.
    pub(crate) fn until_late(&self) -> Done {
        self.hear(|heard| matches!(heard, Heard::Late), "a late reply")
    }

    /// Waits until the gateway holds so many replies back.
    pub(crate) fn until_held(&self, replies: usize) -> Done {
        let start = Instant::now();
        while self.servers.held() < replies {
            if start.elapsed() > PATIENCE {
                return Err(format!("waited {PATIENCE:?} in vain for a reply to be held").into());
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn hear(&self, wanted: impl Fn(&Heard) -> bool, what: &str) -> Done {
        let start = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(start.elapsed()) {
            match self.heard.recv_timeout(left) {
                Ok(heard) if wanted(&heard) => return Ok(()),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        let driver = self.runner.look(|driver, _now| format!("{driver:?}"));
        Err(format!("waited {PATIENCE:?} in vain for {what}; {driver}").into())
    }

    /// Looks on for a while, in which no request for a token may be made beyond those so far.
    pub(crate) fn sends_nothing(&self, requests_so_far: u32, why: &str) -> Done {
        sleep(QUIET);
        let requests = self.runner.look(|driver, _now| driver.counters().requests);
        if requests != requests_so_far {
            return Err(format!("{why}, and yet the driver sent a request").into());
        }
        let quiet = QUIET.as_secs_f64();
        self.timeline.app(format_args!("sees no request for {quiet:.1} s: {why}"));
        Ok(())
    }
}

fn forward(news: &News<'_>, sender: &Sender<Heard>) {
    let heard = match news {
        News::Event(event) => Heard::Event((*event).clone()),
        News::Late(_) => Heard::Late,
        News::Sends(_) | News::Waits(_) | News::Called(..) => return,
    };
    // After the play nobody listens any more.
    let _ = sender.send(heard);
}
