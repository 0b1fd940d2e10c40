//! Checked origins and endpoints: where tokens and credentials may be sent.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use http::uri::Authority;
use http::{HeaderValue, Uri};

/// A URI that tokens may not be sent to. The message does not repeat the URI, which may contain a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum OriginError {
    /// The URI doesn't parse, or has a path that doesn't begin with `/`.
    #[error("this is not a URI; a host is written in ASCII (`xn--…` for other letters)")]
    NotAUri,
    /// The URI has no scheme or no host.
    #[error("the URI is not absolute: it needs a scheme and a host")]
    NotAbsolute,
    /// The URI has a user or a password before the host.
    #[error("the URI has user information before its host")]
    UserInfo,
    /// The port is empty, or over 65535.
    #[error("the URI's port is not a number from 0 to 65535")]
    Port,
    /// The scheme is not https, and the URI was not opted in as a loopback address.
    #[error(
        "the scheme is not https: use https, or for a server on this machine http with `loopback`"
    )]
    Insecure,
    /// The host was opted in as loopback, and is neither `localhost` nor an address of 127.0.0.0/8 or `::1`.
    ///
    /// Plain http to any other host is never sent, and can't be opted in to: anyone on the network could read the
    /// token. For a backend in a container, or on the host of an emulator, use https, or forward a port of this
    /// machine to it (`docker -p`, `adb reverse`).
    #[error(
        "the host is not a loopback address: use https, or a port of this machine that is forwarded \
         there (`docker -p`, `adb reverse`); plain http to other hosts is never sent"
    )]
    NotLoopback,
    /// The origin has a `*`. An origin is one scheme, host and port.
    #[error("an origin has no wildcards: allow each one with `ConfigBuilder::origin`")]
    Wildcard,
    /// The URI has a path or a query, which an origin has not.
    #[error("an origin ends after its host and port, without a path")]
    Path,
}

/// An origin (scheme, host and port) that session tokens may be sent to.
///
/// It is https, or plain http to a loopback address where that was opted in to by name. The ASCII case of the host
/// makes no difference, and a missing port is the scheme's default.
///
/// ```
/// use videokit_session::{AllowedOrigin, exchange::OriginError};
///
/// let api = AllowedOrigin::https("https://api.video.io")?;
/// assert_eq!(api, AllowedOrigin::https("https://API.video.io:443/")?);
/// assert_eq!(AllowedOrigin::https("http://api.video.io"), Err(OriginError::Insecure));
/// let test = AllowedOrigin::loopback("http://127.0.0.1:8080")?;
/// assert_eq!(test.to_string(), "http://127.0.0.1:8080");
/// # Ok::<(), OriginError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AllowedOrigin {
    secure: bool,
    port: u16,
    /// In lower case.
    host: Box<str>,
}

impl AllowedOrigin {
    /// Creates an https origin, such as `https://api.video.io`.
    ///
    /// # Errors
    /// [`OriginError`] if it is not absolute, not https, or more than an origin.
    pub fn https(origin: impl AsRef<str>) -> Result<Self, OriginError> {
        Self::bare(origin.as_ref())?.require_https()
    }

    /// Creates a loopback origin, such as `http://127.0.0.1:8080`: the opt-in to plain http, for tests.
    ///
    /// # Errors
    /// [`OriginError`] if it is not absolute, not http or https, not loopback, or more than an origin.
    pub fn loopback(origin: impl AsRef<str>) -> Result<Self, OriginError> {
        Self::bare(origin.as_ref())?.require_loopback()
    }

    /// Returns whether `uri` has this origin. A URI with user information never has.
    #[must_use]
    pub fn covers(&self, uri: &Uri) -> bool {
        let is_usual = uri.authority().is_some_and(|authority| self.is_written(authority.as_str()))
            && is_secure(uri) == Ok(self.secure)
            && uri.path().starts_with('/');
        is_usual || Parts::of(uri).is_ok_and(|parts| self.is(&parts))
    }

    /// Returns the origin of an absolute http or https URI, whether it is safe or not.
    pub(crate) fn of(uri: &Uri) -> Result<Self, OriginError> {
        let Parts { secure, host, port } = Parts::of(uri)?;
        Ok(Self { secure, port, host: host.to_ascii_lowercase().into() })
    }

