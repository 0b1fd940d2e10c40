//! One run of a world: what happens when, in the order of true time.
#![expect(
    clippy::indexing_slicing,
    reason = "the numbers of apps are those of the vector's own range"
)]

mod apps;
mod ground_truth;
mod incidents;
mod network;

use core::cmp::{Ordering, Reverse};
use core::time::Duration;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use crate::client::{Client, Serving, TokenSource};
use crate::device::Device;
use crate::invariant_checker::Verdict;
use crate::random::Rng;
use crate::report::{Invariant, Report};
use crate::world::World;
use videokit_session::exchange::AllowedOrigin;
use videokit_session::session::{Authorized, Config, Generation, RequestId, TransportFailure};
use videokit_session::sim::Gateway;
use videokit_session::sim::{Fault, Incident};
use videokit_session::time::Moment;

/// 2026-11-24T04:00:00Z, when every world begins, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

/// How far bounds may be off by rounding, in milliseconds.
const ROUNDING: i64 = 3;

/// The longest that a token can be Unsure after its true expiry on a device that doesn't sleep, in
/// milliseconds: the skew of a backend or the error of the wall clock twice, the longest way of a reply,
/// and a slow clock.
const STILL_UNSURE: i64 = 2 * 120_000 + 61_000 + 10_000;

/// The most polls in a row that a driver may ask for at one moment: what it can have queued, and what one
/// poll can add.
const MOST_POLLS: usize = 20;

/// The longest time, after everything is good again, in which every app has to be back: the longest wait
/// that a server can ask for, and room for the last tries.
const WAY_BACK: u64 = 3_600_000 + 400_000;

/// What ends a play: the promise, what happened, when, and whose driver it was.
pub(crate) type Failure = (Invariant, String, u64, usize);

pub(crate) struct Play {
    apps: Vec<App>,
    gateway: Gateway,
    faults: Vec<Incident>,
    lasting: Vec<Fault>,
    due: BinaryHeap<Reverse<Due>>,
    now: u64,
    lasts: u64,
    order: u64,
    chance: Rng,
    report: Report,
}

/// A client, and what its user is up to.
struct App {
    client: Client,
    running: bool,
}

struct Due {
    at: u64,
    /// What was planned first comes first.
    order: u64,
    app: usize,
    what: What,
}

