//! What rules tell people, written in the transaction of what they tell of.

use crate::domain::access::{Permit, Principal};
use crate::domain::guard::Below;
use crate::domain::ids::{EventId, NoticeId};
use crate::domain::notice::message::one_line;
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::rule::judge::Proposal;
use crate::domain::rule::{Action, Rule};
use crate::domain::time::{Seconds, Timestamp};
use crate::store::notices::{self, NewNotice};
use crate::store::rules::states::TextOfRule;
use crate::store::{Conn, StoreError};

/// How long what one rule tells the same people is put together: of a storm of events they hear at once, and then once in
/// this time.
const TOGETHER_FOR: Seconds = Seconds::new(300);

/// The longest that a rule's own words are kept, in characters.
const LONGEST: usize = 600;

/// Something that a rule tells people.
#[derive(Debug, Clone)]
pub(super) struct Telling {
    kind: NoticeKind,
    audience: Vec<Audience>,
    words: String,
}

impl Telling {
    /// What a rule says of an event that it acts on by telling; nothing where it does not.
    pub(super) fn of_action(proposal: &Proposal) -> Option<Self> {
        (proposal.action == "notify").then(|| Self {
            kind: NoticeKind::RuleTold,
            audience: vec![Audience::Channel(proposal.target.clone())],
            words: words(&proposal.message, "It names no message."),
        })
    }

    /// What is said of an event that it is not sure enough to act on.
    pub(super) fn of_doubt(rule: &Rule, proposal: Option<&Proposal>, why: &str) -> Self {
        let floor = rule.guards.confidence.as_ref().filter(|c| c.below == Below::Notify);
        let named = floor.and_then(|c| c.notify.as_ref());
        let (own, otherwise) = match (&rule.action, proposal) {
            (Action::Notify { channel, .. }, Some(proposal)) => {
                (Some(channel), words(&proposal.message, "It names no message."))
            }
            (Action::Run { job, .. }, _) => (None, format!("It would have asked for a run of {job}.")),
            _ => (None, "Its action is to do nothing.".to_owned()),
        };
        let to = named.or(own).cloned().map_or(Audience::Keepers, Audience::Channel);
        Self { kind: NoticeKind::RuleTold, audience: vec![to], words: format!("Not sure enough: {why} {otherwise}") }
    }

    /// What is said when the breaker opens.
    pub(super) fn of_breaker(rule: &Rule, why: &str, demoted: bool) -> Self {
        let settings = rule.guards.breaker.as_ref();
        let mut audience: Vec<Audience> = settings.and_then(|s| s.escalate.clone()).into_iter().collect();
        audience.push(Audience::Keepers);
        let then = match (demoted, settings.and_then(|s| s.cool_down)) {
            (true, _) => "The rule is back in dry run, until it is promoted again.".to_owned(),
            (false, Some(time)) => format!("Nothing passes for {time}; then a single probe decides."),
            (false, None) => "Nothing passes until somebody closes it on the rule's page.".to_owned(),
        };
        Self { kind: NoticeKind::RuleEscalated, audience, words: format!("{why} {then}") }
    }

    /// What is said when somebody puts a live rule back.
    pub(super) fn of_demotion() -> Self {
        let words = "From now on it only writes down what it would have done.".to_owned();
        Self { kind: NoticeKind::RuleDemoted, audience: vec![Audience::Keepers], words }
    }

    /// Where it goes, for the verdict.
    pub(super) fn whom(&self) -> String {
        let named = self.audience.iter().find_map(|a| match a {
            Audience::Channel(name) => Some(format!("the channel {name}")),
            _ => None,
        });
        named.unwrap_or_else(|| "whoever looks after the rule".to_owned())
    }

    /// Writes the notice. The rule's state has to be held.
    pub(super) fn write(
        &self,
        c: &mut Conn,
        permit: &Permit,
        text: &TextOfRule,
        event: Option<EventId>,
        actor: Option<&Principal>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let notice = NewNotice {
            id: NoticeId::new(uuid::Uuid::now_v7()),
            project: text.project.clone(),
            kind: self.kind,
            approval: None,
            run: None,
            rule: Some(text.rule.clone()),
            event,
            audience: self.audience.clone(),
            actor: actor.cloned(),
            words: self.words.clone(),
        };
        match self.kind {
            // Each of these happens once, however many events there are.
            NoticeKind::RuleEscalated | NoticeKind::RuleDemoted => notices::add(c, permit, &notice, now),
            _ => notices::gather(c, permit, &notice, TOGETHER_FOR, now),
        }
    }
}

fn words(message: &str, otherwise: &str) -> String {
    let line = one_line(message, LONGEST);
    if line.is_empty() { otherwise.to_owned() } else { line }
}
