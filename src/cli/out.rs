//! What commands print: results on standard output, everything else on standard error.

use std::io::Write;

use crate::app::error::AppError;

/// A line of the result. A reader that went away (`| head`) is no error.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A piece of the result as it is.
pub(super) fn raw(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes);
    let _ = stdout.flush();
}

/// A remark.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Something to look at.
pub(super) fn warn(text: &str) {
    note(&format!("warning: {text}"));
}

/// Why it went wrong.
pub(super) fn error(text: &str) {
    note(&format!("error: {text}"));
}

/// A refusal with its fields.
pub(super) fn refusal(refused: &AppError) {
    error(&refused.to_string());
    if let Some(refusal) = refused.refusal() {
        for field in &refusal.fields {
            note(&format!("  {}: {}", field.field, field.message));
        }
    }
}

/// A JSON document.
pub(super) fn json(value: &serde_json::Value) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}
