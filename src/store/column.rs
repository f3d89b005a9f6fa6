//! How values stand in columns: words and ids as text, JSON as text, times in UTC to the microsecond.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{FromSql, FromStaticSqlRow, Queryable, Result as Read};
use diesel::sql_types::{BigInt, SingleValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::access::{Permission, Principal};
use crate::domain::approval::{ApprovalPolicy, Need, RequestState, TimerKind, Verdict};
use crate::domain::digest::Digest;
use crate::domain::event::EventVerdict;
use crate::domain::ids::{
    ApprovalId, DelegationId, EnricherName, Environment, EventId, FreezeName, GroupName, HostName, JobId, JobPath,
    KeyPath, NodeName, NoticeId, OptionName, ProjectName, RoleName, RunNumber, StepName, Ticket, UserName,
};
use crate::domain::notice::address::{MailAddress, SlackAccount};
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::plan::Origin;
use crate::domain::run::{State, StepState};
use crate::domain::time::Timestamp;

use super::error::StoreError;

/// A text in a column that is not what should stand there.
#[derive(Debug, thiserror::Error)]
#[error("`{found}` stands where {what} should")]
struct Unreadable {
    what: &'static str,
    found: String,
}

pub(super) fn unreadable(what: &'static str, found: String) -> Box<dyn std::error::Error + Send + Sync> {
    Unreadable { what, found }.into()
}

/// Lets a type be read from a text column. Writing goes through the text itself.
macro_rules! reads_text {
    ($($ty:ty, $what:literal, $parse:expr;)+) => {$(
        impl<DB> diesel::deserialize::FromSql<diesel::sql_types::Text, DB> for $ty
        where
            DB: diesel::backend::Backend,
            String: diesel::deserialize::FromSql<diesel::sql_types::Text, DB>,
        {
            fn from_sql(raw: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                let found = <String as diesel::deserialize::FromSql<diesel::sql_types::Text, DB>>::from_sql(raw)?;
                let parse: fn(&str) -> Option<$ty> = $parse;
                parse(&found).ok_or_else(|| $crate::store::column::unreadable($what, found))
            }
        }

        impl<DB, ST> diesel::deserialize::Queryable<ST, DB> for $ty
        where
            DB: diesel::backend::Backend,
            ST: diesel::sql_types::SingleValue,
            Self: diesel::deserialize::FromSql<ST, DB>,
        {
            type Row = Self;
            fn build(row: Self) -> diesel::deserialize::Result<Self> {
                Ok(row)
            }
        }
    )+};
}
pub(super) use reads_text;

reads_text! {
    ProjectName, "a project name", |t| ProjectName::parse(t).ok();
    JobId, "a job id", |t| JobId::parse(t).ok();
    JobPath, "a job name", |t| JobPath::parse(t).ok();
    UserName, "a user name", |t| UserName::parse(t).ok();
    Environment, "an environment", |t| Environment::parse(t).ok();
    NodeName, "a node name", |t| NodeName::parse(t).ok();
    HostName, "a host", |t| HostName::parse(t).ok();
    KeyPath, "a key path", |t| KeyPath::parse(t).ok();
    OptionName, "an option name", |t| OptionName::parse(t).ok();
    StepName, "a step name", |t| StepName::parse(t).ok();
    Ticket, "a ticket", |t| Ticket::parse(t).ok();
    Digest, "a digest", |t| Digest::parse(t).ok();
    Principal, "a principal", Principal::parse;
    ApprovalId, "an approval id", |t| ApprovalId::parse(t).ok();
    EnricherName, "an enricher's name", |t| EnricherName::parse(t).ok();
    DelegationId, "a delegation id", |t| DelegationId::parse(t).ok();
    RoleName, "a role", |t| RoleName::parse(t).ok();
    EventId, "an event id", |t| EventId::parse(t).ok();
    NoticeId, "a notice id", |t| NoticeId::parse(t).ok();
    MailAddress, "a mail address", |t| MailAddress::parse(t).ok();
    SlackAccount, "an account of Slack", |t| SlackAccount::parse(t).ok();
    NoticeKind, "a kind of notice", NoticeKind::parse;
    State, "a run's state", State::parse;
    StepState, "a step's state", StepState::parse;
    RequestState, "a request's state", RequestState::parse;
    Verdict, "a verdict", Verdict::parse;
    TimerKind, "a timer of a request", TimerKind::parse;
    EventVerdict, "an event's verdict", event_verdict;
}

/// The word of an event's verdict.
pub(super) const fn event_verdict_word(verdict: EventVerdict) -> &'static str {
    match verdict {
        EventVerdict::Ran => "ran",
        EventVerdict::DryRun => "dry_run",
        EventVerdict::NotMatched => "not_matched",
        EventVerdict::Refused => "refused",
        EventVerdict::Pending => "pending",
    }
}

