//! What the targets share. A target holds what outsiders send against rules that must hold whatever it is; a panic, or an
//! answer of 500, is a finding.

pub mod plain;
pub mod site;
pub mod typed;
