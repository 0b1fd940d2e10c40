//! What is known about the current token besides its lifetime.

/// One token's status. A new token gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct TokenStatus {
    pub(super) source: Source,
    pub(super) refusal: Refusal,
    /// Whether `TokenNeeded` was emitted.
    pub(super) token_needed_emitted: bool,
    /// Whether `Unauthorized` was emitted.
    pub(super) unauthorized_emitted: bool,
}

/// Where a token came from. Only tokens that this driver asked for teach an age, or are scheduled by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Source {
    /// The caller brought it, by itself or with a session.
    #[default]
    Caller,
    /// A request of this driver.
    Request,
    /// A renewal after a 401.
    After401,
}

/// What a 401 on the token led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Refusal {
    /// No 401 came.
    #[default]
    None,
    /// A 401 came, and no renewal is made for it.
    Reported,
    /// A 401 came, and renewal is due, whatever the lifetime says. If the new token cures, this one died at
    /// the age given.
    Renew {
        /// The age, in milliseconds; `None` if nothing is to be learned.
        teaches: Option<u64>,
    },
}

impl TokenStatus {
    /// The status of a token that a reply granted.
    pub(super) fn granted(after_401: bool) -> Self {
        let source = if after_401 { Source::After401 } else { Source::Request };
        Self { source, ..Self::default() }
    }

    /// Returns whether this driver asked for the token.
    pub(super) fn is_asked_for(&self) -> bool {
        self.source != Source::Caller
    }

    /// Returns whether the token came from a renewal after a 401.
    pub(super) fn is_after_401(&self) -> bool {
        self.source == Source::After401
    }

    /// Returns whether a 401 makes renewal due.
    pub(super) fn wants_renewal(&self) -> bool {
        matches!(self.refusal, Refusal::Renew { .. })
    }

    /// Drops what a 401 on the token would teach.
    pub(super) fn teach_nothing(&mut self) {
        if let Refusal::Renew { teaches } = &mut self.refusal {
            *teaches = None;
        }
    }

    /// Gives a token that the API refused another chance, with new credentials.
    pub(super) fn reopen(&mut self) {
        if self.is_after_401() {
            self.source = Source::Request;
        }
        if self.refusal == Refusal::Reported {
            self.refusal = Refusal::Renew { teaches: None };
        }
    }
}
