//! What becomes of an event by a rule, as far as the two alone can tell: conditions, the guards that ask nothing of the
//! past, and the action with its values filled in.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::conditions::Outcome;
use super::{Action, Parameter, Rule};
use crate::domain::enricher::label::{self, Labels};
use crate::domain::expression::{Text, TextError};
use crate::domain::guard::{GuardResult, Sureness, confidence, depth, first_failed, maintenance, strict};
use crate::domain::option::{RawValue, RawValues};
use crate::domain::time::Timestamp;
use crate::domain::webhook::redact::redact;

/// What was found, and what is to happen.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Every criterion with the value seen.
    pub outcome: Outcome,
    /// The guards that were asked; none where the criteria do not hold.
    pub guards: Vec<GuardResult>,
    /// The action with its values; nothing where it does not come to that.
    pub proposal: Option<Proposal>,
    /// What is to happen.
    pub decision: Decision,
}

/// What is to happen, if the guards that look at the past agree.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The criteria do not hold.
    NotMatched,
    /// A guard holds it back, and why.
    Held(String),
    /// The action's values cannot be filled in, and why.
    Refused(String),
    /// The rule acts.
    Act,
    /// It is not sure enough to run anything: people are told.
    NotifyOnly(String),
    /// It acts only where a signature is asked for.
    ActIfSigned(String),
}

/// An action with its values filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// `run`, `notify` or `nothing`.
    pub action: String,
    /// The job or the channel.
    pub target: String,
    /// The job's options; a list where an option takes several values.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// What the channel is told.
    pub message: String,
    /// What guards count by.
    pub keys: Keys,
}

/// The keys of the guards that look at the past, filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Of the dedupe claim.
    pub dedupe: Option<String>,
    /// Of the rate limit.
    pub rate: Option<String>,
    /// Of the breaker.
    pub breaker: Option<String>,
}

impl Proposal {
    /// The options as a request for a run takes them.
    #[must_use]
    pub fn values(&self) -> RawValues {
        let one = |values: &[String]| match values {
            [only] => RawValue::Text(only.clone()),
            several => RawValue::List(several.to_vec()),
        };
        self.parameters.iter().map(|(name, values)| (name.clone(), one(values))).collect()
    }
}

/// The map that a rule's paths and texts start in. What a sender wrote under a name that is kept for labels is left out.
#[must_use]
pub fn scope(mut payload: Value) -> Value {
    if let Value::Object(fields) = &mut payload {
        fields.retain(|name, _| !label::is_reserved(name));
    }
    let mut map = serde_json::Map::new();
    map.insert("trigger".to_owned(), payload);
    Value::Object(map)
}

/// The same map with what the rule's enrichers came to; as it is where the rule names none.
#[must_use]
pub fn labelled<'s>(rule: &Rule, scope: &'s Value, known: &Labels) -> Cow<'s, Value> {
    if rule.enrich.is_empty() {
        return Cow::Borrowed(scope);
    }
    let mut scope = scope.clone();
    label::put(&mut scope, &rule.enrich, known);
    Cow::Owned(scope)
}

/// Whether the rule asked for a label and there is none, while everything else that it asks holds: what becomes of the
/// event is then for its floor to say, as that of a label which nobody is sure of.
fn lacks_only_a_label(rule: &Rule, scope: &Value, now: Timestamp) -> bool {
    let floor = rule.guards.confidence.as_ref().is_some_and(|floor| label::is_label(&floor.field));
    floor && !rule.enrich.is_empty() && scope.get(label::CLASS).is_none() && rule.conditions.could_hold(scope, now)
}

/// Judges an event. `event_depth` is how many runs stand between it and the world outside.
#[must_use]
pub fn judge(rule: &Rule, scope: &Value, event_depth: u32, now: Timestamp) -> Judgement {
    let outcome = rule.conditions.evaluate(scope, now);
    if !outcome.matched && !lacks_only_a_label(rule, scope, now) {
        return Judgement { outcome, guards: Vec::new(), proposal: None, decision: Decision::NotMatched };
    }
    let (sure, sureness) = confidence(rule.guards.confidence.as_ref(), scope);
    let guards: Vec<GuardResult> = [
        Some(depth(event_depth)),
        maintenance(&rule.guards.maintenance, now),
        strict(&rule.guards.strict, scope),
        sure,
    ]
    .into_iter()
    .flatten()
    .collect();
    let decided = |decision| (None, decision);
    let (proposal, decision) = match (first_failed(&guards), sureness) {
        (Some(failed), Sureness::Enough | Sureness::Drop) => decided(Decision::Held(failed.detail.clone())),
        (Some(failed), _) if failed.guard != "confidence" => decided(Decision::Held(failed.detail.clone())),
        (failed, sureness) => match propose(rule, scope) {
            Err(error) => decided(Decision::Refused(format!("The action's values cannot be filled in: {error}."))),
            Ok(proposal) => {
                let why = failed.map(|f| f.detail.clone()).unwrap_or_default();
                let decision = match sureness {
                    Sureness::NotifyOnly => Decision::NotifyOnly(why),
                    Sureness::IfSigned => Decision::ActIfSigned(why),
                    Sureness::Enough | Sureness::Drop => Decision::Act,
                };
                (Some(proposal), decision)
            }
        },
    };
    Judgement { outcome, guards, proposal, decision }
}

fn propose(rule: &Rule, scope: &Value) -> Result<Proposal, TextError> {
    let mut parameters = BTreeMap::new();
    let (target, message) = match &rule.action {
        Action::Run { job, parameters: written } => {
            for (name, parameter) in written {
                let values = match parameter {
                    Parameter::One(text) => vec![text.render(scope)?],
                    Parameter::Several(texts) => {
                        texts.iter().map(|t| t.render(scope)).collect::<Result<Vec<_>, TextError>>()?
                    }
                };
                parameters.insert(name.clone(), values);
            }
            (job.clone(), String::new())
        }
        Action::Notify { channel, message } => {
            // Whoever reads the channel reads it, so what is secret by its name is not even filled in.
            let mut told = scope.clone();
            redact(&mut told);
            (channel.clone(), message.render(&told)?)
        }
        Action::Nothing => (String::new(), String::new()),
    };
    let key = |text: Option<&Text>| text.map(|t| t.render(scope)).transpose();
    let guards = &rule.guards;
    let keys = Keys {
        dedupe: key(guards.dedupe.as_ref().map(|d| &d.key))?,
        rate: key(guards.rate.as_ref().and_then(|r| r.key.as_ref()))?,
        breaker: key(guards.breaker.as_ref().and_then(|b| b.by.as_ref()))?,
    };
    Ok(Proposal { action: rule.action.word().to_owned(), target, parameters, message, keys })
}
