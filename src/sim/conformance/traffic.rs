//! Requests for a token: handed out, sent, abandoned, answered, reported.

use core::time::Duration;

use bytes::Bytes;
use http::header::LOCATION;
use http::{Request, Response};

use super::compare::{alteration, difference};
use super::duty::Duty;
use super::finding::{Finding, cure, finding, is_late};
use super::network::LATE;
use super::report::seconds;
use crate::session::{RequestId, TransportFailure};
use crate::time::millis;

/// A request that the driver handed out.
#[derive(Debug)]
struct Asked {
    id: RequestId,
    request: Request<Bytes>,
    timeout: Duration,
    handed_out: u64,
    /// When, and with which time-out.
    sent: Option<(u64, Option<Duration>)>,
    abandoned: Option<u64>,
    /// Nothing more comes of it.
    over: bool,
    /// The driver knows what became of it.
    settled: bool,
    /// What was late was found to be.
    late_found: bool,
}

/// What came to the loop for a request.
#[derive(Debug)]
struct Arrival {
    id: RequestId,
    at: u64,
    came: Came,
    reported: bool,
    /// The driver waits for it.
    owed: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Came {
    Reply(Response<Bytes>),
    Failure(TransportFailure),
}

#[derive(Debug, Default)]
pub(super) struct Traffic {
    asked: Vec<Asked>,
    arrivals: Vec<Arrival>,
}

/// What the loop does with requests.
impl Traffic {
    pub(super) fn handed_out(
        &mut self,
        id: RequestId,
        request: &Request<Bytes>,
        timeout: Duration,
        at: u64,
    ) {
        self.asked.push(Asked {
            id,
            request: request.clone(),
            timeout,
            handed_out: at,
            sent: None,
            abandoned: None,
            over: false,
            settled: false,
            late_found: false,
        });
    }

    /// Whether the network carries it, and what is wrong with it.
    pub(super) fn sent(
        &mut self,
        id: RequestId,
        request: &Request<Bytes>,
        timeout: Option<Duration>,
        at: u64,
    ) -> (bool, Option<Finding>) {
        let name = self.name(id);
        let Some(asked) = self.asked_mut(id) else {
            let did = "it sent a request that the driver had not handed out";
            return (false, Some(nothing_else("nothing", did.to_owned())));
        };
        if asked.abandoned.is_some() {
            let again = if asked.sent.is_some() { " again" } else { "" };
            let did = format!("it sent {name}{again}, which was abandoned");
            return (false, Some(nothing_else("nothing to be sent", did)));
        }
        if asked.sent.is_some() {
            return self.sent_again(id, request);
        }
        if asked.settled {
            let expected = format!("{name} to be sent before anything is reported of it");
            let did = "it sent it after it had reported what became of it";
            return (false, Some(finding(Duty::Send, expected, did, cure::SEND)));
        }
        asked.sent = Some((at, timeout));
        let cut_short = timeout.filter(|timeout| *timeout < asked.timeout);
        let cut_short = cut_short.map(|timeout| {
            format!("a time-out of {} instead of {}", secs(timeout), secs(asked.timeout))
        });
        let found = difference(&asked.request, request).or(cut_short).map(|what| {
            let expected = format!("{name} as the driver made it");
            let did = format!("it sent it with {what}");
            finding(Duty::SendAsGiven, expected, did, cure::SEND_AS_GIVEN)
        });
        (true, found)
    }

    fn sent_again(&mut self, id: RequestId, request: &Request<Bytes>) -> (bool, Option<Finding>) {
        let name = self.name(id);
        let (mut answered, mut redirected) = (false, false);
        for arrival in self.arrivals.iter_mut().filter(|arrival| arrival.id == id) {
            // The loop waits for another outcome now.
            arrival.owed = false;
            answered = true;
            redirected |= arrival.leads_to(request);
        }
        if redirected {
            let expected = format!("the redirect to be reported as the reply to {name}");
            let did = format!("it sent the request on to {}", request.uri());
            let found = finding(Duty::FollowNoRedirect, expected, did, cure::FOLLOW_NO_REDIRECT);
            return (true, Some(found));
        }
        let expected = format!("{name} to be sent once");
        let found = finding(Duty::SendOnce, expected, "it sent it again", cure::SEND_ONCE);
        (answered, Some(found))
    }

