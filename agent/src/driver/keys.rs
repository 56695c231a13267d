//! Writing the keyring file when a key query has changed the ring; its answer waits for that.

use std::path::PathBuf;

use uwasa_core::command::Command;
use uwasa_core::io::QueryId;
use uwasa_core::keyring::Keyring;

use super::Handle;
use crate::{keyring_file, task};

/// Writes the ring away from the driver's task, then lets the waiting answer go.
pub(super) fn store(path: PathBuf, keyring: Keyring, answers: Option<QueryId>, driver: Handle) {
    task::spawn(async move {
        let written =
            tokio::task::spawn_blocking(move || keyring_file::write(&path, &keyring)).await;
        let error = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
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
    });
}
