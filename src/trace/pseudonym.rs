//! Secrets and names that a trace has seen, and the placeholders that they got.

use core::hash::{Hash, Hasher};
use std::collections::BTreeMap;
use std::hash::DefaultHasher;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Uri};

use super::line::Text;
use crate::exchange::{AllowedOrigin, Credentials, Identity, Scope, Scopes, jwt};
use crate::secret::SessionToken;
use crate::time::ExpiresAt;

/// What a trace has seen so far, to know it again. The n-th of each kind is called after its n.
#[derive(Default)]
pub(super) struct Pseudonyms {
    /// In the buffers of the tokens, which are wiped when the last of their copies is dropped.
    tokens: Numbers<HeaderValue>,
    identities: Numbers<Identity>,
    /// What is not known of a set of scopes, as one.
    scopes: Numbers<Box<str>>,
    /// What is no date.
    expiries: Numbers<Box<str>>,
    /// The ways to write each date: what is written otherwise is not the same grant.
    dates: BTreeMap<i64, Numbers<Box<str>>>,
    endpoints: Numbers<(Box<str>, Box<str>)>,
    pub(super) credentials: CredentialsIndex,
}

/// Credentials and their names. They have no order, so they are found by their digest; those that share one are
/// compared.
#[derive(Default)]
pub(super) struct CredentialsIndex {
    by_digest: BTreeMap<u64, Vec<(Box<str>, Credentials)>>,
    /// The number of names.
    count: usize,
}

impl CredentialsIndex {
    /// Returns the name of `credentials`. They are known from then on.
    pub(super) fn name(&mut self, credentials: &Credentials) -> String {
        if let Some(name) = self.find(credentials) {
            return name.to_owned();
        }
        self.count = self.count.saturating_add(1);
        let name = format!("credentials-{}", self.count);
        self.add(credentials, &name);
        name
    }

    /// Gives these credentials a name that others have already, unless they have one.
    pub(super) fn share(&mut self, credentials: &Credentials, name: &str) {
        if self.find(credentials).is_none() {
            self.add(credentials, name);
        }
    }

    fn find(&self, credentials: &Credentials) -> Option<&str> {
        let mut alike = self.by_digest.get(&digest(credentials))?.iter();
        Some(&*alike.find(|(_, known)| known == credentials)?.0)
    }

    fn add(&mut self, credentials: &Credentials, name: &str) {
        let alike = self.by_digest.entry(digest(credentials)).or_default();
        alike.push((name.into(), credentials.clone()));
    }

    /// The most that are compared to find one.
    #[cfg(test)]
    fn most_compared(&self) -> usize {
        self.by_digest.values().map(Vec::len).max().unwrap_or(0)
    }
}

/// Returns a number to find credentials by: equal ones have the same, and others hardly ever do. It follows from their
/// request, in any order of its headers; for a custom exchange, from where it is, for as long as it lives.
fn digest(credentials: &Credentials) -> u64 {
    let hash = |thing: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        thing(&mut hasher);
        hasher.finish()
    };
    if credentials.is_custom() {
        let address = core::ptr::from_ref(credentials.exchange()).cast::<()>().addr();
        return hash(&|hasher| address.hash(hasher));
    }
    let Ok(request) = credentials.exchange().request() else { return 0 };
    let headers = request.headers().iter().map(|header| hash(&|hasher| header.hash(hasher)));
    let headers = headers.fold(0, u64::wrapping_add);
    hash(&|hasher| (request.method(), request.uri(), headers, request.body()).hash(hasher))
}

/// Things and their numbers, from 1.
type Numbers<T> = BTreeMap<T, usize>;

/// Returns the number of `thing`. It is known from then on.
fn number<T: Ord>(known: &mut Numbers<T>, thing: T) -> usize {
    let next = known.len().saturating_add(1);
    *known.entry(thing).or_insert(next)
}

impl Pseudonyms {
    pub(super) fn token(&mut self, token: &SessionToken) -> String {
        let name = format!("token-{}", number(&mut self.tokens, token.header().clone()));
        jwt(token, &name).unwrap_or(name)
    }

    pub(super) fn identity(&mut self, identity: &Identity) -> Option<Text<Identity>> {
        let number = number(&mut self.identities, identity.clone());
        Identity::new(format!("identity-{number}")).ok().map(Text)
    }

    /// Returns the known names, which are no secret, and one placeholder for all others, which may be one if a server
    /// has put it there.
    pub(super) fn scopes(&mut self, scopes: &Scopes) -> Text<Scopes> {
        let (known, unknown): (Vec<&Scope>, Vec<&Scope>) =
            scopes.iter().partition(|scope| Scope::KNOWN.contains(scope));
        let placeholder = (!unknown.is_empty()).then(|| {
            // No name has a space in it.
            let unknown = unknown.into_iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
            Scope::new(format!("scopes-{}", number(&mut self.scopes, unknown.into())))
        });
        Text(known.into_iter().cloned().chain(placeholder.and_then(Result::ok)).collect())
    }

