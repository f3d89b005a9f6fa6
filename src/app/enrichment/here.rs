//! Labels that can be told without asking anybody outside, on an event's way to the rules.

use serde_json::Value;

use super::{Asked, asks, next};
use crate::app::App;
use crate::app::catalogue::ProjectState;
use crate::app::error::AppResult;
use crate::domain::access::Permission;
use crate::domain::enricher::label::{Label, Labels};
use crate::domain::event::Event;
use crate::domain::ids::EventId;
use crate::store::enrichment::labels;
use crate::store::{StoreError, events};

impl App {
    /// What enrichers make of an event that this server has. Nothing where somebody outside has to be asked first: the
    /// event is let go of then, and comes back with its labels.
    pub(in crate::app) async fn label_here(
        &self,
        state: &ProjectState,
        event: &Event,
        scope: &Value,
        claim: &str,
    ) -> AppResult<Option<Labels>> {
        if !asks(state, &event.event_type) {
            return Ok(Some(Labels::new()));
        }
        let mut known = self.labels_so_far(event.id).await?;
        while let Some(asked) = next(state, &event.event_type, scope, &known, self.clock.now()) {
            let Some(label) = self.told_here(&asked, scope).await? else {
                let permit = self.own_permit(Permission::Edit)?;
                let (event, claim) = (event.clone(), claim.to_owned());
                match self.db.write(move |c| events::await_labels(c, &permit, &event, &claim)).await {
                    // Whoever has it now finds what was done.
                    Ok(()) | Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                self.live.work_is_there();
                return Ok(None);
            };
            self.store_label(&asked, event.id, &label).await?;
            known.insert(asked.enricher.name.clone(), label);
        }
        Ok(Some(known))
    }

    /// What is known of an event by now.
    pub(super) async fn labels_so_far(&self, event: EventId) -> AppResult<Labels> {
        let found = self.db.read(move |c| labels::of_event(c, event)).await?;
        Ok(found.into_iter().map(|record| (record.enricher, record.label)).collect())
    }

    async fn store_label(&self, asked: &Asked, event: EventId, label: &Label) -> AppResult<()> {
        let permit = self.own_permit(Permission::Edit)?;
        let (asked, label, now) = (asked.clone(), label.clone(), self.clock.now());
        let store = move |c: &mut crate::store::Conn| {
            labels::insert_once(c, &permit, &asked.at, asked.revision, event, &label, now)
        };
        self.db.write(store).await?;
        Ok(())
    }
}
