//! Requests for a token: returned by the driver, sent, abandoned, answered, reported.

use core::time::Duration;

use bytes::Bytes;
use http::header::LOCATION;
use http::{Request, Response};

use super::compare::{changed_reply, changed_request};
use super::hint::{
    A_FAILURE_IS_NO_REPLY, A_REPLY_IS_NO_FAILURE, DELAY_NO_OTHER, END_ABANDONED,
    FOLLOW_NO_REDIRECT, Finding, INVENT_NOTHING, NO_EARLY_FAILURE, REPORT_AS_RECEIVED,
    REPORT_FAILURES, REPORT_ONCE, REPORT_REPLIES, REPORT_UNDER_ITS_ID, SEND, SEND_AS_GIVEN,
    SEND_NOTHING_ELSE, SEND_ONCE, finding, is_late,
};
use super::network::TIMEOUT_DELAY;
use super::report::seconds;
use crate::session::{RequestId, TransportFailure};
use crate::time::millis;

/// A request that the driver returned.
#[derive(Debug)]
struct TokenRequest {
    id: RequestId,
    request: Request<Bytes>,
    timeout: Duration,
    returned: u64,
    /// When, and with which time-out.
    sent: Option<(u64, Option<Duration>)>,
    abandoned: Option<u64>,
    /// Whether its outcome came, or it was cancelled.
    ended: bool,
    /// Whether the driver accepted a report of it.
    reported: bool,
    /// Whether it was found to be late.
    found_late: bool,
}

/// The outcome of a request, as it came to the loop.
#[derive(Debug, Clone)]
struct Arrival {
    id: RequestId,
    at: u64,
    outcome: Outcome,
    reported: bool,
    /// Whether the loop has to report it.
    required: bool,
}

pub(super) type Outcome = Result<Response<Bytes>, TransportFailure>;

#[derive(Debug, Default)]
pub(super) struct TokenRequests {
    requests: Vec<TokenRequest>,
    arrivals: Vec<Arrival>,
}

/// What the loop does with requests.
impl TokenRequests {
    /// The driver returned a request.
    pub(super) fn returned(
        &mut self,
        id: RequestId,
        request: &Request<Bytes>,
        timeout: Duration,
        at: u64,
    ) {
        self.requests.push(TokenRequest {
            id,
            request: request.clone(),
            timeout,
            returned: at,
            sent: None,
            abandoned: None,
            ended: false,
            reported: false,
            found_late: false,
        });
    }

    /// The loop sent a request. Returns whether the network carries it.
    pub(super) fn sent(
        &mut self,
        id: RequestId,
        request: &Request<Bytes>,
        timeout: Option<Duration>,
        at: u64,
    ) -> (bool, Option<Finding>) {
        let name = self.name(id);
        let Some(own) = self.get_mut(id) else {
            let actual = "it sent a request that the driver had not returned";
            return (false, Some(finding(SEND_NOTHING_ELSE, "no request", actual)));
        };
        if own.abandoned.is_some() {
            let again = if own.sent.is_some() { " again" } else { "" };
            let actual = format!("it sent {name}{again}, which was abandoned");
            return (false, Some(finding(SEND_NOTHING_ELSE, "no request", actual)));
        }
        if own.sent.is_some() {
            return self.sent_again(id, request);
        }
        if own.reported {
            let expected = format!("{name} to be sent before its outcome is reported");
            return (false, Some(finding(SEND, expected, "it sent it after it had reported it")));
        }
        own.sent = Some((at, timeout));
        let shorter = timeout.filter(|timeout| *timeout < own.timeout).map(|timeout| {
            let [short, full] = [timeout, own.timeout].map(|time| seconds(millis(time)));
            format!("a time-out of {short} instead of {full}")
        });
        let found = changed_request(&own.request, request).or(shorter).map(|change| {
            let expected = format!("{name} as the driver returned it");
            finding(SEND_AS_GIVEN, expected, format!("it sent it with {change}"))
        });
        (true, found)
    }

    fn sent_again(&mut self, id: RequestId, request: &Request<Bytes>) -> (bool, Option<Finding>) {
        let name = self.name(id);
        let (mut answered, mut redirected) = (false, false);
        for arrival in self.arrivals.iter_mut().filter(|arrival| arrival.id == id) {
            // The loop waits for another outcome now.
            arrival.required = false;
            answered = true;
            redirected |= arrival.redirects_to(request);
        }
        if redirected {
            let expected = format!("the redirect to be reported as the reply to {name}");
            let actual = format!("it sent the request on to {}", request.uri());
            return (true, Some(finding(FOLLOW_NO_REDIRECT, expected, actual)));
        }
        let expected = format!("{name} to be sent once");
        (answered, Some(finding(SEND_ONCE, expected, "it sent it again")))
    }

    /// The driver abandoned a request.
    pub(super) fn abandoned(&mut self, id: RequestId, at: u64) {
        if let Some(own) = self.get_mut(id) {
            own.abandoned = Some(at);
        }
        for arrival in self.arrivals.iter_mut().filter(|arrival| arrival.id == id) {
            arrival.required = false;
        }
    }

