//! HTTP: one route table, thin handlers, pages, JSON API.
//!
//! A handler reads the call, asks one use case of `app`, and shows the result. It decides nothing, names no table and
//! runs nothing. The route table (`routes`) says for every route which permission it needs; a test walks it.

pub mod address;
pub mod ansi;
pub mod api;
pub mod assets;
pub mod call;
pub mod chrome;
pub mod cookie;
pub mod error;
pub mod event_export;
pub mod event_query;
pub mod forgery;
pub mod form;
pub mod hooks;
pub mod page;
pub mod pages;
pub mod pipeline;
pub mod routes;
pub mod server;