    /// A date is written as it is understood, to the millisecond: anything else in it may be anything.
    pub(super) fn expiry(&mut self, text: &str) -> String {
        let date = ExpiresAt::parse(text).map(ExpiresAt::as_millis);
        let Some(at) = date.filter(|at| canonical(*at, "").is_some()) else {
            return format!("expiry-{}", number(&mut self.expiries, text.into()));
        };
        let spelling = match number(self.dates.entry(at).or_default(), text.into()) {
            1 => String::new(),
            // What is behind the milliseconds is cut when it is read.
            n => n.to_string(),
        };
        canonical(at, &spelling).unwrap_or_default()
    }

    /// Returns the placeholder of the origin and path of `uri`, which is all that a driver looks at.
    pub(super) fn endpoint(&mut self, uri: &Uri) -> Option<Text<Uri>> {
        let origin = AllowedOrigin::of(uri).ok()?;
        let number = number(&mut self.endpoints, (origin.to_string().into(), uri.path().into()));
        let scheme = if origin.is_safe() { "https" } else { "http" };
        format!("{scheme}://endpoint-{number}/").parse().ok().map(Text)
    }
}

/// The instant, in so many milliseconds since 1970, as RFC 3339, with these digits behind the milliseconds.
fn canonical(millis: i64, digits: &str) -> Option<String> {
    /// As far as any offset goes: beyond the calendar's ends, a date needs one.
    const FAR: i64 = (23 * 60 + 59) * 60_000;
    [("Z", 0), ("-23:59", -FAR), ("+23:59", FAR)].into_iter().find_map(|(offset, shift)| {
        let local = ExpiresAt::from_millis(millis.checked_add(shift)?);
        let mut text = local.to_string();
        text.pop()?;
        if !digits.is_empty() && local.is_whole_second() {
            text.push_str(".000");
        }
        text.push_str(digits);
        text.push_str(offset);
        (ExpiresAt::parse(&text)?.as_millis() == millis).then_some(text)
    })
}

