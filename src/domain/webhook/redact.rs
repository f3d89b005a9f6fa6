//! What of a delivery is shown to nobody: values whose names say that they are secret. The same rule for headers, for
//! fields of JSON and for fields of forms.

use serde_json::Value;

/// What stands in place of a value.
pub const REDACTED: &str = "[redacted]";

/// Words that make a name secret, wherever they stand in it; compared in lower case without `-` and `_`.
const SECRET: [&str; 10] = [
    "authorization",
    "cookie",
    "signature",
    "token",
    "secret",
    "apikey",
    "password",
    "passwd",
    "privatekey",
    "credential",
];

/// Whether a header or field of this name holds a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect();
    SECRET.iter().any(|word| plain.contains(word))
}

/// Redacts the values of secret fields at any depth; whether there were any. What is below a secret name is secret whole,
/// but keeps its shape, so that a template still finds its fields.
pub fn redact(value: &mut Value) -> bool {
    below(value, false)
}

fn below(value: &mut Value, secret: bool) -> bool {
    let mut any = false;
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                any |= below(field, secret || is_secret(name));
            }
        }
        Value::Array(items) => {
            for item in items {
                any |= below(item, secret);
            }
        }
        Value::Null => {}
        leaf if secret => {
            *leaf = Value::from(REDACTED);
            any = true;
        }
        _ => {}
    }
    any
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secret_names_are_known_in_every_spelling() {
        for name in
            ["Authorization", "x-api-key", "apiKey", "API_KEY", "access_token", "X-Hub-Signature-256", "dbPassword"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["summary", "content-type", "service", "key", "title"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn everything_below_a_secret_name_is_redacted_and_keeps_its_shape() {
        let mut value =
            json!({"a": [{"token": "t", "n": 1}], "credentials": {"user": "u", "list": [1, null]}, "b": "t"});
        assert!(redact(&mut value));
        let wanted = json!({"a": [{"token": REDACTED, "n": 1}], "credentials": {"user": REDACTED, "list": [REDACTED, null]}, "b": "t"});
        assert_eq!(value, wanted);
        assert!(!redact(&mut json!({"a": "b"})));
    }
}
