//! One kind of chart for all figures: curves and bands over two linear axes, with a legend in the emptiest corner.

use plotters::backend::DrawingBackend;

use super::ReportError;
use super::canvas::{Align, Brush, Color, HEIGHT, Paint, WIDTH};

/// Okabe and Ito's colours, which stay apart for colour-blind eyes.
pub(super) const BLUE: Color = Color(0x00, 0x72, 0xB2);
pub(super) const VERMILLION: Color = Color(0xD5, 0x5E, 0x00);
pub(super) const GREEN: Color = Color(0x00, 0x9E, 0x73);
pub(super) const ORANGE: Color = Color(0xE6, 0x9F, 0x00);
pub(super) const PURPLE: Color = Color(0xCC, 0x79, 0xA7);
pub(super) const SKY: Color = Color(0x56, 0xB4, 0xE9);

/// Neutral colours. The page restyles exactly these for dark screens, by their value.
const PAPER: Color = Color(0xFF, 0xFF, 0xFF);
const INK: Color = Color(0x22, 0x22, 0x22);
pub(super) const SOFT: Color = Color(0x5A, 0x5A, 0x5A);
const AXIS: Color = Color(0x8A, 0x8A, 0x8A);
const GRID: Color = Color(0xE4, 0xE4, 0xE4);

const TITLE: f64 = 26.0;
const TEXT: f64 = 19.0;
const EDGE: f64 = 30.0;
/// Baseline of the vertical axis' label; names of flags stand between it and the chart.
const LABEL_LINE: f64 = 114.0;
const FLAG_ROW: f64 = 26.0;
const FLAG_ROWS: usize = 3;
const LEGEND_ROW: f64 = 30.0;
const LEGEND_SAMPLE: f64 = 46.0;

/// A whole chart.
#[derive(Clone, Debug, Default)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) bands: Vec<Band>,
    pub(super) curves: Vec<Curve>,
    pub(super) marks: Vec<Mark>,
    pub(super) flags: Vec<Flag>,
}

/// A linear axis from zero.
#[derive(Clone, Debug, Default)]
pub(super) struct Axis {
    /// Quantity and unit.
    pub(super) label: String,
    /// Where it ends.
    pub(super) end: f64,
    /// Written behind every number: ` %`.
    pub(super) suffix: &'static str,
    /// Largest number written; ticks beyond are left out (0: no limit).
    pub(super) last_tick: f64,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Solid,
    Dashed,
    Dotted,
}

/// A curve.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) label: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) color: Color,
    pub(super) stroke: Stroke,
    pub(super) width: f64,
}

/// An area between a lower and an upper curve: (x, low, high).
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub(super) label: String,
    pub(super) points: Vec<(f64, f64, f64)>,
    pub(super) color: Color,
}

/// A single point with its name.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) label: String,
    pub(super) at: (f64, f64),
}

/// Something that happened at an x, named above the chart.
#[derive(Clone, Debug)]
pub(super) struct Flag {
    pub(super) label: String,
    pub(super) x: f64,
}

/// A flag with its place: start, row and text of its name.
struct Placed {
    x: f64,
    name: Option<(f64, usize, String)>,
}

/// Where everything goes.
struct Layout {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x_end: f64,
    y_end: f64,
}

#[derive(Clone, Copy)]
struct Rect {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Rect {
    fn holds(&self, (x, y): (f64, f64)) -> bool {
        let (dx, dy) = (x - self.x, y - self.y);
        dx >= 0.0 && dx <= self.width && dy >= 0.0 && dy <= self.height
    }
}

impl Layout {
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let across = (x / self.x_end).clamp(0.0, 1.0);
        let up = (y / self.y_end).clamp(0.0, 1.0);
        (self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top))
    }

    /// The part of a curve within the axes, in pixels.
    fn path(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let mut path = Vec::with_capacity(points.len());
        for (index, &(x, y)) in points.iter().enumerate() {
            if x <= self.x_end {
                path.push(self.place((x, y)));
                continue;
            }
            if let Some(&(x0, y0)) = index.checked_sub(1).and_then(|before| points.get(before)) {
                let share = (self.x_end - x0) / (x - x0);
                path.push(self.place((self.x_end, y0 + share * (y - y0))));
            }
            break;
        }
        path
    }
}

