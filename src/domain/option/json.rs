//! JSON on its way in: documents for `json` options, and the values of an API request.

use std::collections::BTreeSet;

use base64::Engine as _;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::kinds::Fault;
use super::text::carriable;
use super::{FieldError, RawValue, RawValues};

/// Lists and maps may be nested this deep.
const DEEPEST: usize = 64;

/// Checks a document and takes the white space between its parts out. Numbers and the order of keys stay as written.
pub(super) fn compact(text: &str) -> Result<String, Fault> {
    carriable(text)?;
    let Shape { depth, duplicate } =
        serde_json::from_str(text).map_err(|e| Fault::new("not_json", format!("this is not a JSON document: {e}")))?;
    if depth > DEEPEST {
        return Err(Fault::new("too_deep", format!("the document is nested {depth} levels deep; at most {DEEPEST}")));
    }
    if let Some(key) = duplicate {
        return Err(Fault::new("duplicate_key", format!("the key {key:?} stands twice in one object; remove one")));
    }
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in text.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            out.push(c);
        } else if !matches!(c, ' ' | '\t' | '\r' | '\n') {
            in_string = c == '"';
            out.push(c);
        }
    }
    Ok(out)
}

/// What has to be known of a document beside its being one.
#[derive(Default)]
struct Shape {
    depth: usize,
    duplicate: Option<String>,
}

impl Shape {
    fn holds(&mut self, inner: Self) {
        self.depth = self.depth.max(inner.depth + 1);
        self.duplicate = self.duplicate.take().or(inner.duplicate);
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON document")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        let mut shape = Shape { depth: 1, duplicate: None };
        while let Some(inner) = seq.next_element()? {
            shape.holds(inner);
        }
        Ok(shape)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut shape = Shape { depth: 1, duplicate: None };
        let mut keys = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            shape.holds(map.next_value()?);
            if keys.contains(&key) {
                shape.duplicate.get_or_insert(key);
            } else {
                keys.insert(key);
            }
        }
        Ok(shape)
    }
}

/// Reads the `options` of an API request: text, numbers, booleans, lists of those, a file as
/// `{"name": …, "content_base64": …}`. Any other object becomes its compact text, for `json` options. `null` is absent.
///
/// # Errors
/// One [`FieldError`] for each value of another form.
pub fn supplied_from_json(options: &serde_json::Value) -> Result<RawValues, Vec<FieldError>> {
    let Some(map) = options.as_object() else {
        let fault = Fault::new("not_an_object", "`options` has to be an object of option names and values");
        return Err(vec![fault.at("options")]);
    };
    let mut values = RawValues::new();
    let mut errors = Vec::new();
    for (name, value) in map {
        match supplied(value) {
            Ok(Some(value)) => {
                values.insert(name.clone(), value);
            }
            Ok(None) => {}
            Err(fault) => errors.push(fault.at(name)),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

fn supplied(value: &serde_json::Value) -> Result<Option<RawValue>, Fault> {
    use serde_json::Value;
    Ok(match value {
        Value::Null => None,
        Value::Array(members) => match members.iter().map(scalar).collect::<Option<Vec<String>>>() {
            Some(list) => Some(RawValue::List(list)),
            None => Some(RawValue::Text(value.to_string())),
        },
        Value::Object(map) => match (map.get("name"), map.get("content_base64")) {
            (Some(Value::String(name)), Some(Value::String(content))) if map.len() == 2 => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(content).map_err(|_| {
                    Fault::new("bad_base64", "`content_base64` is not base64; encode the file with padding")
                })?;
                Some(RawValue::File { name: name.clone(), bytes })
            }
            _ => Some(RawValue::Text(value.to_string())),
        },
        scalar_value => scalar(scalar_value).map(RawValue::Text),
    })
}

fn scalar(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
