//! What apps do, and what comes to them.

use bytes::Bytes;
use http::header::DATE;
use http::{Request, Response};

use crate::client::TokenSource;
use crate::invariant_checker::{Started, Verdict};
use crate::millis;
use crate::report::Invariant;
use videokit_session::driver::{Event, Output, Start, Wake, WakeReason};
use videokit_session::session::transitions::Cause;
use videokit_session::session::{Authorized, RequestId, TransportFailure};
use videokit_session::sim::Fault;

use super::{MOST_POLLS, Play, T0, What, generation, name};

impl Play {
    pub(crate) fn start(&mut self, app: usize) -> Verdict {
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
        let start = match (another, same || client.way == TokenSource::Own) {
            (true, _) => Started::Another,
            (false, true) => Started::Again,
            (false, false) => Started::WithNewSecret,
        };
        client.checker.started(start);
        client.named.take_if(|_| another);
        self.pump(app)
    }

    /// Fetches a token as an app does that has its own means.
    pub(crate) fn fetch(&mut self, app: usize) -> Option<Start> {
        let backend = self.apps[app].client.backend()?;
        let unreachable = |fault: &Fault| matches!(fault, Fault::Lost | Fault::Offline);
        if self.lasting.iter().any(unreachable) {
            return None;
        }
        let request = backend.request();
        let response = self.gateway.handle_under(&self.lasting, &request, self.date()).response;
        let grant = backend.read(&response).ok()?;
        let client = &mut self.apps[app].client;
        client.asks();
        client.learn(&self.gateway, &self.lasting);
        client.fetched = Some(grant.token().expose().to_owned());
        client.note_wall_error(T0);
        Some(grant.into())
    }

    /// Starts a while from now, if nothing else happens.
    pub(crate) fn start_later(&mut self, app: usize) {
        let at = self.now.saturating_add(self.chance.within(1_000, 60_000));
        self.plan_at(at, app, What::Start);
    }

    pub(crate) fn stop(&mut self, app: usize) -> Verdict {
        let now = self.read(app);
        let of = &mut self.apps[app];
        of.running = false;
        let client = &mut of.client;
        client.driver.stop(now);
        let token = client.token();
        client.checker.stopped(token.as_ref().map(|(token, ..)| token.as_str()), &client.driver)?;
        self.pump(app)
    }

    pub(crate) fn pump(&mut self, app: usize) -> Verdict {
        self.pump_after(app, None)
    }

    /// Polls until the driver waits, and does what it says. `ended` is the request that has just ended.
    pub(crate) fn pump_after(&mut self, app: usize, mut ended: Option<RequestId>) -> Verdict {
        for _ in 0..MOST_POLLS {
            let now = self.read(app);
            let client = &mut self.apps[app].client;
            match client.driver.poll(now) {
                Output::Send(outgoing) => {
                    client.checker.sent(&outgoing, &client.driver, now)?;
                    client.asks();
                    self.send(app, outgoing);
                }
                Output::Abandon(id) => {
                    client.checker.abandoned(id)?;
                    ended = Some(id);
                }
                Output::Event(event) => {
                    client.checker.event(&event, ended, &client.driver)?;
                    self.told(app, &event)?;
                    self.heed(app, &event);
                }
                Output::Wait(wake) => {
                    client.checker.waits(&client.driver, wake)?;
                    self.wait(app, wake);
                    return Ok(());
                }
            }
        }
        Err((
            Invariant::RefusedIsRefused,
            format!("{MOST_POLLS} polls at one moment, and still busy"),
        ))
    }

    pub(crate) fn wait(&mut self, app: usize, wake: Wake) {
        self.plan_probe(app);
        let client = &mut self.apps[app].client;
        client.wait = client.wait.saturating_add(1);
        let wait = client.wait;
        if let Wake::In(left, reason) = wake {
            self.report.saw(waits_for(reason));
            let at = client.device.after(self.now, millis(left));
            self.plan_at(at, app, What::Timer(wait));
        }
    }

