//! A request and its reply over a socket that never blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::ToSocketAddrs;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{Request, Response};
use mio::net::TcpStream;
use shared::session::Outcome;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};
use videokit_session::TransportFailure;

/// The most bytes of a request's or a reply's head.
const HEAD_LIMIT: usize = 64 * 1_024;

/// A request that is written to a socket, and the reply that is read from it.
pub(crate) struct Exchange {
    pub(crate) socket: TcpStream,
    unsent: Vec<u8>,
    received: Vec<u8>,
    reading: Reading,
    body_limit: usize,
}

/// What is read next.
enum Reading {
    Head(Call<RecvResponse>),
    Body(Call<RecvBody>, Response<Vec<u8>>),
    /// Nothing: it has ended.
    Nothing,
}

impl Exchange {
    /// Connects. Of a body over the limit, one more byte than that is read.
    ///
    /// The name is looked up here and now, which blocks: an app with servers elsewhere has a resolver that doesn't.
    pub(crate) fn open(request: Request<Bytes>, body_limit: usize) -> io::Result<Self> {
        let uri = request.uri();
        let no_host = || io::Error::new(ErrorKind::InvalidInput, "the URI has no host");
        let (host, port) = (uri.host().ok_or_else(no_host)?, uri.port_u16().unwrap_or(80));
        let address = (host.trim_matches(['[', ']']), port).to_socket_addrs()?.next();
        let address = address.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "no such host"))?;
        let (unsent, call) = encode(request).map_err(io::Error::other)?;
        let (socket, reading) = (TcpStream::connect(address)?, Reading::Head(call));
        Ok(Self { socket, unsent, received: Vec::new(), reading, body_limit })
    }

    /// Writes and reads what the socket has room for and holds. Returns the outcome, once there is one.
    pub(crate) fn advance(&mut self) -> Option<Outcome> {
        match self.transfer() {
            Ok(reply) => reply.map(|reply| Ok(reply.map(Bytes::from))),
            Err(error) => Some(Err(failure(&error))),
        }
    }

    fn transfer(&mut self) -> io::Result<Option<Response<Vec<u8>>>> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                // Not connected yet, or no room.
                Err(error) if is_not_ready(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let mut buffer = [0; 8 * 1_024];
        loop {
            let count = match self.socket.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if is_not_ready(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            self.received.extend(&buffer[..count]);
            let reply = self.parse(count == 0).map_err(io::Error::other)?;
            if reply.is_some() {
                return Ok(reply);
            }
            if count == 0 || self.received.len() > HEAD_LIMIT {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Parses what was received. `closed` is whether that is all.
    fn parse(&mut self, closed: bool) -> Result<Option<Response<Vec<u8>>>, ureq_proto::Error> {
        if let Reading::Head(call) = &mut self.reading {
            let (used, response) = call.try_response(&self.received, false)?;
            self.received.drain(..used);
            let Some(response) = response else { return Ok(None) };
            let response = response.map(|()| Vec::new());
            let Reading::Head(call) = std::mem::replace(&mut self.reading, Reading::Nothing) else {
                return Ok(None);
            };
            match call.proceed() {
                Some(RecvResponseResult::RecvBody(call)) => {
                    self.reading = Reading::Body(call, response);
                }
                // No body. A redirect is a reply like any other.
                _ => return Ok(Some(response)),
            }
        }
        let Reading::Body(call, response) = &mut self.reading else { return Ok(None) };
        let mut body = [0; 8 * 1_024];
        loop {
            let (used, count) = call.read(&self.received, &mut body)?;
            self.received.drain(..used);
            response.body_mut().extend(&body[..count]);
            let ended = call.can_proceed() && (closed || !is_until_close(call));
            if ended || response.body().len() > self.body_limit {
                response.body_mut().truncate(self.body_limit + 1);
                return Ok(Some(std::mem::take(response)));
            }
            if used == 0 && count == 0 {
                return Ok(None);
            }
        }
    }
}

fn is_until_close(call: &Call<RecvBody>) -> bool {
    matches!(call.body_mode(), ureq_proto::BodyMode::CloseDelimited)
}

/// Returns the bytes of a request, and the state in which its reply is read.
fn encode(request: Request<Bytes>) -> Result<(Vec<u8>, Call<RecvResponse>), ureq_proto::Error> {
    let (mut parts, body) = request.into_parts();
    parts.headers.insert(CONNECTION, http::HeaderValue::from_static("close"));
    if !body.is_empty() {
        parts.headers.insert(CONTENT_LENGTH, body.len().into());
    }
    let mut call = Call::new(Request::from_parts(parts, ()))?.proceed();
    let mut bytes = vec![0; HEAD_LIMIT + body.len()];
    let head = call.write(&mut bytes)?;
    match call.proceed()? {
        Some(SendRequestResult::RecvResponse(call)) => {
            bytes.truncate(head);
            Ok((bytes, call))
        }
        Some(SendRequestResult::SendBody(mut call)) => {
            let (_, written) = call.write(&body, &mut bytes[head..])?;
            bytes.truncate(head + written);
            call.proceed().map(|call| (bytes, call)).ok_or(ureq_proto::Error::OutputOverflow)
        }
        _ => Err(ureq_proto::Error::OutputOverflow),
    }
}

fn is_not_ready(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted)
}

/// What a socket's error means to a session.
pub(crate) fn failure(error: &io::Error) -> TransportFailure {
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::NotFound
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable => TransportFailure::Unreachable,
        ErrorKind::TimedOut => TransportFailure::TimedOut,
        ErrorKind::InvalidInput => TransportFailure::Other,
        _ => TransportFailure::Interrupted,
    }
}
