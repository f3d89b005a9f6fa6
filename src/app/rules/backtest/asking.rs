//! Asking for a backtest, looking at it, stopping it.

use std::sync::Arc;
use std::time::Duration;

use super::{BacktestRecord, BacktestReport, BacktestState};
use crate::app::App;
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::ids::ProjectName;
use crate::domain::option::FieldError;
use crate::domain::time::Timestamp;
use crate::spec;
use crate::store::rules::backtests;
use crate::store::{Conn, StoreError, definitions};

/// Backtests of one person that may wait or go on at the same time.
const MOST_OPEN: i64 = 4;

/// What somebody wants to have tried.
#[derive(Debug, Clone)]
pub struct AskedBacktest {
    /// A text that need not be saved.
    pub text: Option<String>,
    /// Or a stored revision; the newest without it.
    pub revision: Option<i64>,
    /// The first moment.
    pub since: Timestamp,
    /// The moment after the last one.
    pub until: Timestamp,
}

/// A backtest as somebody may see it.
#[derive(Debug, Clone)]
pub struct BacktestView {
    /// How far it is.
    pub record: BacktestRecord,
    /// What came of it, once it is over.
    pub report: Option<BacktestReport>,
    /// Whether the one who asks may stop it.
    pub may_cancel: bool,
}

impl App {
    /// Begins to hold a rule's text against the events of a time. Without a name the text says whose it is. Waits for the
    /// end as long as `patience`; what is not over by then goes on, and is looked at with [`App::backtest`].
    ///
    /// # Errors
    /// Not found; forbidden without `view` on the rule and on events; `invalid_definitions` for a text with mistakes;
    /// `invalid_fields`; `too_many_backtests`.
    pub async fn ask_backtest(
        self: &Arc<Self>,
        actor: &Actor,
        project: &ProjectName,
        name: Option<&str>,
        asked: AskedBacktest,
        patience: Duration,
    ) -> AppResult<BacktestView> {
        let record = self.backtest_asked(actor, project, name, asked).await?;
        let permit = self.own_permit(Permission::Edit)?;
        let new = record.clone();
        let insert = move |c: &mut Conn| {
            if backtests::open_of(c, &new.asked_by)? >= MOST_OPEN {
                return Ok(false);
            }
            backtests::insert(c, &permit, &new).map(|()| true)
        };
        if !self.db.write::<_, StoreError, _>(insert).await? {
            let message = format!("{MOST_OPEN} of your backtests are not over yet. Wait for one of them, or stop it.");
            return Err(Refusal::new(RefusalKind::Busy, "too_many_backtests", message).into());
        }
        let (app, id) = (Arc::clone(self), record.id.clone());
        let going_on = tokio::spawn(async move {
            if let Err(error) = app.carry_out_backtest(&id).await {
                tracing::warn!(backtest.id = id, error.cause = %error, "a backtest could not go on; it is begun again later");
            }
        });
        // It goes on, also where nobody waits for it any more.
        let _ = tokio::time::timeout(patience, going_on).await;
        self.backtest(actor, &record.id).await
    }

