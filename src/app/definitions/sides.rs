//! Two texts beside each other, line by line, as people compare them.

/// The unchanged lines that are shown around a change.
const CONTEXT: usize = 3;

/// One line of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// Without its line break.
    pub text: String,
}

/// One row of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// The same line on both sides.
    Same(Line, Line),
    /// A line that went, one that came, or one that stands where the other stood.
    Changed(Option<Line>, Option<Line>),
    /// This many lines are the same and not shown.
    Skipped(usize),
}

/// How a text became another; no row at all when every line is the same. Line breaks themselves are not compared.
#[must_use]
pub fn side_by_side(old: &str, new: &str) -> Vec<Row> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let line =
        |text: &[&str], index: usize| text.get(index).map(|text| Line { number: index + 1, text: (*text).to_owned() });
    let operations = similar::capture_diff_slices(similar::Algorithm::Myers, &old, &new);
    let mut rows = Vec::new();
    let mut shown = 0;
    for operation in similar::group_diff_ops(operations, CONTEXT).into_iter().flatten() {
        let (before, after) = (operation.old_range(), operation.new_range());
        if before.start > shown {
            rows.push(Row::Skipped(before.start - shown));
        }
        shown = before.end;
        for offset in 0..before.len().max(after.len()) {
            let left = Some(before.start + offset).filter(|i| before.contains(i)).and_then(|i| line(&old, i));
            let right = Some(after.start + offset).filter(|i| after.contains(i)).and_then(|i| line(&new, i));
            rows.push(match (operation.tag(), left, right) {
                (similar::DiffTag::Equal, Some(left), Some(right)) => Row::Same(left, right),
                (_, left, right) => Row::Changed(left, right),
            });
        }
    }
    if !rows.is_empty() && old.len() > shown {
        rows.push(Row::Skipped(old.len() - shown));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row as `left|right`.
    fn drawn(old: &str, new: &str) -> Vec<String> {
        let one = |line: &Option<Line>| line.as_ref().map_or_else(String::new, |l| format!("{}{}", l.number, l.text));
        let row = |row: &Row| match row {
            Row::Same(left, right) => format!("{}{}={}{}", left.number, left.text, right.number, right.text),
            Row::Changed(left, right) => format!("{}|{}", one(left), one(right)),
            Row::Skipped(count) => format!("…{count}"),
        };
        side_by_side(old, new).iter().map(row).collect()
    }

    #[test]
    fn lines_stand_beside_what_they_became() {
        assert_eq!(drawn("a\nb\nc\n", "a\nx\ny\nc\n"), ["1a=1a", "2b|2x", "|3y", "3c=4c"]);
        assert_eq!(drawn("", "a\n"), ["|1a"]);
        assert_eq!(drawn("a\n", ""), ["1a|"]);
    }

    #[test]
    fn the_same_text_has_no_rows() {
        assert!(drawn("a\nb\n", "a\nb\n").is_empty());
        assert!(drawn("a\r\nb", "a\nb\n").is_empty());
    }

    #[test]
    fn what_is_the_same_far_from_a_change_is_counted() {
        let old: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let rows = drawn(&old, &old.replace("10\n", "ten\n"));
        assert_eq!(rows.first().map(String::as_str), Some("…6"));
        assert_eq!(rows.get(4).map(String::as_str), Some("1010|10ten"));
        assert_eq!(rows.last().map(String::as_str), Some("…7"));
    }
}
