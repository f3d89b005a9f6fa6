//! Local accounts. Passwords come in as argon2id hashes; this module never sees one in clear.

use std::collections::BTreeSet;

use diesel::prelude::*;

use crate::domain::access::Permit;
use crate::domain::ids::{GroupName, UserName};
use crate::domain::notice::address::{MailAddress, SlackAccount};
use crate::domain::time::Timestamp;

use super::column::{Json, MaybeStamp, Stamp, json, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::users;

/// An account.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(MultiBackend))]
pub struct UserRecord {
    /// How they sign in.
    pub name: UserName,
    /// The argon2id hash; `None` cannot sign in by password.
    pub password_hash: Option<String>,
    /// Their groups.
    #[diesel(column_name = group_names, deserialize_as = Json<BTreeSet<GroupName>>)]
    pub groups: BTreeSet<GroupName>,
    /// Whether they administer the installation.
    pub administrator: bool,
    /// Whether they may sign in at all.
    pub active: bool,
    /// When the account was made.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// When the password was last set.
    #[diesel(deserialize_as = MaybeStamp)]
    pub password_changed_at: Option<Timestamp>,
    /// Where mail reaches them.
    pub email: Option<MailAddress>,
    /// Their account of Slack, as an administrator said.
    pub slack: Option<SlackAccount>,
    /// The person that the account belongs to, where it was said; accounts of one person share it.
    pub person: Option<UserName>,
}

impl std::fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRecord").field("name", &self.name).field("active", &self.active).finish_non_exhaustive()
    }
}

/// An account to be made.
#[derive(Clone)]
pub struct NewUser {
    /// How they sign in.
    pub name: UserName,
    /// The argon2id hash, if they sign in by password.
    pub password_hash: Option<String>,
    /// Their groups.
    pub groups: BTreeSet<GroupName>,
    /// Whether they administer the installation.
    pub administrator: bool,
}

fn missing(name: &UserName) -> StoreError {
    StoreError::not_found(format!("user {name}"))
}

/// Makes an account.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken; [`StoreError::PermitMismatch`]; those of the database.
pub fn create(c: &mut Conn, permit: &Permit, new: &NewUser, now: Timestamp) -> Result<UserRecord, StoreError> {
    permit::system(permit)?;
    if find(c, &new.name)?.is_some() {
        return Err(StoreError::conflict(format!("there is already a user {}", new.name)));
    }
    let row = (
        users::name.eq(new.name.as_str()),
        users::password_hash.eq(&new.password_hash),
        users::group_names.eq(json(&new.groups)?),
        users::administrator.eq(new.administrator),
        users::active.eq(true),
        users::created_at.eq(stamp(now)),
        users::password_changed_at.eq(new.password_hash.as_ref().map(|_| stamp(now))),
    );
    diesel::insert_into(users::table).values(row).execute(c)?;
    find(c, &new.name)?.ok_or_else(|| StoreError::not_found("user, although it was just written"))
}

/// The account of this name.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn, name: &UserName) -> Result<Option<UserRecord>, StoreError> {
    Ok(users::table.find(name.as_str()).select(UserRecord::as_select()).first(c).optional()?)
}

/// Accounts by name, after the one given.
///
/// # Errors
/// Those of the database.
pub fn list(c: &mut Conn, after: Option<&UserName>, wanted: u32) -> Result<Vec<UserRecord>, StoreError> {
    let after = after.map_or("", UserName::as_str);
    let query = users::table.filter(users::name.gt(after)).order(users::name).limit(limit(wanted));
    Ok(query.select(UserRecord::as_select()).load(c)?)
}

/// Whether there is any account that administers the installation and may sign in.
///
/// # Errors
/// Those of the database.
pub fn any_administrator(c: &mut Conn) -> Result<bool, StoreError> {
    let some = users::table.filter(users::administrator.eq(true)).filter(users::active.eq(true));
    Ok(diesel::select(diesel::dsl::exists(some)).get_result(c)?)
}

/// Sets the password, as its hash.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::PermitMismatch`]; those of the database.
pub fn set_password(
    c: &mut Conn,
    permit: &Permit,
    name: &UserName,
    hash: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    permit::account(permit, name)?;
    let change = (users::password_hash.eq(hash), users::password_changed_at.eq(stamp(now)));
    changed(diesel::update(users::table.find(name.as_str())).set(change).execute(c)?, name)
}

/// Sets where mail reaches the person, or that it does not.
///
/// # Errors
/// As [`set_password`].
pub fn set_email(
    c: &mut Conn,
    permit: &Permit,
    name: &UserName,
    email: Option<&MailAddress>,
) -> Result<(), StoreError> {
    permit::account(permit, name)?;
    let change = users::email.eq(email.map(MailAddress::as_str));
    changed(diesel::update(users::table.find(name.as_str())).set(change).execute(c)?, name)
}

