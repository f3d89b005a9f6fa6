//! The YAML parser's errors as sentences for people who do not read YAML specifications.

use granit_parser::ErrorKind as E;

/// A sentence and, where there is a usual cause, what to do.
pub(super) fn explain(kind: &E) -> (String, Option<&'static str>) {
    let plain = |text: &str, hint: Option<&'static str>| (text.to_owned(), hint);
    match kind {
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabInPlainScalar
        | E::TabAtBlockScalarStart => plain("a tab stands where YAML allows spaces only", Some("indent with spaces")),
        E::UnclosedQuotedScalar | E::UnexpectedEndOfPlainScalar => {
            plain("a quote is opened here and never closed", Some("add the closing quote"))
        }
        E::UnclosedFlowCollection { open } => {
            (format!("`{open}` is opened here and never closed"), Some("add the closing bracket"))
        }
        E::UnexpectedEofFlowSequence => plain("a list opened with `[` is never closed", Some("add the closing `]`")),
        E::UnexpectedEofFlowMapping | E::UnexpectedEofImplicitFlowMapping => {
            plain("a map opened with `{` is never closed", Some("add the closing `}`"))
        }
        E::MismatchedFlowCollectionEnd { open, close } => {
            (format!("`{open}` is closed by `{close}`"), Some("close each bracket with its own kind"))
        }
        E::MisplacedFlowCollectionEnd => {
            plain("a bracket is closed here that was never opened", Some("remove it, or put the text in quotes"))
        }
        E::ExpectedFlowMappingSeparator => plain(
            "`,` or `}` is missing in a map written in braces",
            Some("separate the entries with `,`, and put a text that holds `,`, `{`, `}` or `: ` in quotes"),
        ),
        E::ExpectedFlowSequenceSeparator => plain(
            "`,` or `]` is missing in a list written in brackets",
            Some("separate the items with `,`, and put a text that holds `,`, `[`, `]` or `: ` in quotes"),
        ),
        E::ExpectedBlockMappingKey | E::SimpleKeyExpected | E::InvalidSimpleKey => plain(
            "this line is neither a `key: value` of the map around it nor a part of the value before it",
            Some("check its indentation, and that each key ends in `: `"),
        ),
        E::ExpectedBlockSequenceEntry | E::BlockSequenceEntryNotAllowed => plain(
            "a list item `- …` is expected, or stands where none can be",
            Some("indent every item of a list alike"),
        ),
        E::InvalidIndentation
        | E::InvalidQuotedScalarIndent
        | E::InvalidFlowScalarIndent
        | E::InvalidBlockScalarIndent => plain(
            "this line is indented less or more than the lines that it belongs to",
            Some("indent entries of one map or list alike"),
        ),
        E::MappingKeyNotAllowed
        | E::MappingValueNotAllowed
        | E::InvalidColonPlacement
        | E::InvalidMappingValueWhitespace => plain(
            "a `:` makes this a key, where no key can be",
            Some("put a text that holds `: ` in quotes, and check the indentation"),
        ),
        E::InvalidTrailingSingleQuotedScalar | E::InvalidTrailingDoubleQuotedScalar => plain(
            "text follows after a closing quote",
            Some("put the whole value in quotes; inside `'…'` write `''` for a quote"),
        ),
        E::UnknownQuotedScalarEscape | E::InvalidQuotedScalarHexEscape | E::InvalidUnicodeEscape => plain(
            "a backslash in double quotes is followed by something that is no escape",
            Some("use single quotes, where a backslash stays as it is"),
        ),
        E::UnknownAnchor => plain(
            "an alias `*name` refers to an anchor that does not stand before it",
            Some("put a text that starts with `*` in quotes"),
        ),
        E::MissingAnchorOrAliasName => {
            plain("`&` or `*` is followed by no name", Some("put a text that starts with `&` or `*` in quotes"))
        }
        E::UnexpectedCharacter { character } => {
            (format!("a value cannot start with `{}`", character.escape_default()), Some("put the text in quotes"))
        }
        E::PlainScalarStartsWithDashFlowIndicator | E::BlockEntryInFlowCollection => {
            plain("`-` cannot stand here inside brackets", Some("put the text in quotes"))
        }
        E::DirectiveDisallowed => plain(
            "YAML directives (`%…`) are not read",
            Some("remove the line, or put a text that starts with `%` in quotes"),
        ),
        E::RecursionLimitExceeded => plain("this is nested too deeply", Some("nest at most 64 levels")),
        E::CommentNotSeparated => {
            plain("a comment needs a space before its `#`", Some("add a space, or put a text that holds `#` in quotes"))
        }
        E::CommentInterceptedScalar => plain(
            "a comment stands between the lines of one text",
            Some("move the comment, or write the text with `|`"),
        ),
        E::BomInsideDocument => plain("an invisible byte-order mark stands inside the document", Some("delete it")),
        E::DocumentIndicatorInQuotedScalar => {
            plain("`---` or `...` stands inside a quoted text", Some("close the quote before it"))
        }
        E::InvalidBlockScalarHeader | E::ZeroBlockScalarIndent => plain(
            "only a comment can follow after `|` or `>` on the same line",
            Some("begin the text on the next line"),
        ),
        E::UndeclaredTagHandle
        | E::ExpectedTagBang
        | E::InvalidTagTerminator
        | E::MissingTagUri
        | E::UnclosedVerbatimTag => {
            plain("a value that starts with `!` is a YAML tag, and tags are not read", Some("put the text in quotes"))
        }
        E::InvalidDocumentEnd => {
            plain("text follows after the document's end `...`", Some("start a new document with `---`"))
        }
        other => (format!("this is not YAML: {other}"), None),
    }
}
