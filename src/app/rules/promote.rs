//! From dry run to live and back: marks, the two people of a promotion, and closing a breaker by hand.

use serde_json::json;

use super::matching::text_of;
use super::tell::Telling;
use crate::app::App;
use crate::app::catalogue::StoredRule;
use crate::app::error::{AppError, AppResult};
use crate::app::record::Source;
use crate::domain::access::{Actor, Permission, Permit, Resource, Via};
use crate::domain::approval::{DecisionRefused, FRESH_FOR};
use crate::domain::digest::Digest;
use crate::domain::guard::breaker;
use crate::domain::ids::ProjectName;
use crate::domain::rule::AuthoredMode;
use crate::domain::rule::rollout::{Trial, conditions, why_not_confirm};
use crate::domain::time::Timestamp;
use crate::store::rules::enforcements::{self, Mark};
use crate::store::rules::states::{self, TextOfRule};
use crate::store::rules::verdicts;
use crate::store::{Conn, StoreError};

/// What somebody wants of a rule's mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Ask for the promotion of this text.
    Ask,
    /// Confirm what somebody else asked for.
    Confirm,
    /// Back to dry run, or ask no longer. Needs nobody else.
    Back,
    /// Close the breaker.
    CloseBreaker,
}

impl Switch {
    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ask" => Some(Self::Ask),
            "confirm" => Some(Self::Confirm),
            "dry_run" => Some(Self::Back),
            "close_breaker" => Some(Self::CloseBreaker),
            _ => None,
        }
    }

    const fn act(self) -> &'static str {
        match self {
            Self::Ask => "rule.promotion_asked",
            Self::Confirm => "rule.promoted",
            Self::Back => "rule.demoted",
            Self::CloseBreaker => "rule.breaker_closed",
        }
    }
}

impl App {
    /// Switches a rule's mode. `seen` is the digest of the text that the person looked at.
    ///
    /// # Errors
    /// Not found; forbidden without `promote`, for who is no person or has no fresh session, and for who may not be the
    /// second one; `other_text` when the rule was edited meanwhile; `not_ready` while a condition is not met.
    pub async fn switch_rule(
        &self,
        actor: &Actor,
        project: &ProjectName,
        name: &str,
        switch: Switch,
        seen: &Digest,
        source: &Source,
    ) -> AppResult<()> {
        let (stored, text, permit) = self.rule_to_promote(actor, project, name).await?;
        let now = self.clock.now();
        if matches!(switch, Switch::Ask | Switch::Confirm) {
            in_person(actor, now)?;
            if stored.rule.mode == AuthoredMode::Off {
                let message = "The rule's text says `off`. Edit it first; that makes it a new text.";
                return Err(AppError::conflict("rule_off", message));
            }
        }
        if *seen != text.digest {
            let message = "The rule was edited since you looked at it. Look at it as it is now.";
            return Err(AppError::conflict("other_text", message));
        }
        let (recorder, source, actor, revision) = (self.recorder(), source.to_owned(), actor.clone(), stored.revision);
        self.db
            .write(move |c| {
                let state = states::hold(c, &permit, &text)?;
                match switch {
                    Switch::Ask => {
                        if states::is_live(c, &text, &state)? {
                            return Err(AppError::conflict("live_already", "This text is live already."));
                        }
                        let trial = trial(c, &text)?;
                        if let Some(unmet) = conditions(&trial, now).into_iter().find(|t| !t.met) {
                            let message = format!("The dry run is not over: {}", unmet.detail);
                            return Err(AppError::conflict("not_ready", message));
                        }
                        states::set_asked(c, &permit, &text, true, now)?;
                    }
                    Switch::Confirm => {
                        // The text may have been replaced between the look at the catalogue and this transaction.
                        let (_, _, newest) = newest(c, &text)?;
                        if newest != text.digest {
                            return Err(AppError::conflict("other_text", "The rule was edited a moment ago."));
                        }
                        let trial = trial(c, &text)?;
                        if let Some(why) = why_not_confirm(&trial, &actor.principal, now) {
                            return Err(AppError::conflict("not_ready", why));
                        }
                        states::set_live(c, &permit, &text, Some(revision), now)?;
                        states::set_breaker(c, &permit, &text, breaker::State::Closed, "", None, now)?;
                    }
                    Switch::Back => {
                        if states::is_live(c, &text, &state)? {
                            Telling::of_demotion().write(c, &permit, &text, None, Some(&actor.principal), now)?;
                        }
                        states::set_live(c, &permit, &text, None, now)?;
                    }
                    Switch::CloseBreaker => {
                        states::set_breaker(c, &permit, &text, breaker::State::Closed, "", None, now)?;
                    }
                }
                let resource = format!("{}:rule/{}", text.project, text.rule);
                let detail = json!({ "digest": text.digest, "revision": revision, "asked_by": state.asked_by });
                recorder.note(c, &actor, &source, switch.act(), resource, Some(&text.project), detail)?;
                Ok::<_, AppError>(())
            })
            .await
    }

