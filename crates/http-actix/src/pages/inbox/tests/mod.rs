//! The inbox from end to end: what a browser sends, over a real store, and what it gets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod entering;
mod events;
mod notifications;
mod pages;
mod tickets;
mod unmatched;