fn event_verdict(text: &str) -> Option<EventVerdict> {
    use EventVerdict::{DryRun, NotMatched, Pending, Ran, Refused};
    [Ran, DryRun, NotMatched, Refused, Pending].into_iter().find(|v| event_verdict_word(*v) == text)
}

impl<DB> FromSql<BigInt, DB> for RunNumber
where
    DB: Backend,
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(raw: DB::RawValue<'_>) -> Read<Self> {
        <i64 as FromSql<BigInt, DB>>::from_sql(raw).map(Self::new)
    }
}

impl<DB, ST> Queryable<ST, DB> for RunNumber
where
    DB: Backend,
    ST: SingleValue,
    Self: FromSql<ST, DB>,
{
    type Row = Self;
    fn build(row: Self) -> Read<Self> {
        Ok(row)
    }
}

/// A time as it is stored. Both databases keep microseconds, so finer parts are cut when writing: what is read back is
/// what was written.
#[must_use]
pub(super) fn stamp(at: Timestamp) -> NaiveDateTime {
    at.naive_utc().trunc_subsecs(6)
}

/// Reads a time column into a record.
#[derive(Debug)]
pub struct Stamp(NaiveDateTime);

impl<DB, ST> Queryable<ST, DB> for Stamp
where
    DB: Backend,
    NaiveDateTime: FromStaticSqlRow<ST, DB>,
{
    type Row = NaiveDateTime;
    fn build(row: NaiveDateTime) -> Read<Self> {
        Ok(Self(row))
    }
}

impl From<Stamp> for DateTime<Utc> {
    fn from(stamp: Stamp) -> Self {
        stamp.0.and_utc()
    }
}

/// Reads a time column that may be empty.
#[derive(Debug)]
pub struct MaybeStamp(Option<NaiveDateTime>);

impl<DB, ST> Queryable<ST, DB> for MaybeStamp
where
    DB: Backend,
    Option<NaiveDateTime>: FromStaticSqlRow<ST, DB>,
{
    type Row = Option<NaiveDateTime>;
    fn build(row: Option<NaiveDateTime>) -> Read<Self> {
        Ok(Self(row))
    }
}

impl From<MaybeStamp> for Option<DateTime<Utc>> {
    fn from(stamp: MaybeStamp) -> Self {
        stamp.0.map(|at| at.and_utc())
    }
}

/// A value that stands as JSON in a text column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<DB, ST, T> Queryable<ST, DB> for Json<T>
where
    DB: Backend,
    String: FromStaticSqlRow<ST, DB>,
    T: DeserializeOwned,
{
    type Row = String;
    fn build(row: String) -> Read<Self> {
        Ok(Self(serde_json::from_str(&row)?))
    }
}

/// A value that stands as JSON in a text column that may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaybeJson<T>(pub Option<T>);

impl<DB, ST, T> Queryable<ST, DB> for MaybeJson<T>
where
    DB: Backend,
    Option<String>: FromStaticSqlRow<ST, DB>,
    T: DeserializeOwned,
{
    type Row = Option<String>;
    fn build(row: Option<String>) -> Read<Self> {
        Ok(Self(row.as_deref().map(serde_json::from_str).transpose()?))
    }
}

/// Lets records hold the value itself where the column holds its JSON.
macro_rules! unwraps_json {
    ($($ty:ty),+ $(,)?) => {$(
        impl From<$crate::store::column::Json<$ty>> for $ty {
            fn from(json: $crate::store::column::Json<$ty>) -> Self {
                json.0
            }
        }
        impl From<$crate::store::column::MaybeJson<$ty>> for Option<$ty> {
            fn from(json: $crate::store::column::MaybeJson<$ty>) -> Self {
                json.0
            }
        }
    )+};
}
pub(super) use unwraps_json;

unwraps_json!(
    BTreeSet<GroupName>,
    BTreeSet<RoleName>,
    BTreeSet<UserName>,
    BTreeSet<Permission>,
    Vec<Audience>,
    Vec<FreezeName>,
    BTreeMap<String, String>,
    Vec<Need>,
    Origin,
    ApprovalPolicy,
    serde_json::Value,
);

/// The JSON text of a value, for a column.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Invalid(format!("a value cannot be written as JSON: {e}")))
}

/// One of a fixed set of words, as they stand in a `CHECK` of both migration trees.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($words:tt)+ }) => {
        $crate::domain::words::words! { $(#[$doc])* $name { $($words)+ } }
        $crate::store::column::reads_text! { $name, $what, Self::parse; }
    };
}
pub(super) use words;