impl Paint for Chart {
    fn paint<B: DrawingBackend>(&self, brush: &mut Brush<'_, B>) -> Result<(), ReportError> {
        brush.rectangle((0.0, 0.0), (WIDTH, HEIGHT), PAPER, 1.0)?;
        let room = WIDTH - 2.0 * EDGE;
        let title = brush.face.fit(&self.title, TITLE, room);
        brush.text(&title, (EDGE, 44.0), Align::Left, TITLE, INK)?;
        let subtitle = brush.face.fit(&self.subtitle, TEXT, room);
        brush.text(&subtitle, (EDGE, 75.0), Align::Left, TEXT, SOFT)?;

        let (x_ticks, y_ticks) = (self.x.ticks(11), self.y.ticks(6));
        let labels = y_ticks.iter().map(|&y| brush.face.width(&self.y.number(y, &y_ticks), TEXT));
        let left = EDGE + labels.fold(0.0, f64::max) + 12.0;
        let (flags, rows) = self.flag_rows(brush, left);
        let top = LABEL_LINE + 18.0 + if rows > 0.0 { FLAG_ROW * rows + 8.0 } else { 0.0 };
        let layout = Layout {
            left,
            right: WIDTH - EDGE - 10.0,
            top,
            bottom: HEIGHT - 82.0,
            x_end: self.x.end,
            y_end: self.y.end,
        };
        self.grid(brush, &layout, &x_ticks, &y_ticks)?;
        draw_flags(brush, &layout, &flags)?;
        self.data(brush, &layout)?;
        let names = self.draw_marks(brush, &layout)?;
        self.legend(brush, &layout, &names)
    }
}

impl Axis {
    /// An axis in percent, with a little air above 100.
    pub(super) fn percent(label: &str) -> Self {
        Self { label: label.to_owned(), end: 104.0, suffix: " %", last_tick: 100.0 }
    }

    /// An axis from 0 to about `end`.
    pub(super) fn to(label: &str, end: f64) -> Self {
        Self { label: label.to_owned(), end, suffix: "", last_tick: 0.0 }
    }

    fn ticks(&self, about: u32) -> Vec<f64> {
        let step = nice_step(self.end / f64::from(about));
        let last = if self.last_tick > 0.0 { self.last_tick } else { self.end };
        (0..=50_u32)
            .map(|count| f64::from(count) * step)
            .take_while(|&at| at <= last * (1.0 + 1e-9))
            .collect()
    }

    fn number(&self, value: f64, ticks: &[f64]) -> String {
        let step = ticks.get(1).copied().unwrap_or(1.0);
        let decimals = (0..6_usize)
            .find(|&digits| {
                let scaled = step * libm::pow(10.0, super::stats::number(digits));
                (scaled - libm::round(scaled)).abs() < 1e-6
            })
            .unwrap_or(6);
        format!("{}{}", thousands(value, decimals), self.suffix)
    }
}

/// A number with commas between groups of three digits.
pub(super) fn thousands(value: f64, decimals: usize) -> String {
    let plain = format!("{value:.decimals$}");
    let (sign, plain) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
    let (whole, fraction) = plain.split_once('.').map_or((plain, ""), |(w, f)| (w, f));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", group_digits(whole))
}

