//! The client: everything that an app does with a session, act by act.

use std::error::Error;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use videokit_session::exchange::Endpoint;
use videokit_session::session::transitions::StateName;
use videokit_session::session::{Advance, Input, NotActive, Rejection, RequestId, Step};
use videokit_session::{
    Active, AllowedOrigin, AnySession, ApiToken, Authenticating, Backend, Config, Credentials,
    Expired, Gateway, Identity, Outgoing, Scope, Session, TransportFailure, Unauthenticated, sim,
};

use crate::servers::Servers;
use crate::timeline::{Timeline, life};
use crate::transport::{Clocks, Transport};

/// Who is using this app.
const USER: &str = "user-17";

/// One client, and what it has counted.
pub(crate) struct Client<'a> {
    servers: &'a Servers,
    clocks: Clocks,
    transport: Transport,
    timeline: Timeline,
    pub(crate) counts: sim::Counts,
}

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// A reply, and the id of the request that it is to.
type Reply = (RequestId, Response<Vec<u8>>);

/// A request for a token, on its way.
struct Pending {
    id: RequestId,
    reply: JoinHandle<Result<Response<Vec<u8>>, TransportFailure>>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(servers: &'a Servers) -> Self {
        Self {
            servers,
            clocks: Clocks::start(),
            transport: Transport::local(),
            timeline: Timeline::start(),
            counts: sim::Counts::default(),
        }
    }

    /// The whole play.
    pub(crate) fn run(&mut self, api_token: &str) -> Done {
        let session = self.refused()?;
        let session = self.development(session, api_token)?;
        let session = self.renewal(session)?;
        let session = self.other_origin(session)?;
        let session = self.expiry(session)?;
        let session = self.new_login(session)?;
        let session = self.late_reply(session)?;
        self.production(session)
    }

    fn refused(&mut self) -> Done<Session<Unauthenticated>> {
        Timeline::act("1. A wrong API token: the gateway refuses, and the session is not lost");
        // Tokens here live for seconds, and all clocks are one: so the tolerances are small.
        let config = Config::builder(AllowedOrigin::loopback(&self.servers.gateway)?)
            .gateway_skew(Duration::from_millis(100))
            .backend_skew(Duration::from_millis(100))
            .build()?;
        // An app gives each session another seed, from any source of chance.
        let session = Session::new(Arc::new(config), 42);
        let (session, outgoing) =
            session.authenticate(self.gateway("not-the-token")?, self.clocks.now())?;
        let (id, reply) = self.ask(session.state(), outgoing)?;
        match session.receive(id, &reply, self.clocks.now()) {
            Err(NotActive::Denied(rejected)) => {
                let (session, why) = rejected.into_parts();
                self.timeline.came(session.state(), why);
                Ok(session)
            }
            Err(other) => Err(other.into()),
            Ok(_) => Err("a wrong token was granted".into()),
        }
    }

    fn development(
        &mut self,
        session: Session<Unauthenticated>,
        api_token: &str,
    ) -> Done<Session<Active>> {
        Timeline::act("2. In development: an API token and an identity");
        let (session, outgoing) =
            session.authenticate(self.gateway(api_token)?, self.clocks.now())?;
        let session = self.finish_login(session, outgoing)?;
        self.timeline
            .note(session.state(), "an interval, since a Date header is cut to the second");
        self.call(&session)?;
        Ok(session)
    }

    fn renewal(&mut self, mut session: Session<Active>) -> Done<Session<Active>> {
        Timeline::act("3. Renewal: the old token serves until the new one is in");
        let wait = session.renewal_due_in(self.clocks.now());
        self.wait(session.state(), wait, "until renewal is due");
        let outgoing = session.renew(self.clocks.now())?;
        let pending = self.launch(session.state(), outgoing);
        self.timeline.note(session.state(), "meanwhile the app goes on, with the old token");
        self.call(&session)?;
        let (id, reply) = self.land(pending)?;
        session.receive(id, &reply, self.clocks.now())?;
        self.show_token(&session, &reply);
        self.call(&session)?;
        Ok(session)
    }

    fn other_origin(&mut self, session: Session<Active>) -> Done<Session<Active>> {
        Timeline::act("4. The token goes to allowed origins only");
        self.cannot_call(&session, "https://elsewhere.example/v1/videos")?;
        Ok(session)
    }

    fn expiry(&mut self, session: Session<Active>) -> Done<Session<Expired>> {
        Timeline::act("5. Expiry: nobody renews");
        let now = self.clocks.now();
        let unsure = u64::try_from(session.remaining(now).at_least_millis()).unwrap_or(0);
        self.wait(
            session.state(),
            Duration::from_millis(unsure),
            "until the token may have expired",
        );
        self.timeline.note(session.state(), life(session.remaining(self.clocks.now())));
        self.call(&session)?;
        let lapse = session.lapses_in(self.clocks.now()).ok_or("the gateway states an expiry")?;
        self.wait(session.state(), lapse, "until it has certainly expired");
        self.cannot_call(&session, &self.videos())?;
        match session.advance(self.clocks.now()) {
            Advance::Lapsed(session) => {
                self.timeline.note(session.state(), "the token is forgotten and wiped");
                Ok(session)
            }
            other => Err(format!("not expired: {other:?}").into()),
        }
    }

    fn new_login(&mut self, session: Session<Expired>) -> Done<Session<Active>> {
        Timeline::act("6. A new login with the same credentials");
        let (session, outgoing) = session.reauthenticate(self.clocks.now())?;
        let session = self.finish_login(session, outgoing)?;
        self.call(&session)?;
        Ok(session)
    }

