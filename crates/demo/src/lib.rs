//! The whole loop on one machine, for looking at: the real server with its embedded store, and everything around it
//! played. Between the two there is nothing but HTTP, both ways.
//!
//! One file for each part that is played: the customer's `website`, the workflows of `n8n`, the manager's `phone` with
//! Twilio before it. What they did is kept in `state`, which the `page` shows.

mod api;
mod demo;
mod message;
mod n8n;
mod page;
mod phone;
mod state;
mod website;

pub use demo::{Demo, Error};
