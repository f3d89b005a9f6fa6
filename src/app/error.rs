//! What a use case can answer instead of its result: a refusal (an expected no) or a fault (something is broken).

use crate::domain::access::Denied;
use crate::domain::approval::{DecisionRefused, ExceptionRefused, Refused};
use crate::domain::ids::BadId;
use crate::domain::option::FieldError;

/// Why a use case did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppError {
    /// An expected no. Nothing changed.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Something is broken that the caller cannot mend. Logged where it is handled; people see an incident id.
    #[error("{0}")]
    Fault(String),
}

/// An expected no: what kind, a stable code for programs, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The kind of no.
    pub kind: RefusalKind,
    /// Stable snake_case code.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Mistakes beside their fields.
    pub fields: Vec<FieldError>,
}

/// The kinds of no, by what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// Sign in first.
    Unauthenticated,
    /// It is not there, or may not be seen.
    NotFound,
    /// It may be seen but not done.
    Forbidden,
    /// The values are wrong; correct them.
    Invalid,
    /// The request itself cannot be read.
    Malformed,
    /// It does not fit the present state; look again.
    Conflict,
    /// Too large.
    TooLarge,
    /// Too much at once; come back later.
    Busy,
    /// Something that Interlock needs is away for now; the same request may go through later.
    Unavailable,
    /// No room left to store it; the same request goes through when somebody has made room.
    NoRoom,
}

impl RefusalKind {
    /// Whether the very same request may be taken later, although nobody changes it.
    #[must_use]
    pub const fn is_of_the_moment(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable | Self::NoRoom)
    }
}

/// The result of a use case.
pub type AppResult<T> = Result<T, AppError>;

impl Refusal {
    /// A refusal without field errors.
    #[must_use]
    pub fn new(kind: RefusalKind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, code: code.to_owned(), message: message.into(), fields: Vec::new() }
    }

    /// Adds the fields that are wrong.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<FieldError>) -> Self {
        self.fields = fields;
        self
    }
}

impl AppError {
    /// The one answer for what is absent and what may not be seen: the same kind, code and words.
    #[must_use]
    pub fn not_found() -> Self {
        Refusal::new(RefusalKind::NotFound, "not_found", "There is nothing here, or you may not see it.").into()
    }

    /// A value that cannot be used.
    #[must_use]
    pub fn invalid(code: &str, message: impl Into<String>) -> Self {
        Refusal::new(RefusalKind::Invalid, code, message).into()
    }

    /// Something that does not fit the present state.
    #[must_use]
    pub fn conflict(code: &str, message: impl Into<String>) -> Self {
        Refusal::new(RefusalKind::Conflict, code, message).into()
    }

    /// Something that may be seen but not done.
    #[must_use]
    pub fn forbidden(code: &str, message: impl Into<String>) -> Self {
        Refusal::new(RefusalKind::Forbidden, code, message).into()
    }

    /// Something broken, with its cause in words for the log.
    #[must_use]
    pub fn fault(cause: impl std::fmt::Display) -> Self {
        Self::Fault(cause.to_string())
    }

    /// The refusal, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Fault(_) => None,
        }
    }
}

impl From<Refusal> for AppError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<Denied> for AppError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Hidden => Self::not_found(),
            Denied::Forbidden { .. } => Self::forbidden("forbidden", sentence(&denied.to_string())),
        }
    }
}

impl From<Refused> for AppError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Decision(refused) => refused.into(),
            other => Self::conflict("request_closed", sentence(&other.to_string())),
        }
    }
}

impl From<ExceptionRefused> for AppError {
    fn from(refused: ExceptionRefused) -> Self {
        use ExceptionRefused as E;
        let kind = match refused {
            E::NotAPerson | E::TurnedOff | E::NoSuchWay | E::NotEntitled(_) => RefusalKind::Forbidden,
            E::StaleSession | E::OwnRun | E::NotAReviewer => RefusalKind::Forbidden,
            E::Reviewed => RefusalKind::Conflict,
            E::ReasonRequired | E::ToOneself | E::NotOfTheRole { .. } | E::BadEnd => RefusalKind::Invalid,
        };
        Refusal::new(kind, refused.code(), sentence(&refused.to_string())).into()
    }
}

impl From<DecisionRefused> for AppError {
    fn from(refused: DecisionRefused) -> Self {
        let kind = match refused {
            DecisionRefused::NotAPerson
            | DecisionRefused::NotEntitled(_)
            | DecisionRefused::OwnRequest
            | DecisionRefused::NotDelegated(_)
            | DecisionRefused::StaleSession => RefusalKind::Forbidden,
            DecisionRefused::SignedAlready | DecisionRefused::Closed(_) | DecisionRefused::OtherPlan { .. } => {
                RefusalKind::Conflict
            }
            DecisionRefused::ReasonRequired(_) => RefusalKind::Invalid,
        };
        let mut refusal = Refusal::new(kind, refused.code(), sentence(&refused.to_string()));
        if kind == RefusalKind::Invalid {
            let message = refusal.message.clone();
            refusal.fields = vec![FieldError { field: "reason".to_owned(), code: refused.code().to_owned(), message }];
        }
        refusal.into()
    }
}

impl From<BadId> for AppError {
    fn from(bad: BadId) -> Self {
        Self::invalid("bad_name", sentence(&bad.to_string()))
    }
}

/// Makes a message a sentence: a capital first letter and a full stop.
#[must_use]
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    out.push_str(chars.as_str());
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

impl From<crate::store::StoreError> for AppError {
    fn from(error: crate::store::StoreError) -> Self {
        use crate::store::StoreError;
        match error {
            StoreError::NotFound { .. } => Self::not_found(),
            StoreError::Conflict { ref what } => Self::conflict("conflict", sentence(what)),
            StoreError::Full => Refusal::new(RefusalKind::NoRoom, "disk_full", sentence(&error.to_string())).into(),
            StoreError::Unavailable(_) => {
                Refusal::new(RefusalKind::Unavailable, "database_busy", sentence(&error.to_string())).into()
            }
            StoreError::Invalid(ref what) => Self::invalid("invalid", sentence(what)),
            other => match std::error::Error::source(&other) {
                Some(source) => Self::Fault(format!("{other}: {source}")),
                None => Self::Fault(other.to_string()),
            },
        }
    }
}
