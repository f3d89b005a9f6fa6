//! What can be wrong with a bucket, as a sentence that says what to do.

/// Why a bucket did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// The settings cannot be those of a bucket.
    #[error("the bucket {place} cannot be used: {why}")]
    Unusable {
        /// The bucket and its server.
        place: String,
        /// Why.
        why: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket {place}: make it, or name another one with `--logs`")]
    NoBucket {
        /// The bucket and its server.
        place: String,
    },
    /// There is no such object.
    #[error("the bucket {place} has no object {key} any more: look who removed it")]
    NoObject {
        /// The bucket and its server.
        place: String,
        /// The object's key.
        key: String,
    },
    /// The key is wrong, or may not do this.
    #[error(
        "the bucket {place} refuses the key: see that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY hold one that may put, get and delete objects there"
    )]
    Refused {
        /// The bucket and its server.
        place: String,
    },
    /// Nobody answers, or not in a way that can be understood.
    #[error(
        "the bucket {place} cannot be reached: {why}; see that the server runs and that `--logs-endpoint` names it"
    )]
    Unreachable {
        /// The bucket and its server.
        place: String,
        /// What went wrong.
        why: String,
    },
    /// Nobody who is trusted vouches for the server.
    #[error(
        "the certificate of the server of the bucket {place} is not trusted ({why}); where it is your own, name its authority with `--logs-ca`"
    )]
    NotTrusted {
        /// The bucket and its server.
        place: String,
        /// What is wrong with the certificate.
        why: String,
    },
    /// What came back is not what was sent.
    #[error("the object {key} in the bucket {place} is not what was sent: see whether something else writes there")]
    Differs {
        /// The bucket and its server.
        place: String,
        /// The object's key.
        key: String,
    },
    /// The permit was for something else.
    #[error("objects in a bucket are changed for the whole installation only")]
    NotPermitted,
    /// The file that was to be stored cannot be read.
    #[error("a file of the log cannot be read: {0}")]
    File(String),
}

impl BucketError {
    /// In our words.
    pub(super) fn of(place: &str, error: &object_store::Error) -> Self {
        use object_store::Error;
        let place = place.to_owned();
        match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Self::Refused { place },
            Error::NotFound { source, .. } if whole(&**source).contains("NoSuchBucket") => Self::NoBucket { place },
            Error::NotFound { path, .. } => Self::NoObject { place, key: path.clone() },
            other => {
                let why = whole(other);
                let refused = ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken"];
                if why.contains("NoSuchBucket") {
                    Self::NoBucket { place }
                } else if refused.iter().any(|code| why.contains(code)) {
                    Self::Refused { place }
                } else if why.contains("invalid peer certificate") {
                    Self::NotTrusted { place, why: cause(other) }
                } else {
                    Self::Unreachable { place, why: cause(other) }
                }
            }
        }
    }
}

/// An error with all of its causes; servers say what is wrong in the innermost.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// The innermost cause, on one line.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string().split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}
