//! A judgement without what is secret by its name, as it is kept and shown.

use serde_json::Value;

use super::judge::{Judgement, Proposal};
use super::{Action, Parameter, Rule};
use crate::domain::expression::Text;
use crate::domain::webhook::redact::{REDACTED, is_secret, redact};

/// Takes the values of secret fields, and whatever the action makes of them, out of a judgement.
#[must_use]
pub fn shown(rule: &Rule, judgement: &Judgement) -> Judgement {
    let mut shown = judgement.clone();
    for criterion in &mut shown.outcome.criteria {
        let result = &mut criterion.result;
        if let Some(value) = &mut result.value {
            redact(value);
            if is_secret(&result.path) {
                *value = Value::from(REDACTED);
            }
        }
    }
    shown.proposal = shown.proposal.map(|proposal| without_secrets(rule, proposal));
    shown
}

fn without_secrets(rule: &Rule, mut proposal: Proposal) -> Proposal {
    match &rule.action {
        Action::Run { parameters, .. } => {
            for (name, values) in &mut proposal.parameters {
                let secret = is_secret(name) || parameters.get(name).is_none_or(names_a_secret);
                if secret {
                    values.fill(REDACTED.to_owned());
                }
            }
        }
        // A message is filled in without them.
        Action::Notify { .. } | Action::Nothing => {}
    }
    proposal
}

fn names_a_secret(parameter: &Parameter) -> bool {
    let secret = |text: &Text| is_secret(text.source());
    match parameter {
        Parameter::One(text) => secret(text),
        Parameter::Several(texts) => texts.iter().any(secret),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::domain::criteria::{Criteria, CriterionSpec};
    use crate::domain::guard::Guards;
    use crate::domain::ids::UserName;
    use crate::domain::rule::conditions::Conditions;
    use crate::domain::rule::judge::{judge, scope};
    use crate::domain::rule::{AuthoredMode, ROOTS};

    #[test]
    fn what_is_secret_by_its_name_is_not_shown() {
        let text = |source: &str| Parameter::One(Text::parse(source, &ROOTS).unwrap());
        let spec = |path: &str| CriterionSpec {
            path: path.to_owned(),
            operator: "exists".to_owned(),
            pattern: None,
            condition: None,
        };
        let specs = vec![spec("trigger.api_token"), spec("trigger.inner"), spec("trigger.host")];
        let parameters = BTreeMap::from([
            ("host".to_owned(), text("{{ trigger.host }}")),
            ("a".to_owned(), text("x {{ trigger.api_token }}")),
            ("password".to_owned(), text("{{ trigger.host }}")),
        ]);
        let rule = Rule {
            name: "r".to_owned(),
            pack: String::new(),
            description: String::new(),
            trigger: "a.b".to_owned(),
            trigger_parameters: Value::Null,
            conditions: Conditions { fields: Criteria::compile(specs).unwrap(), groups: Vec::new() },
            action: Action::Run { job: "j".to_owned(), parameters },
            mode: AuthoredMode::DryRun,
            owner: UserName::parse("o").unwrap(),
            guards: Guards::default(),
            enrich: Vec::new(),
        };
        let payload = json!({"api_token": "hush", "inner": {"secret": "hush"}, "host": "web1"});
        let judged = judge(&rule, &scope(payload), 0, chrono::DateTime::from_timestamp(0, 0).unwrap());
        let seen = shown(&rule, &judged);
        assert!(!format!("{seen:?}").contains("hush"), "{seen:?}");
        let proposal = seen.proposal.unwrap();
        assert_eq!(proposal.parameters["host"], ["web1"]);
        assert_eq!(proposal.parameters["password"], [REDACTED]);
        assert_eq!(judged.proposal.unwrap().parameters["a"], ["x hush"], "what is done is done with the value");
    }
}
