//! How a start compares with the current login.

use super::Model;
use super::words::StartWith;

/// The table at `Driver::start`.
impl Model {
    pub(super) fn is_same(&self, start: &StartWith) -> bool {
        let Some(login) = &self.login else { return false };
        match start {
            StartWith::Ask(ask) => [&login.ask, &login.given].contains(&&Some(ask.clone())),
            StartWith::Token(bearer) => {
                if let Some(adopt) = &login.adopt {
                    return adopt == bearer;
                }
                let serves =
                    self.token.as_ref().is_some_and(|token| token.bearer.text == bearer.text);
                // However often it was renewed since.
                let began = login.ask.is_some() && login.began_with.as_ref() == Some(&bearer.text);
                let known = bearer.identity.is_none() || bearer.identity == self.identity();
                known && (serves || began)
            }
        }
    }

    pub(super) fn is_for_the_same(&self, start: &StartWith) -> bool {
        let Some(login) = &self.login else { return false };
        let stated = match start {
            StartWith::Ask(ask) => ask.identity,
            StartWith::Token(bearer) => bearer.identity,
        };
        let alike = match (start, &login.ask) {
            (StartWith::Ask(new), Some(old)) => {
                // One without a request has no endpoint to differ from.
                let endpoints = old.endpoint.as_ref().zip(new.endpoint.as_ref());
                endpoints.is_none_or(|(old, new)| old == new) && new.scopes() == old.scopes()
            }
            (StartWith::Token(_), Some(_)) => false,
            (_, None) => true,
        };
        stated.is_some() && stated == self.identity() && alike
    }
}
