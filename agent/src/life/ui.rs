//! What the agent tells on standard output besides its log.

use std::io::Write as _;

use crate::log::stdout::Stdout;

/// Writes messages as Serf marks them. Standard output that is closed or full never disturbs the agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ui;

impl Ui {
    /// A step or an error: `==> TEXT`. Only the first line is marked.
    pub(super) fn output(self, text: &str) {
        self.write(&format!("==> {text}\n"));
    }

    /// Details: four blanks and the text.
    pub(super) fn info(self, text: &str) {
        self.write(&format!("    {text}\n"));
    }

    /// An empty line.
    pub(super) fn blank(self) {
        self.write("\n");
    }

    fn write(self, text: &str) {
        // Nobody is there to be told.
        let _ = Stdout::default().write_all(text.as_bytes());
    }
}
