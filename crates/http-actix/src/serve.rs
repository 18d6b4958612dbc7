//! Serves the application on a socket.

use std::{future::ready, io, net::TcpListener, thread::available_parallelism, time::Duration};

use actix_http::{HttpService, KeepAlive, error::DispatchError};
use actix_server::Server;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{AppConfig, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web,
};
use tokio::net::TcpStream;

use crate::{AppState, Settings, api, connection::Connection, pages, request_log::observe};

/// How long requests in progress may take once the server stops.
const SHUTDOWN_SECONDS: u64 = 15;
/// How long a client that is still sending may read the response before the connection is closed.
const LINGER: Duration = Duration::from_secs(1);
/// Maximum number of worker threads.
const MAX_WORKERS: usize = 512;
/// The response to a connection beyond those of one client address.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves API and pages on `listener` until `shutdown` ends; then accepts no more connections and finishes the requests in
/// progress, for at most 15 seconds. Event streams end at once.
///
/// Nothing is answered before the returned server is awaited or spawned. It handles no signals.
///
/// # Errors
/// If the listener can't be used.
pub fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    serve_with(listener, state, |_| (), shutdown)
}

/// [`serve`] with more routes, for tests.
pub(crate) fn serve_with(
    listener: TcpListener,
    state: AppState,
    routes: fn(&mut web::ServiceConfig),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let Settings {
        deadlines,
        max_connections,
        workers,
        ..
    } = **state.settings;
    let access_control = state.access_control.clone();
    let workers = match workers {
        Some(workers) => workers,
        None => available_parallelism()?.get(),
    };
    let workers = workers.clamp(1, MAX_WORKERS);
    let subscriptions = state.subscriptions.clone();
    let shutdown = async move {
        shutdown.await;
        subscriptions.close();
    };
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(max_connections.div_ceil(workers))
        .disable_signals()
        .shutdown_signal(shutdown)
        .shutdown_timeout(SHUTDOWN_SECONDS);
    let stopping = builder.graceful_shutdown_signal();
    // What `HttpServer` builds, around our own type of connection.
    let service = move || {
        let app = application(&state, routes);
        let app = app.into_factory().map_err(|error| error.error_response());
        let stopping = stopping.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            // `Connection` has its own deadlines for both.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.state());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let access_control = access_control.clone();
        fn_service(move |io: TcpStream| {
            let peer = io.peer_addr().ok();
            let connected = if let Ok(place) = access_control.connect(peer) {
                Ok((Connection::new(io, deadlines, place), peer))
            } else {
                // The connection ends even if this fails.
                let _ = io.try_write(TOO_MANY);
                Err(DispatchError::Io(io::ErrorKind::ConnectionRefused.into()))
            };
            ready(connected)
        })
        .and_then(http)
    };
    Ok(builder.listen("http", listener, service)?.run())
}

/// The application of one worker: all routes, those of `routes` too, behind the request log.
#[cfg_attr(
    not(fuzzing),
    expect(unreachable_pub, reason = "only fuzzing uses it without a socket")
)]
pub fn application(
    state: &AppState,
    routes: fn(&mut web::ServiceConfig),
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .configure(|config| state.register(config))
        .configure(|config| api::routes(config, &state.settings.allowed_origins))
        .configure(pages::routes)
        .configure(routes)
        .wrap(from_fn(observe))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        time::Duration,
    };

    use crate::testing::{TestApp, seeds_ticket};

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
    fn a_request_in_progress_is_finished_at_shutdown() {
        for _ in 0..5 {
            let mut api = TestApp::with(|setup| setup.settings.body_deadline = Duration::from_secs(10));
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
}