    /// The loop cancelled a request.
    pub(super) fn cancelled(&mut self, id: RequestId, at: u64) {
        let Some(own) = self.get_mut(id) else { return };
        if own.sent.is_some() && !own.ended && own.is_awaited() {
            // The driver still waits for it, and no other outcome will come.
            self.arrived(id, Err(TransportFailure::Other), at);
        } else {
            own.ended = true;
        }
    }

    /// The outcome of a request came.
    pub(super) fn arrived(&mut self, id: RequestId, outcome: Outcome, at: u64) {
        let required = self.get_mut(id).is_some_and(|own| {
            own.ended = true;
            own.is_awaited()
        });
        // Reports are compared with the last one only, so that repeated sending doesn't fill the memory.
        self.arrivals.retain(|arrival| arrival.id != id || arrival.required);
        self.arrivals.push(Arrival { id, at, outcome, reported: false, required });
    }
}

/// What the loop reports of them.
impl TokenRequests {
    pub(super) fn reported_reply(
        &mut self,
        id: RequestId,
        reply: &Response<Bytes>,
        accepted: bool,
        at: u64,
    ) -> Option<Finding> {
        let name = self.report(id, accepted);
        let is_like =
            |came: &Response<Bytes>| came.status() == reply.status() && came.body() == reply.body();
        let meant = |outcome: &Outcome| outcome.as_ref().is_ok_and(is_like);
        let Some(arrival) = self.take_arrival(id, meant, at) else {
            if self.arrivals.iter().any(|arrival| arrival.id == id) {
                let expected = format!("one report of the outcome of {name}");
                return Some(finding(REPORT_ONCE, expected, "it reported a reply to it again"));
            }
            let expected = format!("no report yet, or the outcome of {name}");
            return Some(finding(INVENT_NOTHING, expected, "it reported a reply that never came"));
        };
        if arrival.id != id {
            return Some(self.under_another_id(arrival.id, id));
        }
        match arrival.outcome {
            Ok(came) => {
                let change = changed_reply(&came, reply)?;
                let expected = format!("the reply to {name} as it came");
                Some(finding(REPORT_AS_RECEIVED, expected, format!("it reported it with {change}")))
            }
            Err(why) => {
                let expected = format!("`handle_failure` for {name}: {why}");
                let actual = format!("it reported a reply with status {}", reply.status());
                Some(finding(A_FAILURE_IS_NO_REPLY, expected, actual))
            }
        }
    }

    pub(super) fn reported_failure(
        &mut self,
        id: RequestId,
        accepted: bool,
        at: u64,
    ) -> Option<Finding> {
        let name = self.report(id, accepted);
        if let Some(arrival) = self.take_arrival(id, Result::is_err, at) {
            if arrival.id != id {
                return Some(self.under_another_id(arrival.id, id));
            }
            let reply = arrival.outcome.ok().filter(|_| arrival.required)?;
            let expected = format!("the reply to {name}, with status {}", reply.status());
            let actual = "it reported a failure in place of it";
            return Some(finding(A_REPLY_IS_NO_FAILURE, expected, actual));
        }
        let own = self.requests.iter().find(|own| own.id == id)?;
        let Some((sent_at, _)) = own.sent else {
            // Every request can be sent here. An abandoned one needn't be.
            let expected = format!("{name} to be sent");
            let actual = "it reported a failure without sending it";
            return accepted.then(|| finding(SEND, expected, actual));
        };
        // A loop may keep the time itself.
        let timed_out = at >= sent_at.saturating_add(millis(own.timeout));
        let mut before = self.arrivals.iter().filter(|arrival| arrival.id == id);
        if before.any(|arrival| arrival.outcome.is_err() || !timed_out) {
            let expected = format!("one report of the outcome of {name}");
            return Some(finding(REPORT_ONCE, expected, "it reported a failure again"));
        }
        if own.ended || timed_out || !accepted {
            return None;
        }
        let expected = format!("no failure yet: {name} is in flight, and has time");
        let after = seconds(at.saturating_sub(sent_at));
        Some(finding(NO_EARLY_FAILURE, expected, format!("it reported a failure after {after}")))
    }

    /// Takes the unreported outcome of this request, or else the one of another request that is meant.
    /// Returns it as it was before.
    fn take_arrival(
        &mut self,
        id: RequestId,
        is_meant: impl Fn(&Outcome) -> bool,
        at: u64,
    ) -> Option<Arrival> {
        let open = |arrival: &Arrival| !arrival.reported;
        let own = self.arrivals.iter().rposition(|arrival| open(arrival) && arrival.id == id);
        let fits = |arrival: &Arrival| {
            open(arrival) && !is_late(arrival.at, at) && is_meant(&arrival.outcome)
        };
        // A report of this one that is repeated is none of a like outcome of another.
        let again = |arrival: &Arrival| arrival.id == id && is_meant(&arrival.outcome);
        let is_repeated = own.is_none() && self.arrivals.iter().any(again);
        let other = || self.arrivals.iter().rposition(fits).filter(|_| !is_repeated);
        let index = own.or_else(other)?;
        let arrival = self.arrivals.get_mut(index)?;
        let taken = arrival.clone();
        (arrival.reported, arrival.required) = (true, false);
        Some(taken)
    }

