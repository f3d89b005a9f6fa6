//! The words that pages use for states, people, times and addresses, in one place so that they are the same everywhere.

use crate::app::App;
use crate::app::definitions::Kind;
use crate::domain::access::Principal;
use crate::domain::approval::RequestState;
use crate::domain::ids::{Environment, JobPath, ProjectName};
use crate::domain::plan::Origin;
use crate::domain::run::{State, StepState};
use crate::domain::time::{Seconds, Timestamp};

/// A run's state in words.
#[must_use]
pub fn state(state: State) -> &'static str {
    match state {
        State::PendingApproval => "waits for sign-off",
        State::Scheduled => "scheduled",
        State::Queued => "queued",
        State::Running => "running",
        State::Succeeded => "succeeded",
        State::Failed => "failed",
        State::TimedOut => "timed out",
        State::Canceling => "canceling",
        State::Canceled => "canceled",
        State::Rejected => "rejected",
        State::Expired => "expired",
        State::Unknown => "unknown",
        State::DryRun => "dry run",
    }
}

/// A step's state in words.
#[must_use]
pub fn step(state: StepState) -> &'static str {
    match state {
        StepState::Waiting => "waiting",
        StepState::Running => "running",
        StepState::Succeeded => "ok",
        StepState::Failed => "failed",
        StepState::TimedOut => "timed out",
        StepState::Canceled => "canceled",
        StepState::Skipped => "skipped",
        StepState::Unknown => "unknown",
    }
}

/// A request's state in words.
#[must_use]
pub fn request(state: RequestState) -> &'static str {
    match state {
        RequestState::Pending => "waits for sign-off",
        RequestState::PushedBack => "pushed back",
        RequestState::Approved => "approved",
        RequestState::Rejected => "rejected",
        RequestState::Expired => "expired",
        RequestState::Void => "void",
        RequestState::Used => "approved and started",
    }
}

/// Who, with their kind where it is not a person.
#[must_use]
pub fn who(principal: &Principal) -> String {
    match principal {
        Principal::User(name) => name.to_string(),
        Principal::Service(name) => format!("service {name}"),
        Principal::Operator(name) => format!("{name} (command line)"),
        Principal::System => "Interlock".to_owned(),
    }
}

/// How a run was asked for.
#[must_use]
pub fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Button => "by the button".to_owned(),
        Origin::Api => "through the API".to_owned(),
        Origin::Cli => "on the command line".to_owned(),
        Origin::Chat => "in a chat".to_owned(),
        Origin::Webhook { name, .. } => format!("by webhook {name}"),
        Origin::Rule { name, .. } => format!("by rule {name}"),
        Origin::Schedule { name } => format!("by schedule {name}"),
    }
}

/// A length of time between two moments: `4s`, `2m 5s`.
#[must_use]
pub fn took(from: Timestamp, to: Timestamp) -> String {
    let millis = (to - from).num_milliseconds().max(0);
    if millis < 1_000 {
        return "under 1s".to_owned();
    }
    Seconds::new(u64::try_from(millis / 1_000).unwrap_or(0)).to_string()
}

/// How long until a moment: `in 3h 12m`; `now` when it has come.
#[must_use]
pub fn until(at: Timestamp, now: Timestamp) -> String {
    let left = u64::try_from((at - now).num_seconds()).unwrap_or(0);
    match left {
        0 => "now".to_owned(),
        1..60 => format!("in {left}s"),
        _ => format!("in {}", Seconds::new(left / 60 * 60)),
    }
}

/// A part of an address: everything but plain letters, digits and `/` is encoded.
#[must_use]
pub fn encoded(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

/// A value in a query.
#[must_use]
pub fn in_query(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The address of the editor of a definition.
#[must_use]
pub fn edit_href(project: &ProjectName, kind: Kind, name: &str) -> String {
    format!("/projects/{project}/edit/{}/{}", kind.as_str(), encoded(name))
}

/// The address of a job's page.
#[must_use]
pub fn job_href(project: &ProjectName, job: &JobPath) -> String {
    format!("/projects/{project}/jobs/{}", encoded(&job.to_string()))
}

/// Whether this is the project's strictest environment, which pages mark.
#[must_use]
pub fn is_strict(app: &App, project: &ProjectName, environment: Option<&Environment>) -> bool {
    let known = app.known();
    let top = known.projects.get(project).and_then(|p| p.project.environments.last());
    environment.is_some() && top == environment
}

/// `1 node`, `2 nodes`.
#[must_use]
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::{encoded, took, until};
    use crate::domain::time::Timestamp;

    #[test]
    fn addresses_keep_their_slashes_and_nothing_else() {
        assert_eq!(encoded("a b/c+(d)?#"), "a%20b/c%2B%28d%29%3F%23");
    }

    #[test]
    fn lengths_of_time_are_read_aloud() {
        let at = |s: i64| Timestamp::from_timestamp(s, 0).unwrap();
        assert_eq!(took(at(10), at(10)), "under 1s");
        assert_eq!(took(at(10), at(135)), "2m 5s");
        assert_eq!(took(at(10), at(5)), "under 1s");
        assert_eq!(until(at(7_290), at(10)), "in 2h 1m");
        assert_eq!(until(at(5), at(10)), "now");
    }
}
