//! Reads where a job's steps run.

use crate::domain::job::{MaxFailures, NodeDispatch};
use crate::domain::node::NodeFilter;
use crate::spec::fields::Fields;
use crate::spec::report::Report;
use crate::spec::yaml::Node;

/// Reads `nodes:`.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<NodeDispatch> {
    let mut fields = Fields::open(node, "`nodes`", report)?;
    let filter = fields.required("filter", report).and_then(|n| read_filter(n, "filter", report));
    let exclude_precedence =
        fields.optional("exclude_precedence").map(|n| report.read_boolean(n, "exclude_precedence"));
    let concurrency = fields.optional("concurrency").map(|n| report.read_count(n, "concurrency", 1, 10_000));
    let keep_going = fields.optional("keep_going").map(|n| report.read_boolean(n, "keep_going"));
    let max_failures = fields.optional("max_failures").map(|n| read_max_failures(n, report));
    let order_by = fields.optional("order_by").map(|n| report.read_text(n, "order_by"));
    let user_may_narrow = fields.optional("user_may_narrow").map(|n| report.read_boolean(n, "user_may_narrow"));
    fields.finish(report);
    Some(NodeDispatch {
        filter: filter?,
        exclude_precedence: exclude_precedence.unwrap_or(Some(true))?,
        concurrency: concurrency.unwrap_or(Some(1))?,
        keep_going: keep_going.unwrap_or(Some(false))?,
        max_failures: match max_failures {
            Some(read) => Some(read?),
            None => None,
        },
        order_by: order_by.unwrap_or_else(|| Some("name".to_owned()))?,
        user_may_narrow: user_may_narrow.unwrap_or(Some(false))?,
    })
}

/// Reads a node filter that is fixed when the job is saved.
pub(super) fn read_filter(node: &Node, key: &str, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, key)?;
    if let Some(at) = text.find("${") {
        let span = node.inside(at, report.text());
        let hint = "let people choose with `user_may_narrow: true`, or with an option of type `node`";
        report.error("not_supported_yet", span, "placeholders in a node filter are not supported", Some(hint));
        return None;
    }
    match NodeFilter::parse(&text) {
        Ok(_) => Some(text),
        Err(error) => {
            let span = node.inside(error.offset, report.text());
            report.error(
                "bad_node_filter",
                span,
                error.message,
                Some("write for example `tags: web+prod !name: web3`"),
            );
            None
        }
    }
}

fn read_max_failures(node: &Node, report: &mut Report<'_>) -> Option<MaxFailures> {
    let percent = node.scalar().and_then(|s| s.text.trim().strip_suffix('%'));
    let Some(digits) = percent else {
        if node.scalar().is_none_or(|s| s.integer().is_none()) {
            report.wrong_type(node, "`max_failures`", "a number of nodes, or a share such as `10%`", None);
            return None;
        }
        return report.read_count(node, "max_failures", 0, 100_000).map(MaxFailures::Count);
    };
    match digits.trim().parse::<u8>() {
        Ok(n) if n <= 100 => Some(MaxFailures::Percent(n)),
        _ => {
            report.error(
                "out_of_range",
                node.span,
                "`max_failures` is not a share of the nodes",
                Some("use `0%` to `100%`, or a number of nodes"),
            );
            None
        }
    }
}
