//! Text in aligned columns, as Serf prints tables.

/// Aligns lines whose cells are separated by `|`: each cell trimmed, two blanks between columns, the last one not
/// padded. Width counts code points. Lines are separated by newlines; there is none at the end.
#[must_use]
pub(crate) fn format<S: AsRef<str>>(lines: &[S]) -> String {
    let rows: Vec<Vec<&str>> =
        lines.iter().map(|line| line.as_ref().split('|').map(str::trim).collect()).collect();
    let mut widths = Vec::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let aligned: Vec<String> = rows.iter().map(|row| align(row, &widths)).collect();
    aligned.join("\n")
}

fn align(row: &[&str], widths: &[usize]) -> String {
    let mut line = String::new();
    let last = row.len().saturating_sub(1);
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        line.push_str(cell);
        if column < last {
            let blanks = width.saturating_sub(cell.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', blanks));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn cells_are_trimmed_and_padded_but_not_the_last() {
        assert_eq!(
            format(&["n1|127.0.0.1:7946|alive|", " node22 | 1:2| left | a=b "]),
            "n1      127.0.0.1:7946  alive  \nnode22  1:2             left   a=b"
        );
    }

    #[test]
    fn a_bar_in_a_tag_makes_a_further_cell() {
        assert_eq!(format(&["a|x=1|2|3", "bcd|y"]), "a    x=1  2  3\nbcd  y");
    }

    #[test]
    fn width_counts_code_points() {
        assert_eq!(format(&["née|1", "a|2"]), "née  1\na    2");
    }

    #[test]
    fn no_lines_are_no_text() {
        assert_eq!(format::<&str>(&[]), "");
        assert_eq!(format(&[""]), "");
    }
}
