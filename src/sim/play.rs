//! One run of a world: what happens when, in the order of true time.
#![expect(
    clippy::indexing_slicing,
    reason = "the numbers of apps are those of the vector's own range"
)]

use core::cmp::{Ordering, Reverse};
use core::time::Duration;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

use bytes::Bytes;
use http::header::DATE;
use http::{Request, Response};

use super::chance::Chance;
use super::client::{Client, Serving, Way};
use super::device::Device;
use super::fault::Fault;
use super::gateway::Gateway;
use super::referee::{Started, Verdict};
use super::report::{Promise, Report};
use super::world::World;
use crate::driver::{Event, Output, Start, Wake};
use crate::exchange::AllowedOrigin;
use crate::session::transitions::Cause;
use crate::session::{Config, Generation, Outgoing, RequestId, TransportFailure};
use crate::time::{Moment, Remaining, Validity, millis};

/// 2026-11-24T04:00:00Z, when every world begins, in milliseconds since 1970.
const T0: i64 = 1_795_492_800_000;

/// How far bounds may be off by rounding, in milliseconds.
const ROUNDING: i64 = 3;

/// The longest that a token can be Unsure after its true expiry on a device that doesn't sleep, in
/// milliseconds: the skew of a backend or the error of the wall clock twice, the longest way of a reply,
/// and a slow clock.
const STILL_UNSURE: i64 = 2 * 120_000 + 61_000 + 10_000;

/// How much hidden sleep the contract of time takes into account, in milliseconds: as much again is what
/// it names as its limit.
const HIDDEN_SLEEP: i64 = 1_000;

/// The most polls in a row that a driver may ask for at one moment: what it can have queued, and what one
/// poll can add.
const MOST_POLLS: usize = 20;

/// The longest time, after everything is good again, in which every app has to be back: the longest wait
/// that a server can ask for, and room for the last tries.
const WAY_BACK: u64 = 3_600_000 + 400_000;

/// What ends a play: the promise, what happened, when, and whose driver it was.
pub(super) type Fall = (Promise, String, u64, usize);

