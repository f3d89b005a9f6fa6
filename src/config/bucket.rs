//! The key to the bucket of logs, from the environment: an argument could be read in the list of processes.

use zeroize::Zeroizing;

/// What signs requests to a bucket. It has neither `Display` nor `Serialize`.
#[derive(Clone)]
pub struct BucketKey {
    /// Its id.
    pub id: String,
    /// The secret.
    pub secret: Zeroizing<String>,
    /// What goes with a key for a while.
    pub session: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for BucketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BucketKey")
    }
}

/// The key, from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, where there is one, `AWS_SESSION_TOKEN`.
///
/// # Errors
/// A sentence that names the variable that is missing.
pub fn key() -> Result<BucketKey, String> {
    let need = |name: &str| {
        super::read(name).ok_or_else(|| {
            format!(
                "`--logs` needs the key to the bucket in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and {name} is not set"
            )
        })
    };
    Ok(BucketKey {
        id: need("AWS_ACCESS_KEY_ID")?,
        secret: Zeroizing::new(need("AWS_SECRET_ACCESS_KEY")?),
        session: super::read("AWS_SESSION_TOKEN").map(Zeroizing::new),
    })
}
