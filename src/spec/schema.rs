//! JSON Schemas of the authored forms, for editors. The readers stay the judges; a test holds the keys of both together.

use serde_json::Value;

/// What a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// `jobs/**`.
    Job,
    /// `webhooks/**`.
    Webhook,
    /// `project.yaml`.
    Project,
    /// `access.yaml`.
    Access,
    /// `nodes.yaml` and `nodes.json`.
    Nodes,
    /// `rules/**`.
    Rule,
    /// `sources/**`.
    Source,
    /// `aliases/**`.
    Alias,
    /// `enrichers/**`.
    Enricher,
}

impl SchemaKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Job,
        Self::Webhook,
        Self::Project,
        Self::Access,
        Self::Nodes,
        Self::Rule,
        Self::Source,
        Self::Alias,
        Self::Enricher,
    ];

    /// The word in addresses and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Webhook => "webhook",
            Self::Project => "project",
            Self::Access => "access",
            Self::Nodes => "nodes",
            Self::Rule => "rule",
            Self::Source => "source",
            Self::Alias => "alias",
            Self::Enricher => "enricher",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }

    /// The schema's text (JSON Schema 2020-12).
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Job => include_str!("schema/job.json"),
            Self::Webhook => include_str!("schema/webhook.json"),
            Self::Project => include_str!("schema/project.json"),
            Self::Access => include_str!("schema/access.json"),
            Self::Nodes => include_str!("schema/nodes.json"),
            Self::Rule => include_str!("schema/rule.json"),
            Self::Source => include_str!("schema/source.json"),
            Self::Alias => include_str!("schema/alias.json"),
            Self::Enricher => include_str!("schema/enricher.json"),
        }
    }
}

