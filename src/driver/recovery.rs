//! What is known about the token at hand besides its lifetime: whether it was refused, and whether
//! somebody was told that it can't be renewed.

/// One token's record. A new token gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Standing {
    pub(super) recovery: Recovery,
    /// Whether the caller was told that another token is needed.
    pub(super) token_needed_told: bool,
    /// Whether the caller was told that the API refuses the token and that nothing is done about it.
    pub(super) unauthorized_told: bool,
}

/// How far the recovery from a 401 has come: a token that the API refuses is renewed once, and what
/// that gives is not renewed again for the same reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Recovery {
    /// No 401 came for this token; one would renew it.
    #[default]
    Untried,
    /// A 401 came: renewal is due, whatever the lifetime says.
    Wanted,
    /// The token was made by such a renewal; a 401 is told, and not answered.
    Spent,
}

impl Standing {
    /// The record of a token that was just granted, by a renewal that a 401 had asked for or not.
    pub(super) fn granted(after_401: bool) -> Self {
        let recovery = if after_401 { Recovery::Spent } else { Recovery::Untried };
        Self { recovery, ..Self::default() }
    }

    /// The API refuses the token. Says whether the caller has to be told: once, if nothing is done about
    /// it now.
    pub(super) fn refused(&mut self, renewable: bool) -> bool {
        if self.recovery == Recovery::Untried {
            self.recovery = Recovery::Wanted;
        }
        let answered = renewable && self.recovery == Recovery::Wanted;
        !answered && !core::mem::replace(&mut self.unauthorized_told, true)
    }

    /// New credentials give a token that the API refused another chance.
    pub(super) fn reopen(&mut self) {
        self.recovery = match self.recovery {
            Recovery::Spent if self.unauthorized_told => Recovery::Wanted,
            Recovery::Spent => Recovery::Untried,
            same => same,
        };
    }
}
