//! Settings that come from the environment or from a file. A secret in an argument would show in lists of processes.

use std::env::{VarError, var};
use std::fmt;
use std::fs::read_to_string;
use std::path::Path;

use videokit_session::Endpoint;
use videokit_session::exchange::OriginError;

/// A setting, and the file or environment variable that it is from.
#[derive(Clone)]
#[non_exhaustive]
pub struct Setting {
    /// Its text, without white space around it.
    pub text: String,
    /// Where it is from.
    pub source: String,
}

impl fmt::Debug for Setting {
    /// Its text may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Reads a setting from a file if one is given, and else from an environment variable; `None` if that is not set.
///
/// # Errors
/// The file can't be read, or the variable is not UTF-8.
pub fn setting(file: Option<&Path>, variable: &str) -> Result<Option<Setting>, String> {
    let (text, source) = match file {
        Some(file) => {
            let source = file.display().to_string();
            (read_to_string(file).map_err(|error| format!("{source}: {error}"))?, source)
        }
        None => match var(variable) {
            Ok(text) => (text, variable.to_owned()),
            Err(VarError::NotPresent) => return Ok(None),
            Err(VarError::NotUnicode(_)) => return Err(format!("{variable} is not UTF-8")),
        },
    };
    Ok(Some(Setting { text: text.trim().to_owned(), source }))
}

/// Returns an endpoint: https anywhere, or plain http on this machine.
///
/// # Errors
/// It is neither.
pub fn endpoint(url: &str) -> Result<Endpoint, OriginError> {
    match Endpoint::https(url) {
        Err(OriginError::Insecure) => Endpoint::loopback(url),
        other => other,
    }
}
