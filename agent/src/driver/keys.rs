//! Writing the keyring file when a key query has changed the ring; its answer waits for that.

use std::path::PathBuf;

use tokio::task::JoinHandle;
use uwasa_core::command::Command;
use uwasa_core::io::QueryId;
use uwasa_core::keyring::Keyring;

use super::Handle;
use crate::{keyring_file, task};

/// The file that keeps the ring.
#[derive(Debug)]
pub(super) struct KeyringFile {
    path: PathBuf,
    /// Stores the ring before this one.
    last: Option<JoinHandle<()>>,
}

impl KeyringFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: None }
    }

    /// Writes the ring away from the driver's task, then lets the waiting answer go. Rings are written one after the
    /// other: the last one is the one that stays.
    pub(super) fn store(&mut self, keyring: Keyring, answers: Option<QueryId>, driver: Handle) {
        let (path, earlier) = (self.path.clone(), self.last.take());
        self.last = Some(task::spawn(async move {
            if let Some(earlier) = earlier {
                // What became of it was told there.
                let _ = earlier.await;
            }
            let written =
                tokio::task::spawn_blocking(move || keyring_file::write(&path, &keyring)).await;
            let error = match written {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = &error {
                tracing::error!(target: "serf", "Failed to write keyring file: {error}");
            }
            if let Some(query) = answers {
                let error = error.map(Into::into);
                // An error means that the query is over: nobody waits for the answer any more.
                let _ = driver.command(Command::KeyringStored { query, error }).await;
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{mpsc, watch};
    use uwasa_core::config::{Identity, Options};
    use uwasa_core::keyring::Key;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_last_ring_stays_though_rings_change_faster_than_they_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let me = Identity::new("me", ([127, 0, 0, 1], 1).into()).unwrap();
        let config = Arc::new(Options::lan().validate().unwrap());
        let driver = Handle::new(&me, config, mpsc::channel(1).0, watch::channel(None).1);
        let mut file = KeyringFile::new(path.clone());
        let ring = |key: u8| Keyring::with_primary(Key::new(&[key; 32]).unwrap());
        for key in 1..=100 {
            file.store(ring(key), None, driver.clone());
        }
        file.last.unwrap().await.unwrap();
        assert_eq!(keyring_file::read(&path), Ok(ring(100)));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
