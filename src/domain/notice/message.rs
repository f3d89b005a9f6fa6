//! The words of a notice. What people wrote stands in them on one line and without anything that could end a header, turn
//! the reading direction or pass for a line of Interlock's; each way out escapes it in its own way as well.

use super::NoticeKind;
use crate::domain::ids::RunNumber;
use crate::domain::time::Timestamp;

/// What is known of a notice when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What happened.
    pub kind: NoticeKind,
    /// The project.
    pub project: String,
    /// The job, with its group.
    pub job: Option<String>,
    /// The run.
    pub run: Option<RunNumber>,
    /// The rule.
    pub rule: Option<String>,
    /// How many more events of the rule it stands for.
    pub more: u32,
    /// The state of the request, or of the run where it needed none.
    pub state: Option<&'static str>,
    /// Who asked for the run.
    pub requester: Option<String>,
    /// Why, in their words.
    pub reason: String,
    /// The run's environment.
    pub environment: Option<String>,
    /// On how many nodes it runs.
    pub nodes: usize,
    /// The first characters of the plan's digest.
    pub digest: Option<String>,
    /// When the request expires.
    pub expires_at: Option<Timestamp>,
    /// What is still missing: `1 × manager`.
    pub missing: String,
    /// Who can sign now; only where a channel is told, whose readers are others as well.
    pub signers: Vec<String>,
    /// Who did what happened.
    pub actor: Option<String>,
    /// What they said, or what there is to say.
    pub words: String,
    /// Where to look.
    pub link: String,
}

/// A notice in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it says, in full.
    pub about: About,
    /// One line: `[ops] #12 restart-service waits for your signature`.
    pub subject: String,
    /// What each line is called, and what it says.
    pub lines: Vec<(&'static str, String)>,
    /// What the link does.
    pub link_words: &'static str,
}

/// The longest text of somebody's own that is passed on, in characters.
const LONGEST: usize = 600;

/// Makes the message.
#[must_use]
pub fn compose(about: About) -> Message {
    let job = about.job.as_deref().map(|job| one_line(job, 200));
    let what = match (about.run, &job) {
        (Some(run), Some(job)) => format!("#{run} {job}"),
        (Some(run), None) => format!("#{run}"),
        (None, Some(job)) => job.clone(),
        (None, None) => String::new(),
    };
    let actor = about.actor.as_deref().map(|a| one_line(a, 100));
    let rule = format!("the rule {}", about.rule.as_deref().map(|r| one_line(r, 128)).unwrap_or_default());
    let more = if about.more > 0 { format!(" and {} more", about.more) } else { String::new() };
    let state = about.state.unwrap_or("decided");
    let by = actor.as_ref().map(|a| format!(" by {a}")).unwrap_or_default();
    let happened = match about.kind {
        NoticeKind::ApprovalAsked => format!("{what} waits for a signature"),
        NoticeKind::ApprovalReminder => format!("{what} still waits for a signature"),
        NoticeKind::ApprovalSigned => format!("{what} was signed{by} and still waits for a signature"),
        NoticeKind::ApprovalEscalated => format!("{what} has waited for a signature for too long"),
        NoticeKind::ApprovalDecided => format!("{what} was {state}{by}").replace("was expired", "expired unsigned"),
        NoticeKind::ApprovalPushedBack => format!("{what} was sent back{by}"),
        NoticeKind::ApprovalVoid => format!("the request for {what} is void"),
        NoticeKind::BreakGlass => format!("{what} was started without signatures{by}"),
        NoticeKind::ReviewOverdue => format!("nobody has reviewed {what} in time, which ran without signatures"),
        NoticeKind::Delegated => format!("a signature was delegated{by}"),
        NoticeKind::RunEnded => format!("{what} is {state}"),
        NoticeKind::RuleTold => format!("{rule}: {}{more}", one_line(&about.words, 120)),
        NoticeKind::RuleEscalated => format!("{rule} has stopped itself: its breaker opened"),
        NoticeKind::RuleDemoted => format!("{rule} is back in dry run{by}"),
        NoticeKind::General => one_line(&about.words, 120),
    };
    let subject = one_line(&format!("[{}] {happened}", about.project), 200);
    let mut lines = Vec::new();
    let mut line = |name: &'static str, text: String| {
        if !text.is_empty() {
            lines.push((name, text));
        }
    };
    line("What", what);
    line("Project", one_line(&about.project, 100));
    line("Rule", about.rule.as_deref().map(|r| one_line(r, 128)).unwrap_or_default());
    line("Environment", about.environment.as_deref().map(|e| one_line(e, 100)).unwrap_or_default());
    line("Nodes", if about.run.is_some() { about.nodes.to_string() } else { String::new() });
    line("Asked by", about.requester.as_deref().map(|r| one_line(r, 100)).unwrap_or_default());
    line("Why", one_line(&about.reason, LONGEST));
    line("By", actor.unwrap_or_default());
    line("In words", one_line(&about.words, LONGEST));
    line("And more", if about.more > 0 { format!("{} more events of this rule", about.more) } else { String::new() });
    line("Missing", about.missing.clone());
    line("Can sign now", about.signers.iter().map(|s| one_line(s, 100)).collect::<Vec<_>>().join(", "));
    line("Plan", about.digest.clone().unwrap_or_default());
    line("Expires", about.expires_at.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default());
    let link_words = if about.kind.asks_to_sign() { "Look at the plan and decide" } else { "Look at it in Interlock" };
    Message { subject, lines, link_words, about }
}

