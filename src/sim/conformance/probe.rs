//! The driver that a loop under test is given: a real one, and every call is written down.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::clock::Clock;
use super::note::{Call, Deed, Drove, Held, Note, Said};
use crate::driver::{Delivery, Drive, Driver, Input, Output};
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
    fn handle(&mut self, input: Input, now: Moment) -> Delivery {
        let delivery = self.driver.handle(input.clone(), now);
        self.note(now, Call::Handle(input, delivery));
        delivery
    }

    fn poll(&mut self, now: Moment) -> Output {
        let output = self.driver.poll(now);
        self.note(now, Call::Poll(Said::of(&output)));
        output
    }

    fn driver(&self) -> &Driver {
        &self.driver
    }
}
