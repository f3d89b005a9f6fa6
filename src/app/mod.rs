//! Use cases: authorise, decide in the domain, persist in one transaction.
