//! Words that are constants of some exchange's code, and have to be constants again in a replay.

/// The names and texts of members that this crate's own exchanges speak of.
const MEMBERS: [&str; 8] = [
    "sessionToken",
    "session_key",
    "identity",
    "expiresAt",
    "scopes",
    "error",
    "undefined",
    "null",
];

/// Constants that stand, in a replayed driver, for words that only the trace knows.
#[rustfmt::skip]
const PLACEHOLDERS: [&str; 32] = [
    "word-1", "word-2", "word-3", "word-4", "word-5", "word-6", "word-7", "word-8",
    "word-9", "word-10", "word-11", "word-12", "word-13", "word-14", "word-15", "word-16",
    "word-17", "word-18", "word-19", "word-20", "word-21", "word-22", "word-23", "word-24",
    "word-25", "word-26", "word-27", "word-28", "word-29", "word-30", "word-31", "word-32",
];

/// The longest word that is written, in characters.
const WORD_LIMIT: usize = 256;

/// Which word each placeholder stands for. None, while recording.
#[derive(Debug, Default)]
pub(super) struct Words(Vec<String>);

impl Words {
    /// How many different words of custom exchanges a trace may have, to be replayed.
    pub(super) const MOST: usize = PLACEHOLDERS.len();

    /// A constant to stand for `word`; `None` when there is none left.
    pub(super) fn constant(&mut self, word: &str) -> Option<&'static str> {
        if let Some(member) = MEMBERS.into_iter().find(|member| *member == word) {
            return Some(member);
        }
        let at = self.0.iter().position(|known| known == word).unwrap_or(self.0.len());
        let placeholder = PLACEHOLDERS.get(at)?;
        if at == self.0.len() {
            self.0.push(word.to_owned());
        }
        Some(placeholder)
    }

    /// The word that a constant stands for: another, or itself.
    pub(super) fn word(&self, constant: &str) -> String {
        let at = PLACEHOLDERS.into_iter().position(|placeholder| placeholder == constant);
        match at.and_then(|at| self.0.get(at)) {
            Some(word) => word.clone(),
            None => constant.chars().take(WORD_LIMIT).collect(),
        }
    }
}

/// A word that is such a constant already.
pub(super) fn constant(word: &str) -> Option<&'static str> {
    MEMBERS.into_iter().chain(PLACEHOLDERS).find(|known| *known == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_and_run_out() {
        let mut words = Words::default();
        assert_eq!(words.constant("identity"), Some("identity"));
        assert_eq!(words.constant("word-2"), Some("word-1"), "a word like any other");
        assert_eq!(words.constant("because"), Some("word-2"));
        assert_eq!(words.constant("word-2"), Some("word-1"));
        assert_eq!(words.word("word-1"), "word-2");
        assert_eq!(words.word("word-3"), "word-3");
        assert_eq!(words.word("identity"), "identity");
        for n in 3..=Words::MOST {
            assert!(words.constant(&format!("{n} things")).is_some());
        }
        assert_eq!(words.constant("one too many"), None);
        assert_eq!(words.constant("because"), Some("word-2"));
    }
}
