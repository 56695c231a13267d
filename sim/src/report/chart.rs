//! One kind of chart for all figures: curves and bands over two axes, with a legend in the emptiest corner.

use plotters::backend::DrawingBackend;

use super::ReportError;
use super::axis::Axis;
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

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Solid,
    Dashed,
    Dotted,
}

/// A curve. Without a label it is one more piece of the curve before it, and not in the legend.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) label: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) color: Color,
    pub(super) stroke: Stroke,
    pub(super) width: f64,
}

/// An area between a lower and an upper curve: (x, low, high). Without a label it is not in the legend.
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
    x: Axis,
    y: Axis,
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
        let (across, up) = (self.x.place(x), self.y.place(y));
        (self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top))
    }

    /// The part of a curve within the axes, in pixels.
    fn path(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let mut path = Vec::with_capacity(points.len());
        for (index, &(x, y)) in points.iter().enumerate() {
            if x <= self.x.end {
                path.push(self.place((x, y)));
                continue;
            }
            if let Some(&(x0, y0)) = index.checked_sub(1).and_then(|before| points.get(before)) {
                let share = (self.x.end - x0) / (x - x0);
                path.push(self.place((self.x.end, y0 + share * (y - y0))));
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
        let top = LABEL_LINE + 22.0 + if rows > 0.0 { FLAG_ROW * rows + 8.0 } else { 0.0 };
        let layout = Layout {
            left,
            right: WIDTH - EDGE - 10.0,
            top,
            bottom: HEIGHT - 82.0,
            x: self.x.clone(),
            y: self.y.clone(),
        };
        self.grid(brush, &layout, &x_ticks, &y_ticks)?;
        draw_flags(brush, &layout, &flags)?;
        self.data(brush, &layout)?;
        let names = self.draw_marks(brush, &layout)?;
        self.legend(brush, &layout, &names)
    }
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
        let ink = if self.marks.is_empty() { Vec::new() } else { self.ink(layout) };
        for mark in self.marks.iter().filter(|mark| mark.at.0 <= layout.x.end) {
            let (x, y) = layout.place(mark.at);
            let diamond = |r: f64| [(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
            brush.area(&diamond(12.0), PAPER, 1.0)?;
            brush.area(&diamond(9.0), INK, 1.0)?;
            let width = brush.face.width(&mark.label, TEXT);
            let right = (x + 6.0).min(layout.right - width - 4.0);
            // Below to the right, or to the left if fewer lines pass there.
            let crossed = |left: &f64| {
                let around = Rect { x: left - 4.0, y: y + 16.0, width: width + 8.0, height: 26.0 };
                ink.iter().filter(|&&at| around.holds(at)).count()
            };
            let left = [right, (x - 6.0 - width).max(layout.left + 4.0)]
                .into_iter()
                .min_by_key(crossed)
                .unwrap_or(right);
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
            let x = left + self.x.place(flag.x) * (right - left);
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
        let labels: Vec<&String> = labels
            .chain(self.bands.iter().map(|band| &band.label))
            .filter(|it| !it.is_empty())
            .collect();
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
        for (index, curve) in self.curves.iter().filter(|it| !it.label.is_empty()).enumerate() {
            draw_curve(brush, &[(from, y), (to, y)], curve)?;
            brush.text(&curve.label, (to + 12.0, y + 7.0), Align::Left, TEXT, INK)?;
            y += LEGEND_ROW;
            for band in self.bands.iter().filter(|it| index == 0 && !it.label.is_empty()) {
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
            paths.push(vec![layout.place((flag.x, 0.0)), layout.place((flag.x, layout.y.end))]);
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
