//! What can be chosen in the filters of a list.

/// One of the choices.
pub(super) struct Choice {
    /// As the address has it.
    pub(super) value: String,
    /// In words.
    pub(super) label: String,
    /// Whether it is chosen.
    pub(super) on: bool,
}

/// Times to choose among, as the address has them.
pub(super) const TIMES: [(&str, &str); 4] =
    [("1h", "last hour"), ("24h", "last 24 hours"), ("7d", "last 7 days"), ("30d", "last 30 days")];

/// The choices; what the address has and none of them is stands there too, so that the form keeps it.
pub(super) fn choices<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>, chosen: &str) -> Vec<Choice> {
    let choice =
        |(value, label): (&str, &str)| Choice { value: value.to_owned(), label: label.to_owned(), on: value == chosen };
    let mut out: Vec<Choice> = all.into_iter().map(choice).collect();
    if !chosen.is_empty() && !out.iter().any(|c| c.on) {
        out.push(choice((chosen, chosen)));
    }
    out
}
