//! Whose account is whose.

use actix_web::HttpResponse;
use serde_json::json;

use super::wire;
use crate::domain::ids::UserName;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `POST /people/same-person`: `{name, same_as}`; null says that the account belongs to a person of its own.
pub async fn set_person(call: Call) -> Answer {
    let body = wire::object(call.json()?, &["name", "same_as"])?;
    let name = UserName::parse(&wire::required(&body, "name")?)?;
    let same_as = wire::text(&body, "same_as")?.map(|other| UserName::parse(&other)).transpose()?;
    call.app.set_person(call.actor()?, name.clone(), same_as.clone(), &call.source).await?;
    Ok(HttpResponse::Ok().json(json!({ "name": name, "same_as": same_as })))
}
