//! The frame of a page for the caller at hand.

use super::call::{Call, Caller};
use super::page::{Chrome, NavItem};

/// Label, address, keys.
const NAV: [(&str, &str, &str); 12] = [
    ("Home", "/", "g h"),
    ("Jobs", "/jobs", "g j"),
    ("Runs", "/runs", "g r"),
    ("Approvals", "/approvals", "g a"),
    ("Events", "/events", ""),
    ("Sources", "/sources", ""),
    ("Rules", "/rules", ""),
    ("Webhooks", "/webhooks", ""),
    ("Nodes", "/nodes", ""),
    ("Keys", "/keys", ""),
    ("Access", "/access", ""),
    ("Audit", "/audit", ""),
];

/// The frame without counts; for error pages, which must not fail themselves.
#[must_use]
pub fn plain(caller: Option<&Caller>) -> Chrome {
    let user = caller.map(|c| c.actor.principal.short().to_owned());
    let csrf = caller.and_then(|c| c.session.as_ref()).map(|s| s.csrf.clone()).unwrap_or_default();
    // The record is for who administers; a link that answers "not found" helps nobody.
    let administrator = caller.is_some_and(|c| c.actor.administrator);
    let shown = |href: &str| administrator || href != "/audit";
    let nav = NAV
        .iter()
        .filter(|(_, href, _)| shown(href))
        .map(|(label, href, hotkey)| NavItem { label, href, hotkey, current: false, count: 0 })
        .collect();
    Chrome { user, csrf, nav, flash: None, version: env!("CARGO_PKG_VERSION") }
}

/// The frame of a page that belongs to a navigation entry, with what waits for the caller.
pub async fn of(call: &Call, current: &str) -> Chrome {
    let mut chrome = plain(call.caller.as_ref());
    let waiting = match &call.caller {
        Some(caller) => call.app.waiting_for(&caller.actor).await.unwrap_or(0),
        None => 0,
    };
    for item in &mut chrome.nav {
        item.current = item.href == current;
        item.count = if item.href == "/approvals" { waiting } else { 0 };
    }
    chrome
}
