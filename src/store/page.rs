//! Paging: every list goes on after the last row of the page before, so a long list costs no more than a short one.

/// The most rows that a list gives at once; a larger wish is cut to this.
pub const MAX_LIMIT: u32 = 200;

/// The number of rows to ask the database for.
pub(super) fn limit(wanted: u32) -> i64 {
    i64::from(wanted.clamp(1, MAX_LIMIT))
}
