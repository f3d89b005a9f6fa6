//! Webhooks: how a sender proves itself, and which job its deliveries ask for.

pub mod alerts;
pub mod delivery;
pub mod redact;
pub mod verify;

use super::criteria::Criteria;
use super::ids::{JobRef, KeyPath, UserName, WebhookName};
use super::template::Template;

/// A webhook definition, checked.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its name in the address `/hooks/NAME`.
    pub name: WebhookName,
    /// What it is for.
    pub description: String,
    /// The job that a delivery asks for.
    pub job: JobRef,
    /// The options, as Rundeck's argString; tokenised before any field is expanded.
    pub arguments: Vec<Template>,
    /// How the sender proves itself. Absent: reachable by its unguessable token only.
    pub verify: Option<Verify>,
    /// Conditions that the delivery must meet; absent means every delivery.
    pub when: Criteria,
    /// What makes two deliveries the same; absent means the sender's delivery id.
    pub dedupe: Option<Template>,
    /// The service account whose grants decide.
    pub run_as: UserName,
    /// What happens when a field of the template is missing.
    pub missing: Missing,
    /// Narrows the job's nodes.
    pub node_filter: Option<Template>,
    /// Whether a delivery really runs the job.
    pub mode: Mode,
}

/// Live, or only written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Runs the job.
    Live,
    /// Records what would have run.
    DryRun,
}

/// What happens when a template's field is missing in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The delivery is refused.
    Refuse,
    /// The field is empty.
    Empty,
}

/// How a delivery is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// The sender's scheme.
    pub kind: VerifyKind,
    /// The active secrets; a match with any one is enough, so that they can be rotated. One or two.
    pub secrets: Vec<KeyPath>,
}

/// The signature schemes of the senders. Facts: each sender's public documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyKind {
    /// `X-PagerDuty-Signature: v1=HEX[,v1=HEX]`, HMAC-SHA256 of the body.
    PagerDuty,
    /// `X-Hub-Signature-256: sha256=HEX`, HMAC-SHA256 of the body.
    GitHub,
    /// `X-Slack-Signature: v0=HEX` of `v0:TIMESTAMP:BODY`, at most five minutes old.
    Slack,
    /// A header (default `X-Grafana-Alerting-Signature`) with the bare hex HMAC-SHA256 of the body, or of
    /// `TIMESTAMP:BODY` where a timestamp header is named.
    Grafana { header: String, timestamp_header: Option<String> },
    /// `Authorization: Bearer SECRET` or `Basic`.
    Alertmanager,
    /// `webhook-signature: v1,BASE64` of `ID.TIMESTAMP.BODY`, at most five minutes old.
    StandardWebhooks,
    /// A header (default `X-Interlock-Token`) that holds the secret itself.
    Token { header: String },
    /// A header with `PREFIX` and the hex HMAC-SHA256 of the body.
    Hmac { header: String, prefix: String },
}
