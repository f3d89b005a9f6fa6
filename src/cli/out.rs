//! What commands print: results on standard output, everything else on standard error. With `--format json` standard
//! output is one document, the result or `{"error": …}`; `log` and nothing else prints a document a line.

use std::io::Write;

use super::{Format, Global};
use crate::app::error::AppError;
use crate::domain::option::FieldError;

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

/// The result of an act: a sentence, or a document.
pub(super) fn done(global: &Global, sentence: &str, document: &serde_json::Value) {
    match global.format {
        Format::Text => line(sentence),
        Format::Json => json(document),
    }
}

/// Why it went wrong, as the one document of standard output, for who asked for documents.
pub(super) fn error_document(code: &str, message: &str, fields: &[FieldError]) {
    json(&serde_json::json!({ "error": { "code": code, "message": message, "fields": fields } }));
}

/// A JSON document.
pub(super) fn json(value: &serde_json::Value) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}
