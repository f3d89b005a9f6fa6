//! The change freezes that are on, as boxes on top of a page.

use askama::Template;

use super::words;
use crate::app::error::AppResult;
use crate::app::frozen::FreezeNow;
use crate::domain::approval::describe;
use crate::domain::change_freeze::MetFreeze;
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::page::{Moment, fragment};

struct Freeze {
    name: String,
    iso: String,
    end: String,
    left: String,
    reason: String,
    covers: String,
    through: String,
}

#[derive(Template)]
#[template(path = "parts/freezes.html")]
struct Freezes {
    freezes: Vec<Freeze>,
}

/// The freezes that one run meets.
pub(super) fn met(freezes: &[MetFreeze], now: Timestamp) -> String {
    let one = |f: &MetFreeze| Freeze {
        name: f.name.to_string(),
        iso: Moment::new(f.until, now).iso,
        end: f.end(),
        left: left(f.until, now),
        reason: visible(&f.reason),
        covers: String::new(),
        through: through(if f.is_shut() { String::new() } else { describe(&f.need) }),
    };
    fragment(&Freezes { freezes: freezes.iter().map(one).collect() })
}

/// The freezes that are on now and cover a job that the caller may see.
pub(super) async fn on_now(call: &Call) -> AppResult<String> {
    let now = call.app.clock().now();
    let one = |f: FreezeNow| Freeze {
        name: format!("{} of {}", f.name, f.project),
        iso: Moment::new(f.until, now).iso,
        end: f.end,
        left: left(f.until, now),
        reason: visible(&f.reason),
        covers: format!("Covers {}", f.covers),
        through: through(f.need),
    };
    let on = call.app.freezes_now(call.actor()?).await?;
    Ok(fragment(&Freezes { freezes: on.into_iter().map(one).collect() }))
}

fn left(until: Timestamp, now: Timestamp) -> String {
    if until <= now { "over by now".to_owned() } else { words::until(until, now) }
}

fn through(need: String) -> String {
    if need.is_empty() {
        return "No run starts until then, unless the glass is broken.".to_owned();
    }
    format!("A run starts only with a signature for it beside its own: {need}.")
}