/// Puts commas between groups of three digits.
pub(super) fn group_digits(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `least`.
pub(super) fn nice_step(least: f64) -> f64 {
    if !(least.is_finite() && least > 0.0) {
        return 1.0;
    }
    let power = libm::pow(10.0, libm::floor(libm::log10(least)));
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&step| step >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

impl Chart {
    fn grid<B: DrawingBackend>(
        &self,
        brush: &mut Brush<'_, B>,
        layout: &Layout,
        x_ticks: &[f64],
        y_ticks: &[f64],
    ) -> Result<(), ReportError> {
        for &y in y_ticks {
            let (_, at) = layout.place((0.0, y));
            brush.line(&[(layout.left, at), (layout.right, at)], GRID, 1.0)?;
            let text = self.y.number(y, y_ticks);
            brush.text(&text, (layout.left - 12.0, at + 7.0), Align::Right, TEXT, SOFT)?;
        }
        for &x in x_ticks {
            let (at, _) = layout.place((x, 0.0));
            brush.line(&[(at, layout.top), (at, layout.bottom)], GRID, 1.0)?;
            let text = self.x.number(x, x_ticks);
            brush.text(&text, (at, layout.bottom + 27.0), Align::Middle, TEXT, SOFT)?;
        }
        brush.line(&[(layout.left, layout.bottom), (layout.right, layout.bottom)], AXIS, 1.4)?;
        brush.text(&self.y.label, (EDGE, LABEL_LINE), Align::Left, TEXT, INK)?;
        let middle = f64::midpoint(layout.left, layout.right);
        brush.text(&self.x.label, (middle, HEIGHT - 22.0), Align::Middle, TEXT, INK)
    }

    fn data<B: DrawingBackend>(
        &self,
        brush: &mut Brush<'_, B>,
        layout: &Layout,
    ) -> Result<(), ReportError> {
        for band in &self.bands {
            let low: Vec<(f64, f64)> = band.points.iter().map(|&(x, low, _)| (x, low)).collect();
            let high: Vec<(f64, f64)> = band.points.iter().map(|&(x, _, high)| (x, high)).collect();
            let mut corners = layout.path(&high);
            corners.extend(layout.path(&low).into_iter().rev());
            if corners.len() > 3 {
                brush.area(&corners, band.color, 0.22)?;
            }
        }
        // The first curve is what was measured: it goes on top.
        for curve in self.curves.iter().rev() {
            draw_curve(brush, &layout.path(&curve.points), curve)?;
        }
        Ok(())
    }

    /// Draws the marks and says where their names stand.
    fn draw_marks<B: DrawingBackend>(
        &self,
        brush: &mut Brush<'_, B>,
        layout: &Layout,
    ) -> Result<Vec<Rect>, ReportError> {
        let mut names = Vec::new();
        for mark in self.marks.iter().filter(|mark| mark.at.0 <= layout.x_end) {
            let (x, y) = layout.place(mark.at);
            let diamond = |r: f64| [(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
            brush.area(&diamond(12.0), PAPER, 1.0)?;
            brush.area(&diamond(9.0), INK, 1.0)?;
            let width = brush.face.width(&mark.label, TEXT);
            let left = (x + 6.0).min(layout.right - width - 4.0);
            let name = Rect { x: left - 4.0, y: y + 16.0, width: width + 8.0, height: 26.0 };
            let corner = (name.x + name.width, name.y + name.height);
            brush.rectangle((name.x, name.y), corner, PAPER, 0.8)?;
            brush.text(&mark.label, (left, y + 36.0), Align::Left, TEXT, INK)?;
            names.push(name);
        }
        Ok(names)
    }

    /// Places the names of flags in rows above the chart, so that neither names nor the lines down to the chart meet
    /// another name; those that find no room lose theirs.
    fn flag_rows<B: DrawingBackend>(&self, brush: &Brush<'_, B>, left: f64) -> (Vec<Placed>, f64) {
        let right = WIDTH - EDGE - 10.0;
        let mut ends = [f64::NEG_INFINITY; FLAG_ROWS];
        let mut rows = 0;
        let mut placed = Vec::new();
        for flag in self.flags.iter().filter(|flag| flag.x <= self.x.end) {
            let x = left + flag.x / self.x.end * (right - left);
            let text = brush.face.fit(&flag.label, TEXT, 330.0);
            let width = brush.face.width(&text, TEXT);
            let start = (x - 3.0).min(WIDTH - EDGE - width);
            // The line runs down through the lower rows, so those must be free too.
            let free =
                (0..FLAG_ROWS).find(|&row| ends[row..].iter().all(|&end| end + 14.0 <= start));
            if let Some(row) = free {
                ends[row] = start + width;
                rows = rows.max(row + 1);
            }
            placed.push(Placed { x: flag.x, name: free.map(|row| (start, row, text)) });
        }
        (placed, super::stats::number(rows))
    }

    fn legend<B: DrawingBackend>(
        &self,
        brush: &mut Brush<'_, B>,
        layout: &Layout,
        names: &[Rect],
    ) -> Result<(), ReportError> {
        let labels = self.curves.iter().map(|curve| &curve.label);
        let labels: Vec<&String> =
            labels.chain(self.bands.iter().map(|band| &band.label)).collect();
        if labels.is_empty() {
            return Ok(());
        }
        let widest = labels.iter().map(|label| brush.face.width(label, TEXT)).fold(0.0, f64::max);
        let size =
            (widest + LEGEND_SAMPLE + 38.0, super::stats::number(labels.len()) * LEGEND_ROW + 14.0);
        let place = self.emptiest(layout, size, names);
        let corner = (place.x + place.width, place.y + place.height);
        brush.rectangle((place.x, place.y), corner, PAPER, 0.88)?;
        let mut y = place.y + 7.0 + LEGEND_ROW / 2.0;
        let (from, to) = (place.x + 12.0, place.x + 12.0 + LEGEND_SAMPLE);
        // A band belongs to the curve that runs in it, the first.
        for (index, curve) in self.curves.iter().enumerate() {
            draw_curve(brush, &[(from, y), (to, y)], curve)?;
            brush.text(&curve.label, (to + 12.0, y + 7.0), Align::Left, TEXT, INK)?;
            y += LEGEND_ROW;
            for band in self.bands.iter().filter(|_| index == 0) {
                brush.rectangle((from, y - 9.0), (to, y + 9.0), band.color, 0.22)?;
                brush.text(&band.label, (to + 12.0, y + 7.0), Align::Left, TEXT, INK)?;
                y += LEGEND_ROW;
            }
        }
        Ok(())
    }

    /// The place with the least in it: corners first, then the sides, then anywhere.
    fn emptiest(&self, layout: &Layout, (width, height): (f64, f64), names: &[Rect]) -> Rect {
        let gap = 14.0;
        let (left, right) = (layout.left + gap, layout.right - gap - width);
        let (top, bottom) = (layout.top + gap, layout.bottom - gap - height);
        let middle = f64::midpoint(top, bottom);
        let corners = [
            (right, bottom),
            (right, middle),
            (left, top),
            (right, top),
            (left, middle),
            (left, bottom),
        ];
        let inner = (1..12_u32).flat_map(|column| {
            [0_u32, 4, 1, 3, 2].map(|row| {
                let (across, down) = (f64::from(column) / 12.0, f64::from(row) / 4.0);
                (right - across * (right - left), top + down * (bottom - top))
            })
        });
        let ink = self.ink(layout);
        let cost = |&(x, y): &(f64, f64)| {
            let grown = Rect { x: x - 6.0, y: y - 6.0, width: width + 12.0, height: height + 12.0 };
            let lines = ink.iter().filter(|&&at| grown.holds(at)).count();
            let words = names.iter().filter(|name| {
                name.x < grown.x + grown.width
                    && grown.x < name.x + name.width
                    && name.y < grown.y + grown.height
                    && grown.y < name.y + name.height
            });
            lines + 100 * words.count()
        };
        let (x, y) = corners.into_iter().chain(inner).min_by_key(cost).unwrap_or((right, bottom));
        Rect { x, y, width, height }
    }

    /// Places that curves and bands pass, a few pixels apart.
    fn ink(&self, layout: &Layout) -> Vec<(f64, f64)> {
        let mut paths: Vec<Vec<(f64, f64)>> =
            self.curves.iter().map(|curve| layout.path(&curve.points)).collect();
        for band in &self.bands {
            paths.push(band.points.iter().map(|&(x, low, _)| layout.place((x, low))).collect());
            paths.push(band.points.iter().map(|&(x, _, high)| layout.place((x, high))).collect());
        }
        for flag in &self.flags {
            paths.push(vec![layout.place((flag.x, 0.0)), layout.place((flag.x, layout.y_end))]);
        }
        let mut ink = Vec::new();
        for pair in paths.iter().flat_map(|path| path.windows(2)) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let mut done = 0.0;
            let length = libm::hypot(x1 - x0, y1 - y0);
            while done <= length {
                let share = if length > 0.0 { done / length } else { 0.0 };
                ink.push((x0 + share * (x1 - x0), y0 + share * (y1 - y0)));
                done += 6.0;
            }
        }
        ink
    }
}

fn draw_flags<B: DrawingBackend>(
    brush: &mut Brush<'_, B>,
    layout: &Layout,
    flags: &[Placed],
) -> Result<(), ReportError> {
    for Placed { x, name } in flags {
        let (at, _) = layout.place((*x, 0.0));
        brush.line(&[(at, layout.top), (at, layout.bottom)], AXIS, 1.2)?;
        if let Some((start, row, text)) = name {
            let baseline = LABEL_LINE + 30.0 + FLAG_ROW * super::stats::number(*row);
            brush.line(&[(at, baseline + 6.0), (at, layout.top)], AXIS, 1.2)?;
            brush.text(text, (*start, baseline), Align::Left, TEXT, INK)?;
        }
    }
    Ok(())
}

fn draw_curve<B: DrawingBackend>(
    brush: &mut Brush<'_, B>,
    path: &[(f64, f64)],
    curve: &Curve,
) -> Result<(), ReportError> {
    match curve.stroke {
        Stroke::Solid => brush.line(path, curve.color, curve.width),
        Stroke::Dashed => {
            for dash in dashes(path, 13.0, 9.0) {
                brush.line(&dash, curve.color, curve.width)?;
            }
            Ok(())
        }
        Stroke::Dotted => {
            for dot in dashes(path, 0.0, 9.0) {
                if let Some(&at) = dot.first() {
                    brush.dot(at, curve.width / 2.0 + 0.3, curve.color)?;
                }
            }
            Ok(())
        }
    }
}

/// Cuts a path into dashes of length `on` with gaps of `off` between them.
fn dashes(path: &[(f64, f64)], on: f64, off: f64) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<(f64, f64)> = path.first().copied().into_iter().collect();
    let (mut drawing, mut left) = (true, on);
    for pair in path.windows(2) {
        let ((mut x, mut y), (x1, y1)) = (pair[0], pair[1]);
        loop {
            let length = libm::hypot(x1 - x, y1 - y);
            if length <= left {
                left -= length;
                if drawing {
                    piece.push((x1, y1));
                }
                break;
            }
            (x, y) = (x + (x1 - x) * left / length, y + (y1 - y) * left / length);
            if drawing {
                piece.push((x, y));
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![(x, y)];
            }
            drawing = !drawing;
            left = if drawing { on } else { off };
        }
    }
    if drawing && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        let ticks = |end: f64| {
            let axis = Axis::to("", end);
            let ticks = axis.ticks(11);
            ticks.iter().map(|&tick| axis.number(tick, &ticks)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ticks(2.2), "0.0 0.2 0.4 0.6 0.8 1.0 1.2 1.4 1.6 1.8 2.0 2.2");
        assert_eq!(ticks(1.0), "0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0");
        assert_eq!(ticks(60.0), "0 10 20 30 40 50 60");
        assert_eq!(ticks(16_000.0), "0 2,000 4,000 6,000 8,000 10,000 12,000 14,000 16,000");
        assert_eq!(ticks(0.0), "0");
        assert_eq!(thousands(-1_234_567.891, 1), "-1,234,567.9");
        assert_eq!(Axis::percent("").ticks(6), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
    }

    #[test]
    fn dashes_cover_what_they_should() {
        let path = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)];
        let pieces = dashes(&path, 4.0, 2.0);
        let total: f64 = pieces
            .iter()
            .flat_map(|piece| piece.windows(2))
            .map(|pair| (pair[1].0 - pair[0].0).abs() + (pair[1].1 - pair[0].1).abs())
            .sum();
        assert!((total - 14.0).abs() < 1e-9, "{total}");
        assert_eq!(dashes(&[], 4.0, 2.0).len(), 0);
        assert_eq!(dashes(&path, 0.0, 5.0).len(), 4);
    }
}
