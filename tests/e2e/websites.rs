//! Websites on other origins.

use black_box::{FakeN8n, Reaction};

/// A website on its own port, hence its own origin. Every path shows the same page.
pub(crate) struct Website(FakeN8n);

impl Website {
    /// Starts it. It shows its page after [`Self::show`].
    pub(crate) fn new() -> Self {
        // Any web server that responds as scripted will do.
        Self(FakeN8n::start())
    }

    /// Shows `content` in its page.
    pub(crate) fn show(self, content: &str) -> Self {
        let page = format!(
            "<!doctype html><html lang=en><head><meta charset=utf-8><title>A bottle shop</title>\
             <meta name=viewport content='width=device-width, initial-scale=1'><link rel=icon href='data:,'></head>\
             <body><main><h1>A bottle shop</h1><p>We sell bottles.</p>{content}</main></body></html>"
        );
        let html = vec![("content-type", "text/html; charset=utf-8".to_owned())];
        self.0.always(Reaction::Respond(200, html, page));
        self
    }

    /// Its origin, as browsers name it.
    pub(crate) fn origin(&self) -> String {
        self.0.origin()
    }

    /// A URL on it.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }
}