    fn late_reply(&mut self, mut session: Session<Active>) -> Done<Session<Unauthenticated>> {
        Timeline::act("7. Stop: a reply that comes late revives nothing");
        let outgoing = session.renew(self.clocks.now())?;
        let pending = self.launch(session.state(), outgoing);
        let session = session.stop();
        self.timeline
            .note(session.state(), "stopped, with the renewal on its way; the token is wiped");
        let (id, reply) = self.land(pending)?;
        // A typed session that is stopped has no method for replies. One of any state does.
        let late = Input::Reply(id, reply.map(Bytes::from));
        match AnySession::from(session).step(late, self.clocks.now()) {
            (AnySession::Unauthenticated(session), Step::Rejected(why @ Rejection::Stale(_))) => {
                self.timeline.came(session.state(), "200: a token, which is not taken:");
                self.timeline.note(session.state(), why);
                Ok(session)
            }
            (session, step) => Err(format!("revived: {session:?}, {step:?}").into()),
        }
    }

    fn production(&mut self, session: Session<Unauthenticated>) -> Done {
        Timeline::act("8. In production: the app's own backend, which alone knows the API token");
        let root = format!("{}/", self.servers.backend);
        self.timeline.sent(session.state(), format_args!("GET {root}"));
        self.answer(session.state(), Request::get(root).body(Bytes::new())?)?;
        let endpoint = Endpoint::loopback(format!("{}/token/{USER}", self.servers.backend))?;
        let backend = Backend::new(endpoint).identity(Identity::new(USER)?);
        let (session, outgoing) =
            session.authenticate(Credentials::backend(backend), self.clocks.now())?;
        let session = self.finish_login(session, outgoing)?;
        self.call(&session)?;
        let session = session.stop();
        self.timeline.note(session.state(), "stopped");
        Ok(())
    }

    fn gateway(&self, api_token: &str) -> Done<Credentials> {
        let endpoint = Endpoint::loopback(format!("{}/v1/sessions", self.servers.gateway))?;
        let gateway = Gateway::new(ApiToken::new(api_token)?, Identity::new(USER)?)
            .scopes([Scope::VIDEOS_READ].into_iter().collect())
            .endpoint(endpoint);
        Ok(Credentials::for_development(gateway))
    }

    /// Sends the request for the token, and gives the session its reply.
    fn finish_login(
        &mut self,
        session: Session<Authenticating>,
        outgoing: Outgoing,
    ) -> Done<Session<Active>> {
        let (id, reply) = self.ask(session.state(), outgoing)?;
        let session = session.receive(id, &reply, self.clocks.now())?;
        self.show_token(&session, &reply);
        Ok(session)
    }

    fn show_token(&self, session: &Session<Active>, reply: &Response<Vec<u8>>) {
        let token = session.generation().number();
        let life = life(session.remaining(self.clocks.now()));
        let status = reply.status().as_u16();
        self.timeline.came(session.state(), format_args!("{status}: token {token}, {life}"));
    }

    /// Sends a request for a token, and waits for its reply.
    fn ask(&mut self, state: StateName, outgoing: Outgoing) -> Done<Reply> {
        let pending = self.launch(state, outgoing);
        self.land(pending)
    }

    /// Sends a request for a token, and lets the app go on.
    fn launch(&self, state: StateName, outgoing: Outgoing) -> Pending {
        let request = outgoing.request();
        self.timeline.sent(state, format_args!("{} {}", request.method(), request.uri()));
        let transport = self.transport.clone();
        let (id, timeout) = (outgoing.id(), outgoing.timeout());
        Pending {
            id,
            reply: thread::spawn(move || transport.send(outgoing.into_request(), timeout)),
        }
    }

    /// Waits for the reply.
    fn land(&mut self, pending: Pending) -> Done<Reply> {
        let reply = pending.reply.join().map_err(|_| "the thread of a request panicked")??;
        match reply.status() {
            StatusCode::OK => self.counts.granted += 1,
            _ => self.counts.refused += 1,
        }
        Ok((pending.id, reply))
    }

    /// Makes an API call.
    fn call(&mut self, session: &Session<Active>) -> Done {
        let uri = self.videos();
        let mut call = Request::get(&uri).body(Bytes::new())?;
        let authorized = session.authorize(&mut call, self.clocks.now())?;
        let token = authorized.generation.number();
        self.timeline.sent(session.state(), format_args!("GET {uri} with token {token}"));
        match self.answer(session.state(), call)? {
            StatusCode::OK => self.counts.served += 1,
            _ => self.counts.unauthorized += 1,
        }
        Ok(())
    }

    /// Tries an API call that the session has to refuse: nothing is sent.
    fn cannot_call(&self, session: &Session<Active>, uri: &str) -> Done {
        let mut call = Request::get(uri).body(())?;
        match session.authorize(&mut call, self.clocks.now()) {
            Err(why) => {
                self.timeline.note(session.state(), format_args!("GET {uri} is not sent:"));
                self.timeline.note(session.state(), why);
                Ok(())
            }
            Ok(_) => Err(format!("a token for {uri}").into()),
        }
    }

    /// Sends what is no request for a token, and shows the reply.
    fn answer(&self, state: StateName, request: Request<Bytes>) -> Done<StatusCode> {
        let reply = self.transport.send(request, Duration::from_secs(5))?;
        let (status, body) = (reply.status(), String::from_utf8_lossy(reply.body()));
        self.timeline.came(state, format_args!("{}: {body}", status.as_u16()));
        Ok(status)
    }

    /// The address of the API.
    fn videos(&self) -> String {
        format!("{}/v1/videos", self.servers.gateway)
    }

    fn wait(&self, state: StateName, wait: Duration, why: &str) {
        self.timeline.note(state, format_args!("waits {:.1} s {why}", wait.as_secs_f64()));
        thread::sleep(wait);
    }
}
