//! Resources that are read.

use actix_web::{FromRequest, Handler, Resource, Responder, web};

/// A resource that answers GET, and HEAD with the same headers.
pub(crate) fn readable<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}
