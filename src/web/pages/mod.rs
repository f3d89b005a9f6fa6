//! The pages: a struct beside its handler, ready values only.

pub mod sign_in;

use super::routes::{Guard, Route, page, to};

/// The routes of the pages.
pub const ROUTES: &[Route] = &[
    page("GET", "/sign-in", Guard::Public, to!(sign_in::form)),
    page("POST", "/sign-in", Guard::Public, to!(sign_in::submit)),
    page("POST", "/sign-out", Guard::SignedIn, to!(sign_in::sign_out)),
];
