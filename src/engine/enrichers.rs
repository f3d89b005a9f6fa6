//! Asks for labels, beside everything else: whoever does not answer keeps nothing waiting but the event itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::app::App;
use crate::app::enrichment::Labelling;
use crate::app::error::AppResult;
use crate::enrich::Asker;

/// How often it looks for events that wait.
const LOOK: Duration = Duration::from_millis(250);
/// How many events are asked about at the same time.
const AT_ONCE: usize = 16;

/// Asks for as long as it is polled.
pub(super) async fn keep(app: Arc<App>, asker: Asker) {
    let mut under_way = JoinSet::new();
    loop {
        while let Some(done) = under_way.try_join_next() {
            told(done);
        }
        let free = AT_ONCE.saturating_sub(under_way.len());
        if free > 0 {
            match app.labellings(u32::try_from(free).unwrap_or(1)).await {
                Ok(labellings) => {
                    for labelling in labellings {
                        under_way.spawn(ask(Arc::clone(&app), asker.clone(), labelling));
                    }
                }
                Err(error) => {
                    tracing::error!(error.cause = %error, "events that wait for labels could not be looked at; it is tried again");
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            Some(done) = under_way.join_next() => told(done),
        }
    }
}

fn told(done: Result<AppResult<()>, tokio::task::JoinError>) {
    match done {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(error.cause = %error, "what an enricher said could not be stored; it is asked again");
        }
        Err(error) => tracing::error!(error.cause = %error, "asking an enricher broke off; it is tried again"),
    }
}

async fn ask(app: Arc<App>, asker: Asker, mut labelling: Labelling) -> AppResult<()> {
    while let Some(question) = app.next_question(&mut labelling).await? {
        let reply = asker.ask(question).await;
        app.answered(&mut labelling, reply).await?;
    }
    Ok(())
}

/// Asks about what waits now, once, and waits for it. How many events that were.
pub(super) async fn label(app: &Arc<App>, asker: &Asker) -> AppResult<usize> {
    let waiting = app.labellings(u32::try_from(AT_ONCE).unwrap_or(1)).await?;
    let count = waiting.len();
    for labelling in waiting {
        ask(Arc::clone(app), asker.clone(), labelling).await?;
    }
    Ok(count)
}
