//! Access: the casbin model and enforcer, and why a decision fell as it did.
