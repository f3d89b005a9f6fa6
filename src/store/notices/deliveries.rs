//! One delivery: a notice on its way to one recipient over one channel.

use diesel::prelude::*;

use crate::domain::access::Permit;
use crate::domain::ids::NoticeId;
use crate::domain::time::Timestamp;
use crate::store::column::{MaybeStamp, Stamp, stamp, words};
use crate::store::connection::{Conn, MultiBackend};
use crate::store::error::StoreError;
use crate::store::page::limit;
use crate::store::permit;
use crate::store::schema::notice_deliveries as rows;

words! {
    /// Where a delivery stands.
    DeliveryState, "a state of a delivery" {
        /// It is to be sent, or somebody is sending it.
        Waiting => "waiting",
        /// It was taken by the other side.
        Sent => "sent",
        /// By the time it would have been sent, it was of no use to its recipient.
        Unneeded => "unneeded",
        /// It was tried for a day.
        Failed => "failed",
    }
}

/// A recipient on a channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The channel's name in the project; `mail` is the server's own mail.
    pub channel: String,
    /// `user:NAME`, or empty where the channel itself is the recipient.
    pub recipient: String,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = rows, check_for_backend(MultiBackend))]
pub struct DeliveryRecord {
    /// The notice.
    pub notice: NoticeId,
    /// The channel's name.
    pub channel: String,
    /// `user:NAME`, or empty where the channel itself is the recipient.
    pub recipient: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often somebody began to send it. Whoever did has it for themselves as long as the number stays.
    pub attempts: i32,
    /// Nobody begins before this.
    #[diesel(deserialize_as = Stamp)]
    pub next_at: Timestamp,
    /// When the other side took it.
    #[diesel(deserialize_as = MaybeStamp)]
    pub sent_at: Option<Timestamp>,
    /// What went wrong last.
    pub error: String,
}

/// Where the page before ended.
pub type After = (Timestamp, NoticeId, String, String);

pub(super) fn add(c: &mut Conn, notice: NoticeId, target: &Target, now: Timestamp) -> Result<(), StoreError> {
    let row = (
        rows::notice.eq(notice.to_string()),
        rows::channel.eq(&target.channel),
        rows::recipient.eq(&target.recipient),
        rows::state.eq(DeliveryState::Waiting.as_str()),
        rows::attempts.eq(0),
        rows::next_at.eq(stamp(now)),
        rows::error.eq(""),
    );
    diesel::insert_into(rows::table).values(row).execute(c)?;
    Ok(())
}

/// One delivery.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn get_delivery(
    c: &mut Conn,
    notice: NoticeId,
    channel: &str,
    recipient: &str,
) -> Result<DeliveryRecord, StoreError> {
    let key = (notice.to_string(), channel.to_owned(), recipient.to_owned());
    let found = rows::table.find(key).select(DeliveryRecord::as_select()).first(c).optional()?;
    found.ok_or_else(|| StoreError::not_found(format!("delivery of notice {notice}")))
}

/// Every delivery of a notice, by channel and recipient.
///
/// # Errors
/// Those of the database.
pub fn of_notice(c: &mut Conn, notice: NoticeId) -> Result<Vec<DeliveryRecord>, StoreError> {
    Ok(rows::table
        .filter(rows::notice.eq(notice.to_string()))
        .order((rows::channel, rows::recipient))
        .select(DeliveryRecord::as_select())
        .load(c)?)
}

/// Deliveries whose time has come and that nobody is sending, the earliest first.
///
/// # Errors
/// Those of the database.
pub fn due(c: &mut Conn, now: Timestamp, wanted: u32) -> Result<Vec<DeliveryRecord>, StoreError> {
    Ok(rows::table
        .filter(rows::state.eq(DeliveryState::Waiting.as_str()))
        .filter(rows::next_at.le(stamp(now)))
        .order((rows::next_at, rows::notice, rows::channel, rows::recipient))
        .limit(limit(wanted))
        .select(DeliveryRecord::as_select())
        .load(c)?)
}

