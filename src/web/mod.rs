//! HTTP: one route table, thin handlers, pages, JSON API.
