//! The token of an active session, and how a grant becomes one.

use super::{AdoptError, Config, Context, Generation};
use crate::exchange::{Grant, Identity, Scopes};
use crate::secret::SessionToken;
use crate::time::{Lifetime, Stamp, Validity};

/// A token in use.
#[derive(Debug, Clone)]
pub(crate) struct ActiveToken {
    pub(super) token: SessionToken,
    pub(crate) lifetime: Lifetime,
    /// Renewal is due when the schedule has no more than this many milliseconds left.
    pub(crate) margin: i64,
    pub(crate) generation: Generation,
    scopes: Option<Box<Scopes>>,
}

impl ActiveToken {
    /// Holds a grant whose token lives for `lifetime`, for a login that asked for the identity `stated`.
    ///
    /// # Errors
    /// The identity is another one, or the token has certainly expired. Nothing changed.
    pub(super) fn hold(
        grant: &Grant,
        stated: Option<&Identity>,
        lifetime: Lifetime,
        Context { core, config, .. }: &mut Context<'_>,
    ) -> Result<Self, AdoptError> {
        if !Identity::can_match(core.identity.as_ref(), grant.identity()) {
            return Err(AdoptError::OtherIdentity);
        }
        let now = core.clock.stamp();
        if lifetime.validity(now) == Validity::Expired {
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

    pub(crate) fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_deref()
    }

    /// Returns the token as a grant, for a login of this identity.
    pub(crate) fn to_grant(&self, identity: Option<&Identity>) -> Grant {
        let grant = Grant::new(self.token.clone());
        let grant = identity.cloned().into_iter().fold(grant, Grant::with_identity);
        let grant = self.lifetime.expires_at.into_iter().fold(grant, Grant::with_expiry);
        self.scopes().cloned().into_iter().fold(grant, Grant::with_scopes)
    }

    /// Returns whether this is the token of a grant.
    pub(crate) fn is_from(&self, grant: &Grant) -> bool {
        self.token.expose() == grant.token().expose()
    }

    /// Returns in how many milliseconds renewal is due.
    pub(crate) fn renewal_due_in(&self, at: Stamp) -> u64 {
        self.lifetime.until_at_least(self.margin, at)
    }

    /// Returns in how many milliseconds renewal is due, if the token is scheduled as one that lives no longer
    /// than `limit` milliseconds from its sending. `seed` makes the jitter.
    pub(crate) fn renewal_due_within(
        &self,
        limit: Option<u64>,
        (config, seed): (&Config, u64),
        at: Stamp,
    ) -> u64 {
        let Some(limit) = limit else { return self.renewal_due_in(at) };
        let shortened = self.lifetime.shortened(limit);
        let margin =
            config.margin(shortened.scheduled_at(shortened.received), seed, self.generation);
        shortened.until_at_least(margin, at)
    }

    /// Returns the age, in milliseconds, at which the token is scheduled to die by what is stated.
    pub(crate) fn stated_age(&self) -> u64 {
        u64::try_from(self.lifetime.scheduled).unwrap_or(0)
    }
}
