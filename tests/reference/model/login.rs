//! How a wish relates to the current login.

use super::Model;
use super::words::Wish;

/// How a wish relates to the current login: the table at `Driver::start`.
impl Model {
    pub(super) fn is_same(&self, wish: &Wish) -> bool {
        let Some(login) = &self.login else { return false };
        match wish {
            Wish::Ask(ask) => login.ask.as_ref() == Some(ask),
            // A login with credentials is not one with a token, even if it has this very one.
            Wish::Token(_) if login.ask.is_some() => false,
            Wish::Token(bearer) => match (&login.adopt, &self.token) {
                (Some(adopt), _) => adopt == bearer,
                (None, Some(token)) => {
                    let known = bearer.identity.is_none() || bearer.identity == login.identity;
                    known && token.bearer.text == bearer.text
                }
                _ => false,
            },
        }
    }

    pub(super) fn is_for_the_same(&self, wish: &Wish) -> bool {
        let Some(login) = &self.login else { return false };
        let stated = match wish {
            Wish::Ask(ask) => ask.identity,
            Wish::Token(bearer) => bearer.identity,
        };
        let alike = match (wish, &login.ask) {
            (Wish::Ask(new), Some(old)) => new.endpoint == old.endpoint && new.scopes == old.scopes,
            (Wish::Token(_), Some(_)) => false,
            (_, None) => true,
        };
        stated.is_some() && stated == login.identity && alike
    }
}
