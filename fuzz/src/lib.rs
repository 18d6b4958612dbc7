//! What the fuzz targets share. A target checks properties that must hold whatever outsiders send; a panic or a 500
//! response is a finding.

pub mod in_process;
pub mod oracle;
pub mod text_request;
