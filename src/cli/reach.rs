//! How a server looks at nodes: it asks for their host keys as `interlock node enrol` does.

use std::sync::{Arc, Weak};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::app::App;
use crate::app::reach::Reach;
use crate::domain::ids::ProjectName;
use crate::domain::node::Node;

/// Knows the app only weakly, which holds this.
#[derive(Debug)]
struct Network(Weak<App>);

/// Lets the app look at nodes.
pub(super) fn install(app: &Arc<App>) {
    app.reach_with(Arc::new(Network(Arc::downgrade(app))));
}

impl Reach for Network {
    fn fingerprints(&self, project: ProjectName, node: Arc<Node>) -> BoxFuture<'_, Result<Vec<String>, String>> {
        async move {
            let app = self.0.upgrade().ok_or_else(|| "the server is stopping".to_owned())?;
            let keys = super::node::scan(&app, &project, &node).await?;
            Ok(keys.into_iter().map(|key| key.fingerprint).collect())
        }
        .boxed()
    }
}
