//! Answering on a socket.

use std::{io, net::TcpListener, time::Duration};

use actix_web::{
    App, Error, HttpServer,
    body::BoxBody,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web,
};

use crate::{ApiParts, api::Api, request_log::observe};

/// How long an idle connection is kept: longer than the proxies in front keep theirs, so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long the head of a connection's first request may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long requests that are under way have, once the server is told to stop.
const SHUTDOWN_SECONDS: u64 = 15;
/// The most connections of one thread. Further ones wait in the listener's queue.
const MAX_CONNECTIONS: usize = 10_000;

/// Serves the API on `listener` until `shutdown` ends; then accepts nothing more and finishes what is under way, for at
/// most 15 seconds.
///
/// `pages` adds what else is served beside the API, and what answers where nothing is. Streams end at once when the
/// server is told to stop.
///
/// Nothing is answered before the returned server is awaited or spawned. It handles no signals of its own.
///
/// # Errors
/// If the listener can't be used.
pub fn serve(
    listener: TcpListener,
    parts: ApiParts,
    pages: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let workers = parts.settings.workers;
    let live = parts.live.clone();
    let shutdown = async move {
        shutdown.await;
        live.close();
    };
    let api = web::Data::new(Api::new(parts).map_err(io::Error::other)?);
    let mut server = HttpServer::new(move || application(&api, pages.clone()))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_DEADLINE)
        .max_connections(MAX_CONNECTIONS)
        .disable_signals()
        .shutdown_signal(shutdown)
        .shutdown_timeout(SHUTDOWN_SECONDS);
    if let Some(workers) = workers {
        server = server.workers(workers.max(1));
    }
    Ok(server.listen(listener)?.run())
}

/// What every thread of the server answers with.
fn application<P: FnOnce(&mut web::ServiceConfig)>(
    api: &web::Data<Api>,
    pages: P,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
    + use<P>,
> {
    App::new()
        .app_data(api.clone())
        .configure(|config| api.routes(config))
        .configure(pages)
        .wrap(from_fn(observe))
}

/// What [`serve`] answers with, without a socket.
#[cfg(fuzzing)]
pub fn unserved<P: FnOnce(&mut web::ServiceConfig)>(
    parts: ApiParts,
    pages: P,
) -> io::Result<
    App<
        impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
        + use<P>,
    >,
> {
    let api = web::Data::new(Api::new(parts).map_err(io::Error::other)?);
    Ok(application(&api, pages))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        time::Duration,
    };

    use actix_web::{HttpResponse, web};

    use crate::testing::{Request, Service, seeds_ticket};

    fn head(body: &str, more: &str) -> String {
        let length = body.len();
        format!(
            "POST /api/ticket HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{more}\r\n"
        )
    }

    /// Reads until `end` stands at the end of what came.
    fn read_until(stream: &mut TcpStream, end: &str) -> String {
        let mut text = String::new();
        let mut byte = [0];
        while !text.ends_with(end) {
            stream.read_exact(&mut byte).unwrap();
            text.push(char::from(byte[0]));
        }
        text
    }

    #[test]
    fn a_request_that_is_under_way_is_finished_at_the_end() {
        for _ in 0..5 {
            let mut api = Service::with(|setup| setup.settings.body_deadline = Duration::from_secs(10));
            let body = seeds_ticket().to_string();
            let mut stream = TcpStream::connect(api.address).unwrap();
            stream
                .write_all(head(&body, "expect: 100-continue\r\n").as_bytes())
                .unwrap();
            let interim = read_until(&mut stream, "\r\n\r\n");
            assert!(interim.starts_with("HTTP/1.1 100"), "{interim}");
            api.stop();
            stream.write_all(body.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        }
    }

    #[test]
    fn pages_are_served_beside_the_api_and_take_nothing_from_it() {
        let api = Service::with(|setup| {
            setup.pages = |config| {
                config
                    .route("/", web::get().to(|| async { HttpResponse::Ok().body("home") }))
                    .route(
                        "/api/ticket",
                        web::get().to(|| async { HttpResponse::Ok().body("not this one") }),
                    )
                    .route(
                        "/gone",
                        web::get().to(|| async {
                            HttpResponse::NotFound()
                                .content_type("text/html; charset=utf-8")
                                .body("no page")
                        }),
                    );
            };
        });
        let exchange = |target: &str| api.exchange(&Request::new("GET", target));
        let home = exchange("/");
        assert_eq!((home.status, home.text()), (200, "home"));
        assert!(home.header("x-request-id").is_some());
        assert_eq!(home.header("x-content-type-options"), Some("nosniff"));
        // A page that tells what is wrong is told as it is.
        let gone = exchange("/gone");
        assert_eq!((gone.status, gone.text()), (404, "no page"));
        assert_eq!(api.get("/api/ticket").faults(), ["ticketRef required"]);
        assert_eq!(exchange("/elsewhere").code(), "not_found");
        // Without pages there is nothing there.
        let bare = Service::start();
        assert_eq!(bare.get("/").code(), "not_found");
    }

    #[test]
    fn a_connection_serves_one_request_after_another() {
        let api = Service::start();
        let mut stream = TcpStream::connect(api.address).unwrap();
        let body = seeds_ticket().to_string();
        for _ in 0..3 {
            stream
                .write_all(format!("{}{body}", head(&body, "")).as_bytes())
                .unwrap();
            let answer = read_until(&mut stream, "\"}");
            assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        }
    }
}
