//! Where charts are drawn: one set of strokes, an SVG text and a PNG picture out of it.
//!
//! Both come from plotters' backends. Coordinates there are whole numbers, so everything is drawn three times as large:
//! the SVG says so in its view box, the bitmap is averaged down, which also smooths its edges. Text in the bitmap is
//! placed here with an embedded font, because the machine that runs a simulation may have none.

use std::io::Write as _;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
/// Colour of something drawn.
pub(super) use plotters::style::RGBColor as Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontDesc, FontFamily, FontStyle, ShapeStyle, TextStyle};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind,
};

use super::ReportError;

/// Width of every picture.
pub(super) const WIDTH: f64 = 1_200.0;
/// Height of every picture.
pub(super) const HEIGHT: f64 = 700.0;
/// How much larger the backends draw.
const SCALE: u32 = 3;
const PIXELS: (u32, u32) = (1_200, 700);
const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans-Latin.ttf");
/// Viewers of the SVG take the first of these that they have; DejaVu and Verdana are the widest, so all of them fit.
const FAMILY: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";
/// plotters' ratio between its font size and the em square.
const EM: f64 = 1.24;
/// The SVG backend puts the baseline of text that hangs from its anchor this many ems below it.
const BASELINE: f64 = 0.76;

/// Where text stands relative to its x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Begins there.
    Left,
    /// Is centred there.
    Middle,
    /// Ends there.
    Right,
}

/// Something that can be drawn on: `paint` of a chart runs once per kind of picture.
pub(super) trait Paint {
    /// Draws on `brush`.
    fn paint<B: DrawingBackend>(&self, brush: &mut Brush<'_, B>) -> Result<(), ReportError>;
}

/// The embedded font.
#[derive(Clone)]
pub(super) struct Face(FontRef<'static>);

impl Face {
    /// Loads it.
    pub(super) fn load() -> Result<Self, ReportError> {
        FontRef::try_from_slice(FONT)
            .map(Self)
            .map_err(|error| ReportError::Draw(error.to_string()))
    }

    /// Width of a line of text of `size` pixels per em.
    pub(super) fn width(&self, text: &str, size: f64) -> f64 {
        let font = self.0.as_scaled(self.scale(size));
        let mut width = 0.0;
        let mut previous = None;
        for letter in text.chars() {
            let glyph = font.glyph_id(letter);
            width +=
                previous.map_or(0.0, |before| font.kern(before, glyph)) + font.h_advance(glyph);
            previous = Some(glyph);
        }
        f64::from(width)
    }

    /// Fits `text` into `room` pixels by cutting its end off.
    pub(super) fn fit(&self, text: &str, size: f64, room: f64) -> String {
        if self.width(text, size) <= room {
            return text.to_owned();
        }
        let mut kept: String = text.to_owned();
        while kept.pop().is_some() {
            let shorter = format!("{}…", kept.trim_end());
            if self.width(&shorter, size) <= room {
                return shorter;
            }
        }
        String::new()
    }

    fn scale(&self, size: f64) -> PxScale {
        let em = self.0.units_per_em().unwrap_or(2_048.0);
        PxScale::from(single(size) * self.0.height_unscaled() / em)
    }
}

/// Draws in pixels of the finished picture, whatever the backend.
pub(super) struct Brush<'a, B: DrawingBackend> {
    backend: &'a mut B,
    /// For measuring text.
    pub(super) face: &'a Face,
}

impl<B: DrawingBackend> Brush<'_, B> {
    /// An unbroken line through `points`.
    pub(super) fn line(
        &mut self,
        points: &[(f64, f64)],
        color: Color,
        width: f64,
    ) -> Result<(), ReportError> {
        let style =
            ShapeStyle { color: color.to_rgba(), filled: false, stroke_width: thick(width) };
        let mut path: Vec<BackendCoord> = points.iter().map(|&at| coord(at)).collect();
        path.dedup();
        if path.len() < 2 {
            return Ok(());
        }
        done::<B, _>(self.backend.draw_path(path, &style))
    }

    /// A filled area.
    pub(super) fn area(
        &mut self,
        corners: &[(f64, f64)],
        color: Color,
        opacity: f64,
    ) -> Result<(), ReportError> {
        let style = ShapeStyle { color: color.mix(opacity), filled: true, stroke_width: 0 };
        done::<B, _>(self.backend.fill_polygon(corners.iter().map(|&at| coord(at)), &style))
    }