    /// Returns whether a `Host` header's value, sent with this origin's scheme, names this origin.
    pub(crate) fn is_named_by(&self, host: &HeaderValue) -> bool {
        let host = host.as_bytes();
        core::str::from_utf8(host).is_ok_and(|host| self.is_written(host))
            || Authority::try_from(host).is_ok_and(|authority| {
                Parts::of_authority(self.secure, &authority).is_ok_and(|parts| self.is(&parts))
            })
    }

    /// Returns whether `authority` is this origin's, written as usual: in lower case, without the scheme's own port.
    fn is_written(&self, authority: &str) -> bool {
        self.port == default_port(self.secure) && *authority == *self.host
    }

    fn is(&self, parts: &Parts<'_>) -> bool {
        (parts.secure, parts.port) == (self.secure, self.port)
            && parts.host.eq_ignore_ascii_case(&self.host)
    }

    fn bare(text: &str) -> Result<Self, OriginError> {
        let uri = parse(text)?;
        let origin = Self::of(&uri)?;
        if uri.path_and_query().is_some_and(|path| path != "/") {
            return Err(OriginError::Path);
        }
        if origin.host.contains('*') { Err(OriginError::Wildcard) } else { Ok(origin) }
    }

    fn require_https(self) -> Result<Self, OriginError> {
        if self.secure { Ok(self) } else { Err(OriginError::Insecure) }
    }

    fn require_loopback(self) -> Result<Self, OriginError> {
        if self.is_loopback() { Ok(self) } else { Err(OriginError::NotLoopback) }
    }

    pub(crate) fn is_safe(&self) -> bool {
        self.secure || self.is_loopback()
    }

    fn is_loopback(&self) -> bool {
        let v6 = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match v6 {
            Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
            // RFC 6761, section 6.3: localhost resolves to loopback.
            None if *self.host == *"localhost" => true,
            None => self.host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()),
        }
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.host)?;
        if self.port == default_port(self.secure) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

fn is_secure(uri: &Uri) -> Result<bool, OriginError> {
    match uri.scheme_str() {
        Some("https") => Ok(true),
        Some("http") => Ok(false),
        Some(_) => Err(OriginError::Insecure),
        None => Err(OriginError::NotAbsolute),
    }
}

/// The parts of a URI that make its origin.
struct Parts<'a> {
    secure: bool,
    host: &'a str,
    port: u16,
}

impl<'a> Parts<'a> {
    fn of(uri: &'a Uri) -> Result<Self, OriginError> {
        let authority = uri.authority().ok_or(OriginError::NotAbsolute)?;
        let parts = Self::of_authority(is_secure(uri)?, authority)?;
        // A URI that is built from parts may have a path that runs into the host: `https://a.example*`.
        if uri.path().is_empty() || uri.path().starts_with('/') {
            Ok(parts)
        } else {
            Err(OriginError::NotAUri)
        }
    }

    fn of_authority(secure: bool, authority: &'a Authority) -> Result<Self, OriginError> {
        let host = authority.host();
        if host.is_empty() {
            return Err(OriginError::NotAbsolute);
        }
        if authority.as_str().contains('@') {
            return Err(OriginError::UserInfo);
        }
        // `http::Uri` accepts text beside a bracketed host, and a sign before the port, where other parsers may see
        // another host.
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.contains(['[', ']']) && !bracketed {
            return Err(OriginError::NotAUri);
        }
        let rest = authority.as_str().strip_prefix(host).ok_or(OriginError::Port)?;
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => default_port(secure),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| OriginError::Port)?
            }
            _ => return Err(OriginError::Port),
        };
        Ok(Self { secure, host, port })
    }
}

