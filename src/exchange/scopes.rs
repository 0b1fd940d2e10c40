//! The permissions of a session.

use core::fmt;
use core::str::FromStr;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The longest scope name, in bytes. Chosen by this project: the longest known one has 18.
const SCOPE_LIMIT: usize = 256;

/// The name of one permission.
///
/// The nine known names are constants (wire facts, N). Any other name of 1 to 256 visible ASCII characters is a
/// scope, too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Cow<'static, str>);

/// A string that is not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("a scope is 1 to {SCOPE_LIMIT} visible ASCII characters")]
pub struct ScopeError(());

macro_rules! known {
    ($($name:ident = $text:literal),+ $(,)?) => {
        impl Scope {
            $(
                #[doc = concat!("`", $text, "`")]
                pub const $name: Self = Self(Cow::Borrowed($text));
            )+

            /// All known scopes.
            pub const KNOWN: [Self; 9] = [$(Self::$name),+];
        }
    };
}

known! {
    VIDEOS_ADMIN_READ = "videos.admin.read",
    VIDEOS_READ = "videos.read",
    VIDEOS_EDIT = "videos.edit",
    VIDEOS_DELETE = "videos.delete",
    VIDEOS_CREATE = "videos.create",
    STREAMS_ADMIN_READ = "streams.admin.read",
    STREAMS_READ = "streams.read",
    STREAMS_CREATE = "streams.create",
    STREAMS_DELETE = "streams.delete",
}

impl Scope {
    /// Creates a scope of any name.
    ///
    /// # Errors
    /// [`ScopeError`] for an empty name, one over 256 bytes, or one with anything but visible ASCII.
    pub fn new(name: impl AsRef<str>) -> Result<Self, ScopeError> {
        let name = name.as_ref();
        let fits = (1..=SCOPE_LIMIT).contains(&name.len());
        let is_scope = fits && name.bytes().all(|b| b.is_ascii_graphic());
        is_scope.then(|| Self(Cow::Owned(name.to_owned()))).ok_or(ScopeError(()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(name: &str) -> Result<Self, ScopeError> {
        Self::new(name)
    }
}

/// A set of scopes, sorted by name. It may be empty.
///
/// ```
/// use videokit_session::{Scope, Scopes};
///
/// let scopes: Scopes = [Scope::VIDEOS_READ, Scope::VIDEOS_EDIT, Scope::VIDEOS_READ].into_iter().collect();
/// assert_eq!(scopes.to_string(), "videos.edit videos.read");
/// assert!(scopes.contains(&Scope::VIDEOS_READ));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Returns whether `scope` is in the set.
    #[must_use]
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// Iterates over the scopes, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_unknown_ones_kept() {
        assert_eq!(Scope::new("videos.read").as_ref(), Ok(&Scope::VIDEOS_READ));
        assert_eq!(Scope::new("playlists.x").map(|s| s.to_string()).as_deref(), Ok("playlists.x"));
        for wrong in ["", "two words", "tab\t", "é", &"x".repeat(257)] {
            assert!(Scope::new(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        let none = Scopes::default();
        let one: Scopes = [Scope::VIDEOS_READ].into_iter().collect();
        assert_eq!([&none, &one].map(Scopes::is_empty), [true, false]);
        let asked = [Scope::VIDEOS_READ, Scope::VIDEOS_EDIT];
        assert_eq!(asked.map(|scope| one.contains(&scope)), [true, false]);
    }

    #[test]
    fn the_known_names_are_nine_different_ones() {
        let all: Scopes = Scope::KNOWN.into_iter().collect();
        assert_eq!(all.iter().count(), 9);
    }
}
