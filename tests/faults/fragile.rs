//! An exchange that panics where a test wants it to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Request, Response, Uri};
use videokit_session::exchange::{BODY_LIMIT, BuildError, Denial, Exchange, Reply, Scopes};
use videokit_session::{Credentials, Grant, Identity, SessionToken};

use crate::world::HOUR;

/// The methods of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Request,
    Read,
    Identity,
    Scopes,
    Endpoint,
    BodyLimit,
    IsSingleUse,
    IssuerWritesDate,
}

use Method as M;

pub(crate) const METHODS: [Method; 8] = [
    M::Request,
    M::Read,
    M::Identity,
    M::Scopes,
    M::Endpoint,
    M::BodyLimit,
    M::IsSingleUse,
    M::IssuerWritesDate,
];

/// An exchange that works, until one of its methods is armed.
#[derive(Clone)]
pub(crate) struct Fragile {
    user: Option<Identity>,
    uri: Uri,
    /// Whether it says where it asks without a request.
    states_endpoint: bool,
    scopes: Scopes,
    single_use: bool,
    /// Whether each grant brings a successor.
    rotates: bool,
    trigger: Trigger,
}

/// What arms a method of all its exchanges.
#[derive(Clone, Default)]
pub(crate) struct Trigger(Arc<Mutex<Option<(Method, u32)>>>);

impl Trigger {
    pub(crate) fn arm(&self, method: Method) {
        self.arm_after(method, 0);
    }

    /// The method panics after so many calls that don't.
    pub(crate) fn arm_after(&self, method: Method, calls: u32) {
        *self.lock() = Some((method, calls));
    }

    pub(crate) fn disarm(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Method, u32)>> {
        self.0.lock().unwrap()
    }

    pub(crate) fn exchange(&self, user: &str) -> Fragile {
        Fragile {
            user: Some(Identity::new(user).unwrap()),
            uri: Uri::from_static("https://login.example/token"),
            states_endpoint: true,
            scopes: Scopes::default(),
            single_use: false,
            rotates: false,
            trigger: self.clone(),
        }
    }

    pub(crate) fn credentials(&self, user: &str) -> Credentials {
        self.exchange(user).credentials()
    }
}

impl Fragile {
    pub(crate) fn single_use(self) -> Self {
        Self { single_use: true, ..self }
    }

    /// Where it asks has to be seen from a request.
    pub(crate) fn without_endpoint(self) -> Self {
        Self { states_endpoint: false, ..self }
    }

    /// It states nobody.
    pub(crate) fn anonymous(self) -> Self {
        Self { user: None, ..self }
    }

    pub(crate) fn rotating(self) -> Self {
        Self { rotates: true, ..self }
    }

    pub(crate) fn credentials(self) -> Credentials {
        Credentials::custom(Arc::new(self))
    }

    fn call(&self, method: Method) {
        // The lock is not held while it panics.
        let panics = match self.trigger.lock().as_mut() {
            Some((armed, calls)) if *armed == method => {
                let over = *calls == 0;
                *calls = calls.saturating_sub(1);
                over
            }
            _ => false,
        };
        assert!(!panics, "this is armed");
    }
}

impl Exchange for Fragile {
    fn request(&self) -> Result<Request<Bytes>, BuildError> {
        self.call(M::Request);
        Ok(Request::post(&self.uri).body(Bytes::new()).unwrap())
    }

    fn read(&self, reply: Reply<'_>) -> Result<Grant, Denial> {
        self.call(M::Read);
        let token = SessionToken::new(reply.granting_body(100)?).expect("a token");
        let grant = Grant::new(token).with_lifetime(HOUR);
        let successor = self.rotates.then(|| self.clone().credentials());
        Ok(successor.into_iter().fold(grant, Grant::with_successor))
    }

    fn identity(&self) -> Option<&Identity> {
        self.call(M::Identity);
        self.user.as_ref()
    }

    fn scopes(&self) -> Option<&Scopes> {
        self.call(M::Scopes);
        Some(&self.scopes)
    }

    fn endpoint(&self) -> Option<&Uri> {
        self.call(M::Endpoint);
        self.states_endpoint.then_some(&self.uri)
    }

    fn body_limit(&self) -> usize {
        self.call(M::BodyLimit);
        BODY_LIMIT
    }

    fn is_single_use(&self) -> bool {
        self.call(M::IsSingleUse);
        self.single_use
    }

    fn issuer_writes_date(&self) -> bool {
        self.call(M::IssuerWritesDate);
        false
    }
}

pub(crate) fn granting(token: &'static str) -> Response<Bytes> {
    Response::new(Bytes::from_static(token.as_bytes()))
}

/// Whether this panics.
pub(crate) fn panics<T>(call: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}
