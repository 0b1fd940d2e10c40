//! The checksum at the end of each line, chained from line to line.

use core::fmt;

/// What stands between a line's content and its checksum, and after it.
const BEFORE: &str = ",\"sum\":\"";
const AFTER: &str = "\"}";
const DIGITS: usize = 16;

/// FNV-1a with 64 bits (RFC 9923) over everything so far. Each byte changes the state to another one, so
/// that one changed byte never goes unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum(u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    fn over(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |state, byte| {
            (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }))
    }

    /// The line for an object of JSON: the same with the checksum as its last member, and a line break.
    pub(super) fn seal(&mut self, object: &str) -> String {
        let body = object.strip_suffix('}').unwrap_or(object);
        *self = self.over(body.as_bytes());
        format!("{body}{BEFORE}{self}{AFTER}\n")
    }

    /// Whether a line, without its line break, is the one that follows. If not, nothing changes.
    pub(super) fn check(&mut self, line: &[u8]) -> bool {
        let Some((body, sum)) = split(line) else { return false };
        let next = self.over(body);
        let same = sum == next.to_string().as_bytes();
        if same {
            *self = next;
        }
        same
    }
}

/// A line without its checksum: an object of JSON again.
pub(super) fn unsealed(line: &str) -> String {
    let body = split(line.as_bytes()).and_then(|(body, _)| core::str::from_utf8(body).ok());
    body.map_or_else(|| line.to_owned(), |body| format!("{body}}}"))
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_suffix(AFTER.as_bytes())?;
    let (rest, sum) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    Some((rest.strip_suffix(BEFORE.as_bytes())?, sum))
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors() {
        // RFC 9923, appendix: the empty string, "a" and "foobar".
        assert_eq!(Sum::default().over(b"").0, 0xcbf2_9ce4_8422_2325);
        assert_eq!(Sum::default().over(b"a").0, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Sum::default().over(b"foobar").0, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_line_is_known_by_the_lines_before_it() {
        let mut sum = Sum::default();
        let lines = [sum.seal("{\"n\":1}"), sum.seal("{\"n\":2}")];
        assert_eq!(unsealed(lines[0].trim_end()), "{\"n\":1}");
        let mut reader = Sum::default();
        assert!(!reader.check(lines[1].trim_end().as_bytes()));
        assert!(reader.check(lines[0].trim_end().as_bytes()));
        assert!(reader.check(lines[1].trim_end().as_bytes()));
        for junk in ["", "}", "\"}", "0123456789abcdef\"}", "{\"n\":1}"] {
            assert!(!reader.check(junk.as_bytes()), "{junk}");
            assert_eq!(unsealed(junk), junk);
        }
    }
}
