//! The key store: values go in and are never shown again.

use serde_json::json;

use super::App;
use super::error::{AppError, AppResult};
use super::record::Source;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::ids::{KeyPath, ProjectName};
use crate::domain::option::OptionKind;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;
use crate::store::{secrets, whole};

pub use crate::store::secrets::SecretKind;

/// A key as lists show it: never its value.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// Where it lies.
    pub path: KeyPath,
    /// What it is.
    pub kind: SecretKind,
    /// Its version.
    pub version: i64,
    /// When that version was put there.
    pub created_at: Timestamp,
    /// Who put it there.
    pub created_by: String,
    /// What uses it: jobs, nodes, webhooks.
    pub used_by: Vec<String>,
}

/// The largest value, in bytes.
const LARGEST: usize = 64 * 1024;

impl App {
    /// Puts a value into the key store; what was there becomes an older version.
    ///
    /// # Errors
    /// `empty_key`, `key_too_large`, `not_a_private_key`; forbidden without `use_secret` and `edit`.
    pub async fn put_key(
        &self,
        actor: &Actor,
        path: KeyPath,
        kind: SecretKind,
        value: SecretText,
        source: &Source,
    ) -> AppResult<i64> {
        let resource = self.key_resource(&path);
        let permit = self.authorize(actor, Permission::UseSecret, &resource)?;
        let value = check_value(&path, kind, value)?;
        let (vault, now) = (self.vault.clone(), self.clock.now());
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        self.db
            .write(move |c| {
                let version = secrets::put(c, &vault, &permit, &path, kind, &value, now)?;
                let detail = json!({ "version": version, "type": kind.as_str() });
                recorder.note(c, &actor, &source, "key.put", format!("key/{path}"), None, detail)?;
                Ok(version)
            })
            .await
    }

    /// Takes a key away. Runs that name it are refused from then on.
    ///
    /// # Errors
    /// Not found; forbidden.
    pub async fn delete_key(&self, actor: &Actor, path: KeyPath, source: &Source) -> AppResult<()> {
        let permit = self.authorize(actor, Permission::UseSecret, &self.key_resource(&path))?;
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        self.db
            .write(move |c| {
                secrets::delete(c, &permit, &path)?;
                recorder.note(c, &actor, &source, "key.deleted", format!("key/{path}"), None, json!({}))?;
                Ok(())
            })
            .await
    }

    /// The keys whose names the actor may see, with what uses them.
    ///
    /// # Errors
    /// The database.
    pub async fn keys(&self, actor: &Actor) -> AppResult<Vec<KeyView>> {
        let catalogue = self.catalogue().await?;
        let all = self.db.read(|c| whole(|after, wanted| secrets::list(c, after, wanted), |k| k.path.clone())).await?;
        let visible = all
            .into_iter()
            .filter(|k| !k.deleted)
            .filter(|k| self.authorize(actor, Permission::ViewSecretNames, &self.key_resource(&k.path)).is_ok());
        Ok(visible
            .map(|k| KeyView {
                used_by: used_by(&catalogue, &k.path),
                path: k.path,
                kind: k.kind,
                version: k.version,
                created_at: k.created_at,
                created_by: k.created_by,
            })
            .collect())
    }

    /// A key as a resource: of the project that its path names, or of the first one there is.
    fn key_resource(&self, path: &KeyPath) -> Resource {
        let catalogue = self.known();
        let named = path.as_str().split('/').nth(1).and_then(|p| ProjectName::parse(p).ok());
        match named.filter(|p| catalogue.projects.contains_key(p)) {
            Some(project) => Resource::Key { project, path: path.clone() },
            // A key that no project owns concerns them all, so only the installation's administrators decide on it.
            None => Resource::System,
        }
    }
}

fn check_value(path: &KeyPath, kind: SecretKind, value: SecretText) -> AppResult<SecretText> {
    if value.expose().trim().is_empty() {
        return Err(AppError::invalid(
            "empty_key",
            format!("Nothing came in for `{path}`. Give the value on standard input."),
        ));
    }
    if value.expose().len() > LARGEST {
        return Err(AppError::invalid("key_too_large", format!("The value is larger than {} KiB.", LARGEST / 1024)));
    }
    match kind {
        SecretKind::PrivateKey => {
            let text = value.expose().replace("\r\n", "\n");
            if !text.trim_start().starts_with("-----BEGIN ") || !text.contains("PRIVATE KEY-----") {
                let message = "This is not a private key: it should begin with `-----BEGIN … PRIVATE KEY-----`. A public key does not help here.";
                return Err(AppError::invalid("not_a_private_key", message));
            }
            Ok(SecretText::new(format!("{}\n", text.trim())))
        }
        // `echo secret |` ends with a line break that nobody means.
        SecretKind::Password | SecretKind::Secret => {
            Ok(SecretText::new(value.expose().trim_end_matches(['\r', '\n']).to_owned()))
        }
    }
}

fn used_by(catalogue: &super::catalogue::Catalogue, path: &KeyPath) -> Vec<String> {
    let mut out = Vec::new();
    for (name, project) in &catalogue.projects {
        for job in project.jobs.values() {
            let uses =
                job.job.options.iter().any(|o| matches!(&o.kind, OptionKind::Secret { storage: Some(p) } if p == path));
            if uses {
                out.push(format!("{name}: job {}", job.job.path));
            }
        }
        let nodes = project.nodes.iter().filter(|n| n.key.as_ref() == Some(path)).count();
        if nodes > 0 {
            out.push(format!("{name}: {nodes} nodes"));
        }
        for hook in project.webhooks.values() {
            if hook.webhook.verify.as_ref().is_some_and(|v| v.secrets.contains(path)) {
                out.push(format!("{name}: webhook {}", hook.webhook.name));
            }
        }
    }
    out
}
