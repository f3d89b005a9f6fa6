//! Two texts beside each other as a table: before, after, and what is the same.

use askama::Template;

use super::words;
use crate::app::definitions::{Line, Row, side_by_side};
use crate::web::ansi::visible;
use crate::web::page::fragment;

/// One side of a row.
struct Cell {
    /// Empty where the other side has a line more.
    number: String,
    /// Which side it is and what became of the line; a phone shows only one side of what is the same.
    class: &'static str,
    text: String,
}

/// One row: its two sides, or the words for lines that are not shown.
struct Beside {
    cells: Vec<Cell>,
    skipped: Option<String>,
}

#[derive(Template)]
#[template(path = "parts/diff.html")]
struct Comparison {
    before: String,
    after: String,
    rows: Vec<Beside>,
}

/// The comparison of two texts with a title each, as HTML; `None` when every line is the same.
pub fn html((before, old): (String, &str), (after, new): (String, &str)) -> Option<String> {
    let rows: Vec<Beside> = side_by_side(old, new).into_iter().map(beside).collect();
    (!rows.is_empty()).then(|| fragment(&Comparison { before, after, rows }))
}

fn beside(row: Row) -> Beside {
    match row {
        Row::Same(left, right) => both(cell("old same", left), cell("new same", right)),
        Row::Changed(left, right) => {
            let none = |class| Cell { number: String::new(), class, text: String::new() };
            both(
                left.map_or_else(|| none("old none"), |line| cell("old gone", line)),
                right.map_or_else(|| none("new none"), |line| cell("new come", line)),
            )
        }
        Row::Skipped(1) => Beside { cells: Vec::new(), skipped: Some("1 line is the same".to_owned()) },
        Row::Skipped(n) => {
            Beside { cells: Vec::new(), skipped: Some(format!("{} are the same", words::count(n, "line"))) }
        }
    }
}

fn both(left: Cell, right: Cell) -> Beside {
    Beside { cells: vec![left, right], skipped: None }
}

fn cell(class: &'static str, line: Line) -> Cell {
    Cell { number: line.number.to_string(), class, text: visible(&line.text) }
}