    fn under_another_id(&self, of: RequestId, id: RequestId) -> Finding {
        let expected = format!("the outcome of {} to be reported under its id", self.name(of));
        let actual = format!("it reported it under the id of {}", self.name(id));
        finding(REPORT_UNDER_ITS_ID, expected, actual)
    }

    /// Notes a report. Returns the request's name.
    fn report(&mut self, id: RequestId, accepted: bool) -> String {
        if let Some(own) = self.get_mut(id) {
            own.reported |= accepted;
        }
        self.name(id)
    }

    fn get_mut(&mut self, id: RequestId) -> Option<&mut TokenRequest> {
        self.requests.iter_mut().find(|own| own.id == id)
    }

    /// Returns the time that the driver gives a request.
    pub(super) fn timeout(&self, id: RequestId) -> Option<Duration> {
        Some(self.requests.iter().find(|own| own.id == id)?.timeout)
    }
}

impl TokenRequests {
    pub(super) fn overdue(&mut self, at: u64) -> Vec<Finding> {
        let mut unreported = Vec::new();
        for arrival in self.arrivals.iter_mut().filter(|arrival| arrival.required) {
            if is_late(arrival.at, at) {
                arrival.required = false;
                unreported.push((arrival.id, arrival.outcome.clone()));
            }
        }
        let unreported =
            unreported.into_iter().map(|(id, outcome)| self.unreported(id, outcome, at));
        let mut found: Vec<_> = unreported.collect();
        let open =
            |own: &&TokenRequest| own.abandoned.is_some() && own.sent.is_some() && !own.ended;
        let blocked_by = self.requests.iter().find(open).map(|own| own.id);
        let mut late = Vec::new();
        for own in self.requests.iter_mut().filter(|own| !own.found_late) {
            let kind = own.lateness(at);
            own.found_late = kind.is_some();
            late.extend(kind.map(|kind| (own.id, kind)));
        }
        found.extend(late.into_iter().map(|(id, kind)| self.late(id, kind, blocked_by, at)));
        found
    }

    fn unreported(&self, id: RequestId, outcome: Outcome, at: u64) -> Finding {
        let (name, actual) = (self.name(id), format!("it had reported nothing by {}", seconds(at)));
        match outcome {
            Ok(reply) => {
                let status = reply.status();
                let expected = format!("the reply to {name} to be reported, with status {status}");
                finding(REPORT_REPLIES, expected, actual)
            }
            Err(why) => {
                let expected = format!("the failure of {name} to be reported: {why}");
                finding(REPORT_FAILURES, expected, actual)
            }
        }
    }

    fn late(&self, id: RequestId, kind: Late, blocked_by: Option<RequestId>, at: u64) -> Finding {
        let (name, at) = (self.name(id), seconds(at));
        match (kind, blocked_by) {
            (Late::Sending, Some(open)) => {
                let open = self.name(open);
                let expected = format!("{name} to be sent at once, since {open} was abandoned");
                let actual = format!("it had not sent it by {at}, with {open} still open");
                finding(DELAY_NO_OTHER, expected, actual)
            }
            (Late::Sending, None) => {
                let expected = format!("{name} to be sent when the driver returned it");
                finding(SEND, expected, format!("it had not sent it by {at}"))
            }
            (Late::Ending, _) => {
                let expected = format!("{name}, which was abandoned, to come to an end");
                let actual = "it had neither cancelled it nor given it its time-out";
                finding(END_ABANDONED, expected, actual)
            }
        }
    }

    /// Returns a request's number, in the order in which the driver returned them.
    pub(super) fn name(&self, id: RequestId) -> String {
        match (1_u64..).zip(&self.requests).find(|(_, own)| own.id == id) {
            Some((number, _)) => format!("request {number}"),
            None => format!("request {id}, which the driver never returned"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Late {
    Sending,
    Ending,
}

impl TokenRequest {
    /// Returns whether the driver waits for the outcome.
    fn is_awaited(&self) -> bool {
        !self.reported && self.abandoned.is_none()
    }

    fn lateness(&self, at: u64) -> Option<Late> {
        let Some((sent_at, timeout)) = self.sent else {
            let late = self.is_awaited() && is_late(self.returned, at);
            return late.then_some(Late::Sending);
        };
        let abandoned = self.abandoned.filter(|_| !self.ended)?;
        // Without a time-out it never ends; with one that is longer than the driver's, not in time.
        let ends = match timeout {
            Some(_) => sent_at.saturating_add(millis(self.timeout)).saturating_add(TIMEOUT_DELAY),
            None => abandoned,
        };
        is_late(ends.max(abandoned), at).then_some(Late::Ending)
    }
}

impl Arrival {
    /// Returns whether this is a redirect that the request follows.
    fn redirects_to(&self, request: &Request<Bytes>) -> bool {
        let Ok(reply) = &self.outcome else { return false };
        let location = reply.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        location.is_some_and(|location| request.uri() == location)
    }
}
