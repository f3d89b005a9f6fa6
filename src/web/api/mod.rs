//! The JSON API under `/api/v1`.

use super::routes::Route;

/// The routes of the API.
pub const ROUTES: &[Route] = &[];
