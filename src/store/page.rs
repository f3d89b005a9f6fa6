//! Paging: every list goes on after the last row of the page before, so a long list costs no more than a short one.

/// The most rows that a list gives at once; a larger wish is cut to this.
pub const MAX_LIMIT: u32 = 200;

/// The number of rows to ask the database for.
pub(super) fn limit(wanted: u32) -> i64 {
    i64::from(wanted.clamp(1, MAX_LIMIT))
}

/// Every row of a list, piece by piece: for pages that show all of it.
///
/// # Errors
/// Those of `piece`.
pub fn whole<T, K, E>(
    mut piece: impl FnMut(Option<&K>, u32) -> Result<Vec<T>, E>,
    place: impl Fn(&T) -> K,
) -> Result<Vec<T>, E> {
    let mut all = Vec::new();
    let mut after: Option<K> = None;
    loop {
        let rows = piece(after.as_ref(), MAX_LIMIT)?;
        let full = rows.len() >= MAX_LIMIT as usize;
        after = rows.last().map(&place);
        all.extend(rows);
        if !full {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_list_has_every_row_once() {
        for length in [0_u32, 1, MAX_LIMIT - 1, MAX_LIMIT, MAX_LIMIT + 1, 3 * MAX_LIMIT] {
            let piece = |after: Option<&u32>, wanted| {
                let begin = after.map_or(0, |n| n + 1);
                Ok::<_, ()>((begin..length).take(wanted as usize).collect())
            };
            assert_eq!(whole(piece, |n| *n).unwrap(), (0..length).collect::<Vec<_>>());
        }
    }
}