    /// A filled rectangle.
    pub(super) fn rectangle(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        color: Color,
        opacity: f64,
    ) -> Result<(), ReportError> {
        let style = ShapeStyle { color: color.mix(opacity), filled: true, stroke_width: 0 };
        done::<B, _>(self.backend.draw_rect(coord(from), coord(to), &style, true))
    }

    /// A filled circle.
    pub(super) fn dot(
        &mut self,
        center: (f64, f64),
        radius: f64,
        color: Color,
    ) -> Result<(), ReportError> {
        let style = ShapeStyle { color: color.to_rgba(), filled: true, stroke_width: 0 };
        done::<B, _>(self.backend.draw_circle(coord(center), thick(radius), &style, true))
    }

    /// One line of text; `at.1` is its baseline.
    pub(super) fn text(
        &mut self,
        text: &str,
        at: (f64, f64),
        align: Align,
        size: f64,
        color: Color,
    ) -> Result<(), ReportError> {
        let scaled = size * f64::from(SCALE) * EM;
        let font = FontDesc::new(FontFamily::Name(FAMILY), scaled, FontStyle::Normal);
        let horizontal = match align {
            Align::Left => HPos::Left,
            Align::Middle => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = TextStyle {
            font,
            color: color.to_backend_color(),
            pos: Pos::new(horizontal, VPos::Top),
        };
        let top = (at.0, at.1 - BASELINE * size);
        done::<B, _>(self.backend.draw_text(text, &style, coord(top)))
    }
}

/// Draws as SVG text. `label` describes the picture to those who cannot see it.
pub(super) fn svg(picture: &impl Paint, label: &str) -> Result<String, ReportError> {
    let size = (PIXELS.0 * SCALE, PIXELS.1 * SCALE);
    let mut text = String::new();
    {
        let face = Face::load()?;
        let mut backend = SVGBackend::with_string(&mut text, size);
        picture.paint(&mut Brush { backend: &mut backend, face: &face })?;
        done::<SVGBackend<'_>, _>(backend.present())?;
    }
    let head = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    let shown = format!(
        "width=\"{}\" height=\"{}\" role=\"img\" aria-label=\"{}\" stroke-linecap=\"round\" \
         stroke-linejoin=\"round\"",
        PIXELS.0,
        PIXELS.1,
        super::html::escape(label)
    );
    Ok(text.replacen(&head, &shown, 1).replace(" \"/>", "\"/>"))
}

/// Draws as the bytes of a PNG file.
pub(super) fn png(picture: &impl Paint) -> Result<Vec<u8>, ReportError> {
    let size = (PIXELS.0 * SCALE, PIXELS.1 * SCALE);
    let mut large = vec![255; bytes(size)];
    {
        let face = Face::load()?;
        let inner = BitMapBackend::with_buffer(&mut large, size);
        let mut backend = Bitmap { inner, size, face: face.clone() };
        picture.paint(&mut Brush { backend: &mut backend, face: &face })?;
        done::<Bitmap<'_>, _>(backend.present())?;
    }
    encode(&shrink(&large))
}

/// Averages squares of `SCALE` pixels.
fn shrink(large: &[u8]) -> Vec<u8> {
    let (scale, width) = (index(SCALE), index(PIXELS.0));
    let row = width * scale * 3;
    let mut small = Vec::with_capacity(bytes(PIXELS));
    for band in large.chunks_exact(row * scale) {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0_u32;
                for line in band.chunks_exact(row) {
                    for step in 0..scale {
                        sum += u32::from(line[(x * scale + step) * 3 + channel]);
                    }
                }
                let mean = (sum + SCALE * SCALE / 2) / (SCALE * SCALE);
                small.push(u8::try_from(mean).unwrap_or(u8::MAX));
            }
        }
    }
    small
}

fn encode(pixels: &[u8]) -> Result<Vec<u8>, ReportError> {
    let failed = |error: png::EncodingError| ReportError::Draw(error.to_string());
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, PIXELS.0, PIXELS.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    file.flush().map_err(|error| ReportError::Draw(error.to_string()))?;
    Ok(file)
}

/// plotters' bitmap with round line ends and an embedded font.
struct Bitmap<'a> {
    inner: BitMapBackend<'a>,
    size: (u32, u32),
    face: Face,
}