enum What {
    /// The driver's timer of this wait.
    Timer(u64),
    /// A request gets to the gateway.
    Arrival(RequestId, Box<Request<Bytes>>),
    Reply(RequestId, Box<Response<Bytes>>),
    Failure(RequestId, TransportFailure),
    /// The app calls the API.
    Call,
    /// The token is looked at.
    Probe,
    /// The app starts, if it is still meant to run.
    Start,
    CallAnswered(Authorized, u16),
    Begin(usize),
    End(usize),
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl Play {
    pub(crate) fn new(world: &World) -> Self {
        let mut chance = Rng::new(world.seed ^ 1);
        let lifetime = chance.within(30_000, 3_600_000);
        let mut gateway = Gateway::new("none", Duration::from_millis(lifetime), world.seed);
        gateway.set_whole_seconds(chance.below(2) == 0);
        let apps = (0..world.apps).filter_map(|number| app(number, &mut chance, world)).collect();
        let mut play = Self {
            apps,
            gateway,
            faults: world.plan.incidents().to_vec(),
            lasting: Vec::new(),
            due: BinaryHeap::new(),
            now: 0,
            lasts: world.lasts,
            order: 0,
            chance,
            report: Report::default(),
        };
        let incidents: Vec<_> = (0..).zip(world.plan.incidents()).collect();
        for (index, incident) in incidents {
            play.plan_at(incident.at_ms, 0, What::Begin(index));
            play.plan_at(incident.at_ms.saturating_add(incident.lasts_ms), 0, What::End(index));
        }
        play
    }

    pub(crate) fn run(mut self) -> Result<Report, Failure> {
        for app in 0..self.apps.len() {
            self.plan_at(self.now, app, What::Call);
            self.checked(app, |play| play.start(app))?;
        }
        while let Some(due) = self.next_due(self.lasts) {
            self.happen(due)?;
        }
        self.come_back()?;
        Ok(self.report)
    }

    /// Everything is good from here on: every app has to come back.
    fn come_back(&mut self) -> Result<(), Failure> {
        self.now = self.now.max(self.lasts);
        self.lasting.clear();
        self.faults.clear();
        let awake =
            self.apps.iter().filter_map(|app| app.client.device.asleep_until(self.now)).max();
        self.now = self.now.max(awake.unwrap_or(0));
        for app in 0..self.apps.len() {
            self.checked(app, |play| {
                let now = play.read(app);
                let of = &mut play.apps[app];
                of.client.driver.set_online(true, now);
                if !of.running || of.client.needs_start() {
                    of.client.next_secret();
                    play.start(app)?;
                }
                play.pump(app)
            })?;
        }
        let end = self.now.saturating_add(WAY_BACK);
        // Once is enough: a token whose end nobody stated may be gone again by the time that others are back.
        let mut lost: BTreeSet<usize> = (0..self.apps.len()).collect();
        loop {
            lost.retain(|app| !self.is_back(&self.apps[*app]));
            let Some(&lost) = lost.first() else { return Ok(()) };
            let Some(due) = self.next_due(end) else {
                let driver = &self.apps[lost].client.driver;
                let what = format!("not back an hour after all was good: {driver:?}");
                return Err((Invariant::WayBack, what, self.now, lost));
            };
            // Incidents are over.
            if !matches!(due.what, What::Begin(_) | What::End(_)) {
                self.happen(due)?;
            }
        }
    }

    /// Whether an app has a token that the API takes.
    fn is_back(&self, app: &App) -> bool {
        let token = app.client.token();
        let expires_at = token.and_then(|(token, ..)| self.gateway.expires_at(&token));
        expires_at.is_some_and(|at| at > self.date())
    }

    fn next_due(&mut self, until: u64) -> Option<Due> {
        let Reverse(next) = self.due.peek()?;
        if next.at > until {
            return None;
        }
        Some(self.due.pop()?.0)
    }

    fn happen(&mut self, due: Due) -> Result<(), Failure> {
        let Due { at, app, what, .. } = due;
        self.now = self.now.max(at);
        match what {
            What::Begin(index) => return self.begin(index),
            What::End(index) => return self.end(index),
            What::Arrival(id, request) => {
                self.arrive(app, id, &request);
                return Ok(());
            }
            _ => {}
        }
        let asleep = self.apps.get(app).and_then(|app| app.client.device.asleep_until(self.now));
        if let Some(until) = asleep {
            self.plan_at(until, app, what);
            return Ok(());
        }
        self.checked(app, |play| match what {
            What::Timer(wait) => play.timer(app, wait),
            What::Reply(id, response) => play.reply(app, id, &response),
            What::Failure(id, why) => play.failure(app, id, why),
            What::Call => play.call(app),
            What::Probe => play.probe(app),
            What::Start if play.apps[app].running => play.start_after_all(app),
            What::CallAnswered(authorized, status) => play.answered(app, authorized, status),
            What::Start | What::Begin(_) | What::End(_) | What::Arrival(..) => Ok(()),
        })
    }

    fn checked(
        &mut self,
        app: usize,
        run: impl FnOnce(&mut Self) -> Verdict,
    ) -> Result<(), Failure> {
        run(self).map_err(|(promise, what)| (promise, what, self.now, app))
    }

    fn plan_at(&mut self, at: u64, app: usize, what: What) {
        self.order = self.order.saturating_add(1);
        self.due.push(Reverse(Due { at, order: self.order, app, what }));
    }

    fn read(&mut self, app: usize) -> Moment {
        let at = self.now;
        self.apps[app].client.now(at)
    }
}

fn name(token: Option<&Serving>) -> Option<&str> {
    Some(token?.0.as_str())
}

fn generation(token: Option<&Serving>) -> Option<Generation> {
    Some(token?.1)
}

/// An app with its own way in, on a device with its own clocks: one in two of them right.
fn app(number: usize, chance: &mut Rng, world: &World) -> Option<App> {
    let origin = AllowedOrigin::https("https://api.example").ok()?;
    let config = Arc::new(Config::builder(origin).build().ok()?);
    let way = match chance.below(5) {
        0 => TokenSource::Legacy,
        1 => TokenSource::Named,
        2 => TokenSource::Cookie,
        3 => TokenSource::Own,
        _ => TokenSource::Gateway,
    };
    let right = chance.below(2) == 0;
    let (off, fast) = (chance.around(100_000), chance.around(970));
    let (off, fast) = if right { (0, 0) } else { (i64::from(off), i64::from(fast)) };
    // The gateway's clocks may be less far apart than a backend's, so that bounds are closest there; and a
    // wall clock that is as slow as the monotonic one doesn't give it away.
    let worst = fast.signum().saturating_mul(970);
    let (way, fast, wall) =
        if world.sharp { (TokenSource::Gateway, worst, worst) } else { (way, fast, 0) };
    let device = Device::new(chance.below(100_000_000), T0.saturating_add(off), fast, wall);
    let client = Client::new(number, config, chance.next(), way, device, world.policy);
    Some(App { client, running: false })
}
