//! What each operation of the API takes and answers, for the description that programs read.

/// An operation beyond what the route table says of it.
pub(super) struct Operation {
    /// Its id: a verb and what it is about.
    pub(super) id: &'static str,
    /// One sentence without a full stop.
    pub(super) summary: &'static str,
    /// Query parameters: name and what it means.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// What the body has to be.
    pub(super) request: Option<Body>,
    /// The status of a success and the schema of its body.
    pub(super) answer: (u16, Option<&'static str>),
}

/// A body: its media type and the name of its schema.
pub(super) struct Body(pub(super) &'static str, pub(super) &'static str);

const CURSOR: (&str, &str) = ("cursor", "`next` of the page before");
const LIMIT: (&str, &str) = ("limit", "how many items, at most 200");
/// Which events are wanted.
const EVENTS: &[(&str, &str)] = &[
    ("project", "of this project"),
    ("source", "from this source: webhook:NAME, api"),
    ("type", "of this type"),
    ("rule", "that this rule looked at"),
    ("outcome", "of which this was made; by the rule, where one is named"),
    ("since", "from this time on, or so long ago: 14d"),
    ("until", "before this time"),
    CURSOR,
    LIMIT,
];
const SINCE: (&str, &str) = ("since", "not before this time, RFC 3339");
const JSON: &str = "application/json";

/// The operation of a route; `None` for one that nobody described, which a test refuses.
pub(super) fn of(method: &str, path: &str) -> Option<Operation> {
    let operation = |id, summary, answer| Operation { id, summary, query: &[], request: None, answer };
    Some(match (method, path) {
        ("POST", "/hooks/{address}") => Operation {
            request: Some(Body("application/json", "Anything")),
            ..operation("deliver", "Deliver to a webhook by its name or its token", (202, Some("Accepted")))
        },
        ("POST", "/hooks/slack/actions") => Operation {
            request: Some(Body("application/x-www-form-urlencoded", "Anything")),
            ..operation("pressButton", "Take a press of a button in Slack, signed by Slack", (200, Some("Pressed")))
        },
        ("POST", "/hooks/slack/commands") => Operation {
            request: Some(Body("application/x-www-form-urlencoded", "Anything")),
            ..operation("typeCommand", "Take a slash command, signed by Slack", (200, Some("Pressed")))
        },
        ("POST", "/api/v1/session") => Operation {
            request: Some(Body(JSON, "Credentials")),
            ..operation("openSession", "Sign in; sets the cookie", (200, Some("OpenedSession")))
        },
        ("GET", "/api/v1/session") => operation("showSession", "Who is signed in", (200, Some("Session"))),
        ("DELETE", "/api/v1/session") => operation("closeSession", "Sign out", (204, None)),
        ("GET", "/api/v1/projects") => operation("listProjects", "Projects", (200, Some("ProjectList"))),
        ("GET", "/api/v1/projects/{project}/jobs") => {
            operation("listJobs", "Jobs of a project", (200, Some("JobList")))
        }
        ("POST", "/api/v1/projects/{project}/jobs/{job:.+}/runs") => Operation {
            request: Some(Body(JSON, "RunRequest")),
            ..operation("requestRun", "Ask for a run of a job", (201, Some("Run")))
        },
        ("GET", "/api/v1/projects/{project}/jobs/{job:.+}") => {
            operation("showJob", "A job by group and name or by id", (200, Some("Job")))
        }
        ("PUT", "/api/v1/projects/{project}/jobs/{job:.+}") => Operation {
            query: &[("dry_run", "true: only check"), ("message", "why, for the history")],
            request: Some(Body("application/yaml", "Definition")),
            ..operation(
                "saveJob",
                "Save a job from its YAML; `If-Match` names the revision it is based on",
                (200, Some("SavedJob")),
            )
        },
        ("GET", "/api/v1/runs") => Operation {
            query: &[
                ("project", "of this project"),
                ("job", "of this job: group and name, or id"),
                ("state", "in one of these states, joined by commas"),
                ("user", "asked for by this principal"),
                ("node", "with this node"),
                ("option.NAME", "with this value of the option NAME"),
                SINCE,
                CURSOR,
                LIMIT,
            ],
            ..operation("listRuns", "Runs, newest first", (200, Some("RunList")))
        },
        ("GET", "/api/v1/runs/{number}") => operation("showRun", "A run with its plan and steps", (200, Some("Run"))),
        ("GET", "/api/v1/runs/{number}/log") => Operation {
            query: &[
                ("offset", "from this offset on"),
                ("limit", "how many lines, at most 10000"),
                ("node", "of this node"),
                ("step", "of this step"),
                ("text", "that contain this text"),
                ("follow", "true: server-sent events until the run ends"),
            ],
            ..operation("readLog", "Output of a run, as JSON or text/plain by `Accept`", (200, Some("Log")))
        },
        ("GET", "/api/v1/runs/{number}/document") => operation(
            "runDocument",
            "The signed document of a run, for an auditor: plan, signatures, its part of the record",
            (200, Some("SignedDocument")),
        ),
        ("POST", "/api/v1/runs/{number}/cancel") => operation("cancelRun", "Cancel a run", (200, Some("Run"))),
        ("GET", "/api/v1/approvals") => Operation {
            query: &[
                ("state", "in this state: pending, pushed_back, approved, rejected, expired, void, used"),
                CURSOR,
                LIMIT,
            ],
            ..operation("listApprovals", "Approval requests, newest first", (200, Some("ApprovalList")))
        },
        ("GET", "/api/v1/approvals/{id}") => {
            operation("showApproval", "An approval request with its frozen plan", (200, Some("Approval")))
        }
        ("POST", "/api/v1/approvals/{id}/decision") => Operation {
            request: Some(Body(JSON, "Decision")),
            ..operation(
                "decideApproval",
                "Approve, push back or reject, as a person with a fresh session",
                (200, Some("Approval")),
            )
        },
        ("POST", "/api/v1/approvals/{id}/again") => Operation {
            request: Some(Body(JSON, "Anything")),
            ..operation("askAgain", "Ask again for what ended without a run", (201, Some("Run")))
        },
        ("GET", "/api/v1/break-glass") => operation(
            "listBreakGlass",
            "Runs that did not wait, not reviewed ones first",
            (200, Some("BreakGlassList")),
        ),
        ("POST", "/api/v1/break-glass/{number}/review") => Operation {
            request: Some(Body(JSON, "Review")),
            ..operation("reviewBreakGlass", "Sign a run off that did not wait, as another person", (204, None))
        },
        ("GET", "/api/v1/delegations") => operation(
            "listDelegations",
            "Who signs for the caller, and for whom the caller does",
            (200, Some("DelegationList")),
        ),
        ("POST", "/api/v1/delegations") => Operation {
            request: Some(Body(JSON, "NewDelegation")),
            ..operation("delegate", "Let somebody of the same role sign for the caller", (201, Some("Delegation")))
        },
        ("DELETE", "/api/v1/delegations/{id}") => operation("endDelegation", "End a delegation now", (204, None)),
        ("GET", "/api/v1/events") => {
            Operation { query: EVENTS, ..operation("listEvents", "Events, newest first", (200, Some("EventList"))) }
        }
        ("GET", "/api/v1/events/export") => Operation {
            query: &[("format", "ndjson or csv")],
            ..operation("exportEvents", "Events with payloads as a file; takes the filters of the list", (200, None))
        },
        ("GET", "/api/v1/events/counts") => Operation {
            query: &[("project", "of this project"), ("of", "events or rules")],
            ..operation("countEvents", "How many events were removed, by day", (200, Some("EventCountList")))
        },
        ("POST", "/api/v1/events") => Operation {
            request: Some(Body(JSON, "PostedEvent")),
            ..operation("postEvent", "Post an event; it is stored once for each key", (202, Some("Accepted")))
        },
        ("GET", "/api/v1/events/{id}") => {
            operation("showEvent", "An event with its payload and verdicts", (200, Some("Event")))
        }
        ("GET", "/api/v1/events/{id}/verdicts") => {
            operation("listVerdicts", "What rules made of an event, each with its reasons", (200, Some("VerdictList")))
        }
        ("GET", "/api/v1/aliases") => {
            operation("listAliases", "Words of a chat that ask for a run", (200, Some("AliasList")))
        }
        ("GET", "/api/v1/sources") => operation("listSources", "Sources of events", (200, Some("SourceList"))),
        ("GET", "/api/v1/sources/{project}/{name}") => {
            operation("showSource", "A source and where it stands", (200, Some("Source")))
        }
        ("POST", "/api/v1/sources/{project}/{name}/enabled") => Operation {
            request: Some(Body(JSON, "SourceSwitch")),
            ..operation("switchSource", "Turn a source on or off", (200, Some("Source")))
        },
        ("POST", "/api/v1/events/{id}/labels") => Operation {
            request: Some(Body(JSON, "TaughtLabel")),
            ..operation("teachLabel", "Say what an event really is", (200, Some("TaughtLabel")))
        },
        ("GET", "/api/v1/enrichers") => operation("listEnrichers", "What labels events", (200, Some("EnricherList"))),
        ("GET", "/api/v1/enrichers/{project}/{name}") => {
            operation("showEnricher", "An enricher and what it made of an event last", (200, Some("Enricher")))
        }
        ("GET", "/api/v1/rules") => operation("listRules", "Rules", (200, Some("RuleList"))),
        ("GET", "/api/v1/rules/{project}/{name}") => {
            operation("showRule", "A rule with its history and its promotion", (200, Some("RuleDetail")))
        }
        ("PUT", "/api/v1/rules/{project}/{name}") => Operation {
            query: &[("dry_run", "true only checks"), ("message", "why, for the history")],
            request: Some(Body("application/yaml", "Definition")),
            ..operation("saveRule", "Save a rule; any edit puts it back to dry run", (200, Some("SavedJob")))
        },
        ("POST", "/api/v1/rules/{project}/{name}/promotion") => Operation {
            request: Some(Body(JSON, "Promotion")),
            ..operation(
                "promoteRule",
                "Ask for or confirm a promotion, go back, close the breaker",
                (200, Some("RuleDetail")),
            )
        },
        ("POST", "/api/v1/rules/{project}/{name}/marks") => Operation {
            request: Some(Body(JSON, "EnforcementMark")),
            ..operation("markEnforcement", "Mark a would-have-done right or wrong", (200, Some("RuleDetail")))
        },
        ("POST", "/api/v1/rules/{project}/{name}/backtest") => Operation {
            request: Some(Body(JSON, "Backtest")),
            ..operation("backtestRule", "Hold a rule against stored events", (200, Some("BacktestReport")))
        },
        ("GET", "/api/v1/rules/{project}/{name}/backtests") => {
            operation("listBacktests", "The newest backtests of a rule", (200, Some("BacktestList")))
        }
        ("GET", "/api/v1/backtests/{id}") => {
            operation("getBacktest", "A backtest as far as it is", (200, Some("BacktestReport")))
        }
        ("POST", "/api/v1/backtests/{id}/cancel") => {
            operation("cancelBacktest", "Stop a backtest", (200, Some("BacktestReport")))
        }
        ("GET", "/api/v1/audit") => Operation {
            query: &[
                ("project", "of this project"),
                ("actor", "by this principal"),
                ("action", "whose action begins so"),
                ("resource", "on exactly this resource"),
                SINCE,
                CURSOR,
                LIMIT,
            ],
            ..operation("listAudit", "Entries of the record, newest first", (200, Some("AuditList")))
        },
        ("GET", "/api/v1/notices/undelivered") => {
            let summary = "Notices that did not arrive, for who administers the installation";
            operation("listUndelivered", summary, (200, Some("UndeliveredList")))
        }
        ("POST", "/api/v1/people/same-person") => Operation {
            request: Some(Body(JSON, "SamePerson")),
            ..operation(
                "setPerson",
                "Say that two accounts belong to one person, or that one belongs to a person of its own",
                (200, Some("SamePerson")),
            )
        },
        ("GET", "/api/v1/openapi.json") => operation("describe", "This document", (200, Some("Anything"))),
        _ => return None,
    })
}
