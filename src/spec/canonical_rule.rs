//! The canonical form of a rule. Everything that decides what the rule does is in it, as a promotion binds to its digest.

use serde_json::{Map, Value, json};

use super::canonical::Canonical;
use crate::domain::change_freeze::Day;
use crate::domain::expression::Text;
use crate::domain::guard::{ConfidenceFloor, Guards, Maintenance};
use crate::domain::notice::Audience;
use crate::domain::rule::conditions::Conditions;
use crate::domain::rule::{Action, Parameter, Rule};
use crate::domain::zone::Zone;

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

/// The channel is named only where there is one, so that the digests of all rules from before it existed still hold.
fn confidence(floor: &ConfidenceFloor) -> Value {
    let mut value = json!({ "field": floor.field, "at_least": floor.at_least, "below": floor.below.as_str() });
    if let (Some(channel), Some(fields)) = (&floor.notify, value.as_object_mut()) {
        fields.insert("notify".to_owned(), json!(channel));
    }
    value
}

/// A channel by its name, as ever; anybody else as an audience is written.
fn escalate(to: &Audience) -> String {
    match to {
        Audience::Channel(name) => name.clone(),
        other => other.to_string(),
    }
}

/// As in the digests of all rules from before there were time zones: days with a capital, no zone where it is UTC.
fn maintenance(window: &Maintenance) -> Value {
    let capital = |day: &Day| {
        let (first, rest) = day.as_str().split_at(1);
        first.to_uppercase() + rest
    };
    let days: Vec<String> = window.days.iter().map(capital).collect();
    let mut value = json!({ "days": days, "from_minute": window.from_minute, "lasts": window.lasts });
    if let (true, Some(fields)) = (window.time_zone != Zone::UTC, value.as_object_mut()) {
        fields.insert("time_zone".to_owned(), json!(window.time_zone));
    }
    value
}

fn guards(guards: &Guards) -> Value {
    json!({
        "environments": guards.environments,
        "confidence": guards.confidence.as_ref().map(confidence),
        "strict": guards.strict,
        "dedupe": guards.dedupe.as_ref().map(|d| json!({"key": d.key.source(), "window": d.window})),
        "rate": guards.rate.as_ref().map(|r| json!({
            "limit": r.limit, "window": r.window, "key": r.key.as_ref().map(Text::source),
            "opens_breaker": r.opens_breaker,
        })),
        "breaker": guards.breaker.as_ref().map(|b| json!({
            "count": b.count, "count_by_key": b.count_by_key, "by": b.by.as_ref().map(Text::source),
            "failures_percent": b.failures_percent, "window": b.window, "cool_down": b.cool_down,
            "escalate": b.escalate.as_ref().map(escalate), "demote": b.demote,
        })),
        "maintenance": guards.maintenance.iter().map(maintenance).collect::<Vec<_>>(),
        "blast_radius": guards.blast_radius.as_ref().map(|b| json!({
            "nodes": b.nodes, "percent": b.percent, "window": b.window,
        })),
    })
}
