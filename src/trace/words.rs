//! The words of flaws. In the code of an exchange they are constants, and a replay has others in their place.

use serde_json::Value;

use crate::exchange::words::PLACEHOLDERS;

/// The word that each placeholder stands for.
#[derive(Debug, Default)]
pub(super) struct StaticStrings(Vec<String>);

impl StaticStrings {
    /// Replaces each word of flaws in `json` by its placeholder. A word for which none is left stays.
    pub(super) fn replace(&mut self, json: &mut Value) {
        each_word(json, &mut |word| {
            let at = self.0.iter().position(|known| known == word).unwrap_or(self.0.len());
            let Some(placeholder) = PLACEHOLDERS.get(at) else { return };
            let word = core::mem::replace(word, (*placeholder).to_owned());
            if at == self.0.len() {
                self.0.push(word);
            }
        });
    }

    /// Replaces each placeholder in `json` by its word.
    pub(super) fn restore(&self, json: &mut Value) {
        each_word(json, &mut |placeholder| {
            let at = PLACEHOLDERS.iter().position(|known| known == placeholder);
            if let Some(word) = at.and_then(|at| self.0.get(at)) {
                placeholder.clone_from(word);
            }
        });
    }
}

/// Calls `change` with each word of a flaw or an error.
fn each_word(json: &mut Value, change: &mut impl FnMut(&mut String)) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(word)
                        if ["Custom", "member", "text"].contains(&name.as_str()) =>
                    {
                        change(word);
                    }
                    value => each_word(value, change),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| each_word(value, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Replaces and restores one word, and returns its placeholder.
    fn placeholder(words: &mut StaticStrings, word: &str) -> String {
        let before = json!({"flaws": [{"Missing": {"member": word}}]});
        let mut json = before.clone();
        words.replace(&mut json);
        let placeholder = json["flaws"][0]["Missing"]["member"].as_str().unwrap().to_owned();
        words.restore(&mut json);
        assert_eq!(json, before);
        placeholder
    }

    #[test]
    fn words_come_back_and_run_out() {
        let mut words = StaticStrings::default();
        assert_eq!(placeholder(&mut words, "word-2"), "word-1", "a word like any other");
        assert_eq!(placeholder(&mut words, "because"), "word-2");
        assert_eq!(placeholder(&mut words, "word-2"), "word-1");
        for n in 3..=PLACEHOLDERS.len() {
            assert_eq!(placeholder(&mut words, &format!("{n} things")), format!("word-{n}"));
        }
        assert_eq!(placeholder(&mut words, "one too many"), "one too many");
        assert_eq!(placeholder(&mut words, "because"), "word-2");
    }

    #[test]
    fn only_words_of_flaws_are_replaced() {
        let mut json =
            json!({"token": "member", "kind": "Custom", "member": {"len": 1}, "x": ["y"]});
        let before = json.clone();
        StaticStrings::default().replace(&mut json);
        assert_eq!(json, before);
    }
}
