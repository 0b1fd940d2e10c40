//! Requests for a token: returned by the driver, sent, abandoned, answered, reported.

use core::time::Duration;

use bytes::Bytes;
use http::header::LOCATION;
use http::{Request, Response};

use super::{
    Finding, TIMEOUT_DELAY, changed_reply, changed_request, finding, hint, is_late, seconds,
};
use crate::session::{RequestId, TransportFailure};
use crate::time::millis;

/// A request that the driver returned.
#[derive(Debug)]
struct TokenRequest {
    id: RequestId,
    /// Its number, in the order in which the driver returned them.
    number: usize,
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
        let number = self.requests.len().saturating_add(1);
        self.requests.push(TokenRequest {
            id,
            number,
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
            return (false, Some(finding(hint::SEND_NOTHING_ELSE, "no request", actual)));
        };
        if own.abandoned.is_some() {
            let again = if own.sent.is_some() { " again" } else { "" };
            let actual = format!("it sent {name}{again}, which was abandoned");
            return (false, Some(finding(hint::SEND_NOTHING_ELSE, "no request", actual)));
        }
        if own.sent.is_some() {
            return self.sent_again(id, request);
        }
        if own.reported {
            let expected = format!("{name} to be sent before its outcome is reported");
            let actual = "it sent it after it had reported it";
            return (false, Some(finding(hint::SEND, expected, actual)));
        }
        own.sent = Some((at, timeout));
        let shorter = timeout.filter(|timeout| *timeout < own.timeout).map(|timeout| {
            let [short, full] = [timeout, own.timeout].map(|time| seconds(millis(time)));
            format!("a time-out of {short} instead of {full}")
        });
        let found = changed_request(&own.request, request).or(shorter).map(|change| {
            let expected = format!("{name} as the driver returned it");
            finding(hint::SEND_AS_GIVEN, expected, format!("it sent it with {change}"))
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
            let reply = arrival.outcome.as_ref().ok();
            let location = reply.and_then(|reply| reply.headers().get(LOCATION)?.to_str().ok());
            redirected |= location.is_some_and(|location| request.uri() == location);
        }
        if redirected {
            let expected = format!("the redirect to be reported as the reply to {name}");
            let actual = format!("it sent the request on to {}", request.uri());
            return (true, Some(finding(hint::FOLLOW_NO_REDIRECT, expected, actual)));
        }
        let expected = format!("{name} to be sent once");
        (answered, Some(finding(hint::SEND_ONCE, expected, "it sent it again")))
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
    /// The loop reported a reply, or a failure.
    pub(super) fn reported(
        &mut self,
        id: RequestId,
        reply: Option<&Response<Bytes>>,
        accepted: bool,
        at: u64,
    ) -> Option<Finding> {
        if let Some(own) = self.get_mut(id) {
            own.reported |= accepted;
        }
        let name = self.name(id);
        let is_meant = |outcome: &Outcome| match (outcome, reply) {
            (Ok(came), Some(reply)) => {
                came.status() == reply.status() && came.body() == reply.body()
            }
            (outcome, reply) => outcome.is_err() && reply.is_none(),
        };
        let Some(arrival) = self.take_arrival(id, is_meant, at) else {
            return self.unexpected(id, reply.is_some(), accepted, at);
        };
        if arrival.id != id {
            let of = self.name(arrival.id);
            let expected = format!("the outcome of {of} to be reported under its id");
            let actual = format!("it reported it under the id of {name}");
            return Some(finding(hint::REPORT_UNDER_ITS_ID, expected, actual));
        }
        match (arrival.outcome, reply) {
            (Ok(came), Some(reply)) => {
                let actual = format!("it reported it with {}", changed_reply(&came, reply)?);
                let expected = format!("the reply to {name} as it came");
                Some(finding(hint::REPORT_AS_RECEIVED, expected, actual))
            }
            (Err(why), Some(reply)) => {
                let expected = format!("`handle_failure` for {name}: {why}");
                let actual = format!("it reported a reply with status {}", reply.status());
                Some(finding(hint::A_FAILURE_IS_NO_REPLY, expected, actual))
            }
            (Ok(came), None) if arrival.required => {
                let expected = format!("the reply to {name}, with status {}", came.status());
                let actual = "it reported a failure in place of it";
                Some(finding(hint::A_REPLY_IS_NO_FAILURE, expected, actual))
            }
            (_, None) => None,
        }
    }

    /// Checks a report to which nothing came.
    fn unexpected(&self, id: RequestId, reply: bool, accepted: bool, at: u64) -> Option<Finding> {
        let name = self.name(id);
        let mut before = self.arrivals.iter().filter(|arrival| arrival.id == id);
        let again = |what| {
            let expected = format!("one report of the outcome of {name}");
            Some(finding(hint::REPORT_ONCE, expected, format!("it reported a {what} again")))
        };
        if reply {
            if before.next().is_some() {
                return again("reply");
            }
            let expected = format!("no report yet, or the outcome of {name}");
            let actual = "it reported a reply that never came";
            return Some(finding(hint::INVENT_NOTHING, expected, actual));
        }
        let own = self.requests.iter().find(|own| own.id == id)?;
        let Some((sent_at, _)) = own.sent else {
            // Every request can be sent here. An abandoned one needn't be.
            let expected = format!("{name} to be sent");
            let actual = "it reported a failure without sending it";
            return accepted.then(|| finding(hint::SEND, expected, actual));
        };
        // A loop may keep the time itself.
        let timed_out = at >= sent_at.saturating_add(millis(own.timeout));
        if before.any(|arrival| arrival.outcome.is_err() || !timed_out) {
            return again("failure");
        }
        if own.ended || timed_out || !accepted {
            return None;
        }
        let expected = format!("no failure yet: {name} is in flight, and has time");
        let actual = format!("it reported a failure after {}", seconds(at.saturating_sub(sent_at)));
        Some(finding(hint::NO_EARLY_FAILURE, expected, actual))
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

    fn get_mut(&mut self, id: RequestId) -> Option<&mut TokenRequest> {
        self.requests.iter_mut().find(|own| own.id == id)
    }

    /// Returns the time that the driver gives a request.
    pub(super) fn timeout(&self, id: RequestId) -> Option<Duration> {
        Some(self.requests.iter().find(|own| own.id == id)?.timeout)
    }

    pub(super) fn overdue(&mut self, at: u64) -> Vec<Finding> {
        let mut found = Vec::new();
        for arrival in &mut self.arrivals {
            if !arrival.required || !is_late(arrival.at, at) {
                continue;
            }
            arrival.required = false;
            let own = self.requests.iter().find(|own| own.id == arrival.id);
            let name = own.map(TokenRequest::name).unwrap_or_default();
            let (hint, expected) = match &arrival.outcome {
                Ok(reply) => {
                    let status = reply.status();
                    let expected =
                        format!("the reply to {name} to be reported, with status {status}");
                    (hint::REPORT_REPLIES, expected)
                }
                Err(why) => {
                    let expected = format!("the failure of {name} to be reported: {why}");
                    (hint::REPORT_FAILURES, expected)
                }
            };
            let actual = format!("it had reported nothing by {}", seconds(at));
            found.push(finding(hint, expected, actual));
        }
        let open =
            |own: &&TokenRequest| own.abandoned.is_some() && own.sent.is_some() && !own.ended;
        let open = self.requests.iter().find(open).map(TokenRequest::name);
        for own in self.requests.iter_mut().filter(|own| !own.found_late) {
            let late = own.late(open.as_deref(), at);
            own.found_late = late.is_some();
            found.extend(late);
        }
        found
    }

    /// Returns a request's number, in words.
    pub(super) fn name(&self, id: RequestId) -> String {
        match self.requests.iter().find(|own| own.id == id) {
            Some(own) => own.name(),
            None => format!("request {id}, which the driver never returned"),
        }
    }
}

impl TokenRequest {
    fn name(&self) -> String {
        format!("request {}", self.number)
    }

    /// Returns whether the driver waits for the outcome.
    fn is_awaited(&self) -> bool {
        !self.reported && self.abandoned.is_none()
    }

    /// Returns what is late, if anything is. `open` is an abandoned request that has not ended.
    fn late(&self, open: Option<&str>, at: u64) -> Option<Finding> {
        let Some((sent_at, timeout)) = self.sent else {
            if !self.is_awaited() || !is_late(self.returned, at) {
                return None;
            }
            let (name, actual) = (self.name(), format!("it had not sent it by {}", seconds(at)));
            let Some(open) = open else {
                let expected = format!("{name} to be sent when the driver returned it");
                return Some(finding(hint::SEND, expected, actual));
            };
            let expected = format!("{name} to be sent at once, since {open} was abandoned");
            let actual = format!("{actual}, with {open} still open");
            return Some(finding(hint::DELAY_NO_OTHER, expected, actual));
        };
        let abandoned = self.abandoned.filter(|_| !self.ended)?;
        // Without a time-out it never ends; with one that is longer than the driver's, not in time.
        let ends = match timeout {
            Some(_) => sent_at.saturating_add(millis(self.timeout)).saturating_add(TIMEOUT_DELAY),
            None => abandoned,
        };
        is_late(ends.max(abandoned), at).then(|| {
            let expected = format!("{}, which was abandoned, to come to an end", self.name());
            let actual = "it had neither cancelled it nor given it its time-out";
            finding(hint::END_ABANDONED, expected, actual)
        })
    }
}
