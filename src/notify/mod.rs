//! Outward messages: mail, chat, signed webhooks.
