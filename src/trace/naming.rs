//! Stand-ins for secrets, and everything that is written with them.

use http::Uri;

use super::known::StandIns;
use super::line::{
    BuildErrorNote, CredentialsNote, DenialNote, FlawNote, GrantNote, KindNote, Meaning, ReplyNote,
    StartNote,
};
use super::words::Words;
use crate::driver::Start;
use crate::exchange::{
    AllowedOrigin, BuildError, Credentials, Denial, DenialKind, Flaw, Grant, Identity, OriginError,
    Reply, Scope, Scopes,
};
use crate::secret::SessionToken;
use crate::time::millis;

/// How secrets are named in the lines.
pub(super) enum Naming {
    /// While recording: each gets a stand-in.
    Hide(StandIns),
    /// In a replay, all there is are stand-ins, and they are written as they are.
    Keep(Kept),
}

/// What a replay's driver can't say by itself.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) words: Words,
}

/// An endpoint's stand-in as an address, which [`Naming::endpoint`] reads it from again.
pub(super) fn endpoint_uri(stand_in: &str, safe: bool) -> Option<Uri> {
    let scheme = if safe { "https" } else { "http" };
    let uri: Uri = format!("{scheme}://{stand_in}/").parse().ok()?;
    (uri.host() == Some(stand_in)).then_some(uri)
}

/// Single things.
impl Naming {
    fn token(&mut self, token: &SessionToken) -> String {
        match self {
            Self::Hide(known) => known.token(token),
            Self::Keep(_) => token.expose().to_owned(),
        }
    }

    fn identity(&mut self, identity: &Identity) -> String {
        match self {
            Self::Hide(known) => known.identity(identity),
            Self::Keep(_) => identity.as_str().to_owned(),
        }
    }

    fn scopes(&mut self, scopes: &Scopes) -> Vec<String> {
        match self {
            Self::Hide(known) => known.scopes(scopes),
            Self::Keep(_) => scopes.iter().map(Scope::to_string).collect(),
        }
    }

    fn expiry(&mut self, text: &str) -> String {
        match self {
            Self::Hide(known) => known.expiry(text),
            Self::Keep(_) => text.to_owned(),
        }
    }

    /// Origin and path, which is all that a driver looks at.
    pub(super) fn endpoint(&mut self, uri: &Uri) -> Option<String> {
        let origin = AllowedOrigin::of(uri).ok()?;
        Some(match self {
            Self::Hide(known) => known.endpoint(&origin, uri),
            Self::Keep(_) => uri.host()?.to_owned(),
        })
    }

    pub(super) fn credentials(&mut self, credentials: &Credentials) -> String {
        match self {
            Self::Hide(known) => known.credentials(credentials),
            Self::Keep(_) => credentials.stand_in().unwrap_or_default().to_owned(),
        }
    }

    /// Notes that these credentials are those of a name. A custom exchange makes others of the same successor
    /// each time it reads a reply.
    pub(super) fn same_credentials(&mut self, credentials: &Credentials, name: &str) {
        if let Self::Hide(known) = self {
            known.same_credentials(credentials, name);
        }
    }

    fn word(&self, constant: &str) -> String {
        match self {
            Self::Hide(_) => Words::default().word(constant),
            Self::Keep(kept) => kept.words.word(constant),
        }
    }
}

/// What is made of them.
impl Naming {
    pub(super) fn start(&mut self, start: &Start) -> StartNote {
        match start {
            Start::Token(grant) => StartNote::Token(self.grant(grant)),
            Start::Exchange(credentials) => StartNote::Credentials(self.described(credentials)),
        }
    }

    /// What credentials are, apart from their secrets.
    pub(super) fn described(&mut self, credentials: &Credentials) -> CredentialsNote {
        let exchange = credentials.exchange();
        let (request, error) = match credentials.request() {
            Ok(request) => (Some(request), None),
            // It has an address all the same, which is that of no other credentials.
            Err(error @ BuildError::Endpoint(OriginError::Insecure)) => {
                (exchange.request().ok(), Some(error))
            }
            Err(error) => (None, Some(error)),
        };
        CredentialsNote {
            name: self.credentials(credentials),
            endpoint: request.and_then(|request| self.endpoint(request.uri())),
            stated_endpoint: exchange.endpoint().and_then(|uri| self.endpoint(uri)),
            error: error.map(|error| self.build_error(error)),
            identity: exchange.identity().map(|identity| self.identity(identity)),
            scopes: exchange.scopes().map(|scopes| self.scopes(scopes)),
            issuer_writes_date: exchange.issuer_writes_date(),
            single_use: exchange.is_single_use(),
        }
    }

