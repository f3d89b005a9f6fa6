//! Requests for signatures over their whole life, through the doors that people use.

mod documents;
mod exceptions;
mod faults;
mod freezes;
mod races;
mod thread;
mod timers;
mod told;
mod world;
