//! Requests for signatures over their whole life, through the doors that people use.

mod faults;
mod world;
