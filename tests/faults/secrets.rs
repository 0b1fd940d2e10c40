//! What grants and tokens show, and what they leave behind.

use std::sync::Arc;

use allocation_counter::measure;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use videokit_session::driver::Start;
use videokit_session::session::Input;
use videokit_session::{
    ApiToken, Config, Gateway, Grant, Identity, Moment, Session, SessionToken, Validity,
};

use crate::world::config;

#[test]
fn r5_debug_of_a_grant_shows_nothing_that_a_server_has_written() {
    let reply = |expires_at: &str| {
        http::Response::new(format!(
            r#"{{"sessionToken":"s3cret","expiresAt":"{expires_at}","identity":"s3cret","scopes":["s3cret"]}}"#
        ))
    };
    let identity = Identity::new("s3cret").unwrap();
    let gateway = Gateway::new(ApiToken::new("app:hush").unwrap(), identity);
    for expires_at in ["s3cret", "2026-11-24T05:00:00Z", "2026-11-24T05:00:00Z s3cret"] {
        let grant = gateway.read(&reply(expires_at)).unwrap();
        let input = Input::Adopt(grant.clone());
        let start = Start::from(grant.clone());
        for shown in [
            format!("{grant:?} {grant:#?}"),
            format!("{input:?} {input:#?}"),
            format!("{start:?} {start:#?}"),
        ] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        // What was read of it is shown.
        let readable = expires_at.len() == 20;
        assert_eq!(format!("{grant:?}").contains("2026-11-24T05:00:00Z"), readable, "{grant:?}");
    }
}

/// How many blocks are allocated while a token with these claims is adopted, and how it is judged then.
fn adopted(claims: &str, config: &Arc<Config>) -> (u64, Validity) {
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let token = SessionToken::new(format!("e30.{claims}.c2ln")).unwrap();
    let grant = Grant::new(token);
    let now = Moment::from_millis(5_000, 1_795_492_800_000);
    let session = Session::new(Arc::clone(config), 1);
    let mut adopted = None;
    let counted = measure(|| adopted = Some(session.adopt(grant, now)));
    let session = adopted.expect("it was called").expect("it lives");
    (counted.count_total, session.validity(now))
}

#[test]
fn r6_a_claim_whose_name_has_escapes_is_copied_nowhere() {
    let config = config(|config| config);
    // Ten seconds, by its claims.
    for (plain, escaped) in [
        (r#""a name of a claim":1"#, r#""https:\/\/app.example\/claims":1"#),
        (r#""a":{"b":["c"]}"#, r#""\u0061":{"\u0062":["\u0063"]}"#),
        (r#""a name of a claim":"a/ba""#, r#""a name of a claim":"a\/b\u0061""#),
    ] {
        let judged = |claim: &str| {
            let first = format!(r#"{{{claim},"exp":1700000010,"iat":1700000000}}"#);
            let last = format!(r#"{{"exp":1700000010,"iat":1700000000,{claim}}}"#);
            [first, last].map(|claims| adopted(&claims, &config))
        };
        let (plain, escaped) = (judged(plain), judged(escaped));
        assert_eq!(escaped, plain);
        assert!(plain.iter().all(|(_, validity)| *validity == Validity::Unsure), "{plain:?}");
    }
    // A name that isn't plain is no hint.
    let (blocks, judged) = adopted(r#"{"\u0065xp":1700000010,"iat":1700000000}"#, &config);
    assert_eq!((blocks, judged), (1, Validity::Valid));
}