pub(super) struct Play {
    apps: Vec<App>,
    gateway: Gateway,
    faults: Vec<super::plan::Incident>,
    lasting: Vec<Fault>,
    due: BinaryHeap<Reverse<Due>>,
    now: u64,
    lasts: u64,
    order: u64,
    chance: Chance,
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
    CallAnswered(Generation, u16),
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
    pub(super) fn new(world: &World) -> Self {
        let mut chance = Chance::new(world.seed ^ 1);
        let lifetime = chance.within(30_000, 3_600_000);
        let mut gateway = Gateway::new("none", Duration::from_millis(lifetime), world.seed);
        gateway.set_whole_seconds(chance.below(2) == 0);
        let apps = (0..world.apps).filter_map(|number| app(number, &mut chance)).collect();
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

    pub(super) fn run(mut self) -> Result<Report, Fall> {
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
    fn come_back(&mut self) -> Result<(), Fall> {
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
                return Err((Promise::WayBack, what, self.now, lost));
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

    fn happen(&mut self, due: Due) -> Result<(), Fall> {
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
            What::CallAnswered(generation, status) => play.answered(app, generation, status),
            What::Start | What::Begin(_) | What::End(_) | What::Arrival(..) => Ok(()),
        })
    }

    fn checked(&mut self, app: usize, run: impl FnOnce(&mut Self) -> Verdict) -> Result<(), Fall> {
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

/// What apps do, and what comes to them.
impl Play {
    fn start(&mut self, app: usize) -> Verdict {
        self.apps[app].running = true;
        let secret = self.apps[app].client.secret();
        if secret.starts_with("api-") {
            self.gateway.accept(&secret);
        }
        let start = self.apps[app].client.start();
        let Some(start) = start.or_else(|| self.fetch(app)) else {
            self.start_later(app);
            return Ok(());
        };
        let now = self.read(app);
        let client = &mut self.apps[app].client;
        let epoch = client.driver.epoch();
        client.driver.start(start, now);
        let another = client.driver.epoch() != epoch;
        let with = client.secret();
        let same = client.started_with.replace(with.clone()) == Some(with);
        let start = match (another, same || client.way == Way::Own) {
            (true, _) => Started::Another,
            (false, true) => Started::Again,
            (false, false) => Started::WithNewSecret,
        };
        client.referee.started(start, &client.driver);
        client.named.take_if(|_| another);
        self.pump(app)
    }

    /// Fetches a token as an app does that has a way of its own.
    fn fetch(&mut self, app: usize) -> Option<Start> {
        let backend = self.apps[app].client.backend()?;
        let unreachable = |fault: &Fault| matches!(fault, Fault::Lost | Fault::Offline);
        if self.lasting.iter().any(unreachable) {
            return None;
        }
        let response = self.gateway.handle_under(&self.lasting, &backend.request(), self.date());
        let grant = backend.read(&response).ok()?;
        let client = &mut self.apps[app].client;
        client.learn(&self.gateway, &self.lasting);
        client.fetched = Some(grant.token().expose().to_owned());
        client.note_wall_error(T0);
        Some(grant.into())
    }

    /// Starts a while from now, if nothing else happens.
    fn start_later(&mut self, app: usize) {
        let at = self.now.saturating_add(self.chance.within(1_000, 60_000));
        self.plan_at(at, app, What::Start);
    }

    fn stop(&mut self, app: usize) -> Verdict {
        let now = self.read(app);
        let of = &mut self.apps[app];
        of.running = false;
        let client = &mut of.client;
        client.driver.stop(now);
        let token = client.token();
        client.referee.stopped(token.as_ref().map(|(token, ..)| token.as_str()), &client.driver)?;
        self.pump(app)
    }

    fn pump(&mut self, app: usize) -> Verdict {
        self.pump_after(app, None)
    }

    /// Polls until the driver waits, and does what it says. `ended` is the request that has just ended.
    fn pump_after(&mut self, app: usize, mut ended: Option<RequestId>) -> Verdict {
        for _ in 0..MOST_POLLS {
            let now = self.read(app);
            let client = &mut self.apps[app].client;
            match client.driver.poll(now) {
                Output::Send(outgoing) => {
                    client.referee.sent(&outgoing, &client.driver, now)?;
                    self.send(app, outgoing);
                }
                Output::Abandon(id) => {
                    client.referee.abandoned(id)?;
                    ended = Some(id);
                }
                Output::Event(event) => {
                    client.referee.event(&event, ended, &client.driver)?;
                    self.told(app, &event)?;
                    self.heed(app, &event);
                }
                Output::Wait(wake) => {
                    client.referee.waits(&client.driver)?;
                    self.wait(app, wake);
                    return Ok(());
                }
            }
        }
        Err((
            Promise::RefusedIsRefused,
            format!("{MOST_POLLS} polls at one moment, and still busy"),
        ))
    }

    fn wait(&mut self, app: usize, wake: Wake) {
        self.plan_probe(app);
        let client = &mut self.apps[app].client;
        client.wait = client.wait.saturating_add(1);
        let wait = client.wait;
        if let Wake::In(left, _) = wake {
            let at = client.device.after(self.now, millis(left));
            self.plan_at(at, app, What::Timer(wait));
        }
    }

    fn told(&mut self, app: usize, event: &Event) -> Verdict {
        if let Some(transition) = event.transition() {
            if matches!(transition.cause, Cause::Lapsed | Cause::LapsedInFlight) {
                self.has_truly_expired(app)?;
            }
            let (from, to, cause) = (transition.from, transition.to, transition.cause);
            self.report.saw(&format!("cause {cause:?}"));
            self.report.saw(&format!("{from} -> {to}: {cause:?}"));
        } else {
            let text = format!("{event:?}");
            let name = text.split('(').next().unwrap_or_default();
            self.report.saw(&format!("event {name}"));
            if let Event::Unauthorized(generation) = event {
                self.apps[app].client.told_unauthorized = Some(*generation);
            }
        }
        self.report.digest_more(self.now);
        Ok(())
    }

    /// What an app does about what it is told: it gets the next token, if tokens come by a way of its own,
    /// or another secret, if renewing won't help.
    fn heed(&mut self, app: usize, event: &Event) {
        let client = &mut self.apps[app].client;
        let cause = event.transition().map(|transition| transition.cause);
        if matches!(cause, Some(Cause::Adopted | Cause::Replaced)) {
            client.held = client.fetched.take();
        }
        let needs_token = matches!(event, Event::TokenNeeded(_) | Event::NotAdopted(_))
            || cause == Some(Cause::Lapsed);
        let own = client.way == Way::Own;
        if own && needs_token || matches!(event, Event::Unauthorized(_)) {
            self.start_later(app);
        }
    }

    fn start_after_all(&mut self, app: usize) -> Verdict {
        if self.apps[app].client.needs_start() {
            self.apps[app].client.next_secret();
        }
        self.start(app)
    }

    fn timer(&mut self, app: usize, wait: u64) -> Verdict {
        if self.apps[app].client.wait == wait { self.pump(app) } else { Ok(()) }
    }

    fn reply(&mut self, app: usize, id: RequestId, response: &Response<Bytes>) -> Verdict {
        let now = self.read(app);
        let client = &mut self.apps[app].client;
        if !response.headers().contains_key(DATE) {
            client.note_wall_error(T0);
        }
        let before = client.token();
        let taken = client.driver.handle_response(id, response, now).is_ok();
        let after = client.token();
        client.referee.reported(
            id,
            Some(response),
            taken,
            (name(before.as_ref()), name(after.as_ref())),
        )?;
        let same_generation = generation(before.as_ref()) == generation(after.as_ref());
        if before.is_some() && same_generation && name(before.as_ref()) != name(after.as_ref()) {
            let what = "a reply that renewed nothing took the token".to_owned();
            return Err((Promise::FailureDoesNoHarm, what));
        }
        if taken && after.is_some() && generation(before.as_ref()) != generation(after.as_ref()) {
            client.held = name(after.as_ref()).map(ToOwned::to_owned);
            self.is_for_the_same(app)?;
        }
        self.pump_after(app, taken.then_some(id))
    }

    fn failure(&mut self, app: usize, id: RequestId, why: TransportFailure) -> Verdict {
        let now = self.read(app);
        let client = &mut self.apps[app].client;
        let before = client.token();
        let taken = client.driver.handle_failure(id, why, now).is_ok();
        let after = client.token();
        client.referee.reported(id, None, taken, (name(before.as_ref()), name(after.as_ref())))?;
        if name(before.as_ref()) != name(after.as_ref()) {
            let what = "a request that got no reply took the token".to_owned();
            return Err((Promise::FailureDoesNoHarm, what));
        }
        self.pump_after(app, taken.then_some(id))
    }

    fn call(&mut self, app: usize) -> Verdict {
        let next = self.now.saturating_add(self.chance.within(20_000, 600_000));
        self.plan_at(next, app, What::Call);
        let now = self.read(app);
        let client = &mut self.apps[app].client;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = http::Uri::from_static("https://api.example/v1/videos");
        match client.driver.authorize(&mut request, now) {
            Ok(authorized) => {
                self.is_truly_valid(app, authorized.validity)?;
                if self.lasting.iter().any(|fault| matches!(fault, Fault::Offline | Fault::Lost)) {
                    return Ok(());
                }
                let at = self.now.saturating_add(self.chance.within(20, 200));
                let reply = self.gateway.handle_under(&self.lasting, &request, self.date());
                let answer = What::CallAnswered(authorized.generation, reply.status().as_u16());
                self.plan_at(at, app, answer);
                Ok(())
            }
            Err(_) if client.driver.generation().is_some() => self.has_truly_expired(app),
            Err(_) => Ok(()),
        }
    }

    fn answered(&mut self, app: usize, generation: Generation, status: u16) -> Verdict {
        if status != 401 {
            return Ok(());
        }
        self.report.saw("API calls answered 401");
        let now = self.read(app);
        let client = &mut self.apps[app].client;
        client.referee.unauthorized(generation, &client.driver);
        client.driver.handle_unauthorized(generation, now);
        self.pump(app)
    }
}

/// The true clock, which no driver sees.
impl Play {
    fn date(&self) -> i64 {
        T0.saturating_add_unsigned(self.now)
    }

    /// A token was called Valid: its true end has to be in the future.
    fn is_truly_valid(&mut self, app: usize, validity: Validity) -> Verdict {
        let client = &self.apps[app].client;
        self.report.saw(match validity {
            Validity::Valid => "served Valid",
            Validity::Unsure => "served Unsure",
            Validity::Expired => "served Expired",
        });
        let Some(truth) = client.truth() else { return Ok(()) };
        let device = &client.device;
        let late = self.date().saturating_sub(truth.expires_at);
        if !truth.excused && truth.stated && !device.has_slept && late > STILL_UNSURE {
            let what = format!("served {late} ms after the true expiry, and never expired");
            return Err((Promise::NeverValidTooLong, what));
        }
        let may_hide = device.has_slept && device.was_set_back;
        if validity != Validity::Valid || truth.excused || !truth.stated || may_hide {
            return Ok(());
        }
        let slack = if device.has_slept { HIDDEN_SLEEP } else { 0 }.saturating_add(ROUNDING);
        if late >= slack {
            let what = format!("Valid {late} ms after the true expiry");
            return Err((Promise::NeverValidTooLong, what));
        }
        self.report.saw("Valid held against the true clock");
        Ok(())
    }

    /// Plans a look at the token for the moment at which it is Valid for the last time, as far as can be
    /// told now: a driver that is wrong about its end is wrong there first.
    fn plan_probe(&mut self, app: usize) {
        let client = &mut self.apps[app].client;
        let left = client.driver.remaining(client.last_now).map_or(0, Remaining::at_least_millis);
        let Ok(left @ 1..=120_000) = u64::try_from(left) else { return };
        let at = client.device.after(self.now, left.saturating_sub(left / 1_024).saturating_sub(1));
        if client.probe_at.is_none_or(|planned| planned <= self.now || at < planned) {
            client.probe_at = Some(at);
            self.plan_at(at, app, What::Probe);
        }
    }

    fn probe(&mut self, app: usize) -> Verdict {
        let _ = self.read(app);
        if let Some((_, _, validity)) = self.apps[app].client.token() {
            self.is_truly_valid(app, validity)?;
        }
        Ok(())
    }

    /// A token that has just been granted is for whom the login's tokens are.
    fn is_for_the_same(&mut self, app: usize) -> Verdict {
        let client = &mut self.apps[app].client;
        let held = client.held.as_deref();
        let Some(identity) = held.and_then(|held| self.gateway.identity_of(held)) else {
            return Ok(());
        };
        let named = client.named.get_or_insert_with(|| identity.to_owned());
        if named != identity {
            let what = format!("a token for {identity} serves {named}");
            return Err((Promise::StaleIsStale, what));
        }
        Ok(())
    }

    /// A token was called Expired: its true end has to be in the past.
    fn has_truly_expired(&mut self, app: usize) -> Verdict {
        let Some(truth) = self.apps[app].client.truth() else { return Ok(()) };
        if truth.excused {
            return Ok(());
        }
        let early = truth.expires_at.saturating_sub(self.date());
        if early > ROUNDING {
            let what = format!("Expired {early} ms before the true expiry");
            return Err((Promise::NeverExpiredTooSoon, what));
        }
        self.report.saw("Expired held against the true clock");
        Ok(())
    }
}

/// The network and the gateway.
impl Play {
    fn send(&mut self, app: usize, outgoing: Outgoing) {
        self.report.saw("requests");
        self.report.digest_more(self.now);
        let (id, request, _) = outgoing.into_parts();
        let there = self.now.saturating_add(self.chance.within(10, 120));
        let lost = self.lasting.iter().find_map(|fault| match fault {
            Fault::Lost => Some(None),
            Fault::Offline => Some(Some(TransportFailure::Unreachable)),
            Fault::ResetBefore => Some(Some(TransportFailure::Interrupted)),
            _ => None,
        });
        match lost {
            None => self.plan_at(there, app, What::Arrival(id, Box::new(request))),
            Some(Some(why)) => self.plan_at(there, app, What::Failure(id, why)),
            Some(None) => {}
        }
    }

    fn arrive(&mut self, app: usize, id: RequestId, request: &Request<Bytes>) {
        let granted = self.gateway.counts().granted;
        let response = self.gateway.handle_under(&self.lasting, request, self.date());
        if self.gateway.counts().granted > granted {
            self.apps[app].client.learn(&self.gateway, &self.lasting);
        }
        let back = self.now.saturating_add(self.chance.within(10, 120));
        let slow = self.lasting.iter().map(|fault| match fault {
            Fault::Slow { ms } => u64::from(*ms),
            _ => 0,
        });
        let back = slow.fold(back, u64::saturating_add);
        for fault in self.lasting.clone() {
            match fault {
                Fault::Lost => return,
                Fault::ResetAfter => {
                    self.plan_at(back, app, What::Failure(id, TransportFailure::Interrupted));
                    return;
                }
                Fault::Twice { ms } => {
                    let again = back.saturating_add(ms.into());
                    self.plan_at(again, app, What::Reply(id, Box::new(response.clone())));
                }
                _ => {}
            }
        }
        self.plan_at(back, app, What::Reply(id, Box::new(response)));
    }
}

/// Incidents.
impl Play {
    fn begin(&mut self, index: usize) -> Result<(), Fall> {
        let Some(incident) = self.faults.get(index).copied() else { return Ok(()) };
        self.report.saw(&format!("fault {}", incident.fault.name()));
        self.lasting.push(incident.fault);
        let until = self.now.saturating_add(incident.lasts_ms);
        match incident.fault {
            Fault::Revoked => {
                self.gateway.revoke_all();
                Ok(())
            }
            Fault::Asleep => {
                let now = self.now;
                self.apps.iter_mut().for_each(|app| app.client.device.sleep(now, until));
                Ok(())
            }
            _ => self.for_each_awake(incident.fault, |play, app| play.befall(app, incident.fault)),
        }
    }

    fn end(&mut self, index: usize) -> Result<(), Fall> {
        let Some(incident) = self.faults.get(index).copied() else { return Ok(()) };
        if let Some(at) = self.lasting.iter().position(|fault| *fault == incident.fault) {
            self.lasting.remove(at);
        }
        self.for_each_awake(incident.fault, |play, app| match incident.fault {
            Fault::Offline => play.set_online(app, true),
            Fault::Stopped if !play.apps[app].running => play.start(app),
            // Timers don't run in sleep, so that an app polls when it wakes up.
            Fault::Asleep => play.pump(app),
            _ => Ok(()),
        })
    }

    /// Tells each app whose device is awake; one that sleeps doesn't notice.
    fn for_each_awake(
        &mut self,
        fault: Fault,
        mut tell: impl FnMut(&mut Self, usize) -> Verdict,
    ) -> Result<(), Fall> {
        for app in 0..self.apps.len() {
            let asleep = self.apps[app].client.device.asleep_until(self.now).is_some();
            // A network that is back is there when the device wakes up.
            if !asleep || fault == Fault::Offline {
                self.checked(app, |play| tell(play, app))?;
            }
        }
        Ok(())
    }

    fn befall(&mut self, app: usize, fault: Fault) -> Verdict {
        let (mono, wall) = (self.chance.next(), self.chance.next());
        let now = self.now;
        let running = self.apps[app].running;
        let client = &mut self.apps[app].client;
        match fault {
            Fault::Offline => return self.set_online(app, false),
            Fault::WallSet { ms } => client.device.set_wall(ms.into()),
            Fault::MonotonicBack { ms } => client.device.set_mono_back(now, ms.into()),
            Fault::ClockNonsense => {
                let mono =
                    [0, u64::MAX, mono].into_iter().nth(usize::from(mono % 3 == 1)).unwrap_or(mono);
                client.show_nonsense(Moment::from_millis(mono, wall.cast_signed()));
            }
            Fault::Stopped => return self.stop(app),
            Fault::StartedAgain if running => return self.start(app),
            Fault::OtherUser => {
                client.next_user();
                return self.start(app);
            }
            Fault::Rotated => {
                let old = client.secret();
                client.next_secret();
                self.gateway.refuse(&old);
                return self.start(app);
            }
            _ => {}
        }
        self.pump(app)
    }

    fn set_online(&mut self, app: usize, online: bool) -> Verdict {
        let now = self.read(app);
        self.apps[app].client.driver.set_online(online, now);
        self.pump(app)
    }
}

fn name(token: Option<&Serving>) -> Option<&str> {
    Some(token?.0.as_str())
}

fn generation(token: Option<&Serving>) -> Option<Generation> {
    Some(token?.1)
}

/// An app with its own way in, on a device with clocks of its own: one in two of them right.
fn app(number: usize, chance: &mut Chance) -> Option<App> {
    let origin = AllowedOrigin::https("https://api.example").ok()?;
    let config = Arc::new(Config::builder(origin).build().ok()?);
    let way = match chance.below(5) {
        0 => Way::Older,
        1 => Way::Named,
        2 => Way::Cookie,
        3 => Way::Own,
        _ => Way::Gateway,
    };
    let right = chance.below(2) == 0;
    let (off, fast) = (chance.around(100_000), chance.around(970));
    let (off, fast) = if right { (0, 0) } else { (i64::from(off), i64::from(fast)) };
    let device = Device::new(chance.below(100_000_000), T0.saturating_add(off), fast);
    let client = Client::new(number, config, chance.next(), way, device);
    Some(App { client, running: false })
}