/// A URI that credentials may be sent to: https, or plain http to a loopback address where that was opted in to by
/// name. `Debug` omits the query, which may contain a secret.
///
/// ```
/// use videokit_session::exchange::{Endpoint, OriginError};
///
/// let endpoint = Endpoint::https("https://example.com/token/user-17")?;
/// assert_eq!(endpoint.uri().path(), "/token/user-17");
/// assert_eq!(Endpoint::loopback("http://10.0.0.1/token"), Err(OriginError::NotLoopback));
/// # Ok::<(), OriginError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// Creates an https endpoint.
    ///
    /// # Errors
    /// [`OriginError`] if it is not absolute or not https.
    pub fn https(uri: impl AsRef<str>) -> Result<Self, OriginError> {
        let uri = parse(uri.as_ref())?;
        AllowedOrigin::of(&uri)?.require_https()?;
        Ok(Self(uri))
    }

    /// Creates a loopback endpoint: the opt-in to plain http, for tests.
    ///
    /// # Errors
    /// [`OriginError`] if it is not absolute, not http or https, or not loopback.
    pub fn loopback(uri: impl AsRef<str>) -> Result<Self, OriginError> {
        let uri = parse(uri.as_ref())?;
        AllowedOrigin::of(&uri)?.require_loopback()?;
        Ok(Self(uri))
    }

    /// Creates an endpoint from a constant of this crate.
    pub(crate) fn known(uri: &'static str) -> Self {
        Self(Uri::from_static(uri))
    }

    /// Returns the URI.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", Redacted(&self.0))
    }
}

fn parse(uri: &str) -> Result<Uri, OriginError> {
    uri.parse().map_err(|_| OriginError::NotAUri)
}