/// Takes a delivery to send it, until a time; whether nobody was faster. Whoever is gone by then is taken over from, with
/// the same message id.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; those of the database.
pub fn claim(c: &mut Conn, permit: &Permit, seen: &DeliveryRecord, until: Timestamp) -> Result<bool, StoreError> {
    permit::system(permit)?;
    let change = (rows::attempts.eq(seen.attempts + 1), rows::next_at.eq(stamp(until)));
    Ok(diesel::update(as_seen(seen, seen.attempts)).set(change).execute(c)? == 1)
}

/// A delivery that nobody has taken since.
#[diesel::dsl::auto_type(no_type_alias)]
fn as_seen(seen: &DeliveryRecord, attempts: i32) -> _ {
    let notice: String = seen.notice.to_string();
    let channel: String = seen.channel.clone();
    let recipient: String = seen.recipient.clone();
    let waiting: &'static str = DeliveryState::Waiting.as_str();
    rows::table
        .filter(rows::notice.eq(notice))
        .filter(rows::channel.eq(channel))
        .filter(rows::recipient.eq(recipient))
        .filter(rows::state.eq(waiting))
        .filter(rows::attempts.eq(attempts))
}

/// Notes that the other side took it; whether it was still the caller's. `claimed` is the record from before [`claim`].
///
/// # Errors
/// As [`claim`].
pub fn sent(c: &mut Conn, permit: &Permit, claimed: &DeliveryRecord, now: Timestamp) -> Result<bool, StoreError> {
    permit::system(permit)?;
    let change = (rows::state.eq(DeliveryState::Sent.as_str()), rows::sent_at.eq(stamp(now)), rows::error.eq(""));
    Ok(diesel::update(as_seen(claimed, claimed.attempts + 1)).set(change).execute(c)? == 1)
}

/// Notes that nobody needs it any more, and why.
///
/// # Errors
/// As [`claim`].
pub fn unneeded(c: &mut Conn, permit: &Permit, claimed: &DeliveryRecord, why: &str) -> Result<(), StoreError> {
    permit::system(permit)?;
    let change = (rows::state.eq(DeliveryState::Unneeded.as_str()), rows::error.eq(why));
    diesel::update(as_seen(claimed, claimed.attempts + 1)).set(change).execute(c)?;
    Ok(())
}

/// Notes that it could not be sent, and when it is tried again.
///
/// # Errors
/// As [`claim`].
pub fn wait_until(
    c: &mut Conn,
    permit: &Permit,
    claimed: &DeliveryRecord,
    error: &str,
    next: Timestamp,
) -> Result<(), StoreError> {
    permit::system(permit)?;
    let change = (rows::error.eq(error), rows::next_at.eq(stamp(next)));
    diesel::update(as_seen(claimed, claimed.attempts + 1)).set(change).execute(c)?;
    Ok(())
}

/// Notes that it is given up, and why.
///
/// # Errors
/// As [`claim`].
pub fn failed(
    c: &mut Conn,
    permit: &Permit,
    claimed: &DeliveryRecord,
    error: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    permit::system(permit)?;
    let change = (rows::state.eq(DeliveryState::Failed.as_str()), rows::error.eq(error), rows::next_at.eq(stamp(now)));
    diesel::update(as_seen(claimed, claimed.attempts + 1)).set(change).execute(c)?;
    Ok(())
}

/// Deliveries that were given up, the last one first.
///
/// # Errors
/// Those of the database.
pub fn list_failed(c: &mut Conn, after: Option<&After>, wanted: u32) -> Result<Vec<DeliveryRecord>, StoreError> {
    let mut query = rows::table
        .filter(rows::state.eq(DeliveryState::Failed.as_str()))
        .select(DeliveryRecord::as_select())
        .into_boxed();
    if let Some((at, notice, channel, recipient)) = after {
        let (at, notice) = (stamp(*at), notice.to_string());
        query = query.filter(rows::next_at.le(at)).filter(
            rows::next_at.lt(at).or(rows::notice.lt(notice.clone())).or(rows::notice
                .eq(notice)
                .and(rows::channel.lt(channel).or(rows::channel.eq(channel).and(rows::recipient.lt(recipient))))),
        );
    }
    let order = (rows::next_at.desc(), rows::notice.desc(), rows::channel.desc(), rows::recipient.desc());
    Ok(query.order(order).limit(limit(wanted)).load(c)?)
}