    /// Marks something that a rule would have done as right or wrong.
    ///
    /// # Errors
    /// Not found; forbidden without `promote`; `conflict` for what was really done.
    pub async fn mark_enforcement(
        &self,
        actor: &Actor,
        project: &ProjectName,
        name: &str,
        id: &str,
        mark: Mark,
        source: &Source,
    ) -> AppResult<()> {
        let (stored, text, permit) = self.rule_to_promote(actor, project, name).await?;
        if !actor.is_person() {
            return Err(DecisionRefused::NotAPerson.into());
        }
        let (recorder, source, actor, now) = (self.recorder(), source.to_owned(), actor.clone(), self.clock.now());
        let id = id.to_owned();
        self.db
            .write(move |c| {
                let unknown = || AppError::invalid("no_such_enforcement", "This rule has no such would-have-done.");
                let there = match enforcements::get(c, &id) {
                    Ok(there) if there.definition_id == stored.definition => there,
                    Ok(_) | Err(StoreError::NotFound { .. }) => return Err(unknown()),
                    Err(error) => return Err(error.into()),
                };
                enforcements::set_mark(c, &permit, &id, mark, now)?;
                let resource = format!("{}:rule/{}", text.project, text.rule);
                let detail = json!({ "event": there.event_id, "mark": mark.as_str() });
                recorder.note(c, &actor, &source, "rule.marked", resource, Some(&text.project), detail)?;
                Ok::<_, AppError>(())
            })
            .await
    }

    async fn rule_to_promote(
        &self,
        actor: &Actor,
        project: &ProjectName,
        name: &str,
    ) -> AppResult<(StoredRule, TextOfRule, Permit)> {
        let catalogue = self.catalogue().await?;
        let resource = Resource::Rule { project: project.clone(), name: name.to_owned() };
        let permit = self.authorize(actor, Permission::Promote, &resource)?;
        let state = catalogue.project(project)?;
        let stored = state.rule(name).ok_or_else(AppError::not_found)?;
        Ok((stored.clone(), text_of(state, stored), permit))
    }
}

/// Holds that this is a person who typed their password a short while ago.
fn in_person(actor: &Actor, now: Timestamp) -> AppResult<()> {
    match actor.via {
        Via::Session { authenticated_at } if actor.is_person() => {
            let fresh = now - authenticated_at <= FRESH_FOR.to_delta();
            if fresh { Ok(()) } else { Err(DecisionRefused::StaleSession.into()) }
        }
        _ => Err(DecisionRefused::NotAPerson.into()),
    }
}

fn newest(c: &mut Conn, text: &TextOfRule) -> Result<(i64, Timestamp, Digest), StoreError> {
    let found = crate::store::definitions::history(c, &text.definition, None, 1)?;
    let first = found.into_iter().next().ok_or_else(|| StoreError::not_found(format!("rule {}", text.rule)))?;
    Ok((first.revision, first.created_at, first.digest))
}

/// What is known of the dry run of a rule's present text.
pub(super) fn trial(c: &mut Conn, text: &TextOfRule) -> Result<Trial, StoreError> {
    let (revision, since, author) = states::since(c, text)?;
    let (would, right, wrong) = enforcements::marks(c, &text.definition, revision)?;
    let asked_by = states::find(c, text)?.and_then(|s| s.asked_by);
    let events = verdicts::count(c, &text.definition, revision)?;
    Ok(Trial { since, events, would, right, wrong, author, asked_by })
}