/// A URI to be shown: without its query and user information.
pub(crate) struct Redacted<'a>(pub(crate) &'a Uri);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.0.scheme_str() {
            write!(f, "{scheme}://")?;
        }
        if let Some(authority) = self.0.authority() {
            let shown =
                authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
            f.write_str(shown)?;
        }
        f.write_str(self.0.path())?;
        if self.0.query().is_some() { f.write_str("?…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use http::uri::Scheme;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn origins_table() {
        use OriginError as E;
        type Row = (&'static str, Result<&'static str, E>, Result<&'static str, E>);
        let rows: &[Row] = &[
            ("https://a.example", Ok("https://a.example"), Err(E::NotLoopback)),
            ("HTTPS://A.Example:443/", Ok("https://a.example"), Err(E::NotLoopback)),
            ("https://a.example:8443", Ok("https://a.example:8443"), Err(E::NotLoopback)),
            ("http://a.example", Err(E::Insecure), Err(E::NotLoopback)),
            ("http://127.0.0.1:80", Err(E::Insecure), Ok("http://127.0.0.1")),
            ("http://127.8.9.1:81", Err(E::Insecure), Ok("http://127.8.9.1:81")),
            ("http://[::1]:9", Err(E::Insecure), Ok("http://[::1]:9")),
            ("http://[::2]:9", Err(E::Insecure), Err(E::NotLoopback)),
            ("http://[::1%40]:9", Err(E::Insecure), Err(E::NotLoopback)),
            ("https://localhost", Ok("https://localhost"), Ok("https://localhost")),
            ("http://localhost.evil.example", Err(E::Insecure), Err(E::NotLoopback)),
            ("http://127.0.0.1.evil.example", Err(E::Insecure), Err(E::NotLoopback)),
            ("http://128.0.0.1", Err(E::Insecure), Err(E::NotLoopback)),
            ("https://user@a.example", Err(E::UserInfo), Err(E::UserInfo)),
            ("https://a.example:443@evil.example", Err(E::UserInfo), Err(E::UserInfo)),
            ("https://a.example:", Err(E::Port), Err(E::Port)),
            ("https://a.example:65536", Err(E::Port), Err(E::Port)),
            ("https://a.example/path", Err(E::Path), Err(E::Path)),
            ("https://a.example/?q", Err(E::Path), Err(E::Path)),
            ("https://*.a.example", Err(E::Wildcard), Err(E::Wildcard)),
            ("https://*", Err(E::Wildcard), Err(E::Wildcard)),
            ("https://*.a.example/path", Err(E::Path), Err(E::Path)),
            ("ftp://a.example", Err(E::Insecure), Err(E::Insecure)),
            ("a.example", Err(E::NotAbsolute), Err(E::NotAbsolute)),
            ("/path", Err(E::NotAbsolute), Err(E::NotAbsolute)),
            ("https://", Err(E::NotAUri), Err(E::NotAUri)),
            (" https://a.example", Err(E::NotAUri), Err(E::NotAUri)),
            ("https://[::1]", Ok("https://[::1]"), Ok("https://[::1]")),
            ("https://[::1].a.example:443", Err(E::Port), Err(E::Port)),
            ("http://[::1]*a.example:8080", Err(E::Port), Err(E::Port)),
            ("https://a.example:[::1]:443", Err(E::Port), Err(E::Port)),
            ("https://a.[::1]b.example:6", Err(E::NotAUri), Err(E::NotAUri)),
            ("https://a.[1]", Err(E::NotAUri), Err(E::NotAUri)),
            ("https://[::1]a", Err(E::Port), Err(E::Port)),
            ("https://a.example:+8", Err(E::Port), Err(E::Port)),
            ("", Err(E::NotAUri), Err(E::NotAUri)),
        ];
        for (text, https, loopback) in rows {
            let shown = |origin: Result<AllowedOrigin, E>| origin.map(|o| o.to_string());
            assert_eq!(shown(AllowedOrigin::https(text)), https.map(str::to_owned), "{text}");
            assert_eq!(shown(AllowedOrigin::loopback(text)), loopback.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn the_usual_way_to_write_an_origin_is_known() {
        let (usual, port) = ("https://a.example", "https://a.example:8443");
        let [usual, port] = [usual, port].map(|text| AllowedOrigin::https(text).unwrap());
        for (authority, expected) in [
            ("a.example", [true, false]),
            ("a.example:8443", [false, false]),
            ("A.example", [false, false]),
            ("a.example:443", [false, false]),
        ] {
            assert_eq!([&usual, &port].map(|origin| origin.is_written(authority)), expected);
        }
    }

    #[test]
    fn redaction_drops_queries_and_users() {
        let shown = |uri: &str| Redacted(&uri.parse().unwrap()).to_string();
        assert_eq!(shown("https://u:p@a.example/x?key=1"), "https://a.example/x?…");
        assert_eq!(shown("/x"), "/x");
    }

    #[test]
    fn an_origin_covers_its_own_uris() {
        let origin = AllowedOrigin::https("https://api.example").unwrap();
        for (uri, covered) in [
            ("https://api.example/v1?a", true),
            ("https://API.example:443", true),
            ("https://api.example:444/", false),
            ("http://api.example/", false),
            ("https://api.example.other/", false),
            ("https://user@api.example/", false),
            ("/v1", false),
        ] {
            assert_eq!(origin.covers(&uri.parse().unwrap()), covered, "{uri}");
        }
    }

    /// What an origin covers and is named by, without a way that is shorter for the usual URI.
    fn reference(origin: &AllowedOrigin, authority: &str) -> (Option<bool>, bool) {
        let uri = |scheme: Scheme| {
            let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query("/");
            uri.build().ok()
        };
        let covers = |uri: Uri| AllowedOrigin::of(&uri).is_ok_and(|other| other == *origin);
        let scheme = if origin.secure { Scheme::HTTPS } else { Scheme::HTTP };
        (uri(Scheme::HTTPS).map(covers), uri(scheme).is_some_and(covers))
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None, ..ProptestConfig::with_cases(20_000)
        })]

        #[test]
        fn the_usual_uri_is_judged_as_any_other(
            origin in prop_oneof![
                "https://(a|a\\.b|localhost|127\\.0\\.0\\.1|\\[::1\\])(:(0|80|443|0443|8080|65535))?",
                "http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:(0|80|443|080|8080|65535))?",
            ],
            authority in "(u@)?(a|A|a\\.b|A\\.b|a\\.bc|localhost|127\\.0\\.0\\.1|\\[::1\\]|\\[::2\\])(:(|0|80|443|0443|8080|65535|65536|\\+80))?.?",
        ) {
            let origin = AllowedOrigin::https(&origin).or_else(|_| AllowedOrigin::loopback(&origin));
            let origin = origin.unwrap();
            let (covers, is_named) = reference(&origin, &authority);
            let uri = format!("https://{authority}/").parse::<Uri>().ok();
            prop_assert!(covers.is_none() || uri.is_none_or(|uri| Some(origin.covers(&uri)) == covers));
            let host = HeaderValue::from_str(&authority);
            prop_assert_eq!(host.is_ok_and(|host| origin.is_named_by(&host)), is_named);
            prop_assert_eq!(&AllowedOrigin::of(&origin.to_string().parse().unwrap()), &Ok(origin));
        }
    }
}