    /// A reply, as `credentials` understand it.
    pub(super) fn reply(&mut self, credentials: &Credentials, reply: Reply<'_>) -> ReplyNote {
        ReplyNote {
            status: reply.status().as_u16(),
            date_ms: reply.date(),
            age_ms: reply.age().map(millis).filter(|age| *age > 0),
            age_unreadable: reply.age().is_none(),
            retry_after_ms: reply.retry_after().map(millis),
            means: self.meaning(credentials.exchange().read(reply)),
        }
    }

    pub(super) fn meaning(&mut self, read: Result<Grant, Denial>) -> Meaning {
        match read {
            Ok(grant) => Meaning::Grant(self.grant(&grant)),
            Err(denial) => Meaning::Denial(self.denial(&denial)),
        }
    }

    fn grant(&mut self, grant: &Grant) -> GrantNote {
        GrantNote {
            token: self.token(grant.token()),
            identity: grant.identity().map(|identity| self.identity(identity)),
            expires_at: grant.expires_at().map(|expires_at| self.expiry(expires_at)),
            lifetime_ms: grant.lifetime().map(millis),
            scopes: grant.scopes().map(|scopes| self.scopes(scopes)),
            successor: grant.successor().map(|next| Box::new(self.described(next))),
        }
    }

    /// Everything but the server's own words.
    pub(super) fn denial(&self, denial: &Denial) -> DenialNote {
        DenialNote {
            kind: match denial.kind() {
                DenialKind::Refused => KindNote::Refused,
                DenialKind::Throttled => KindNote::Throttled,
                DenialKind::Transient => KindNote::Transient,
                DenialKind::Redirect => KindNote::Redirect,
                DenialKind::Malformed(flaw) => KindNote::Malformed(self.flaw(flaw)),
            },
            status: denial.status().as_u16(),
            retry_after_ms: denial.retry_after().map(millis),
            permanent: denial.is_permanent(),
        }
    }

    pub(super) fn flaw(&self, flaw: Flaw) -> FlawNote {
        match flaw {
            Flaw::Status => FlawNote::Status,
            Flaw::TooLarge { len, limit } => FlawNote::TooLarge { len, limit },
            Flaw::NotUtf8 { at } => FlawNote::NotUtf8 { at },
            Flaw::Markup => FlawNote::Markup,
            Flaw::Unquoted { member } => FlawNote::Unquoted { member: self.word(member) },
            Flaw::UnexpectedEnd { missing } => FlawNote::UnexpectedEnd { missing },
            Flaw::Syntax { line, column } => FlawNote::Syntax { line, column },
            Flaw::TooDeep { at, limit } => FlawNote::TooDeep { at, limit },
            Flaw::NotAnObject { found } => FlawNote::NotAnObject { found },
            Flaw::Missing { member } => FlawNote::Missing { member: self.word(member) },
            Flaw::Duplicate { member } => FlawNote::Duplicate { member: self.word(member) },
            Flaw::Mistyped { member, found } => {
                FlawNote::Mistyped { member: self.word(member), found }
            }
            Flaw::Unusable { member } => FlawNote::Unusable { member: self.word(member) },
            Flaw::Token(error) => FlawNote::Token(error),
            Flaw::Stringified { member, text } => {
                FlawNote::Stringified { member: self.word(member), text: self.word(text) }
            }
            Flaw::WrongIdentity { expected } => FlawNote::WrongIdentity { expected },
            Flaw::ExpiredOnArrival => FlawNote::ExpiredOnArrival,
            Flaw::Custom(text) => FlawNote::Custom(self.word(text)),
        }
    }

    pub(super) fn build_error(&self, error: BuildError) -> BuildErrorNote {
        match error {
            BuildError::Endpoint(error) => BuildErrorNote::Endpoint(error),
            BuildError::Custom(text) => BuildErrorNote::Custom(self.word(text)),
        }
    }
}
