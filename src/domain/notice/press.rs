//! A button of Slack that somebody pressed, read from Slack's own form. Who it was, Slack vouches for; what may come of it
//! is decided elsewhere.

use serde_json::Value;

use super::address::SlackAccount;
use crate::domain::digest::Digest;
use crate::domain::ids::ApprovalId;
use crate::domain::secret::SecretText;

/// A press.
#[derive(Debug, Clone)]
pub struct Press {
    /// Whose account it was.
    pub account: SlackAccount,
    /// Where an answer that only they see goes; whoever knows it can write there, so it is a secret.
    pub answer_to: Option<SecretText>,
    /// What was pressed.
    pub button: Button,
}

/// What was pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Button {
    /// The link to the page, of which Slack tells as well. Nothing is to be done.
    Open,
    /// Approve this request, whose plan had this digest when it was posted.
    Approve { request: ApprovalId, digest: Digest },
}

impl Press {
    /// Reads the `payload` of an interaction; `None` for anything but one press of one of Interlock's buttons.
    #[must_use]
    pub fn read(payload: &str) -> Option<Self> {
        let payload: Value = serde_json::from_str(payload).ok()?;
        let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str);
        if text("/type")? != "block_actions" {
            return None;
        }
        let team = text("/user/team_id").or_else(|| text("/team/id"))?;
        let account = SlackAccount::parse(&format!("{team}/{}", text("/user/id")?)).ok()?;
        if payload.get("actions")?.as_array()?.len() != 1 {
            return None;
        }
        let button = match text("/actions/0/action_id")? {
            "open" => Button::Open,
            "approve" => {
                let (request, digest) = text("/actions/0/value")?.split_once(' ')?;
                Button::Approve { request: ApprovalId::parse(request).ok()?, digest: Digest::parse(digest).ok()? }
            }
            _ => return None,
        };
        let answer_to = text("/response_url").map(|url| SecretText::new(url.to_owned()));
        Some(Self { account, answer_to, button })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn payload() -> Value {
        json!({
            "type": "block_actions",
            "team": { "id": "T0001" },
            "user": { "id": "U0002", "team_id": "T0001", "name": "maria" },
            "response_url": "https://hooks.slack.com/actions/x",
            "actions": [{ "action_id": "approve", "value": format!(
                "00000000-0000-7000-8000-000000000001 {}", Digest::of(b"plan")
            ) }],
        })
    }

    #[test]
    fn a_press_is_read_by_ids_and_never_by_names() {
        let press = Press::read(&payload().to_string()).unwrap();
        assert_eq!(press.account.as_str(), "T0001/U0002");
        assert!(matches!(press.button, Button::Approve { digest, .. } if digest == Digest::of(b"plan")));
        assert!(press.answer_to.is_some());
        let mut open = payload();
        open["actions"] = json!([{ "action_id": "open" }]);
        assert_eq!(Press::read(&open.to_string()).unwrap().button, Button::Open);
    }

    #[test]
    fn anything_else_is_no_press() {
        let change = |path: &str, value: Value| {
            let mut all = payload();
            *all.pointer_mut(path).unwrap() = value;
            Press::read(&all.to_string())
        };
        for (path, value) in [
            ("/type", json!("view_submission")),
            ("/user/id", json!("maria")),
            ("/user/team_id", json!("../T0001")),
            ("/actions", json!([])),
            ("/actions", json!([{ "action_id": "open" }, { "action_id": "open" }])),
            ("/actions/0/action_id", json!("reject")),
            ("/actions/0/value", json!("1 2")),
            ("/actions/0/value", Value::Null),
        ] {
            assert!(change(path, value.clone()).is_none(), "{path} {value}");
        }
        assert!(Press::read("").is_none() && Press::read("[]").is_none() && Press::read("{\"type\":").is_none());
    }
}