/// The text on one line of at most so many characters: line ends, control characters and what turns the reading direction
/// become spaces.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() || turns(c) || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect();
    let words = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(kind: NoticeKind) -> About {
        About {
            kind,
            project: "ops".to_owned(),
            job: Some("web/restart\r\nBcc: evil@example.com".to_owned()),
            run: Some(RunNumber::new(12)),
            rule: Some("disk\nfull".to_owned()),
            more: 37,
            state: Some("rejected"),
            requester: Some("alice".to_owned()),
            reason: "first\nPlan: 0000\u{202e}\u{2028}last".to_owned(),
            environment: Some("production".to_owned()),
            nodes: 3,
            digest: Some("0123abcd".to_owned()),
            expires_at: Some(Timestamp::UNIX_EPOCH),
            missing: "1 × manager".to_owned(),
            signers: Vec::new(),
            actor: Some("maria".to_owned()),
            words: "x".repeat(5_000),
            link: "https://interlock.example.com/approvals/1".to_owned(),
        }
    }

    #[test]
    fn every_kind_has_a_subject_and_nothing_breaks_out_of_a_line() {
        for kind in NoticeKind::ALL {
            let message = compose(about(*kind));
            assert!(message.subject.starts_with("[ops] ") && message.subject.len() > 8, "{}", message.subject);
            let all = message.lines.iter().map(|(_, text)| text).chain([&message.subject]);
            for text in all {
                assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '\u{2028}'), "{text:?}");
                assert!(text.chars().count() <= LONGEST + 1);
            }
            let why = message.lines.iter().find(|(name, _)| *name == "Why").unwrap();
            assert_eq!(why.1, "first Plan: 0000 last");
        }
        let decided = compose(about(NoticeKind::ApprovalDecided));
        assert_eq!(decided.subject, "[ops] #12 web/restart Bcc: evil@example.com was rejected by maria");
    }

    #[test]
    fn what_a_rule_tells_says_how_much_it_stands_for() {
        let told = About { words: "Disk is full\non web1".to_owned(), ..about(NoticeKind::RuleTold) };
        assert_eq!(compose(told.clone()).subject, "[ops] the rule disk full: Disk is full on web1 and 37 more");
        let alone = compose(About { more: 0, ..told });
        assert_eq!(alone.subject, "[ops] the rule disk full: Disk is full on web1");
        assert!(!alone.lines.iter().any(|(name, _)| *name == "And more"), "{:?}", alone.lines);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(one_line("äöü", 2), "äö…");
        assert_eq!(one_line("äöü", 3), "äöü");
    }
}
