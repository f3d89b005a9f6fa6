//! What a secret looks like in output: as it is, in base64, URL-encoded, in JSON.

use std::collections::BTreeSet;

use base64::Engine as _;

use super::SHORTEST;

/// Encoded forms with fewer bytes are not masked: they would hit by chance.
const SHORTEST_ENCODED: usize = 4;

/// Adds a secret as it is, and as it looks encoded.
pub(super) fn forms_of(secret: &str, forms: &mut BTreeSet<Vec<u8>>) {
    if secret.len() < SHORTEST {
        return;
    }
    forms.insert(secret.as_bytes().to_vec());
    let encoded = base64_forms(secret.as_bytes()).into_iter().chain(url_forms(secret)).chain(json_forms(secret));
    forms.extend(encoded.map(String::into_bytes).filter(|form| form.len() >= SHORTEST_ENCODED));
}

/// The characters of a base64 text that depend on the secret alone, wherever it stands in the encoded bytes.
fn base64_forms(secret: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    for before in 0..3usize {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret);
        let first = (before * 8).div_ceil(6);
        let end = bytes.len() * 8 / 6;
        for text in [
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes),
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes),
        ] {
            if let Some(part) = text.get(first..end) {
                out.push(part.to_owned());
            }
        }
    }
    out
}

fn url_forms(secret: &str) -> Vec<String> {
    let mut out = Vec::new();
    // What RFC 3986, HTML forms and JavaScript's encodeURIComponent leave as it is.
    for (plain, plus) in [("-_.~", false), ("-_.~", true), ("*-._", true), ("-_.!~*'()", false)] {
        for upper in [true, false] {
            let mut text = String::new();
            for byte in secret.bytes() {
                if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) {
                    text.push(char::from(byte));
                } else if byte == b' ' && plus {
                    text.push('+');
                } else if upper {
                    text.push_str(&format!("%{byte:02X}"));
                } else {
                    text.push_str(&format!("%{byte:02x}"));
                }
            }
            out.push(text);
        }
    }
    out
}

fn json_forms(secret: &str) -> Vec<String> {
    let quoted = serde_json::Value::from(secret).to_string();
    let inner = quoted.trim_start_matches('"').to_owned();
    let inner = inner.strip_suffix('"').unwrap_or(&inner).to_owned();
    let ascii = |upper: bool| {
        let mut text = String::new();
        for c in inner.chars() {
            if c.is_ascii() {
                text.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    text.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
                }
            }
        }
        text
    };
    vec![inner.replace('/', "\\/"), ascii(true), ascii(false), inner]
}