    /// The driver abandoned it.
    pub(super) fn abandoned(&mut self, id: RequestId, at: u64) {
        if let Some(asked) = self.asked_mut(id) {
            asked.abandoned = Some(at);
        }
        for arrival in self.arrivals.iter_mut().filter(|arrival| arrival.id == id) {
            arrival.owed = false;
        }
    }

    /// The loop cancelled it.
    pub(super) fn cancelled(&mut self, id: RequestId, at: u64) {
        let Some(asked) = self.asked_mut(id) else { return };
        if asked.sent.is_some() && !asked.over && asked.is_awaited() {
            // The driver still waits for it, and nobody else will tell it.
            self.came(id, Came::Failure(TransportFailure::Other), at);
        } else {
            asked.over = true;
        }
    }

    /// Something came for it.
    pub(super) fn came(&mut self, id: RequestId, came: Came, at: u64) {
        let owed = self.asked_mut(id).is_some_and(|asked| {
            asked.over = true;
            asked.is_awaited()
        });
        // Only the last is held against reports: a loop that sends again and again fills no memory.
        self.arrivals.retain(|arrival| arrival.id != id || arrival.owed);
        self.arrivals.push(Arrival { id, at, came, reported: false, owed });
    }
}

/// What the loop tells the driver about them.
impl Traffic {
    pub(super) fn reported_reply(
        &mut self,
        id: RequestId,
        reply: &Response<Bytes>,
        taken: bool,
        at: u64,
    ) -> Option<Finding> {
        self.settle(id, taken);
        let name = self.name(id);
        let Some(index) = self.arrival_for(id, |came| came.is_like(reply), at) else {
            if self.arrivals.iter().any(|arrival| arrival.id == id) {
                let expected = format!("one report of what came of {name}");
                let did = "it reported a reply to it once more";
                return Some(finding(Duty::ReportOnce, expected, did, cure::REPORT_ONCE));
            }
            let expected = format!("nothing yet, or what came of {name}");
            let did = "it reported a reply that never came";
            return Some(finding(Duty::ReportAsItCame, expected, did, cure::MAKE_NOTHING_UP));
        };
        let arrival = self.arrivals.get_mut(index)?;
        (arrival.reported, arrival.owed) = (true, false);
        let (of, came) = (arrival.id, arrival.came.clone());
        if of != id {
            return Some(self.under_another_id(of, id));
        }
        match came {
            Came::Reply(came) => {
                let what = alteration(&came, reply)?;
                let expected = format!("the reply to {name} as it came");
                let did = format!("it reported it with {what}");
                Some(finding(Duty::ReportAsItCame, expected, did, cure::REPORT_AS_IT_CAME))
            }
            Came::Failure(why) => {
                let expected = format!("`handle_failure` for {name}: {why}");
                let did = format!("it reported a reply with status {}", reply.status());
                Some(finding(Duty::ReportFailures, expected, did, cure::A_FAILURE_IS_NO_REPLY))
            }
        }
    }

