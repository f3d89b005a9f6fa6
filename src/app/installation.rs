//! The installation's id, which tells what is its own apart from what is others' outside.

use super::App;
use super::error::AppResult;
use super::random;
use crate::store::installation;

impl App {
    /// The id; drawn when it is asked for first.
    ///
    /// # Errors
    /// The database.
    pub(super) async fn installation(&self) -> AppResult<String> {
        if let Some(id) = self.installation.get() {
            return Ok(id.clone());
        }
        let (id, now) = (uuid::Builder::from_random_bytes(random::bytes()?).into_uuid().to_string(), self.clock.now());
        let id = self.db.write(move |c| installation::found(c, &id, now)).await?.id;
        Ok(self.installation.get_or_init(|| id).clone())
    }
}
