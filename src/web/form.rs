//! Form bodies: URL-encoded or multipart, bounded, as a list of named fields.

use actix_web::web::Bytes;

use crate::app::error::{AppError, Refusal, RefusalKind};
use crate::domain::digest::Digest;
use crate::domain::option::{RawValue, RawValues};

/// The fields of a form, in order.
#[derive(Debug, Default, Clone)]
pub struct Form {
    fields: Vec<(String, Field)>,
}

#[derive(Debug, Clone)]
enum Field {
    Text(String),
    File { name: String, bytes: Vec<u8> },
}

/// The most fields that a form may have.
const MAX_FIELDS: usize = 5_000;

impl Form {
    /// Reads a body by its content type; any other type is an empty form.
    ///
    /// # Errors
    /// A refusal when the body is not what its content type says.
    pub async fn read(content_type: &str, body: &Bytes) -> Result<Self, AppError> {
        if let Ok(boundary) = multer::parse_boundary(content_type) {
            return Self::multipart(boundary, body).await;
        }
        let mut fields = Vec::new();
        if content_type.starts_with("application/x-www-form-urlencoded") {
            for (name, value) in form_urlencoded::parse(body).take(MAX_FIELDS) {
                fields.push((name.into_owned(), Field::Text(value.into_owned())));
            }
        }
        Ok(Self { fields })
    }

    async fn multipart(boundary: String, body: &Bytes) -> Result<Self, AppError> {
        let malformed = |_| {
            AppError::from(Refusal::new(
                RefusalKind::Malformed,
                "bad_form",
                "The form cannot be read; load the page again and send it once more.",
            ))
        };
        let body = body.clone();
        let stream = futures_util::stream::once(async move { Ok::<_, std::io::Error>(body) });
        let mut parts = multer::Multipart::new(stream, boundary);
        let mut fields = Vec::new();
        while let Some(part) = parts.next_field().await.map_err(malformed)? {
            let Some(name) = part.name().map(str::to_owned) else { continue };
            let file = part.file_name().map(str::to_owned);
            let bytes = part.bytes().await.map_err(malformed)?;
            match file {
                // A browser sends an empty part for a file field that was left alone.
                Some(file) if file.is_empty() && bytes.is_empty() => {}
                Some(file) => fields.push((name, Field::File { name: file, bytes: bytes.to_vec() })),
                None => {
                    let text = String::from_utf8(bytes.to_vec()).map_err(|_| {
                        AppError::invalid("not_utf8", format!("The field `{name}` is not valid UTF-8 text."))
                    })?;
                    fields.push((name, Field::Text(text)));
                }
            }
            if fields.len() > MAX_FIELDS {
                return Err(
                    Refusal::new(RefusalKind::TooLarge, "too_many_fields", "The form has too many fields.").into()
                );
            }
        }
        Ok(Self { fields })
    }

    /// A digest of every field: the same for a form that is sent again as it was.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut all = Vec::new();
        for (name, field) in &self.fields {
            let (kind, bytes) = match field {
                Field::Text(text) => ("text", text.as_bytes()),
                Field::File { name, bytes } => (name.as_str(), bytes.as_slice()),
            };
            // Lengths keep two neighbours apart.
            for part in [name.as_bytes(), kind.as_bytes(), bytes] {
                all.extend_from_slice(&part.len().to_be_bytes());
                all.extend_from_slice(part);
            }
        }
        Digest::of(&all)
    }

    /// The first text field of this name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|(key, field)| match field {
            Field::Text(text) if key == name => Some(text.as_str()),
            _ => None,
        })
    }

    /// Every text field of this name.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.fields.iter().filter(|(key, _)| key == name);
        texts
            .filter_map(|(_, field)| match field {
                Field::Text(text) => Some(text.clone()),
                Field::File { .. } => None,
            })
            .collect()
    }

    /// The fields named `option.NAME` as values to be checked.
    #[must_use]
    pub fn options(&self) -> RawValues {
        let mut values = RawValues::new();
        for (key, field) in &self.fields {
            let Some(name) = key.strip_prefix("option.") else { continue };
            let value = match field {
                Field::File { name, bytes } => RawValue::File { name: name.clone(), bytes: bytes.clone() },
                Field::Text(text) => match values.remove(name) {
                    None => RawValue::Text(text.clone()),
                    Some(RawValue::Text(first)) => RawValue::List(vec![first, text.clone()]),
                    Some(RawValue::List(mut list)) => {
                        list.push(text.clone());
                        RawValue::List(list)
                    }
                    Some(file @ RawValue::File { .. }) => file,
                },
            };
            values.insert(name.to_owned(), value);
        }
        values
    }
}
