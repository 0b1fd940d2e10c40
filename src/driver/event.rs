//! The events that a driver reports.

use core::fmt;

use crate::exchange::{Denial, Flaw};
use crate::session::transitions::Transition;
use crate::session::{AdoptError, Generation, SendError, TransportFailure};

/// Something that happened to the session. Each transition gives exactly one event, which has the state
/// before, the state after, and the cause; a few more events ask something of the caller. None shows a
/// secret, and `Display` makes a line for a log of it. Events come in order: one that is queued when another
/// login begins is of the login before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A transition. One that makes a request comes before the request: the next poll hands that out.
    Moved(Transition),
    /// A transition, since a reply gave no token. If the denial is [permanent](Denial::is_permanent), the
    /// driver asks no more until it is given new credentials; those that came after the request was made count.
    /// Otherwise it tries again by itself.
    Denied(Transition, Denial),
    /// A transition, since a request got no reply: as the caller reported, or because its time was up, or
    /// because the network went before the request was handed out. Or since a custom exchange panicked. The driver
    /// tries again by itself.
    Failed(Transition, TransportFailure),
    /// Renewal of this token is due, and there are no credentials to renew it with. Once per token; it
    /// stays in use until it expires. Start with another token, or set credentials.
    TokenNeeded(Generation),
    /// The API answered 401 to this token, and it is not renewed for that now: its age doesn't explain the
    /// 401, so something else may be wrong, the scopes or the account, say; or it can't be renewed now. Once per
    /// token. The token goes on being handed out, and is renewed on schedule, or after a 401 when it is
    /// [older](super#tokens-that-die-early).
    ///
    /// If this comes for token after token, the API most likely refuses them all. The driver then makes about
    /// one renewal an hour for its 401s.
    Unauthorized(Generation),
    /// Five denials in a row had this flaw, but for its position: the token service is most likely broken, or
    /// isn't one. Once, until a try ends in another way. The driver goes on asking by itself, at longer pauses
    /// (up to ten minutes, unless it is a captive portal's page): tell whoever keeps the service.
    StillMalformed(Flaw),
    /// As many tries failed in a row as the policy allows. The driver asks no more until it is started again or
    /// given other credentials. If the network or a captive portal was what failed, [`set_online(true)`](super::Driver::set_online) is
    /// enough.
    GaveUp,
    /// The token to start with was not adopted. An expiry that is past by the device's wall clock alone is no
    /// reason. A current token of the same stated identity is untouched; otherwise the start had ended the login
    /// before it already.
    NotAdopted(AdoptError),
    /// The credentials' exchange could not build its request. The driver sends none until it is given other
    /// credentials.
    NotSent(SendError),
    /// A reply brought the successor of the credentials that its request was made with, and the driver uses it
    /// from now on. [`Driver::credentials`](super::Driver::credentials) returns it: store it in place of the old
    /// ones, which the service may not take again.
    CredentialsChanged,
    /// The credentials are usable once, and their request brought no successor: its reply was lost, or can't be
    /// used. So the service may have used them up. The driver does not send them again. The current token stays in use; give the driver other
    /// credentials by [`set_credentials`](super::Driver::set_credentials). Once each time
    /// that they are started with or set.
    CredentialsSpent,
}

impl Event {
    /// Returns the transition, if this is one.
    #[must_use]
    pub fn transition(&self) -> Option<Transition> {
        match self {
            Self::Moved(transition) | Self::Denied(transition, _) | Self::Failed(transition, _) => {
                Some(*transition)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Transition { from, to, cause, .. }) = self.transition() {
            if from == to {
                write!(f, "{to}: {cause:?}")?;
            } else {
                write!(f, "{from} -> {to}: {cause:?}")?;
            }
        }
        match self {
            Self::Moved(_) => Ok(()),
            Self::Denied(_, denial) => write!(f, ": {denial}"),
            Self::Failed(_, failure) => write!(f, ": {failure}"),
            Self::TokenNeeded(generation) => {
                let number = generation.number();
                write!(
                    f,
                    "token {number} is due for renewal: start with another, or set credentials"
                )
            }
            Self::Unauthorized(generation) => {
                let number = generation.number();
                write!(f, "the API refuses token {number}, and no renewal follows for now")
            }
            Self::StillMalformed(flaw) => {
                write!(f, "replies stay malformed, which waiting does not mend: {flaw}")
            }
            Self::GaveUp => f.write_str("too many tries failed in a row: start again"),
            Self::NotAdopted(denial) => write!(f, "the token was not adopted: {denial}"),
            Self::NotSent(error) => write!(f, "no request was made: {error}"),
            Self::CredentialsChanged => {
                f.write_str("the reply brought new credentials: store them")
            }
            Self::CredentialsSpent => {
                f.write_str("the credentials are usable once and may be used up: set new ones")
            }
        }
    }
}
