//! The driver of a loop under test.

use super::{Action, ActiveToken, DriverCall, Environment, Method, PollResult, TokenStatus};
use crate::driver::{AuthorizeError, Delivery, Drive, Driver, Input as DriverInput, Output};
use crate::time::Moment;

/// The driver of a loop under test: a real [`Driver`], of which each call is noted. Its methods are those of [`Drive`],
/// so `use videokit_session::driver::Drive`; authorize by `probe.driver().authorize(..)`.
#[derive(Debug)]
pub struct Probe {
    pub(super) driver: Driver,
    pub(super) environment: Environment,
}

impl Probe {
    fn note(&self, passed: Moment, method: Method) {
        let call = DriverCall { passed, method, token: self.token(passed) };
        self.environment.note(Action::Driver(Box::new(call)));
    }

    fn token(&self, now: Moment) -> TokenStatus {
        let origin = self.driver.config().origins().first().ok_or(AuthorizeError::OtherOrigin)?;
        let authorization = self.driver.authorization(origin, now)?;
        let generation = authorization.authorized().generation;
        Ok(ActiveToken { generation, header: authorization.value().clone() })
    }
}

impl Drive for Probe {
    fn handle(&mut self, input: DriverInput, now: Moment) -> Delivery {
        let delivery = self.driver.handle(input.clone(), now);
        self.note(now, Method::Handle(input, delivery));
        delivery
    }

    fn poll(&mut self, now: Moment) -> Output {
        let output = self.driver.poll(now);
        self.note(now, Method::Poll(PollResult::from(&output)));
        output
    }

    fn driver(&self) -> &Driver {
        &self.driver
    }
}
