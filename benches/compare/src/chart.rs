//! The chart of the report: A divided by B for every figure, on a logarithmic scale.

use std::fmt::Write;

/// One figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar<'a> {
    /// Its name in the table.
    pub(crate) name: &'a str,
    /// A divided by B, above 0.
    pub(crate) ratio: f64,
    /// Whether A reached its goal.
    pub(crate) met: Option<bool>,
}

/// Doublings and halvings that the scale shows; a longer bar is cut.
const RANGE: f64 = 5.0;
const WIDTH: f64 = 860.0;
/// Where the line of ratio 1 stands.
const MIDDLE: f64 = 560.0;
/// Pixels of a factor of two.
const STEP: f64 = 48.0;
const ROW: f64 = 22.0;
const TOP: f64 = 34.0;

/// The picture as SVG. Names must not contain markup; those of the figures do not.
pub(crate) fn svg(bars: &[Bar<'_>]) -> String {
    let bottom = TOP + ROW * bars.iter().map(|_| 1.0).sum::<f64>();
    let height = bottom + 12.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (power, label) in [(-4.0, "1/16"), (-2.0, "1/4"), (0.0, "A = B"), (2.0, "4"), (4.0, "16")] {
        let x = MIDDLE + STEP * power;
        // Writing to a string cannot fail.
        let _ok = writeln!(
            text,
            "<text x=\"{x}\" y=\"20\" text-anchor=\"middle\" fill=\"#555\">{label}</text>\
             <line x1=\"{x}\" x2=\"{x}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#ccc\"/>"
        );
    }
    let mut y = TOP;
    for Bar { name, ratio, met } in bars {
        let end = MIDDLE + STEP * ratio.log2().clamp(-RANGE, RANGE);
        let (from, length) = (MIDDLE.min(end), (MIDDLE - end).abs().max(1.0));
        let colour = match met {
            Some(true) => "#2a7f62",
            Some(false) => "#c2452d",
            None => "#8a8f98",
        };
        let _ok = writeln!(
            text,
            "<text x=\"300\" y=\"{base:.1}\" text-anchor=\"end\" fill=\"#222\">{name}</text>\
             <rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"14\" fill=\"{colour}\"/>",
            base = y + 15.0,
            top = y + 4.0,
            name = name.replace('`', ""),
        );
        y += ROW;
    }
    text.push_str("</svg>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_reaches_two_steps_to_the_left_and_extremes_are_cut() {
        let bar = |ratio| svg(&[Bar { name: "x", ratio, met: Some(true) }]);
        assert!(bar(0.25).contains("<rect x=\"464.0\" y=\"38.0\" width=\"96.0\""), "{}", bar(0.25));
        assert!(bar(1e9).contains("width=\"240.0\""));
    }
}