    pub(crate) fn told(&mut self, app: usize, event: &Event) -> Verdict {
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

    /// What an app does about an event: it gets the next token, if it has its own means to get tokens,
    /// or another secret, if a 401 is reported as an event.
    pub(crate) fn heed(&mut self, app: usize, event: &Event) {
        let client = &mut self.apps[app].client;
        let cause = event.transition().map(|transition| transition.cause);
        if matches!(cause, Some(Cause::Adopted | Cause::Replaced)) {
            client.held = client.fetched.take();
        }
        let needs_token = matches!(event, Event::TokenNeeded(_) | Event::NotAdopted(_))
            || cause == Some(Cause::Lapsed);
        let own = client.way == TokenSource::Own;
        if own && needs_token || matches!(event, Event::Unauthorized(_)) {
            self.start_later(app);
        }
    }

    pub(crate) fn start_after_all(&mut self, app: usize) -> Verdict {
        if self.apps[app].client.needs_start() {
            self.apps[app].client.next_secret();
        }
        self.start(app)
    }

    pub(crate) fn timer(&mut self, app: usize, wait: u64) -> Verdict {
        if self.apps[app].client.wait == wait { self.pump(app) } else { Ok(()) }
    }

    pub(crate) fn reply(
        &mut self,
        app: usize,
        id: RequestId,
        response: &Response<Bytes>,
    ) -> Verdict {
        let now = self.read(app);
        let client = &mut self.apps[app].client;
        if !response.headers().contains_key(DATE) {
            client.note_wall_error(T0);
        }
        let before = client.token();
        let taken = client.driver.handle_response(id, response, now).is_accepted();
        let after = client.token();
        client.checker.reported(
            id,
            Some(response),
            taken,
            (name(before.as_ref()), name(after.as_ref())),
        )?;
        let same_generation = generation(before.as_ref()) == generation(after.as_ref());
        if before.is_some() && same_generation && name(before.as_ref()) != name(after.as_ref()) {
            let what = "a reply that renewed nothing took the token".to_owned();
            return Err((Invariant::FailureDoesNoHarm, what));
        }
        if taken && after.is_some() && generation(before.as_ref()) != generation(after.as_ref()) {
            client.held = name(after.as_ref()).map(ToOwned::to_owned);
            self.is_for_the_same(app)?;
        }
        self.pump_after(app, taken.then_some(id))
    }

    pub(crate) fn failure(&mut self, app: usize, id: RequestId, why: TransportFailure) -> Verdict {
        let now = self.read(app);
        let client = &mut self.apps[app].client;
        let before = client.token();
        let taken = client.driver.handle_failure(id, why, now).is_accepted();
        let after = client.token();
        client.checker.reported(id, None, taken, (name(before.as_ref()), name(after.as_ref())))?;
        if name(before.as_ref()) != name(after.as_ref()) {
            let what = "a request that got no reply took the token".to_owned();
            return Err((Invariant::FailureDoesNoHarm, what));
        }
        self.pump_after(app, taken.then_some(id))
    }

    pub(crate) fn call(&mut self, app: usize) -> Verdict {
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
                // A few take long: uploads, for example.
                let longest = if self.chance.below(20) == 0 { 60_000 } else { 200 };
                let at = self.now.saturating_add(self.chance.within(20, longest));
                let reply = self.gateway.handle_under(&self.lasting, &request, self.date());
                let status = reply.response.status().as_u16();
                let answer = What::CallAnswered(authorized, status);
                self.plan_at(at, app, answer);
                Ok(())
            }
            Err(_) if client.driver.generation().is_some() => self.has_truly_expired(app),
            Err(_) => Ok(()),
        }
    }

    pub(crate) fn answered(&mut self, app: usize, authorized: Authorized, status: u16) -> Verdict {
        if status != 401 {
            return Ok(());
        }
        self.report.saw("API calls answered 401");
        let now = self.read(app);
        let client = &mut self.apps[app].client;
        client.checker.unauthorized(authorized.generation, &client.driver);
        client.driver.handle_unauthorized(authorized, now);
        self.pump(app)
    }
}

/// What a wait is counted as.
fn waits_for(reason: WakeReason) -> &'static str {
    match reason {
        WakeReason::Deadline => "waits for Deadline",
        WakeReason::Renewal => "waits for Renewal",
        WakeReason::Backoff => "waits for Backoff",
        WakeReason::RetryAfter => "waits for RetryAfter",
        WakeReason::Budget => "waits for Budget",
        WakeReason::Expiry => "waits for Expiry",
        _ => "waits for another reason",
    }
}
