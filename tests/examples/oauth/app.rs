//! An app with a driver on virtual time, and the service that it talks to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use videokit_session::driver::Blocked;
use videokit_session::session::transitions::Cause;
use videokit_session::{
    AllowedOrigin, Config, Credentials, Driver, Endpoint, Event, Moment, Output, Scope,
    TransportFailure, Wake,
};

use super::example::exchange::OAuth;
use super::scenarios::{CLIENT, SECRET};

/// An authorization server with an API.
pub(crate) trait Service {
    /// Its address, without a path.
    fn origin(&self) -> String;

    /// Sends a request, and waits for the reply.
    fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportFailure>;

    /// Logs a user in, as a browser would, and returns the refresh token.
    fn log_in(&mut self) -> String;

    /// Ends it. It keeps what it knows.
    fn stop(&mut self);

    /// Starts it again, at the same address.
    fn start(&mut self);
}

/// An app of the service.
pub(crate) struct App {
    pub(crate) driver: Driver,
    pub(crate) events: Vec<Event>,
    /// How many requests for tokens were sent.
    pub(crate) sent: usize,
    /// Whether the next reply gets lost.
    pub(crate) loses_reply: bool,
    now: Moment,
}

/// Returns the client of the scenarios, with client credentials.
pub(crate) fn client(service: &dyn Service, secret: &str, scope: &str) -> OAuth {
    let endpoint = Endpoint::loopback(format!("{}/token", service.origin())).unwrap();
    let scopes = [Scope::new(scope).unwrap()].into_iter().collect();
    OAuth::new(endpoint, CLIENT, secret, scopes)
}

/// Returns the same with a user's refresh token.
pub(crate) fn user(service: &dyn Service, token: String) -> OAuth {
    client(service, SECRET, "videos.read").with_refresh_token(token)
}

pub(crate) fn credentials(oauth: OAuth) -> Credentials {
    Credentials::custom(Arc::new(oauth))
}

impl App {
    pub(crate) fn start(service: &dyn Service, oauth: OAuth) -> Self {
        let origin = AllowedOrigin::loopback(service.origin()).unwrap();
        let config = Arc::new(Config::builder(origin).build().unwrap());
        let now = Moment::from_millis(5_000, 1_795_492_800_000);
        let mut driver = Driver::new(config, 1);
        driver.start(credentials(oauth), now);
        Self { driver, events: Vec::new(), sent: 0, loses_reply: false, now }
    }

    /// Lets so much time pass.
    pub(crate) fn run(&mut self, service: &mut dyn Service, time: Duration) {
        let end = self.now.after(time);
        while let Some(wait) = self.step(service) {
            let wakes = self.now.after(wait);
            if wakes.since_start() >= end.since_start() {
                break;
            }
            self.now = wakes;
        }
        self.now = end;
    }

    /// Lets time pass until there is a token, or another one.
    pub(crate) fn until_granted(&mut self, service: &mut dyn Service) {
        let before = self.driver.generation();
        loop {
            let wait = self.step(service).expect("it comes to a token by itself");
            if self.driver.generation().is_some_and(|generation| Some(generation) != before) {
                return;
            }
            self.now = self.now.after(wait);
        }
    }

    /// Does what the driver says until it waits, and returns for how long: `None` for an input.
    fn step(&mut self, service: &mut dyn Service) -> Option<Duration> {
        loop {
            match self.driver.poll(self.now) {
                Output::Send(outgoing) => {
                    self.sent += 1;
                    let (id, request, _timeout) = outgoing.into_parts();
                    let outcome = service.send(request);
                    let is_lost = std::mem::take(&mut self.loses_reply);
                    match outcome {
                        Ok(reply) if !is_lost => self.driver.handle_response(id, &reply, self.now),
                        Ok(_) => {
                            self.driver.handle_failure(id, TransportFailure::TimedOut, self.now)
                        }
                        Err(why) => self.driver.handle_failure(id, why, self.now),
                    };
                }
                Output::Abandon(_) => {}
                Output::Event(event) => self.events.push(event),
                Output::Wait(Wake::In(wait, _)) => return Some(wait),
                Output::Wait(Wake::OnInput) => return None,
            }
        }
    }

    /// Calls the API.
    pub(crate) fn call(&mut self, service: &mut dyn Service) -> StatusCode {
        let mut request =
            Request::get(format!("{}/api", service.origin())).body(Bytes::new()).unwrap();
        let authorized = self.driver.authorize(&mut request, self.now).expect("a token");
        let status = service.send(request).expect("a reply").status();
        if status == StatusCode::UNAUTHORIZED {
            self.driver.handle_unauthorized(authorized, self.now);
        }
        status
    }

    /// Sets other credentials for the same login.
    pub(crate) fn set(&mut self, oauth: OAuth) {
        self.driver.set_credentials(credentials(oauth), self.now);
    }

    pub(crate) fn count(&self, event: &Event) -> usize {
        self.events.iter().filter(|seen| *seen == event).count()
    }

    pub(crate) fn transitions(&self, cause: Cause) -> usize {
        let transitions = self.events.iter().filter_map(Event::transition);
        transitions.filter(|transition| transition.cause == cause).count()
    }

    /// Asserts that the last request was refused for good, for the reason that this advice has, and was the last one.
    pub(crate) fn assert_refused(&mut self, service: &mut dyn Service, advice: &str) {
        let denied = self.events.iter().rev().find_map(|event| match event {
            Event::Denied(_, denial) => Some(denial),
            _ => None,
        });
        let denial = denied.expect("a denial");
        assert!(denial.is_permanent(), "{denial}");
        assert!(denial.to_string().ends_with(advice), "{denial}");
        assert_eq!(self.driver.blocked(), Some(Blocked::Refused));
        let sent = self.sent;
        self.run(service, Duration::from_secs(3_600));
        assert_eq!(self.sent, sent, "it is not asked again");
    }

    /// The refresh token that the driver asks with next.
    pub(crate) fn refresh_token(&self) -> String {
        let oauth = self.driver.credentials().unwrap().downcast_ref::<OAuth>().unwrap();
        oauth.refresh_token.as_ref().expect("a refresh token").to_string()
    }
}

/// Returns a request for another endpoint, with the client's own credentials.
pub(crate) fn post(service: &dyn Service, path: &str, form: String) -> Request<Bytes> {
    use videokit_session::exchange::Exchange;

    let client = client(service, SECRET, "videos.read").request().unwrap();
    Request::post(format!("{}{path}", service.origin()))
        .header(AUTHORIZATION, &client.headers()[AUTHORIZATION])
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.into())
        .unwrap()
}
