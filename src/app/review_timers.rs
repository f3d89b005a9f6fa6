//! Lets time pass over runs that did not wait: whoever can review one is told when its review is overdue, and again.

use serde_json::json;

use super::App;
use super::error::{AppError, AppResult};
use super::record::act;
use super::telling::tell_of;
use crate::domain::access::{Permission, Principal};
use crate::domain::approval::next_review_reminder;
use crate::domain::notice::{Audience, NoticeKind};
use crate::store::break_glass as rows;

impl App {
    /// Tells the reviewers of runs whose review is overdue; how many there were.
    pub(super) async fn pass_time_over_reviews(&self) -> AppResult<usize> {
        let now = self.clock.now();
        let due = self.db.read(move |c| rows::due(c, now, 100)).await?;
        let mut count = 0;
        for record in due {
            let (permit, recorder) = (self.own_permit(Permission::Cancel)?, self.recorder());
            let told = self
                .db
                .write(move |c| {
                    let next = next_review_reminder(now);
                    if !rows::remind_again(c, &permit, &record, next)? {
                        return Ok::<_, AppError>(false);
                    }
                    let what = (NoticeKind::ReviewOverdue, vec![Audience::Reviewers]);
                    let words = format!("{} ran it: {}", record.user, record.reason);
                    tell_of(c, &permit, &record.project, Some((None, record.run)), what, None, words, now)?;
                    let detail = json!({ "review_by": record.review_by, "next": next });
                    let resource = format!("run:{}", record.run);
                    let project = Some(&record.project);
                    let entry = act(&Principal::System, "engine", "break_glass.overdue", resource, project, detail);
                    recorder.write(c, &entry)?;
                    Ok(true)
                })
                .await?;
            count += usize::from(told);
        }
        Ok(count)
    }
}
