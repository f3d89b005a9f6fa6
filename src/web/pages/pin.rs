//! Pinning a job to one's own start page.

use super::words;
use crate::app::error::AppError;
use crate::domain::ids::JobRef;
use crate::web::call::Call;
use crate::web::error::Answer;
use crate::web::page::see_other;

/// `POST /projects/{project}/pin/{job}`: `pin=yes` pins it, anything else takes the pin away.
pub async fn change(call: Call) -> Answer {
    let job = JobRef::parse(&call.part("job")).map_err(|_| AppError::not_found())?;
    let on = call.form.text("pin") == Some("yes");
    let view = call.app.pin(call.actor()?, &call.name("project")?, &job, on).await?;
    Ok(see_other(&words::job_href(&view.project, &view.stored.job.path)))
}