impl Bitmap<'_> {
    /// Fills every pixel nearer to the segment than half its width. Only for opaque colours: joints are filled twice.
    fn capsule(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        width: u32,
        color: BackendColor,
    ) -> Result<(), DrawingErrorKind<<Self as DrawingBackend>::ErrorType>> {
        let radius = f64::from(width) / 2.0;
        let (ax, ay) = (f64::from(from.0), f64::from(from.1));
        let (dx, dy) = (f64::from(to.0) - ax, f64::from(to.1) - ay);
        let length = (dx * dx + dy * dy).max(1.0);
        let reach = i32::try_from(width / 2 + 1).unwrap_or(1);
        for y in from.1.min(to.1) - reach..=from.1.max(to.1) + reach {
            for x in from.0.min(to.0) - reach..=from.0.max(to.0) + reach {
                let (px, py) = (f64::from(x) - ax, f64::from(y) - ay);
                let along = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
                let (ox, oy) = (px - along * dx, py - along * dy);
                if ox * ox + oy * oy <= radius * radius {
                    self.draw_pixel((x, y), color)?;
                }
            }
        }
        Ok(())
    }

    fn inside(&self, (x, y): BackendCoord) -> bool {
        u32::try_from(x).is_ok_and(|x| x < self.size.0)
            && u32::try_from(y).is_ok_and(|y| y < self.size.1)
    }
}

impl<'a> DrawingBackend for Bitmap<'a> {
    type ErrorType = <BitMapBackend<'a> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.inner.ensure_prepared()
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.inner.present()
    }

    fn draw_pixel(
        &mut self,
        at: BackendCoord,
        color: BackendColor,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        if self.inside(at) { self.inner.draw_pixel(at, color) } else { Ok(()) }
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.inner.draw_rect(from, to, style, fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        let points: Vec<BackendCoord> = path.into_iter().collect();
        for pair in points.windows(2) {
            self.capsule(pair[0], pair[1], style.stroke_width(), style.color())?;
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        at: BackendCoord,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        let size = style.size() / EM;
        let width = self.face.width(text, size);
        let start = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let scale = self.face.scale(size);
        let font = self.face.clone();
        let scaled = font.0.as_scaled(scale);
        let baseline = single(f64::from(at.1) + BASELINE * size);
        let (mut pen, mut previous) = (single(f64::from(at.0) + start), None);
        for letter in text.chars() {
            let glyph = scaled.glyph_id(letter);
            pen += previous.map_or(0.0, |before| scaled.kern(before, glyph));
            previous = Some(glyph);
            let placed = glyph.with_scale_and_position(scale, point(pen, baseline));
            pen += scaled.h_advance(glyph);
            let Some(outline) = font.0.outline_glyph(placed) else { continue };
            let corner = outline.px_bounds().min;
            let (left, top) = (whole(f64::from(corner.x)), whole(f64::from(corner.y)));
            let mut result = Ok(());
            outline.draw(|x, y, coverage| {
                let (Ok(x), Ok(y)) = (i32::try_from(x), i32::try_from(y)) else { return };
                if result.is_ok() && coverage > 0.0 {
                    let alpha = f64::from(coverage.min(1.0));
                    let color = BackendColor { alpha, ..style.color() };
                    result = self.draw_pixel((left + x, top + y), color);
                }
            });
            result?;
        }
        Ok(())
    }
}

fn done<B: DrawingBackend, T>(
    result: Result<T, DrawingErrorKind<B::ErrorType>>,
) -> Result<T, ReportError> {
    result.map_err(|error| ReportError::Draw(error.to_string()))
}

fn coord((x, y): (f64, f64)) -> BackendCoord {
    (whole(x * f64::from(SCALE)), whole(y * f64::from(SCALE)))
}

fn thick(width: f64) -> u32 {
    u32::try_from(whole(width * f64::from(SCALE))).unwrap_or(1).max(1)
}

/// Rounds to a whole pixel; whatever is far outside the picture stays outside.
#[expect(clippy::cast_possible_truncation, reason = "clamped")]
fn whole(value: f64) -> i32 {
    libm::round(value).clamp(-100_000.0, 100_000.0) as i32
}

#[expect(clippy::cast_possible_truncation, reason = "pixels and font sizes need no more")]
fn single(value: f64) -> f32 {
    value as f32
}

fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn bytes((width, height): (u32, u32)) -> usize {
    index(width) * index(height) * 3
}
