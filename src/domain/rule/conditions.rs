//! A rule's conditions: StackStorm's criteria, and groups of them of which all or any must hold.

use serde::Serialize;
use serde_json::Value;

use crate::domain::criteria::{Criteria, CriterionResult, CriterionSpec};
use crate::domain::enricher::label::is_label;
use crate::domain::time::Timestamp;

/// Criteria that must all hold, and groups that must hold as well. Without any, everything matches.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// The criteria by field.
    pub fields: Criteria,
    /// The groups, in the author's order.
    pub groups: Vec<Group>,
}

/// Conditions of which all or any must hold.
#[derive(Debug, Clone)]
pub struct Group {
    /// How many of them.
    pub quantity: Quantity,
    /// The members.
    pub of: Vec<Conditions>,
}

/// How many members of a group must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Every one.
    All,
    /// At least one.
    Any,
}

impl Quantity {
    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
        }
    }
}

/// How an event fared with all conditions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Whether they hold.
    pub matched: bool,
    /// Every criterion, also those of groups, in the author's order.
    pub criteria: Vec<ConditionResult>,
}

/// How an event fared with one criterion, and where that one stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConditionResult {
    /// The group that it is in, such as `any[0]`; empty outside of groups.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The result.
    #[serde(flatten)]
    pub result: CriterionResult,
}

impl Conditions {
    /// Whether there is no condition at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.groups.is_empty()
    }

    /// How many criteria there are, also inside of groups.
    #[must_use]
    pub fn count(&self) -> usize {
        let inner = self.groups.iter().flat_map(|g| &g.of).map(Self::count);
        self.fields.specs().count() + inner.sum::<usize>()
    }

    /// Whether they hold, without the reasons; stops as soon as that is known.
    #[must_use]
    pub fn holds(&self, scope: &Value, now: Timestamp) -> bool {
        self.fields.holds(scope, now)
            && self.groups.iter().all(|group| match group.quantity {
                Quantity::All => group.of.iter().all(|c| c.holds(scope, now)),
                Quantity::Any => group.of.iter().any(|c| c.holds(scope, now)),
            })
    }

    /// Whether they hold with some label: as [`Conditions::holds`], while what is asked of labels counts as met.
    #[must_use]
    pub fn could_hold(&self, scope: &Value, now: Timestamp) -> bool {
        self.fields.hold_where(|path| !is_label(path), scope, now)
            && self.groups.iter().all(|group| match group.quantity {
                Quantity::All => group.of.iter().all(|c| c.could_hold(scope, now)),
                Quantity::Any => group.of.iter().any(|c| c.could_hold(scope, now)),
            })
    }

    /// Every criterion, also of groups.
    pub fn every(&self) -> Vec<&CriterionSpec> {
        let mut out: Vec<&CriterionSpec> = self.fields.specs().collect();
        out.extend(self.groups.iter().flat_map(|g| &g.of).flat_map(Self::every));
        out
    }

    /// Holds an event against every condition; `scope` is the map that paths start in.
    #[must_use]
    pub fn evaluate(&self, scope: &Value, now: Timestamp) -> Outcome {
        let mut criteria = Vec::with_capacity(self.count());
        let matched = self.walk(scope, now, "", &mut criteria);
        Outcome { matched, criteria }
    }

    fn walk(&self, scope: &Value, now: Timestamp, place: &str, out: &mut Vec<ConditionResult>) -> bool {
        let own = self.fields.evaluate(scope, now);
        out.extend(own.criteria.into_iter().map(|result| ConditionResult { group: place.to_owned(), result }));
        let mut matched = own.matched;
        for group in &self.groups {
            // Every member is walked, also when the outcome is known, so that each has its reason.
            let mut held = Vec::with_capacity(group.of.len());
            for (index, member) in group.of.iter().enumerate() {
                let dot = if place.is_empty() { "" } else { "." };
                let inner = format!("{place}{dot}{}[{index}]", group.quantity.as_str());
                held.push(member.walk(scope, now, &inner, out));
            }
            matched &= match group.quantity {
                Quantity::All => held.iter().all(|h| *h),
                Quantity::Any => held.iter().any(|h| *h),
            };
        }
        matched
    }

    /// The criteria that every matching event meets: those outside of groups, and those in `all` groups.
    pub fn always(&self) -> Vec<&CriterionSpec> {
        let mut out: Vec<&CriterionSpec> = self.fields.specs().collect();
        for group in self.groups.iter().filter(|g| g.quantity == Quantity::All) {
            out.extend(group.of.iter().flat_map(Self::always));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    fn one(path: &str, pattern: Value) -> Conditions {
        let spec = CriterionSpec {
            path: path.to_owned(),
            operator: "equals".to_owned(),
            pattern: Some(pattern),
            condition: None,
        };
        Conditions { fields: Criteria::compile(vec![spec]).unwrap(), groups: Vec::new() }
    }

    fn with(quantity: Quantity, of: Vec<Conditions>) -> Conditions {
        Conditions { fields: Criteria::default(), groups: vec![Group { quantity, of }] }
    }

    fn now() -> Timestamp {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn groups_hold_as_they_say() {
        let scope = json!({"trigger": {"a": 1, "b": 2}});
        let (a, b, not) = (one("trigger.a", json!(1)), one("trigger.b", json!(2)), one("trigger.a", json!(9)));
        for (conditions, expected) in [
            (with(Quantity::All, vec![a.clone(), b.clone()]), true),
            (with(Quantity::All, vec![a.clone(), not.clone()]), false),
            (with(Quantity::Any, vec![not.clone(), b.clone()]), true),
            (with(Quantity::Any, vec![not.clone(), not.clone()]), false),
            (with(Quantity::Any, vec![with(Quantity::All, vec![a.clone(), not.clone()]), b]), true),
            (with(Quantity::Any, Vec::new()), false),
            (Conditions::default(), true),
        ] {
            let outcome = conditions.evaluate(&scope, now());
            assert_eq!(outcome.matched, expected, "{conditions:?}");
            assert_eq!(conditions.holds(&scope, now()), expected);
            assert_eq!(outcome.criteria.len(), conditions.count());
        }
        let deep = with(Quantity::Any, vec![a.clone(), with(Quantity::All, vec![not])]);
        let places: Vec<String> = deep.evaluate(&scope, now()).criteria.into_iter().map(|c| c.group).collect();
        assert_eq!(places, ["any[0]", "any[1].all[0]"]);
        assert_eq!(deep.always().len(), 0);
        assert_eq!(with(Quantity::All, vec![a]).always().len(), 1);
    }

    #[test]
    fn what_is_asked_of_labels_could_still_be_met() {
        let scope = json!({"trigger": {"a": 1}});
        let (a, not, label) = (one("trigger.a", json!(1)), one("trigger.a", json!(9)), one("ai_class", json!("disk")));
        for (conditions, expected) in [
            (label.clone(), true),
            (with(Quantity::All, vec![a.clone(), label.clone()]), true),
            (with(Quantity::All, vec![not.clone(), label.clone()]), false),
            (with(Quantity::Any, vec![not.clone(), label.clone()]), true),
            (with(Quantity::Any, vec![not]), false),
            (a, true),
        ] {
            assert_eq!(conditions.could_hold(&scope, now()), expected, "{conditions:?}");
        }
        assert!(!label.holds(&scope, now()));
    }
}