/// The JSON Schema of a kind of definition.
#[must_use]
pub fn schema(kind: SchemaKind) -> Value {
    serde_json::from_str(kind.text()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::ids::ProjectName;
    use crate::spec::{
        Diagnostic, read_access, read_alias, read_enricher, read_job, read_project, read_rule, read_source,
        read_webhook,
    };

    /// The keys that a reader knows, out of its own hint about one that it does not.
    fn known<T>(result: Result<T, Vec<Diagnostic>>) -> BTreeSet<String> {
        let found = result.err().unwrap();
        let hint = found.iter().find(|d| d.code == "unknown_key" && d.message.contains("zzzzzzzz")).unwrap();
        hint.hint.as_ref().unwrap().strip_prefix("known keys: ").unwrap().split(", ").map(str::to_owned).collect()
    }

    fn keys(kind: SchemaKind, pointer: &str) -> BTreeSet<String> {
        let schema = schema(kind);
        schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn schemas_have_the_keys_that_the_readers_know() {
        let name = ProjectName::parse("p").unwrap();
        let project = |text: &str| known(read_project(&name, text));
        let table = [
            (SchemaKind::Job, "/properties", known(read_job("{zzzzzzzz: 1}"))),
            (SchemaKind::Job, "/properties/nodes/properties", known(read_job("{nodes: {zzzzzzzz: 1}}"))),
            (SchemaKind::Job, "/properties/retry/properties", known(read_job("{retry: {zzzzzzzz: 1}}"))),
            (SchemaKind::Job, "/properties/concurrency/properties", known(read_job("{concurrency: {zzzzzzzz: 1}}"))),
            (SchemaKind::Job, "/properties/notify/properties", known(read_job("{notify: {zzzzzzzz: 1}}"))),
            (SchemaKind::Job, "/properties/steps/items/properties", known(read_job("{steps: [{zzzzzzzz: 1}]}"))),
            (SchemaKind::Webhook, "/properties/webhook/properties", known(read_webhook("webhook: {zzzzzzzz: 1}"))),
            (
                SchemaKind::Webhook,
                "/properties/webhook/properties/verify/properties",
                known(read_webhook("webhook: {verify: {zzzzzzzz: 1}}")),
            ),
            (SchemaKind::Project, "/properties", project("{zzzzzzzz: 1}")),
            (
                SchemaKind::Project,
                "/properties/approvals/additionalProperties/properties",
                project("{approvals: {a: {zzzzzzzz: 1}}}"),
            ),
            (SchemaKind::Access, "/properties", known(read_access("{zzzzzzzz: 1}"))),
            (
                SchemaKind::Access,
                "/properties/roles/additionalProperties/items/properties",
                known(read_access("{roles: {a: [{zzzzzzzz: 1}]}}")),
            ),
            (SchemaKind::Rule, "/properties", known(read_rule("{zzzzzzzz: 1}"))),
            (SchemaKind::Rule, "/properties/action/oneOf/1/properties", known(read_rule("{action: {zzzzzzzz: 1}}"))),
            (SchemaKind::Rule, "/properties/guard/properties", known(read_rule("{guard: {zzzzzzzz: 1}}"))),
            (
                SchemaKind::Rule,
                "/properties/guard/properties/rate/properties",
                known(read_rule("{guard: {rate: {zzzzzzzz: 1}}}")),
            ),
            (
                SchemaKind::Rule,
                "/properties/guard/properties/breaker/properties",
                known(read_rule("{guard: {breaker: {zzzzzzzz: 1}}}")),
            ),
            (SchemaKind::Alias, "/properties", known(read_alias("{zzzzzzzz: 1}"))),
            (SchemaKind::Alias, "/properties/ack/properties", known(read_alias("{ack: {zzzzzzzz: 1}}"))),
            (SchemaKind::Alias, "/properties/result/properties", known(read_alias("{result: {zzzzzzzz: 1}}"))),
            (SchemaKind::Source, "/$defs/timer/properties", known(read_source("{type: timer, zzzzzzzz: 1}"))),
            (SchemaKind::Source, "/$defs/poll/properties", known(read_source("{type: poll, zzzzzzzz: 1}"))),
            (SchemaKind::Source, "/$defs/log/properties", known(read_source("{type: log, zzzzzzzz: 1}"))),
            (SchemaKind::Source, "/$defs/journal/properties", known(read_source("{type: journal, zzzzzzzz: 1}"))),
            (SchemaKind::Source, "/$defs/nats/properties", known(read_source("{type: nats, zzzzzzzz: 1}"))),
            (SchemaKind::Enricher, "/$defs/patterns/properties", known(read_enricher("{type: patterns, zzzzzzzz: 1}"))),
            (SchemaKind::Enricher, "/$defs/openai/properties", known(read_enricher("{type: openai, zzzzzzzz: 1}"))),
            (SchemaKind::Enricher, "/$defs/command/properties", known(read_enricher("{type: command, zzzzzzzz: 1}"))),
            (
                SchemaKind::Enricher,
                "/$defs/classifier/properties",
                known(read_enricher("{type: classifier, zzzzzzzz: 1}")),
            ),
        ];
        for (kind, pointer, known) in table {
            assert_eq!(keys(kind, pointer), known, "{kind:?} {pointer}");
        }
        let option = keys(SchemaKind::Job, "/properties/options/items/properties");
        for kind in ["string", "integer", "multi", "node", "secret", "file", "url"] {
            let known = known(read_job(&format!("{{options: [{{type: {kind}, zzzzzzzz: 1}}]}}")));
            assert!(known.is_subset(&option), "{kind}: {known:?}");
        }
    }

    #[test]
    fn schemas_list_the_same_words() {
        let words = |kind: SchemaKind, pointer: &str| -> Vec<String> {
            serde_json::from_value(schema(kind).pointer(pointer).cloned().unwrap()).unwrap()
        };
        let operators = "/properties/criteria/additionalProperties/properties/type/enum";
        assert_eq!(words(SchemaKind::Rule, operators), crate::domain::criteria::OPERATORS);
        let permissions = "/properties/roles/additionalProperties/items/properties/allow/items/enum";
        let all: Vec<&str> = crate::domain::access::Permission::ALL.iter().map(|p| p.as_str()).collect();
        assert_eq!(words(SchemaKind::Access, permissions), all);
        for kind in SchemaKind::ALL {
            assert_eq!(SchemaKind::parse(kind.as_str()), Some(kind));
            assert!(schema(kind).is_object());
        }
    }
}