/// Says which account of Slack is the person's, or that none is.
///
/// # Errors
/// As [`set_groups`], as whoever holds that account signs in the person's name; [`StoreError::Conflict`] when it is
/// somebody else's already.
pub fn set_slack(
    c: &mut Conn,
    permit: &Permit,
    name: &UserName,
    slack: Option<&SlackAccount>,
) -> Result<(), StoreError> {
    permit::system(permit)?;
    if let Some(account) = slack
        && let Some(holder) = by_slack(c, account)?.filter(|holder| holder.name != *name)
    {
        return Err(StoreError::conflict(format!("the Slack account {account} is that of {} already", holder.name)));
    }
    let change = users::slack.eq(slack.map(SlackAccount::as_str));
    changed(diesel::update(users::table.find(name.as_str())).set(change).execute(c)?, name)
}

/// The person whose account of Slack this is.
///
/// # Errors
/// Those of the database.
pub fn by_slack(c: &mut Conn, account: &SlackAccount) -> Result<Option<UserRecord>, StoreError> {
    let theirs = users::table.filter(users::slack.eq(account.as_str()));
    Ok(theirs.select(UserRecord::as_select()).first(c).optional()?)
}

/// Sets the groups.
///
/// # Errors
/// As [`set_password`]; needs a permit for the whole installation, as groups carry rights.
pub fn set_groups(
    c: &mut Conn,
    permit: &Permit,
    name: &UserName,
    groups: &BTreeSet<GroupName>,
) -> Result<(), StoreError> {
    permit::system(permit)?;
    let change = users::group_names.eq(json(groups)?);
    changed(diesel::update(users::table.find(name.as_str())).set(change).execute(c)?, name)
}

/// Says whether the account administers the installation.
///
/// # Errors
/// As [`set_groups`].
pub fn set_administrator(c: &mut Conn, permit: &Permit, name: &UserName, yes: bool) -> Result<(), StoreError> {
    permit::system(permit)?;
    changed(diesel::update(users::table.find(name.as_str())).set(users::administrator.eq(yes)).execute(c)?, name)
}

/// Says whether the account may sign in. The caller ends its sessions.
///
/// # Errors
/// As [`set_groups`].
pub fn set_active(c: &mut Conn, permit: &Permit, name: &UserName, yes: bool) -> Result<(), StoreError> {
    permit::system(permit)?;
    changed(diesel::update(users::table.find(name.as_str())).set(users::active.eq(yes)).execute(c)?, name)
}

/// Every account of the person that this account belongs to; the account alone where nothing was said or it is not there.
///
/// # Errors
/// Those of the database.
pub fn accounts_of(c: &mut Conn, name: &UserName) -> Result<BTreeSet<UserName>, StoreError> {
    let mut all = BTreeSet::from([name.clone()]);
    if let Some(person) = find(c, name)?.and_then(|u| u.person) {
        let same = users::table.filter(users::person.eq(person.as_str())).select(users::name);
        all.extend(same.load::<String>(c)?.iter().filter_map(|name| UserName::parse(name).ok()));
    }
    Ok(all)
}

/// Says that both accounts belong to one person, with every account that was said to belong to either of them.
///
/// # Errors
/// As [`set_groups`].
pub fn join(c: &mut Conn, permit: &Permit, name: &UserName, other: &UserName) -> Result<(), StoreError> {
    permit::system(permit)?;
    let known = |c: &mut Conn, name: &UserName| -> Result<String, StoreError> {
        let found = find(c, name)?.ok_or_else(|| missing(name))?;
        Ok(found.person.unwrap_or(found.name).as_str().to_owned())
    };
    let (from, to) = (known(c, name)?, known(c, other)?);
    diesel::update(users::table.filter(users::person.eq(&from))).set(users::person.eq(&to)).execute(c)?;
    for account in [name, other] {
        diesel::update(users::table.find(account.as_str())).set(users::person.eq(&to)).execute(c)?;
    }
    Ok(())
}

/// Says that the account belongs to a person of its own. Others that were said to be the same stay together.
///
/// # Errors
/// As [`set_groups`].
pub fn part(c: &mut Conn, permit: &Permit, name: &UserName) -> Result<(), StoreError> {
    permit::system(permit)?;
    changed(diesel::update(users::table.find(name.as_str())).set(users::person.eq(None::<String>)).execute(c)?, name)?;
    // Where the others were known by this name, they need one of their own.
    let others = || users::table.filter(users::person.eq(name.as_str()));
    let first: Option<String> = others().select(users::name).order(users::name).first(c).optional()?;
    if let Some(first) = first {
        diesel::update(others()).set(users::person.eq(first)).execute(c)?;
    }
    Ok(())
}

fn changed(rows: usize, name: &UserName) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(missing(name)) }
}
