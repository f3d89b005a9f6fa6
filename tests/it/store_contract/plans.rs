//! Every list is read along an index: the statements that the store really sends, held against SQLite's own plan.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;
use diesel::sql_types::Text;
use interlock::domain::access::Principal;
use interlock::domain::approval::RequestState;
use interlock::domain::digest::Digest;
use interlock::domain::ids::{ApprovalId, EventId, HostName, JobId, NodeName, NoticeId, OptionName, RunNumber};
use interlock::domain::notice::address::SlackAccount;
use interlock::domain::run::State;
use interlock::store::definitions::Kind;
use interlock::store::events::history::{Filter, Wanted};
use interlock::store::rules::backtests;
use interlock::store::{
    Conn, StoreError, approval_timers, approvals, audit, definitions, events, host_keys, idempotency, notices,
    projects, runs, secrets, sessions, sign_in, tokens, users, webhook_tokens,
};

use super::access::{at, key, ops, user};
use super::databases::sqlite;

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn every_read(c: &mut Conn) -> Result<(), StoreError> {
    let id = uuid::Uuid::nil();
    let alice = Principal::parse("user:alice").unwrap();
    let job = JobId::parse("j").unwrap();
    projects::list(c, Some(&ops()), 9)?;
    users::list(c, Some(&user("a")), 9)?;
    sessions::find_live(c, &Digest::of(b""), at(0))?;
    sessions::list_live(c, &user("a"), at(0), 9)?;
    sign_in::failures(c, "a")?;
    for principal in [None, Some(&alice)] {
        for after in [None, Some((at(0), "x".to_owned()))] {
            tokens::list(c, principal, after, 9)?;
        }
    }
    tokens::find_live(c, &Digest::of(b""), at(0))?;
    definitions::list(c, &ops(), Kind::Job, Some("a"), 9)?;
    definitions::find(c, &ops(), Kind::Job, "a")?;
    definitions::find_job(c, &ops(), &job)?;
    definitions::current(c, Kind::Access, None)?;
    definitions::current(c, Kind::Job, Some(&ops()))?;
    definitions::history(c, "x", Some(3), 9)?;
    secrets::list(c, Some(&key("keys/a")), 9)?;
    secrets::versions(c, &key("keys/a"), 9)?;
    secrets::newest(c, &key("keys/a"))?;
    host_keys::list(c, &ops())?;
    host_keys::of_host(c, &ops(), &HostName::parse("h").unwrap(), 22)?;
    webhook_tokens::find(c, &Digest::of(b""))?;
    idempotency::find(c, &alice, "k", "r", &Digest::of(b""))?;

    let filters = |f: &mut dyn FnMut(runs::Filter)| {
        let one = || runs::Filter { projects: vec![ops()], ..runs::Filter::default() };
        let states = vec![State::Failed, State::Running];
        f(runs::Filter::default());
        f(one());
        f(runs::Filter { job: Some(JobId::parse("j").unwrap()), ..one() });
        f(runs::Filter { job: Some(JobId::parse("j").unwrap()), states: states.clone(), ..one() });
        f(runs::Filter { states: states.clone(), ..one() });
        f(runs::Filter { states, ..runs::Filter::default() });
        f(runs::Filter { requester: Principal::parse("user:a"), ..runs::Filter::default() });
        f(runs::Filter { node: NodeName::parse("n").ok(), ..one() });
        f(runs::Filter { option: Some((OptionName::parse("o").unwrap(), "v".to_owned())), ..one() });
        f(runs::Filter { since: Some(at(0)), until: Some(at(9)), ..one() });
    };
    let mut result = Ok(());
    filters(&mut |filter| {
        for before in [None, Some(RunNumber::new(9))] {
            if let Err(error) = runs::list(c, &filter, before, 9) {
                result = Err(error);
            }
        }
    });
    result?;
    runs::queued(c, 9)?;
    runs::due(c, at(0), 9)?;
    runs::leased(c, 9)?;
    runs::count_under_way(c, "k")?;
    runs::under_way_and_next(c, "k")?;
    runs::last_success(c, &ops(), &job)?;
    runs::recent_outcomes(c, &ops(), &[job.clone(), job], 5)?;
    runs::steps(c, RunNumber::new(1))?;
    runs::nodes(c, RunNumber::new(1))?;
    runs::options(c, RunNumber::new(1))?;
    for projects in [vec![], vec![ops()]] {
        for state in [None, Some(RequestState::Pending)] {
            for after in [None, Some((at(0), ApprovalId::new(id)))] {
                approvals::list(c, &approvals::Filter { state, projects: projects.clone() }, after, 9)?;
            }
        }
    }
    approval_timers::due(c, at(0), 9)?;
    let some = || Some("api".to_owned());
    for filter in [
        Filter::default(),
        Filter { source: some(), ..Filter::default() },
        Filter { event_type: some(), ..Filter::default() },
        Filter { rule: some(), since: Some(at(0)), ..Filter::default() },
        Filter { rule: some(), outcome: Wanted::parse("held", true), ..Filter::default() },
    ] {
        for after in [None, Some((at(0), EventId::new(id)))] {
            events::list(c, &ops(), &filter, after, 9)?;
        }
    }
    events::tallies(c, &ops(), true, 9)?;
    backtests::of_rule(c, &ops(), "r", 9)?;
    backtests::forsaken(c, at(0), at(0))?;
    events::pending(c, 9)?;
    notices::due(c, at(0), 9)?;
    notices::due_deliveries(c, at(0), 9)?;
    notices::troubled(c, 9)?;
    notices::unaddressed(c, 9)?;
    notices::troubled_deliveries(c, 9)?;
    users::by_slack(c, &SlackAccount::parse("T0001/U0001").unwrap())?;
    notices::of_notice(c, NoticeId::new(id))?;
    for after in [None, Some((at(0), NoticeId::new(id), "c".to_owned(), "r".to_owned()))] {
        notices::list_failed(c, after.as_ref(), 9)?;
    }
    let all = audit::Filter::default;
    for filter in [
        all(),
        audit::Filter { actor: Some(alice), ..all() },
        audit::Filter { resource: Some("r".to_owned()), ..all() },
        audit::Filter { project: Some("p".to_owned()), ..all() },
        audit::Filter { action_prefix: Some("run.".to_owned()), ..all() },
        audit::Filter { since: Some(at(0)), ..all() },
    ] {
        audit::list(c, &filter, Some(9), 9)?;
    }
    audit::walk(c, 0, 9)?;
    audit::head(c, at(0))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_list_reads_a_whole_table_or_sorts() {
    let fresh = sqlite();
    let sent: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&sent);
    let plans = fresh.db.read(move |c| {
        let into = Arc::clone(&log);
        c.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                into.lock().unwrap().push(query.to_string());
            }
        });
        every_read(c)?;
        c.set_instrumentation(|_: InstrumentationEvent<'_>| {});
        let statements: BTreeSet<String> = log
            .lock()
            .unwrap()
            .iter()
            .map(|text| text.split(" -- binds").next().unwrap_or_default().to_owned())
            .filter(|text| text.starts_with("SELECT"))
            .collect();
        let mut plans = Vec::new();
        for statement in statements {
            let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(c)?;
            plans.push((statement, steps.into_iter().map(|s| s.detail).collect::<Vec<_>>()));
        }
        Ok::<_, StoreError>(plans)
    });
    let plans = plans.await.unwrap();
    assert!(plans.len() > 50, "only {} statements were seen", plans.len());
    let reads_whole = |statement: &str, step: &str| {
        // A first page without any condition walks an index from its end and stops at the limit; `j0` and so on are
        // the few rows that a walk gave; the index of undecided events holds nothing else.
        let first_page = step.contains(" USING ") && !statement.contains("WHERE") && statement.contains("LIMIT");
        let whole_answer = step == "SCAN events USING INDEX events_undecided";
        step.starts_with("SCAN ") && !step.starts_with("SCAN j") && !first_page && !whole_answer
    };
    let sorts = |step: &str| step.contains("TEMP B-TREE");
    let bad: Vec<_> =
        plans.iter().filter(|(text, steps)| steps.iter().any(|step| reads_whole(text, step) || sorts(step))).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}
