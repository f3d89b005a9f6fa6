//! The canonical form of a rule. Everything that decides what the rule does is in it, as a promotion binds to its digest.

use serde_json::{Map, Value, json};

use super::canonical::Canonical;
use crate::domain::expression::Text;
use crate::domain::guard::Guards;
use crate::domain::rule::conditions::Conditions;
use crate::domain::rule::{Action, Parameter, Rule};

impl Canonical for Rule {
    fn canonical(&self) -> Value {
        json!({
            "name": self.name,
            "pack": self.pack,
            "description": self.description,
            "trigger": self.trigger,
            "trigger_parameters": self.trigger_parameters,
            "criteria": conditions(&self.conditions),
            "action": action(&self.action),
            "mode": self.mode.as_str(),
            "owner": self.owner,
            "guard": guards(&self.guards),
            // Nothing rather than an empty list: a rule that asks nobody keeps the digest that it had.
            "enrich": (!self.enrich.is_empty()).then_some(&self.enrich),
        })
    }
}

fn conditions(conditions: &Conditions) -> Value {
    let groups = conditions.groups.iter().map(|group| {
        let of: Vec<Value> = group.of.iter().map(self::conditions).collect();
        json!({ group.quantity.as_str(): of })
    });
    json!({ "fields": conditions.fields.specs().collect::<Vec<_>>(), "groups": groups.collect::<Vec<_>>() })
}

fn action(action: &Action) -> Value {
    let parameter = |parameter: &Parameter| match parameter {
        Parameter::One(text) => json!(text.source()),
        Parameter::Several(texts) => json!(texts.iter().map(Text::source).collect::<Vec<_>>()),
    };
    match action {
        Action::Run { job, parameters } => {
            let parameters: Map<String, Value> =
                parameters.iter().map(|(name, p)| (name.clone(), parameter(p))).collect();
            json!({ "run": job, "parameters": parameters })
        }
        Action::Notify { channel, message } => json!({ "notify": channel, "message": message.source() }),
        Action::Nothing => json!("nothing"),
    }
}

fn guards(guards: &Guards) -> Value {
    json!({
        "environments": guards.environments,
        "confidence": guards.confidence.as_ref().map(|c| json!({
            "field": c.field, "at_least": c.at_least, "below": c.below.as_str(),
        })),
        "strict": guards.strict,
        "dedupe": guards.dedupe.as_ref().map(|d| json!({"key": d.key.source(), "window": d.window})),
        "rate": guards.rate.as_ref().map(|r| json!({
            "limit": r.limit, "window": r.window, "key": r.key.as_ref().map(Text::source),
            "opens_breaker": r.opens_breaker,
        })),
        "breaker": guards.breaker.as_ref().map(|b| json!({
            "count": b.count, "count_by_key": b.count_by_key, "by": b.by.as_ref().map(Text::source),
            "failures_percent": b.failures_percent, "window": b.window, "cool_down": b.cool_down,
            "escalate": b.escalate, "demote": b.demote,
        })),
        "maintenance": guards.maintenance.iter().map(|m| json!({
            "days": m.days.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "from_minute": m.from_minute, "lasts": m.lasts,
        })).collect::<Vec<_>>(),
        "blast_radius": guards.blast_radius.as_ref().map(|b| json!({
            "nodes": b.nodes, "percent": b.percent, "window": b.window,
        })),
    })
}
