//! The network and the gateway.

use bytes::Bytes;
use http::Request;

use crate::millis;
use videokit_session::session::{Outgoing, RequestId, TransportFailure};
use videokit_session::sim::Fault;

use super::{Play, What};

impl Play {
    pub(crate) fn send(&mut self, app: usize, outgoing: Outgoing) {
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

    pub(crate) fn arrive(&mut self, app: usize, id: RequestId, request: &Request<Bytes>) {
        let granted = self.gateway.counts().granted;
        let late = self.gateway.handle_under(&self.lasting, request, self.date());
        let (response, delay) = (late.response, millis(late.delay));
        if self.gateway.counts().granted > granted {
            self.apps[app].client.learn(&self.gateway, &self.lasting);
        }
        let back = self.now.saturating_add(self.chance.within(10, 120));
        let back = back.saturating_add(delay);
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
