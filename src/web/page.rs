//! What every page has round its content, and how a page becomes an answer.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::assets;
use crate::domain::time::Timestamp;

/// The frame of a page.
#[derive(Debug, Clone, Default)]
pub struct Chrome {
    /// Who is signed in.
    pub user: Option<String>,
    /// The session's token for forms.
    pub csrf: String,
    /// The main navigation.
    pub nav: Vec<NavItem>,
    /// A one-time message after a redirect.
    pub flash: Option<String>,
    /// Interlock's version.
    pub version: &'static str,
}

/// One entry of the main navigation.
#[derive(Debug, Clone)]
pub struct NavItem {
    /// Its words.
    pub label: &'static str,
    /// Where it leads.
    pub href: &'static str,
    /// The keys that go there, or empty.
    pub hotkey: &'static str,
    /// Whether the page at hand belongs to it.
    pub current: bool,
    /// How much waits there.
    pub count: usize,
}

impl Chrome {
    /// The address of a static file, which changes when its content does.
    #[must_use]
    pub fn asset(&self, name: &str) -> String {
        assets::address(name)
    }
}

/// A time, for machines and for people.
#[derive(Debug, Clone)]
pub struct Moment {
    /// RFC 3339.
    pub iso: String,
    /// `today 14:03 UTC`, `23 Nov 14:03 UTC`, `23 Nov 2025 14:03 UTC`.
    pub words: String,
}

impl Moment {
    /// Words for a time, seen from now.
    #[must_use]
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        use chrono::Datelike;
        let ago = (now - at).num_seconds();
        let words = if (0..45).contains(&ago) {
            "just now".to_owned()
        } else if (45..3_600).contains(&ago) {
            format!("{} min ago", (ago + 30) / 60)
        } else if at.date_naive() == now.date_naive() {
            at.format("today %H:%M UTC").to_string()
        } else if at.year() == now.year() {
            at.format("%-d %b %H:%M UTC").to_string()
        } else {
            at.format("%-d %b %Y %H:%M UTC").to_string()
        };
        Self { iso: at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), words }
    }
}

/// Renders a page. Pages are never kept by caches, as they show what one person may see.
pub fn render(status: StatusCode, page: &impl Template) -> HttpResponse {
    match page.render() {
        Ok(html) => HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .insert_header(("Cache-Control", "no-store"))
            .body(html),
        Err(error) => {
            tracing::error!(error.cause = %error, "a page could not be rendered");
            HttpResponse::InternalServerError()
                .content_type("text/plain; charset=utf-8")
                .body("The page could not be drawn.")
        }
    }
}

/// Renders a piece of a page, which goes into another one or over the wire as it is.
pub fn fragment(part: &impl Template) -> String {
    part.render().unwrap_or_else(|error| {
        tracing::error!(error.cause = %error, "a part of a page could not be rendered");
        String::new()
    })
}

/// Sends the browser on with GET, after a form was taken.
pub fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header(("Location", to)).insert_header(("Cache-Control", "no-store")).finish()
}

/// Markdown as safe HTML: raw HTML is shown as text, links only lead to the web or to this site.
#[must_use]
pub fn markdown(text: &str) -> String {
    use pulldown_cmark::{Event, Parser, Tag, TagEnd, html};
    let safe = |url: &str| {
        url.starts_with("https://") || url.starts_with("http://") || (url.starts_with('/') && !url.starts_with("//"))
    };
    let mut kept = Vec::new();
    let events = Parser::new(text).filter_map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            kept.push(safe(dest_url));
            safe(dest_url).then_some(event)
        }
        Event::End(TagEnd::Link) => kept.pop().unwrap_or_default().then_some(event),
        // Pictures would load from elsewhere; their words stay.
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

#[cfg(test)]
mod tests {
    use super::markdown;

    #[test]
    fn markdown_lets_no_html_through() {
        let html = markdown("**bold** <img src=x onerror=alert(1)> `code`");
        assert!(html.contains("<strong>bold</strong>") && html.contains("<code>code</code>"), "{html}");
        assert!(!html.contains("<img"), "{html}");
    }

    #[test]
    fn links_lead_to_the_web_or_stay_here() {
        assert!(markdown("[a](https://example.com)").contains("href=\"https://example.com\""));
        assert!(markdown("[a](/runs/1)").contains("href=\"/runs/1\""));
        for bad in ["[a](javascript:alert(1))", "[a](//evil)", "[a](data:text/html,x)", "![a](https://evil/x.png)"] {
            let html = markdown(bad);
            assert!(!html.contains("href") && !html.contains("src"), "{html}");
        }
    }
}
