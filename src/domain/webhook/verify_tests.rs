use std::collections::BTreeMap;

use chrono::TimeZone;

use super::*;
use crate::domain::ids::KeyPath;

fn how(kind: VerifyKind) -> Verify {
    Verify { kind, secrets: vec![KeyPath::parse("keys/a").unwrap()] }
}

fn at(seconds: i64) -> Timestamp {
    chrono::Utc.timestamp_opt(seconds, 0).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| (k.to_ascii_lowercase(), (*v).to_owned())).collect()
}

fn secret(text: &str) -> Vec<SecretText> {
    vec![SecretText::new(text.to_owned())]
}

#[test]
fn github_published_vector() {
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let headers = headers(&[("X-Hub-Signature-256", signature)]);
    let key = secret("It's a Secret to Everybody");
    assert_eq!(verify(&how(VerifyKind::GitHub), &key, &headers, b"Hello, World!", at(0)), Ok(()));
    assert_eq!(verify(&how(VerifyKind::GitHub), &key, &headers, b"Hello, World?", at(0)), Err(Unverified::Mismatch));
}

#[test]
fn standard_webhooks_published_vector_and_its_age() {
    let headers = headers(&[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1a,nonsense v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]);
    let key = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let body = b"{\"test\": 2432232314}";
    let check = |now| verify(&how(VerifyKind::StandardWebhooks), &key, &headers, body, at(now));
    assert_eq!(check(1_614_265_330), Ok(()));
    assert_eq!(check(1_614_265_330 + 300), Ok(()));
    assert_eq!(check(1_614_265_330 + 301), Err(Unverified::Stale));
    assert_eq!(check(1_614_265_330 - 301), Err(Unverified::Stale));
}

#[test]
fn two_secrets_are_active_while_one_is_rotated() {
    let mut both = secret("old");
    both.extend(secret("new"));
    for key in ["old", "new"] {
        let signature: String = mac(key.as_bytes(), &[b"{}"]).iter().map(|b| format!("{b:02x}")).collect();
        let headers = headers(&[("X-PagerDuty-Signature", &format!("v1=00,v1={signature}"))]);
        assert_eq!(verify(&how(VerifyKind::PagerDuty), &both, &headers, b"{}", at(0)), Ok(()), "{key}");
    }
    let headers = headers(&[("X-PagerDuty-Signature", "v1=,v1=zz")]);
    assert_eq!(verify(&how(VerifyKind::PagerDuty), &both, &headers, b"{}", at(0)), Err(Unverified::Mismatch));
}

#[test]
fn an_unusable_secret_matches_nothing() {
    let kind = VerifyKind::Token { header: "X-Interlock-Token".to_owned() };
    assert_eq!(
        verify(&how(kind.clone()), &secret(""), &headers(&[("X-Interlock-Token", "")]), b"", at(0)),
        Err(Unverified::Mismatch)
    );
    assert_eq!(verify(&how(kind), &[], &headers(&[("X-Interlock-Token", "x")]), b"", at(0)), Err(Unverified::Mismatch));
    let signed = headers(&[("webhook-id", "a"), ("webhook-timestamp", "0"), ("webhook-signature", "v1,")]);
    assert_eq!(
        verify(&how(VerifyKind::StandardWebhooks), &secret("not base64 !"), &signed, b"", at(0)),
        Err(Unverified::Mismatch)
    );
}

#[test]
fn alertmanager_speaks_bearer_and_basic() {
    let bearer = headers(&[("Authorization", "Bearer s3cret")]);
    assert_eq!(verify(&how(VerifyKind::Alertmanager), &secret("s3cret"), &bearer, b"", at(0)), Ok(()));
    let basic = headers(&[("Authorization", "Basic YW06czNjcmV0")]);
    assert_eq!(verify(&how(VerifyKind::Alertmanager), &secret("am:s3cret"), &basic, b"", at(0)), Ok(()));
    assert_eq!(
        verify(&how(VerifyKind::Alertmanager), &secret("other"), &bearer, b"", at(0)),
        Err(Unverified::Mismatch)
    );
}

/// The vectors that the senders publish, from the shared samples where they are at hand.
#[test]
fn slack_published_vector() {
    let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let headers = headers(&[
        ("X-Slack-Request-Timestamp", "1531420618"),
        ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
    ]);
    let key = secret("8f742231b10e8888abcd99yyyzzz85a5");
    assert_eq!(verify(&how(VerifyKind::Slack), &key, &headers, body, at(1_531_420_618)), Ok(()));
    assert_eq!(verify(&how(VerifyKind::Slack), &key, &headers, body, at(1_600_000_000)), Err(Unverified::Stale));
}