/// A JWT that says how long `token` lives and nothing else, if `token` is one that says that.
fn jwt(token: &SessionToken, name: &str) -> Option<String> {
    let lifetime = jwt::lifetime(token.as_bytes())?;
    let same = |jwt: &String| {
        SessionToken::new(jwt).is_ok_and(|jwt| jwt::lifetime(jwt.as_bytes()) == Some(lifetime))
    };
    // The claims are in seconds, and a lifetime is cut to milliseconds: half of one more makes up for what
    // the way there and back loses. Where a millisecond is less than doubles tell apart, a neighbour is it.
    let seconds = |rest: &str| format!("{lifetime}{rest}").parse::<f64>().ok();
    let (exact, half) = (seconds("e-3")?, seconds(".5e-3")?);
    let mut jwts = [exact, half, half.next_up(), half.next_down()].into_iter().map(|exp| {
        let claims = URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{exp:?},\"iat\":0}}"));
        format!("{}.{claims}.{name}", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#))
    });
    jwts.find(same)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::header::{AUTHORIZATION, COOKIE, HeaderName};

    use super::*;
    use crate::exchange::{Backend, Endpoint, Gateway};
    use crate::secret::ApiToken;

    /// 8,000 different credentials of each kind.
    fn different_credentials() -> Vec<Credentials> {
        let gateway = |n: usize, identity: &str| {
            let token = ApiToken::new(format!("app:{n}")).unwrap();
            Gateway::new(token, Identity::new(identity).unwrap())
        };
        let backend = |path: &str, cookie: usize| {
            let endpoint = Endpoint::https(format!("https://app.example/{path}")).unwrap();
            Backend::new(endpoint).header(COOKIE, HeaderValue::from(cookie))
        };
        let all = (0..2_000).flat_map(|n| {
            [
                Credentials::for_development(gateway(n, "user-17")),
                Credentials::for_development(gateway(0, &format!("user-{n}-else"))),
                Credentials::backend(backend("token", n)),
                Credentials::backend(backend(&format!("token/{n}"), 0)),
            ]
        });
        let custom = |n| Credentials::custom(Arc::new(gateway(n, "user-17")));
        all.chain((0..2_000).map(custom)).collect()
    }

    #[test]
    fn s3_credentials_are_found_in_one_comparison_however_many_they_are() {
        let different = different_credentials();
        assert_eq!(different.len(), 10_000);
        let mut known = Pseudonyms::default();
        for _ in 0..2 {
            for (n, credentials) in (1..).zip(&different) {
                assert_eq!(known.credentials.name(credentials), format!("credentials-{n}"));
            }
        }
        assert_eq!(known.credentials.most_compared(), 1);
    }

    #[test]
    fn s3_equal_credentials_have_equal_digests() {
        let backend = |host: &str, headers: [(HeaderName, u8); 2]| {
            let endpoint = Endpoint::https(format!("https://{host}/token")).unwrap();
            let set = |backend: Backend, (name, value): (HeaderName, u8)| {
                backend.header(name, HeaderValue::from(u16::from(value)))
            };
            Credentials::backend(headers.into_iter().fold(Backend::new(endpoint), set))
        };
        let gateway = |uri: &str| {
            let token = ApiToken::new("app:hush").unwrap();
            let gateway = Gateway::new(token, Identity::new("user-17").unwrap());
            Credentials::for_development(gateway.endpoint(Endpoint::https(uri).unwrap()))
        };
        let custom = Credentials::custom(Arc::new(Backend::new(
            Endpoint::https("https://app.example/token").unwrap(),
        )));
        let rows = [
            (
                backend("app.example", [(COOKIE, 1), (AUTHORIZATION, 2)]),
                backend("APP.example", [(AUTHORIZATION, 2), (COOKIE, 1)]),
            ),
            (gateway("https://a.example/x?y"), gateway("https://A.example/x?y")),
            (custom.clone(), custom),
        ];
        for (one, other) in rows {
            assert_eq!(one, other);
            assert_eq!(digest(&one), digest(&other), "{one:?}");
        }
        let [one, other] = [[(COOKIE, 1), (AUTHORIZATION, 2)], [(COOKIE, 2), (AUTHORIZATION, 1)]]
            .map(|headers| digest(&backend("app.example", headers)));
        assert_ne!(one, other, "which header has which value counts");
    }

    #[test]
    fn every_date_that_is_read_has_a_canonical_form() {
        let rows = [
            (0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.0002Z"),
            (-1, "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.9992Z"),
            (1_795_492_800_250, "2026-11-24T04:00:00.250Z", "2026-11-24T04:00:00.2502Z"),
            (253_402_300_799_000, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.0002Z"),
            (253_402_387_139_000, "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.0002-23:59"),
            (-62_167_305_540_000, "0000-01-01T00:00:00+23:59", "0000-01-01T00:00:00.0002+23:59"),
        ];
        for (millis, text, another) in rows {
            assert_eq!(canonical(millis, "").as_deref(), Some(text), "{millis}");
            assert_eq!(canonical(millis, "2").as_deref(), Some(another), "{millis}");
        }
        for text in ["9999-12-31T23:59:59.999-23:59", "0000-01-01T00:00:00.999+23:59"] {
            let read = ExpiresAt::parse(text).unwrap();
            let longest = usize::MAX.to_string();
            assert!(canonical(read.as_millis(), &longest).unwrap().len() <= 64, "{text}");
        }
        assert_eq!(canonical(i64::MAX, ""), None);
    }

    #[test]
    fn a_jwt_keeps_its_lifetime_and_nothing_else() {
        let jwt_of = |claims: &str| {
            let jwt = format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
            SessionToken::new(jwt).unwrap()
        };
        let rows = [
            (r#"{"exp":1700003600,"iat":1700000000}"#, r#"{"exp":3600.0,"iat":0}"#),
            (r#"{"exp":1.0011234567,"iat":0.0}"#, r#"{"exp":1.0015,"iat":0}"#),
            (r#"{"exp":1,"iat":3.5,"x":[]}"#, r#"{"exp":-2.5,"iat":0}"#),
            (r#"{"exp":1e300,"iat":7}"#, r#"{"exp":9223372036854776.0,"iat":0}"#),
        ];
        for (claims, left) in rows {
            let token = jwt_of(claims);
            let placeholder = jwt(&token, "token-1").unwrap();
            let part = placeholder.split('.').nth(1).unwrap();
            assert_eq!(URL_SAFE_NO_PAD.decode(part).unwrap(), left.as_bytes(), "{claims}");
        }
        let mut exp = 0.001_f64;
        while exp < 1e17 {
            exp *= 1.07;
            for claims in
                [format!(r#"{{"exp":{exp:?},"iat":1}}"#), format!(r#"{{"exp":1,"iat":{exp:?}}}"#)]
            {
                let token = jwt_of(&claims);
                let placeholder = jwt(&token, "token-1").unwrap();
                let part = placeholder.split('.').nth(1).unwrap();
                let left = String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
                assert!(left.ends_with(r#","iat":0}"#), "{claims}: {left}");
                let played = SessionToken::new(&placeholder).unwrap();
                assert_eq!(
                    jwt::lifetime(played.as_bytes()),
                    jwt::lifetime(token.as_bytes()),
                    "{claims}"
                );
            }
        }
        assert_eq!(jwt(&SessionToken::new("opaque").unwrap(), "token-1"), None);
    }
}
