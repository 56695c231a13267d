//! Text in aligned columns, as Serf prints tables.

/// Aligns lines whose cells are separated by `|`: each cell trimmed, two blanks between columns, the last one not
/// padded. Width counts code points.
#[must_use]
pub fn format<S: AsRef<str>>(lines: &[S]) -> String {
    let _ = lines.len();
    unimplemented!()
}
