//! Other people's websites.

use std::net::TcpListener;

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};

/// A website of somebody else, on a port and so an origin of its own. Every address shows the same page.
pub(crate) struct Website {
    port: u16,
    listener: Option<TcpListener>,
    server: Option<ServerHandle>,
}

impl Website {
    /// Chooses its address. It opens with `show`.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        Self {
            port,
            listener: Some(listener),
            server: None,
        }
    }

    /// Shows this between the head and the foot of its page.
    pub(crate) fn show(mut self, content: &str) -> Self {
        let page = format!(
            "<!doctype html><html lang=en><head><meta charset=utf-8><title>A bottle shop</title>\
             <meta name=viewport content='width=device-width, initial-scale=1'><link rel=icon href='data:,'></head>\
             <body><main><h1>A bottle shop</h1><p>We sell bottles.</p>{content}</main></body></html>"
        );
        let app = move || {
            let page = page.clone();
            let answer = move || {
                let page = page.clone();
                async move { HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page) }
            };
            App::new().default_service(web::to(answer))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
        let listener = self.listener.take().expect("it is not shown yet");
        let server = server.listen(listener).expect("a listener").run();
        self.server = Some(server.handle());
        tokio::spawn(server);
        self
    }

    /// Its origin, as browsers name it.
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// An address of it.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }
}

impl Drop for Website {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            tokio::spawn(server.stop(false));
        }
    }
}
