//! Successful JSON responses.

use actix_web::HttpResponse;
use serde::Serialize;

/// A body with the fields of `T`, and `ok`, which is always true. The `OpenAPI` document adds `ok` to the schema of `T`.
#[derive(Serialize)]
pub(crate) struct Success<T> {
    ok: bool,
    #[serde(flatten)]
    fields: T,
}

impl<T> Success<T> {
    pub(crate) fn new(fields: T) -> Self {
        Self { ok: true, fields }
    }
}

/// The response 200.
pub(crate) fn success(fields: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(Success::new(fields))
}
