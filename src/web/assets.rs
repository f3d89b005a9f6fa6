//! Static files, built into the binary and named by their content, so that browsers may keep them for good.

use std::sync::OnceLock;

use actix_web::HttpResponse;

use super::call::Call;
use super::error::Answer;
use crate::app::error::AppError;
use crate::domain::digest::Digest;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal => $kind:literal),+ $(,)?) => {
        const ASSETS: &[Asset] = &[$(Asset { name: $name, kind: $kind, bytes: include_bytes!(concat!("../../static/", $name)) }),+];
    };
}

assets! {
    "app.css" => "text/css; charset=utf-8",
    "app.js" => "text/javascript; charset=utf-8",
    "editor.js" => "text/javascript; charset=utf-8",
    "theme.js" => "text/javascript; charset=utf-8",
    "icon.svg" => "image/svg+xml",
    "vendor/codemirror.min.js" => "text/javascript; charset=utf-8",
    "vendor/htmx.min.js" => "text/javascript; charset=utf-8",
    "vendor/idiomorph-ext.min.js" => "text/javascript; charset=utf-8",
}

fn versions() -> &'static [(&'static str, String)] {
    static VERSIONS: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    VERSIONS.get_or_init(|| ASSETS.iter().map(|a| (a.name, Digest::of(a.bytes).short())).collect())
}

/// The address of a file, with its version.
#[must_use]
pub fn address(name: &str) -> String {
    let version = versions().iter().find(|(known, _)| *known == name).map_or("", |(_, version)| version.as_str());
    format!("/static/{name}?v={version}")
}

/// `GET /static/{name}`.
pub async fn file(call: Call) -> Answer {
    let name = call.part("name");
    let asset = ASSETS.iter().find(|a| a.name == name).ok_or_else(AppError::not_found)?;
    Ok(HttpResponse::Ok()
        .content_type(asset.kind)
        .insert_header(("Cache-Control", "public, max-age=31536000, immutable"))
        .body(asset.bytes))
}
