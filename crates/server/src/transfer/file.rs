//! The file of a backup: whole under its name, or not there at all.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

/// A backup that is being written. Until it is whole, its name ends in `.partial`; if this is dropped before that, it is
/// removed.
#[derive(Debug)]
pub(super) struct BackupFile {
    partial: PathBuf,
    path: PathBuf,
    /// Locked until this ends, so that no other backup takes the same name meanwhile.
    _lock: File,
}

impl BackupFile {
    /// Begins a backup that will be at `path`; only this user can read it. Refused if there is something at `path`. What
    /// an earlier backup left behind that broke off is removed.
    pub(super) fn create(path: &Path) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            bail!("{} is there already: give the name of a new file", path.display());
        }
        let partial = with_suffix(path, ".partial");
        let context = || format!("{} can't be made", partial.display());
        match File::open(&partial) {
            Ok(left) => {
                if left.try_lock().is_err() {
                    bail!("another backup is being written to {}", partial.display());
                }
                fs::remove_file(&partial).with_context(context)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(context),
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(&partial).with_context(context)?;
        lock.lock().with_context(context)?;
        Ok(Self {
            partial,
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The file, at its beginning, to be written and read.
    pub(super) fn open(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(&self.partial)
    }

    /// Gives the whole file its name, unless something got it meanwhile. The name is on the disk afterwards.
    pub(super) fn put_in_place(self) -> Result<()> {
        let context = || format!("{} can't get its name", self.partial.display());
        match fs::hard_link(&self.partial, &self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("{} was made by somebody else meanwhile", self.path.display());
            }
            // Not every file system has links. There, somebody who made the file a moment ago would lose it.
            Err(_) => fs::rename(&self.partial, &self.path).with_context(context)?,
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let synced = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
        synced.with_context(context)
    }
}

impl Drop for BackupFile {
    fn drop(&mut self) {
        // What can't be removed now, the next backup of this name removes.
        drop(fs::remove_file(&self.partial));
    }
}

fn with_suffix(path: &Path, suffix: impl AsRef<OsStr>) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}