    pub(super) fn reported_failure(
        &mut self,
        id: RequestId,
        taken: bool,
        at: u64,
    ) -> Option<Finding> {
        self.settle(id, taken);
        let name = self.name(id);
        if let Some(index) = self.arrival_for(id, |came| matches!(came, Came::Failure(_)), at) {
            let arrival = self.arrivals.get_mut(index)?;
            let (of, was_owed) = (arrival.id, arrival.owed);
            (arrival.reported, arrival.owed) = (true, false);
            if of != id {
                return Some(self.under_another_id(of, id));
            }
            let Came::Reply(reply) = &arrival.came else { return None };
            if !was_owed {
                return None;
            }
            let expected = format!("the reply to {name}, with status {}", reply.status());
            let did = "it reported a failure in place of it";
            return Some(finding(Duty::ReportReplies, expected, did, cure::A_REPLY_IS_NO_FAILURE));
        }
        let asked = self.asked.iter().find(|asked| asked.id == id)?;
        let Some((sent_at, _)) = asked.sent else {
            // On stage every request can be sent. What was abandoned before needn't be.
            let expected = format!("{name} to be sent");
            let did = "it reported a failure without sending it";
            return taken.then(|| finding(Duty::Send, expected, did, cure::SEND));
        };
        // A loop may keep the time itself.
        let time_is_over = at >= sent_at.saturating_add(millis(asked.timeout));
        let failed = |arrival: &Arrival| matches!(arrival.came, Came::Failure(_));
        let mut before = self.arrivals.iter().filter(|arrival| arrival.id == id);
        if before.any(|arrival| failed(arrival) || !time_is_over) {
            let expected = format!("one report of what became of {name}");
            let did = "it reported a failure once more";
            return Some(finding(Duty::ReportOnce, expected, did, cure::REPORT_ONCE));
        }
        if asked.over || time_is_over || !taken {
            return None;
        }
        let expected = format!("no failure yet: {name} is on its way, and has time");
        let did = format!("it reported a failure after {}", seconds(at.saturating_sub(sent_at)));
        Some(finding(Duty::ReportFailures, expected, did, cure::NO_EARLY_FAILURE))
    }

    /// What came for this request and is not reported; or else what came for another one, if it is what
    /// is reported.
    fn arrival_for(
        &self,
        id: RequestId,
        is_meant: impl Fn(&Came) -> bool,
        at: u64,
    ) -> Option<usize> {
        let open = |arrival: &Arrival| !arrival.reported;
        let own = self.arrivals.iter().rposition(|arrival| open(arrival) && arrival.id == id);
        let fits = |arrival: &Arrival| open(arrival) && !is_late(arrival.at, at);
        let others =
            || self.arrivals.iter().rposition(|arrival| fits(arrival) && is_meant(&arrival.came));
        // What came for this one is reported once more, rather than the like of another one.
        let again = |arrival: &Arrival| arrival.id == id && is_meant(&arrival.came);
        own.or_else(|| if self.arrivals.iter().any(again) { None } else { others() })
    }

    fn under_another_id(&self, of: RequestId, id: RequestId) -> Finding {
        let expected = format!("what came of {} to be reported under its id", self.name(of));
        let did = format!("it reported it under the id of {}", self.name(id));
        finding(Duty::ReportUnderItsId, expected, did, cure::REPORT_UNDER_ITS_ID)
    }

    fn settle(&mut self, id: RequestId, taken: bool) {
        if let Some(asked) = self.asked_mut(id) {
            asked.settled |= taken;
        }
    }

    fn asked_mut(&mut self, id: RequestId) -> Option<&mut Asked> {
        self.asked.iter_mut().find(|asked| asked.id == id)
    }

    /// How much time the driver gives a request.
    pub(super) fn timeout(&self, id: RequestId) -> Option<Duration> {
        Some(self.asked.iter().find(|asked| asked.id == id)?.timeout)
    }
}

/// What is late.
impl Traffic {
    pub(super) fn overdue(&mut self, at: u64) -> Vec<Finding> {
        let mut unreported = Vec::new();
        for arrival in self.arrivals.iter_mut().filter(|arrival| arrival.owed) {
            if is_late(arrival.at, at) {
                arrival.owed = false;
                unreported.push((arrival.id, arrival.came.clone()));
            }
        }
        let unreported = unreported.iter().map(|(id, came)| self.unreported(*id, came, at));
        let mut found: Vec<_> = unreported.collect();
        let open = |asked: &Asked| asked.abandoned.is_some() && asked.sent.is_some() && !asked.over;
        let blocked_by = self.asked.iter().find(|asked| open(asked)).map(|asked| asked.id);
        let mut late = Vec::new();
        for asked in self.asked.iter_mut().filter(|asked| !asked.late_found) {
            let kind = asked.what_is_late(at);
            asked.late_found = kind.is_some();
            late.extend(kind.map(|kind| (asked.id, kind)));
        }
        found.extend(late.into_iter().map(|(id, kind)| self.late(id, kind, blocked_by, at)));
        found
    }

