//! Starts and stops the demo's servers, and connects them.

use std::{
    ffi::OsString,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    web::{self, Data},
};
use server::{Application, Builder, Config, OsRandom};
use tempfile::TempDir;
use ticket_domain::ports::Random;
use tokio::task::JoinHandle;

use crate::{
    api::{Api, Keys},
    n8n, page, phone,
    state::{self, SharedState},
    website,
};

/// The path that n8n listens at.
const WEBHOOK: &str = "/webhook/ticket";

/// What every simulated part can reach.
pub(crate) struct Context {
    pub(crate) state: Arc<SharedState>,
    pub(crate) api: Api,
    /// What the server proves itself to n8n with.
    pub(crate) webhook_key: String,
}

/// Why the demo did not start, or ended otherwise than it should.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A demo that runs.
pub struct Demo {
    address: SocketAddr,
    state: Arc<SharedState>,
    server: Application,
    web: ServerHandle,
    web_task: JoinHandle<io::Result<()>>,
    /// Where the store is. The folder goes when this goes.
    folder: TempDir,
}

impl Demo {
    /// Starts the server, and around it everything else, which listens on `listener`.
    pub async fn start(listener: TcpListener) -> Result<Self, Error> {
        let address = listener.local_addr()?;
        let folder = tempfile::tempdir()?;
        let keys = Keys {
            inbound: secret(),
            operator: secret(),
        };
        let webhook_key = secret();
        let base = format!("http://{address}");
        let server = start_server(&base, &folder, &keys, &webhook_key).await?;
        let state = Arc::new(SharedState::new(base));
        let context = Data::new(Context {
            api: Api::new(server.address(), keys, state.clone())?,
            state: state.clone(),
            webhook_key,
        });
        let web = HttpServer::new(move || App::new().app_data(context.clone()).configure(routes))
            // All play on one thread: they share one HTTP client, and there is one spectator.
            .workers(1)
            .disable_signals()
            .shutdown_timeout(5)
            .listen(listener)?
            .run();
        Ok(Self {
            address,
            state,
            server,
            web: web.handle(),
            web_task: tokio::spawn(web),
            folder,
        })
    }

    /// Where the page is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends everything, and removes what was stored.
    pub async fn stop(self) -> Result<(), Error> {
        // The server first: it finishes what it is telling n8n, which must not be silent then.
        self.state.change(|state| state.trouble.n8n_silent = false);
        let served = self.server.stop().await;
        self.web.stop(true).await;
        let shown = self.web_task.await?;
        self.folder.close()?;
        served?;
        Ok(shown?)
    }
}

/// The server as it ships, with settings as anybody would set them.
async fn start_server(base: &str, folder: &TempDir, keys: &Keys, webhook_key: &str) -> Result<Application, Error> {
    let look_up = |name: &str| {
        let value = match name {
            "HOST" => "127.0.0.1".into(),
            "PORT" => "0".into(),
            "BASE_URL" => base.into(),
            "DATABASE_URL" => "sqlite://tickets.db".into(),
            "N8N_TICKET_CREATED_WEBHOOK" => format!("{base}{WEBHOOK}"),
            "N8N_SHARED_SECRET" => webhook_key.into(),
            "RAILWAY_INBOUND_SECRET" => keys.inbound.clone(),
            "OPERATOR_TOKEN" => keys.operator.clone(),
            "AGENT_PHONE" => state::PHONES[0].0.into(),
            "AGENT_PHONE_BACKUP" => state::PHONES[1].0.into(),
            _ => return None,
        };
        Some(OsString::from(value))
    };
    let config = Config::load(&look_up, folder.path(), false).map_err(|errors| errors.to_string())?;
    Ok(Builder::new(config.config).start().await?)
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route(WEBHOOK, web::post().to(n8n::webhook))
        .route("/website/tickets", web::post().to(website::open))
        .route("/website/tickets/{ref}", web::get().to(website::read))
        .route("/website/tickets/{ref}/messages", web::post().to(website::write))
        .route("/phone/messages", web::post().to(phone::send))
        .route("/phone/messages/{sid}/again", web::post().to(phone::send_again))
        .route("/phone/read", web::post().to(phone::read))
        .route("/trouble", web::put().to(n8n::trouble))
        .route("/state", web::get().to(page::state))
        .default_service(web::get().to(page::file));
}

/// 32 random bytes, as `openssl rand -hex 32` gives.
fn secret() -> String {
    random_hex() + &random_hex()
}

/// 16 random bytes as 32 hexadecimal digits.
pub(crate) fn random_hex() -> String {
    let random: &dyn Random = &OsRandom;
    format!("{:032x}", u128::from_be_bytes(random.bytes()))
}
