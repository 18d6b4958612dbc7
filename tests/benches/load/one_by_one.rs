//! The same server with a commit for each ticket, which shared commits are compared with. This benchmark is that server
//! when it is started with `serve`.

use std::{env, sync::Arc};

use black_box::{ServerOptions, TempStore, TestServer};
use server::{Builder, Config, Database, start_logging};
use store_diesel::SqliteStore;
use tokio::runtime;

/// Serves as the environment says until it is killed.
#[allow(clippy::disallowed_methods, reason = "configured as the server is")]
pub(crate) fn serve() {
    let here = env::current_dir().unwrap();
    let config = Config::load(&|name| env::var_os(name), &here, false).unwrap().config;
    start_logging(&config);
    let Database::Sqlite(file) = &config.database else {
        unreachable!("only of the embedded store");
    };
    let store = SqliteStore::open_one_by_one(file).unwrap();
    let serving = async {
        let application = Builder::new(config).store(Arc::new(store)).start().await.unwrap();
        application.ended().await.unwrap();
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(serving);
}

/// How to start it on `store`, as its own process.
pub(crate) fn options(store: &TempStore) -> ServerOptions {
    TestServer::on(store).run_by(env::current_exe().unwrap())
}
