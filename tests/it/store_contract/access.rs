//! Permits and values for the tests of the store.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use interlock::domain::access::{
    AccessRules, Actor, Grant, GrantEffect, Member, Permission, Permit, Principal, Resource, Via,
};
use interlock::domain::digest::Digest;
use interlock::domain::ids::{JobPath, KeyPath, ProjectName, RoleName, UserName};
use interlock::policy::Policy;
use interlock::store::{Db, StoreError, projects};

/// A time with more digits than the databases keep.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 123_456_789).unwrap() + TimeDelta::seconds(seconds)
}

pub(super) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(super) fn ops() -> ProjectName {
    ProjectName::parse("ops").unwrap()
}

pub(super) fn path(text: &str) -> JobPath {
    JobPath::parse(text).unwrap()
}

pub(super) fn key(text: &str) -> KeyPath {
    KeyPath::parse(text).unwrap()
}

pub(super) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(super) fn job(text: &str) -> Resource {
    Resource::Job { project: ops(), path: path(text), environment: None }
}

/// Interlock's own permit for the whole installation.
pub(super) fn system() -> Permit {
    let policy = Policy::build(&BTreeMap::new()).unwrap();
    policy.authorize(&Actor::system(), Permission::Edit, &Resource::System).unwrap()
}

/// A person's permit for one thing.
pub(super) fn person(name: &str, permission: Permission, resource: &Resource) -> Permit {
    let role = RoleName::parse("all").unwrap();
    let all = Grant {
        effect: GrantEffect::Allow,
        permissions: Permission::ALL.iter().copied().collect(),
        on: "**".to_owned(),
        environment: None,
        line: 1,
    };
    let rules = AccessRules {
        nodes_need_run: false,
        roles: BTreeMap::from([(role.clone(), vec![all])]),
        members: BTreeMap::from([(role, BTreeSet::from([Member::User(user(name))]))]),
    };
    let policy = Policy::build(&BTreeMap::from([(ops(), (rules, 1))])).unwrap();
    let actor = Actor {
        principal: Principal::User(user(name)),
        groups: BTreeSet::new(),
        via: Via::Session { authenticated_at: at(0) },
        administrator: false,
    };
    policy.authorize(&actor, permission, resource).unwrap()
}

pub(super) async fn with_project(db: &Db) {
    db.write(|c| projects::ensure(c, &system(), &ops(), at(0))).await.unwrap();
}

#[track_caller]
pub(super) fn mismatch<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::PermitMismatch { .. })), "{result:?}");
}

#[track_caller]
pub(super) fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Conflict { .. })), "{result:?}");
}

#[track_caller]
pub(super) fn not_found<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::NotFound { .. })), "{result:?}");
}
