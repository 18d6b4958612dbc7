//! Rebuilds this crate when a migration is added, since they are compiled in.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