    async fn backtest_asked(
        &self,
        actor: &Actor,
        project: &ProjectName,
        name: Option<&str>,
        asked: AskedBacktest,
    ) -> AppResult<BacktestRecord> {
        let catalogue = self.catalogue().await?;
        self.authorize(actor, Permission::View, &Resource::Events { project: project.clone() })?;
        let state = catalogue.project(project)?;
        let read = |text: &str| {
            spec::read_rule(text).map_err(|found| {
                let message = format!("The rule has mistakes: {}", spec::render(&found));
                AppError::from(Refusal::new(RefusalKind::Invalid, "invalid_definitions", message))
            })
        };
        let given = asked.text.as_deref().map(read).transpose()?;
        let named = name.or(given.as_ref().map(|r| r.name.as_str())).ok_or_else(AppError::not_found)?.to_owned();
        self.authorize(actor, Permission::View, &Resource::Rule { project: project.clone(), name: named.clone() })?;
        let stored = state.rule(&named).map(|r| (r.definition.clone(), r.revision));
        if asked.since >= asked.until {
            let message = "`since` has to be before `until`.".to_owned();
            let field = FieldError { field: "since".to_owned(), code: "bad_since".to_owned(), message };
            let message = field.message.clone();
            return Err(Refusal::new(RefusalKind::Invalid, "invalid_fields", message).with_fields(vec![field]).into());
        }
        let text = match (asked.text, &stored) {
            (Some(text), _) => text,
            (None, Some((definition, newest))) => {
                let (definition, wanted) = (definition.clone(), asked.revision.unwrap_or(*newest));
                self.db.read(move |c| definitions::revision(c, &definition, wanted)).await?.source
            }
            (None, None) => return Err(AppError::not_found()),
        };
        Ok(BacktestRecord {
            id: uuid::Uuid::now_v7().to_string(),
            project: project.clone(),
            rule: named,
            definition_id: stored.map(|(definition, _)| definition),
            text,
            since: asked.since,
            until: asked.until,
            asked_by: actor.principal.clone(),
            asked_at: self.clock.now(),
            state: BacktestState::Waiting,
            looked_at: 0,
            total: 0,
            report: None,
            error: String::new(),
            ended_at: None,
        })
    }

    /// A backtest as far as it is.
    ///
    /// # Errors
    /// Not found, also without `view` on the rule and on events.
    pub async fn backtest(&self, actor: &Actor, id: &str) -> AppResult<BacktestView> {
        let id = id.to_owned();
        let record = self.db.read(move |c| backtests::get(c, &id)).await?;
        self.may_see(actor, &record)?;
        let report = record.report.as_deref().map(serde_json::from_str).transpose().map_err(AppError::fault)?;
        let may_cancel = !record.state.is_over() && self.may_stop(actor, &record);
        Ok(BacktestView { record, report, may_cancel })
    }

    /// The newest backtests of a rule.
    ///
    /// # Errors
    /// Not found, also without `view` on the rule and on events.
    pub async fn backtests(&self, actor: &Actor, project: &ProjectName, rule: &str) -> AppResult<Vec<BacktestRecord>> {
        self.catalogue().await?;
        self.authorize(actor, Permission::View, &Resource::Rule { project: project.clone(), name: rule.to_owned() })?;
        self.authorize(actor, Permission::View, &Resource::Events { project: project.clone() })?;
        let (project, rule) = (project.clone(), rule.to_owned());
        Ok(self.db.read(move |c| backtests::of_rule(c, &project, &rule, 10)).await?)
    }

    /// Stops a backtest; one that is over stays as it is.
    ///
    /// # Errors
    /// Not found; forbidden to who neither asked for it nor may `edit` the rule.
    pub async fn cancel_backtest(&self, actor: &Actor, id: &str) -> AppResult<BacktestView> {
        let view = self.backtest(actor, id).await?;
        if !self.may_stop(actor, &view.record) {
            let message = "A backtest is stopped by who asked for it, or by who may edit the rule.";
            return Err(AppError::forbidden("not_yours", message));
        }
        let (permit, now, own) = (self.own_permit(Permission::Edit)?, self.clock.now(), id.to_owned());
        self.db.write(move |c| backtests::cancel(c, &permit, &own, now)).await?;
        self.backtest(actor, id).await
    }

    fn may_see(&self, actor: &Actor, record: &BacktestRecord) -> AppResult<()> {
        let rule = Resource::Rule { project: record.project.clone(), name: record.rule.clone() };
        let events = Resource::Events { project: record.project.clone() };
        // The same answer as for one that is not there.
        let sees = |resource| self.authorize(actor, Permission::View, resource).is_ok();
        if sees(&rule) && sees(&events) { Ok(()) } else { Err(AppError::not_found()) }
    }

    fn may_stop(&self, actor: &Actor, record: &BacktestRecord) -> bool {
        let rule = Resource::Rule { project: record.project.clone(), name: record.rule.clone() };
        record.asked_by == actor.principal || self.authorize(actor, Permission::Edit, &rule).is_ok()
    }
}
