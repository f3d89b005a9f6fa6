//! Criteria, compiled once for all rules that ask the same.
//!
//! Many rules ask the same of a field. With one compiled criterion for all of them, an event that is held against some of
//! ten thousand rules finds most of what they ask in the processor's cache.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use super::{CriteriaError, Criterion, CriterionSpec};

/// How many may be forgotten and still stand in the table before those are removed.
const SPARE: usize = 64;

static COMPILED: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

/// Criteria by what their author wrote.
#[derive(Debug, Default)]
struct Table {
    all: HashMap<String, Weak<Criterion>>,
    /// At how many it is looked for those that nobody holds any more.
    sweep_at: usize,
}

/// The compiled criterion, which lives as long as anybody holds it.
pub(super) fn compiled(spec: CriterionSpec) -> Result<Arc<Criterion>, Vec<CriteriaError>> {
    let table = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    // What cannot be written down cannot be the same as another one.
    let key = serde_json::to_string(&spec).ok();
    if let Some(known) = key.as_ref().and_then(|key| table().all.get(key).and_then(Weak::upgrade)) {
        return Ok(known);
    }
    let fresh = Arc::new(Criterion::compile(spec)?);
    if let Some(key) = key {
        table().keep(key, &fresh);
    }
    Ok(fresh)
}

impl Table {
    fn keep(&mut self, key: String, fresh: &Arc<Criterion>) {
        if self.all.len() >= self.sweep_at {
            self.all.retain(|_, held| held.strong_count() > 0);
            self.sweep_at = self.all.len() * 2 + SPARE;
        }
        self.all.insert(key, Arc::downgrade(fresh));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(pattern: &str) -> CriterionSpec {
        let (path, operator) = ("trigger.shared".to_owned(), "regex".to_owned());
        CriterionSpec { path, operator, pattern: Some(json!(pattern)), condition: None }
    }

    #[test]
    fn the_same_criterion_is_compiled_once_and_forgotten_with_its_last_holder() {
        let one = compiled(spec("^a$")).unwrap();
        assert!(Arc::ptr_eq(&one, &compiled(spec("^a$")).unwrap()));
        assert!(!Arc::ptr_eq(&one, &compiled(spec("^b$")).unwrap()));
        assert!(!Arc::ptr_eq(&one, &compiled(CriterionSpec { operator: "iregex".to_owned(), ..spec("^a$") }).unwrap()));
        assert!(compiled(spec("(")).is_err());
        let mut table = Table::default();
        for n in 0..1_000 {
            table.keep(n.to_string(), &Arc::new(Criterion::compile(spec("x")).unwrap()));
        }
        assert!(table.all.len() <= 2 * SPARE, "{}", table.all.len());
    }
}
