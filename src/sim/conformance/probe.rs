//! The driver that a loop under test is given: a real one, and every call is written down.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::clock::Clock;
use super::note::{AppInput, Call, Deed, Drove, Held, Note, Said, copy_response};
use crate::driver::{Delivery, Drive, Driver, Output, Start};
use crate::session::{Generation, RequestId, TransportFailure};
use crate::time::Moment;

/// The driver that a loop under test drives. Inside is a real [`Driver`]; each call goes to it, and is
/// written down with its moment.
#[derive(Debug)]
pub struct Probe {
    driver: Driver,
    clock: Arc<Clock>,
    notes: Sender<Note>,
}

impl Probe {
    pub(super) fn new(driver: Driver, clock: Arc<Clock>, notes: Sender<Note>) -> Self {
        Self { driver, clock, notes }
    }

    fn note(&self, now: Moment, call: Call) {
        self.clock.count_call();
        // As in `Stage::note`.
        if self.clock.cut().is_some() {
            return;
        }
        let origin = self.driver.config().origins().first();
        let authorization = origin.and_then(|origin| self.driver.authorization(origin, now).ok());
        let holds = authorization.map(|authorization| Held {
            generation: authorization.authorized().generation,
            header: authorization.value().clone(),
        });
        let drove = Drove { now, shown: self.clock.now(), call, holds };
        // Nobody reads notes after the scenario.
        let _ = self.notes.send(Note::new(&self.clock, Deed::Drive(Box::new(drove))));
    }
}

impl Drive for Probe {
    fn start(&mut self, start: Start, now: Moment) {
        self.driver.start(start.clone(), now);
        self.note(now, Call::App(AppInput::Start(start)));
    }

    fn poll(&mut self, now: Moment) -> Output {
        let output = self.driver.poll(now);
        self.note(now, Call::Poll(Said::of(&output)));
        output
    }

    fn handle_response<B: AsRef<[u8]>>(
        &mut self,
        id: RequestId,
        reply: &http::Response<B>,
        now: Moment,
    ) -> Delivery {
        let delivery = self.driver.handle_response(id, reply, now);
        let (reply, taken) = (copy_response(reply), delivery.is_accepted());
        self.note(now, Call::Response { id, reply, taken });
        delivery
    }

    fn handle_failure(&mut self, id: RequestId, why: TransportFailure, now: Moment) -> Delivery {
        let delivery = self.driver.handle_failure(id, why, now);
        self.note(now, Call::Failure { id, taken: delivery.is_accepted() });
        delivery
    }

    fn handle_unauthorized(&mut self, generation: Generation, now: Moment) {
        self.driver.handle_unauthorized(generation, now);
        self.note(now, Call::Unauthorized(generation));
    }

    fn set_online(&mut self, online: bool, now: Moment) {
        self.driver.set_online(online, now);
        self.note(now, Call::App(AppInput::Online(online)));
    }

    fn stop(&mut self, now: Moment) {
        self.driver.stop(now);
        self.note(now, Call::App(AppInput::Stop));
    }

    fn observe(&mut self, now: Moment) {
        self.driver.observe(now);
        self.note(now, Call::Observe);
    }

    fn driver(&self) -> &Driver {
        &self.driver
    }
}
