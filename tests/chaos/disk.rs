//! The disk fills up.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use black_box::{Engine, TempStore};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{cluster::Cluster, fixture::Fixture, report::Outcome};

/// How long it is full.
const LASTS: Duration = Duration::from_secs(5);

/// The store's disk fills up under load, and gets room again.
pub(crate) async fn fills_up(engine: Engine, times: u32) -> Outcome {
    let small = Disk::new(128);
    let fixture = Fixture::on(TempStore::within(small.folder(), Engine::Sqlite).await);
    let mut cluster = match engine {
        Engine::Sqlite => None,
        Engine::Postgres => Some(Cluster::start_within(small.folder()).await),
    };
    let mut options = fixture.options();
    if let Some(cluster) = &cluster {
        options = options.set("DATABASE_URL", &cluster.url());
    }
    let fills = async |fixture: &mut Fixture| {
        for _ in 0..times {
            fixture.broken();
            let filler = small.folder().join("filler");
            let end = Instant::now() + LASTS;
            while Instant::now() < end {
                // Take what was freed.
                fill(&filler);
                sleep(Duration::from_millis(100)).await;
            }
            fs::remove_file(filler).expect("room");
            if let Some(cluster) = &mut cluster
                && !cluster.is_running()
            {
                // Postgres ends without room for its log, and somebody has to start it.
                cluster.start().await;
            }
            fixture.recovers(Instant::now()).await;
            sleep(Duration::from_millis(500)).await;
        }
        fixture.was_felt();
    };
    let outcome = fixture.under_load(&options, None, fills).await;
    if let Some(cluster) = cluster {
        cluster.stop().await;
    }
    outcome
}

/// A small disk in memory.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Creates a disk of this many MiB, as root.
    fn new(mib: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=755"), "chaos"])
            .arg(folder.path())
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "a small disk can't be mounted: run this as root, or leave it out by naming others with ONLY="
        );
        Self { folder }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Grows a file until the disk is full.
fn fill(filler: &Path) {
    let mut file = File::options().create(true).append(true).open(filler).expect("a file");
    let page = [0; 4_096];
    while file.write_all(&page).is_ok() {}
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Processes with open files there are about to end.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            println!("{} is left behind", self.folder.path().display());
        }
    }
}
