//! Charts for experiments that are more than one run: a plain description, drawn as SVG and as PNG.

use std::path::{Path, PathBuf};

use super::axis::{Axis, round_up};
use super::chart::{
    BLUE, Band, Chart, Curve, GREEN, Mark, ORANGE, PURPLE, SKY, Stroke, VERMILLION,
};
use super::{ReportError, canvas, put};

/// The colours, in the order in which curves take them.
const COLORS: [canvas::Color; 6] = [BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY];

/// An axis.
#[derive(Clone, Debug)]
pub(crate) enum Scale {
    /// From 0 to a round number not below `end`.
    Linear {
        /// Quantity and unit.
        label: String,
        /// What must fit.
        end: f64,
    },
    /// From 0 to 100 percent.
    Percent {
        /// Quantity.
        label: String,
    },
    /// Logarithmic, both ends above 0. What lies below `start` is drawn at the start.
    Logarithmic {
        /// Quantity and unit.
        label: String,
        /// Where it starts.
        start: f64,
        /// Where it ends.
        end: f64,
    },
}

impl Scale {
    fn axis(&self) -> Axis {
        match self {
            Self::Linear { label, end } => Axis::to(label, round_up(*end)),
            Self::Percent { label } => Axis::percent(label),
            Self::Logarithmic { label, start, end } => {
                Axis::logarithmic(label, *start, *end, false)
            }
        }
    }
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dash {
    /// What was measured.
    Solid,
    /// What was published.
    Dashed,
    /// What a model says.
    Dotted,
}

/// A curve in the colour with this number.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Its name in the legend; empty: it belongs to the curve before it.
    pub(crate) label: String,
    /// Where it goes.
    pub(crate) points: Vec<(f64, f64)>,
    /// Number of the colour.
    pub(crate) color: usize,
    /// How it is drawn.
    pub(crate) dash: Dash,
}

/// An area between a lower and an upper curve.
#[derive(Clone, Debug)]
pub(crate) struct Area {
    /// Its name in the legend.
    pub(crate) label: String,
    /// Where it is: (x, low, high).
    pub(crate) points: Vec<(f64, f64, f64)>,
}

/// A chart.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    /// Name of the files, without ending.
    pub(crate) stem: String,
    /// What it shows.
    pub(crate) title: String,
    /// Of what.
    pub(crate) subtitle: String,
    /// Across.
    pub(crate) x: Scale,
    /// Up.
    pub(crate) y: Scale,
    /// The first one is drawn on top.
    pub(crate) lines: Vec<Line>,
    /// An area around the first curve.
    pub(crate) band: Option<Area>,
    /// Named points.
    pub(crate) marks: Vec<(String, (f64, f64))>,
}

impl Plot {
    /// Draws it into `out`, as SVG and as PNG.
    ///
    /// # Errors
    /// If it cannot be drawn or written.
    pub(crate) fn write(&self, out: &Path) -> Result<[PathBuf; 2], ReportError> {
        let chart = self.chart();
        let svg = canvas::svg(&chart, &self.title)?;
        let png = canvas::png(&chart)?;
        Ok([
            put(out, &format!("{}.svg", self.stem), svg.as_bytes())?,
            put(out, &format!("{}.png", self.stem), &png)?,
        ])
    }

    fn chart(&self) -> Chart {
        let curve = |line: &Line| Curve {
            label: line.label.clone(),
            points: line.points.clone(),
            color: COLORS[line.color % COLORS.len()],
            stroke: match line.dash {
                Dash::Solid => Stroke::Solid,
                Dash::Dashed => Stroke::Dashed,
                Dash::Dotted => Stroke::Dotted,
            },
            width: if line.dash == Dash::Solid { 3.0 } else { 2.4 },
        };
        let band = |area: &Area| Band {
            label: area.label.clone(),
            points: area.points.clone(),
            color: COLORS[self.lines.first().map_or(0, |line| line.color) % COLORS.len()],
        };
        Chart {
            title: self.title.clone(),
            subtitle: self.subtitle.clone(),
            x: self.x.axis(),
            y: self.y.axis(),
            bands: self.band.iter().map(band).collect(),
            curves: self.lines.iter().map(curve).collect(),
            marks: self
                .marks
                .iter()
                .map(|(label, at)| Mark { label: label.clone(), at: *at })
                .collect(),
            ..Chart::default()
        }
    }
}
