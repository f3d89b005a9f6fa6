//! Which rules an event can concern at all: by its type, then by a text that one of its fields must be equal to.
//!
//! A rule that is left out has a criterion that does not hold, so leaving it out changes nothing but the time it takes.

use std::collections::HashMap;

use serde_json::Value;

use super::{AuthoredMode, Rule};
use crate::domain::criteria::Field;
use crate::domain::enricher::label::is_label;

/// The rules of a project by what they listen to. Rules are known by their place in the list that it was built from.
#[derive(Debug, Clone, Default)]
pub struct RuleIndex {
    by_type: HashMap<String, OfType>,
}

#[derive(Debug, Clone, Default)]
struct OfType {
    /// Rules by a field and the text that it must be equal to.
    by_text: Vec<(Field, HashMap<String, Vec<usize>>)>,
    /// Rules without such a criterion.
    others: Vec<usize>,
    /// All of them, in order.
    all: Vec<usize>,
}

impl RuleIndex {
    /// Builds the index. Rules that are off are left out.
    pub fn build<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut types: HashMap<&str, Vec<(usize, &Rule)>> = HashMap::new();
        for (place, rule) in rules.enumerate().filter(|(_, rule)| rule.mode != AuthoredMode::Off) {
            types.entry(rule.trigger.as_str()).or_default().push((place, rule));
        }
        let by_type = types.into_iter().map(|(name, rules)| (name.to_owned(), OfType::build(&rules))).collect();
        Self { by_type }
    }

    /// Whether any rule listens to this type.
    #[must_use]
    pub fn listens(&self, event_type: &str) -> bool {
        self.by_type.contains_key(event_type)
    }

    /// Every rule that listens to this type, in order.
    #[must_use]
    pub fn of_type(&self, event_type: &str) -> &[usize] {
        self.by_type.get(event_type).map_or(&[], |t| &t.all)
    }

    /// The rules that may match an event of this type, in order.
    #[must_use]
    pub fn candidates(&self, event_type: &str, scope: &Value) -> Vec<usize> {
        let Some(of_type) = self.by_type.get(event_type) else { return Vec::new() };
        let mut out = of_type.others.clone();
        for (field, texts) in &of_type.by_text {
            let found = field.find(scope).and_then(Value::as_str).and_then(|text| texts.get(text));
            out.extend(found.into_iter().flatten());
        }
        out.sort_unstable();
        out
    }
}

impl OfType {
    fn build(rules: &[(usize, &Rule)]) -> Self {
        // Each rule is filed under the rarest text that it asks for.
        let mut shared: HashMap<(&str, &str), usize> = HashMap::new();
        let texts = |rule: &'_ Rule| -> Vec<(String, String)> {
            let always = rule.conditions.always();
            // Which label a rule sees depends on the enrichers that it names, so no rule is filed under one.
            let own = always.iter().filter(|s| !is_label(&s.path));
            own.filter_map(|s| Some((path(&s.path).to_owned(), s.equal_text()?.to_owned()))).collect()
        };
        let wanted: Vec<Vec<(String, String)>> = rules.iter().map(|(_, rule)| texts(rule)).collect();
        for (field, text) in wanted.iter().flatten() {
            *shared.entry((field, text)).or_default() += 1;
        }
        let mut by_text: HashMap<&str, HashMap<String, Vec<usize>>> = HashMap::new();
        let mut out = Self::default();
        for ((place, _), texts) in rules.iter().zip(&wanted) {
            out.all.push(*place);
            let rarest = texts.iter().min_by_key(|(f, t)| shared.get(&(f.as_str(), t.as_str())).copied().unwrap_or(0));
            match rarest {
                Some((field, text)) => {
                    by_text.entry(field).or_default().entry(text.clone()).or_default().push(*place);
                }
                None => out.others.push(*place),
            }
        }
        for (field, texts) in by_text {
            match Field::parse(field) {
                Some(field) => out.by_text.push((field, texts)),
                None => out.others.extend(texts.into_values().flatten()),
            }
        }
        out
    }
}

/// The path without what only tells two conditions apart.
fn path(written: &str) -> &str {
    if written.contains(['\'', '"']) { written } else { written.split('#').next().unwrap_or(written) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::criteria::{Criteria, CriterionSpec};
    use crate::domain::guard::Guards;
    use crate::domain::ids::UserName;
    use crate::domain::rule::Action;
    use crate::domain::rule::conditions::Conditions;

    fn rule(trigger: &str, criteria: &[(&str, &str, Value)]) -> Rule {
        let specs = criteria.iter().map(|(path, operator, pattern)| CriterionSpec {
            path: (*path).to_owned(),
            operator: (*operator).to_owned(),
            pattern: Some(pattern.clone()),
            condition: None,
        });
        Rule {
            name: "r".to_owned(),
            pack: String::new(),
            description: String::new(),
            trigger: trigger.to_owned(),
            trigger_parameters: Value::Null,
            conditions: Conditions { fields: Criteria::compile(specs.collect()).unwrap(), groups: Vec::new() },
            action: Action::Nothing,
            mode: AuthoredMode::DryRun,
            owner: UserName::parse("o").unwrap(),
            guards: Guards::default(),
            enrich: Vec::new(),
        }
    }

    #[test]
    fn a_rule_that_is_off_is_no_candidate() {
        let mut off = rule("a.b", &[]);
        off.mode = AuthoredMode::Off;
        let rules = [off, rule("a.b", &[])];
        let index = RuleIndex::build(rules.iter());
        assert_eq!(index.candidates("a.b", &json!({"trigger": {}})), [1]);
        assert!(!index.listens("a.c"));
    }

    #[test]
    fn rules_are_filed_under_their_rarest_text() {
        let rules: Vec<Rule> = (0..100)
            .map(|i| {
                rule("a.b", &[("trigger.env", "equals", json!("prod")), ("trigger.host", "eq", json!(format!("h{i}")))])
            })
            .collect();
        let index = RuleIndex::build(rules.iter());
        assert_eq!(index.candidates("a.b", &json!({"trigger": {"env": "prod", "host": "h7"}})), [7]);
        assert_eq!(index.of_type("a.b").len(), 100);
    }

    proptest! {
        /// Leaving a rule out never changes what matches.
        #[test]
        fn the_index_loses_nothing(
            written in prop::collection::vec(
                prop::collection::vec((0..3usize, prop::sample::select(vec!["equals", "eq", "nequals", "iequals", "contains"]), 0..3usize), 0..4),
                0..20,
            ),
            event in prop::collection::vec(prop::option::of(0..3usize), 3),
        ) {
            let fields = ["trigger.a", "trigger.b#2", "trigger.c.d"];
            let texts = ["x", "y", "X"];
            let rules: Vec<Rule> = written.iter().map(|criteria| {
                let list: Vec<(&str, &str, Value)> =
                    criteria.iter().map(|(f, o, t)| (fields[*f], *o, json!(texts[*t]))).collect();
                rule("t", &list)
            }).collect();
            let value = |i: usize| event[i].map_or(Value::Null, |t| json!(texts[t]));
            let scope = json!({"trigger": {"a": value(0), "b": value(1), "c": {"d": value(2)}}});
            let now = chrono::DateTime::from_timestamp(0, 0).unwrap();
            let index = RuleIndex::build(rules.iter());
            let candidates = index.candidates("t", &scope);
            for (place, rule) in rules.iter().enumerate() {
                if rule.conditions.holds(&scope, now) {
                    prop_assert!(candidates.contains(&place), "{place} of {written:?}");
                }
            }
            prop_assert!(candidates.windows(2).all(|w| w[0] < w[1]));
        }
    }
}
