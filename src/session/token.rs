//! The token of an active session, and how a grant becomes one.

use super::config::Config;
use super::core::Core;
use super::error::AdoptError;
use super::generation::Generation;
use crate::exchange::{Grant, Identity, Scopes};
use crate::secret::SessionToken;
use crate::time::{Lifetime, Validity};

/// A token in use.
#[derive(Debug, Clone)]
pub(crate) struct ActiveToken {
    pub(super) token: SessionToken,
    pub(crate) lifetime: Lifetime,
    /// Renewal is due when the schedule has no more than this many milliseconds left.
    pub(crate) margin: i64,
    pub(super) generation: Generation,
    pub(super) scopes: Option<Box<Scopes>>,
}

impl ActiveToken {
    /// Holds a grant whose token lives for `lifetime`, for a login that asked for the identity `stated`.
    ///
    /// # Errors
    /// The identity is another one, the token has certainly expired, or it is too long behind the scheme that
    /// is configured. Nothing changed.
    pub(super) fn hold(
        grant: &Grant,
        stated: Option<&Identity>,
        lifetime: Lifetime,
        core: &mut Core,
        config: &Config,
    ) -> Result<Self, AdoptError> {
        check_identity(core.identity.as_ref(), grant.identity())?;
        let now = core.clock.stamp();
        if lifetime.remaining(now).validity() == Validity::Expired {
            return Err(AdoptError::Expired);
        }
        let token = grant.token().behind(config.scheme()).map_err(AdoptError::Token)?;
        if core.identity.is_none() {
            core.identity = stated.or(grant.identity()).cloned();
        }
        let generation = core.next_generation();
        let margin = config.margin(lifetime.scheduled_at(now), core.seed(), generation);
        let scopes = grant.scopes().cloned().map(Box::new);
        Ok(Self { token, lifetime, margin, generation, scopes })
    }
}

/// Checks an identity that is named against the one that is known.
pub(super) fn check_identity(
    known: Option<&Identity>,
    named: Option<&Identity>,
) -> Result<(), AdoptError> {
    match (known, named) {
        (Some(known), Some(named)) if known != named => Err(AdoptError::OtherIdentity),
        _ => Ok(()),
    }
}