    fn unreported(&self, id: RequestId, came: &Came, at: u64) -> Finding {
        let (name, did) = (self.name(id), format!("it had reported nothing by {}", seconds(at)));
        match came {
            Came::Reply(reply) => {
                let status = reply.status();
                let expected = format!("the reply to {name} to be reported, with status {status}");
                finding(Duty::ReportReplies, expected, did, cure::REPORT_REPLIES)
            }
            Came::Failure(why) => {
                let expected = format!("the failure of {name} to be reported: {why}");
                finding(Duty::ReportFailures, expected, did, cure::REPORT_FAILURES)
            }
        }
    }

    fn late(&self, id: RequestId, kind: Late, blocked_by: Option<RequestId>, at: u64) -> Finding {
        let (name, at) = (self.name(id), seconds(at));
        match (kind, blocked_by) {
            (Late::Sending, Some(open)) => {
                let open = self.name(open);
                let expected = format!("{name} to be sent at once, since {open} was abandoned");
                let did = format!("it had not sent it by {at}, with {open} still open");
                finding(Duty::LetGo, expected, did, cure::HOLD_NOTHING_BACK)
            }
            (Late::Sending, None) => {
                let expected = format!("{name} to be sent when the driver handed it out");
                finding(Duty::Send, expected, format!("it had not sent it by {at}"), cure::SEND)
            }
            (Late::Ending, _) => {
                let expected = format!("{name}, which was abandoned, to come to an end");
                let did = "it had neither cancelled it nor given it its time-out";
                finding(Duty::LetGo, expected, did, cure::END_IT)
            }
        }
    }

    /// A request's number, in the order in which they were handed out.
    pub(super) fn name(&self, id: RequestId) -> String {
        let number = self.asked.iter().position(|asked| asked.id == id);
        match number {
            Some(number) => format!("request {}", number.saturating_add(1)),
            None => format!("request {id}, which was never handed out"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Late {
    Sending,
    Ending,
}

impl Asked {
    /// Whether the driver waits for what becomes of it.
    fn is_awaited(&self) -> bool {
        !self.settled && self.abandoned.is_none()
    }

    fn what_is_late(&self, at: u64) -> Option<Late> {
        let Some((sent_at, timeout)) = self.sent else {
            let late = self.is_awaited() && is_late(self.handed_out, at);
            return late.then_some(Late::Sending);
        };
        let abandoned = self.abandoned.filter(|_| !self.over)?;
        // Without a time-out it never ends; with one that is longer than the driver's, not in time.
        let ends = match timeout {
            Some(_) => sent_at.saturating_add(millis(self.timeout)).saturating_add(LATE),
            None => abandoned,
        };
        is_late(ends.max(abandoned), at).then_some(Late::Ending)
    }
}

impl Arrival {
    /// Whether this is a redirect that the request follows.
    fn leads_to(&self, request: &Request<Bytes>) -> bool {
        let Came::Reply(reply) = &self.came else { return false };
        let location = reply.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        location.is_some_and(|location| request.uri() == location)
    }
}

impl Came {
    fn is_like(&self, reply: &Response<Bytes>) -> bool {
        let Self::Reply(came) = self else { return false };
        came.status() == reply.status() && came.body() == reply.body()
    }
}

fn secs(time: Duration) -> String {
    seconds(millis(time))
}

fn nothing_else(expected: &str, did: String) -> Finding {
    finding(Duty::SendNothingElse, expected, did, cure::SEND_NOTHING_ELSE)
}
