//! What a token says about its own lifetime: any text may stand in for a JWT, nothing but a readable `exp`
//! and `iat` counts, and what they say only ever shortens.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use videokit_session::driver::{Drive, Policy};
use videokit_session::session::AdoptError;
use videokit_session::sim::SECRET;
use videokit_session::time::Remaining;
use videokit_session::trace::{Recorder, replay};
use videokit_session::{
    AllowedOrigin, Config, Grant, Moment, Output, Session, SessionToken, Validity,
};

const NOW: Moment = Moment::from_millis(5_000, 1_795_492_800_000);

/// What a token of unknown expiry starts with, less what the formula allows for.
const ASSUMED_MS: i64 = 899_000;

/// σ for a token that was obtained elsewhere, and the second to which times are cut.
const SLACK_MS: i64 = 11_000;

/// The first byte says whether the rest is a whole token or the claims of one.
pub(crate) fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let text = match kind % 2 {
        0 => rest.to_vec(),
        _ => format!("eyJhbGciOiJub25lIn0.{}.{SECRET}", URL_SAFE_NO_PAD.encode(rest)).into_bytes(),
    };
    let Ok(token) = SessionToken::new(&text) else { return };
    assert_eq!(format!("{token:?}"), "SessionToken(redacted)");
    let alone = remaining(Grant::new(token.clone()));
    check_alone(token.expose(), alone);
    check_shortens(&token);
    check_trace(&token, alone.is_some());
}

/// What is left of a token that is adopted now; `None` if it is dead.
fn remaining(grant: Grant) -> Option<Remaining> {
    match Session::new(config(), 1).adopt(grant, NOW) {
        Ok(session) => Some(session.remaining(NOW)),
        Err(rejected) => {
            assert_eq!(*rejected.reason(), AdoptError::Expired);
            None
        }
    }
}

fn config() -> Arc<Config> {
    let origin = AllowedOrigin::https("https://api.example").unwrap();
    Arc::new(Config::builder(origin).build().unwrap())
}

/// Without another word about the expiry, the claims bound both ends.
fn check_alone(token: &str, left: Option<Remaining>) {
    if let Some(left) = left {
        assert_ne!(left.validity(), Validity::Expired, "it was adopted");
        assert!(left.at_least_millis() <= ASSUMED_MS, "{left:?}");
    }
    let Some(stated) = stated_lifetime(token) else { return };
    let Some(stated) = stated else {
        let left = left.expect("nothing says that it is dead");
        assert_eq!((left.at_least_millis(), left.at_most_millis()), (ASSUMED_MS, None));
        return;
    };
    let Some(left) = left else {
        assert!(stated + 11_000.0 < 2.0, "dead, with {stated} ms to live");
        return;
    };
    #[expect(clippy::cast_precision_loss, reason = "held to a thousandth of a millionth")]
    let close = |ms: i64, wanted: f64| {
        let wanted = wanted.clamp(i64::MIN as f64, i64::MAX as f64);
        (ms as f64 - wanted).abs() <= 1.0 + wanted.abs() * 1e-9
    };
    #[expect(clippy::cast_precision_loss, reason = "small constants")]
    let (slack, assumed) = (SLACK_MS as f64, ASSUMED_MS as f64);
    let at_most = left.at_most_millis().expect("the claims bound it");
    assert!(close(at_most, stated + slack), "{left:?} of {stated}");
    let at_least = (stated - slack - 1_000.0).min(assumed);
    assert!(close(left.at_least_millis(), at_least), "{left:?} of {stated}");
}

/// `exp - iat` in milliseconds, as another reader has it, or nothing. `None` where the two may differ.
#[expect(clippy::option_option, reason = "what is unclear is not what is missing")]
fn stated_lifetime(token: &str) -> Option<Option<f64>> {
    let parts: Vec<&str> = token.split('.').collect();
    let &[header, claims, _] = &parts[..] else { return Some(None) };
    // The header is an object (RFC 7515, section 2), and so begins with `{`.
    if !header.starts_with('e') {
        return Some(None);
    }
    let Ok(claims) = URL_SAFE_NO_PAD.decode(claims) else { return Some(None) };
    let Ok(claims) = String::from_utf8(claims) else { return None };
    let once = |name| claims.matches(name).count() == 1 && !claims.contains('\\');
    let value: Value = serde_json::from_str(&claims).ok()?;
    if !claims.starts_with('{') {
        return Some(None);
    }
    let [Some(exp), Some(iat)] = [value.get("exp"), value.get("iat")] else { return Some(None) };
    if !exp.is_number() || !iat.is_number() {
        return Some(None);
    }
    if !once("\"exp\"") || !once("\"iat\"") {
        return None;
    }
    let stated = (exp.as_f64()? - iat.as_f64()?) * 1_000.0;
    Some(Some(stated).filter(|stated| stated.is_finite()))
}

/// Claims never give a token a longer life than one without them has.
fn check_shortens(token: &SessionToken) {
    let opaque = SessionToken::new("opaque").unwrap();
    for expires_at in ["2026-11-24T04:10:00Z", "2026-11-24T04:00:00.500Z", "never"] {
        let left =
            |token: &SessionToken| remaining(Grant::new(token.clone()).with_expires_at(expires_at));
        let (Some(with), Some(without)) = (left(token), left(&opaque)) else { continue };
        assert!(with.at_least_millis() <= without.at_least_millis(), "{with:?} {without:?}");
        let end = |left: Remaining| left.at_most_millis().unwrap_or(i64::MAX);
        assert!(end(with) <= end(without), "{with:?} {without:?}");
    }
}

/// A trace has no more of the token than these two claims, and plays again.
fn check_trace(token: &SessionToken, adopted: bool) {
    let mut recorder = Recorder::new(config(), Policy::default(), 1);
    recorder.start(token.clone(), NOW);
    let waits = (0..20).any(|_| matches!(recorder.poll(NOW), Output::Wait(_)));
    assert!(waits, "twenty polls, and still busy");
    assert_eq!(recorder.driver().generation().is_some(), adopted);
    let trace = recorder.take_lines();
    // The scheme of a stand-in ends in a name such as token-1, and a real token may look like that.
    assert!(!trace.contains(SECRET), "{trace}");
    let replayed = replay(&trace).expect("it was just recorded");
    assert!(replayed.is_exact(), "{:?}", replayed.difference);
}
