//! The processes and the directory that belong to this run. Nothing else is ever ended or removed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::failure::Failure;

/// Processes that were started and not yet waited for, by id. Starting and waiting happen under the lock, so an id that
/// is listed cannot have passed to another process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own(Arc<Mutex<BTreeMap<u32, Child>>>);

impl Own {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process that [`Own::end`] or an interruption will end.
    pub(crate) fn start(&self, command: &mut Command) -> Result<u32, Failure> {
        let mut children = self.lock();
        let program = command.get_program().to_owned();
        let what = format!("starting {}", program.display());
        let child = command.spawn().map_err(Failure::system(what))?;
        let id = child.id();
        children.insert(id, child);
        Ok(id)
    }

    /// Sends SIGKILL without waiting; [`Own::end`] must follow.
    pub(crate) fn kill(&self, id: u32) {
        if let Some(child) = self.lock().get_mut(&id) {
            // Fails only for a process that has already ended.
            let _ended = child.kill();
        }
    }

    /// Sends SIGKILL and waits.
    pub(crate) fn end(&self, id: u32) {
        let mut children = self.lock();
        if let Some(mut child) = children.remove(&id) {
            let _ended = child.kill();
            let _status = child.wait();
        }
    }

    /// The exit status if the process has ended by itself.
    pub(crate) fn ended(&self, id: u32) -> Option<ExitStatus> {
        let mut children = self.lock();
        let status = children.get_mut(&id)?.try_wait().ok().flatten()?;
        children.remove(&id);
        Some(status)
    }

    /// On SIGINT, SIGTERM and SIGHUP: kills every process of this run, removes `dir` and exits with 130.
    pub(crate) fn end_all_on_interrupt(&self, dir: &Path) -> Result<(), Failure> {
        let own = self.clone();
        let dir: PathBuf = dir.to_owned();
        ctrlc::set_handler(move || {
            // The lock is never given back: nothing may be started any more.
            let mut children = own.lock();
            for child in children.values_mut() {
                let _ended = child.kill();
                let _status = child.wait();
            }
            let _gone = std::fs::remove_dir_all(&dir);
            std::process::exit(130);
        })
        .map_err(|error| Failure::Cluster(format!("handling signals: {error}")))
    }
}
