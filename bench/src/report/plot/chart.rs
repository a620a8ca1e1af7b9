//! Lines over an axis.

use super::{Anchor, Canvas, GRID, LINE_HEIGHT, Scale, Size, colour, width};

/// A picture with lines.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// What it shows.
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
}

/// One of its axes.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What is along it.
    pub(crate) label: String,
    pub(crate) scale: Scale,
    /// How values are written.
    pub(crate) format: fn(f64) -> String,
}

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// From left to right.
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) style: Style,
    /// The number of its colour.
    pub(crate) colour: usize,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Just the line.
    Line,
    /// With what is below it.
    Area,
    /// With a dot at every point.
    Dots,
}

/// The rectangle with the data, in pixels.
struct Plot {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

const MARGIN: f64 = 14.0;

/// Room for the labels below, and for what they are.
const BOTTOM: f64 = 42.0;

/// Points of a line that a page can tell about; more are not told apart by a hand.
const TOLD: usize = 200;

impl Chart {
    /// The picture, which can stand alone.
    pub(crate) fn svg(&self, size: Size) -> String {
        let mut canvas = Canvas::new(size, &self.title);
        self.draw(&mut canvas, size, self.left());
        canvas.end()
    }

    /// Room for the labels of the vertical axis.
    pub(super) fn left(&self) -> f64 {
        let labels = self.y.scale.ticks().into_iter().map(self.y.format);
        labels.map(|label| width(&label)).fold(0.0, f64::max) + MARGIN + 6.0
    }

    /// Draws it with so much room at its left.
    pub(super) fn draw(&self, canvas: &mut Canvas, size: Size, left: f64) {
        let legend = self.legend(canvas, left, size.width);
        let plot = Plot {
            left,
            top: legend,
            width: size.width - left - MARGIN - 6.0,
            height: size.height - legend - BOTTOM,
        };
        self.grid(canvas, &plot);
        for series in &self.series {
            self.line(canvas, &plot, series, colour(series.colour));
        }
    }

    /// The names above the picture. Returns where it begins.
    fn legend(&self, canvas: &mut Canvas, left: f64, right: f64) -> f64 {
        const SWATCH: f64 = 20.0;
        canvas.text(MARGIN, 16.0, Anchor::Start, "label", &self.y.label);
        if self.series.len() < 2 {
            return 28.0;
        }
        let (mut x, mut y) = (left, 16.0 + LINE_HEIGHT);
        for series in &self.series {
            let needed = SWATCH + width(&series.name) + 16.0;
            if x > left && x + needed > right {
                (x, y) = (left, y + LINE_HEIGHT);
            }
            canvas.put(format_args!(
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"14\" height=\"4\" rx=\"2\" fill=\"{}\"/>\n",
                y - 6.0,
                colour(series.colour)
            ));
            canvas.text(x + SWATCH, y, Anchor::Start, "name", &series.name);
            x += needed;
        }
        y + 14.0
    }

    fn grid(&self, canvas: &mut Canvas, plot: &Plot) {
        let (right, bottom) = (plot.left + plot.width, plot.top + plot.height);
        for tick in self.y.scale.ticks() {
            let (y, label) = (plot.y(&self.y, tick), (self.y.format)(tick));
            canvas.line([plot.left, y, right, y], GRID, "grid");
            canvas.text(plot.left - 8.0, y + 4.0, Anchor::End, "tick", &label);
        }
        let mut free = f64::MIN;
        for tick in self.x.scale.ticks() {
            let (x, label) = (plot.x(&self.x, tick), (self.x.format)(tick));
            canvas.line([x, plot.top, x, bottom], GRID, "grid");
            // What does not fit beside the last is left out.
            let half = width(&label) / 2.0;
            if x - half > free {
                let x = x.min(canvas.size.width - half - 2.0);
                canvas.text(x, bottom + 17.0, Anchor::Middle, "tick", &label);
                free = x + half + 6.0;
            }
        }
        canvas.text(right, bottom + 36.0, Anchor::End, "label", &self.x.label);
    }

    fn line(&self, canvas: &mut Canvas, plot: &Plot, series: &Series, colour: &str) {
        let places: Vec<_> = series
            .points
            .iter()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .map(|&(x, y)| (plot.x(&self.x, x), plot.y(&self.y, y), x, y))
            .collect();
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return };
        let path: Vec<_> = places.iter().map(|(x, y, ..)| format!("{x:.1} {y:.1}")).collect();
        let path = path.join(" L");
        if series.style == Style::Area {
            let bottom = plot.top + plot.height;
            canvas.put(format_args!(
                "<path d=\"M{:.1} {bottom:.1} L{path} L{:.1} {bottom:.1} Z\" fill=\"{colour}\" \
                 fill-opacity=\"0.14\"/>\n",
                first.0, last.0
            ));
        }
        // What a page shows where somebody points at.
        let every = places.len().div_ceil(TOLD);
        let told = places.iter().enumerate().filter(|(i, _)| i % every == 0 || i + 1 == places.len());
        let told = told.map(|(_, &(x, y, of, value))| {
            format!("{x:.0},{y:.0},{},{}", (self.x.format)(of), (self.y.format)(value))
        });
        let told: Vec<_> = told.collect();
        canvas.put(format_args!(
            "<path d=\"M{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\" \
             stroke-linecap=\"round\" class=\"line\" data-name=\"{}\" data-points=\"{}\"/>\n",
            super::escape(&series.name),
            super::escape(&told.join(";"))
        ));
        if series.style == Style::Dots || places.len() == 1 {
            for (x, y, ..) in &places {
                canvas
                    .put(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>\n"));
            }
        }
    }
}

impl Plot {
    fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + self.width * axis.scale.place(value)
    }

    fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.top + self.height * (1.0 - axis.scale.place(value))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NARROW, WIDE, stack};
    use super::*;

    fn chart() -> Chart {
        let axis = |label: &str, scale| Axis {
            label: label.to_owned(),
            scale,
            format: |value: f64| format!("{value:.0}"),
        };
        let line = |name: &str, points: &[(f64, f64)], style| Series {
            name: name.to_owned(),
            points: points.to_vec(),
            style,
            colour: name.len(),
        };
        Chart {
            title: "a & b".to_owned(),
            x: axis("pairs", Scale::log([1.0, 100.0])),
            y: axis("rate", Scale::linear([80.0])),
            series: vec![
                line("<a>", &[(1.0, 10.0), (10.0, 50.0), (100.0, 80.0)], Style::Area),
                line("b", &[(1.0, f64::NAN), (10.0, 20.0)], Style::Dots),
                line("none", &[], Style::Line),
            ],
        }
    }

    #[test]
    fn every_value_stands_where_it_belongs() {
        let svg = chart().svg(Size { width: 240.0, height: 200.0 });
        let path = svg.split("data-points=\"").nth(1).unwrap().split('"').next().unwrap();
        let points: Vec<Vec<&str>> = path.split(';').map(|point| point.split(',').collect()).collect();
        assert_eq!(
            points.iter().map(|point| point[2..].join(" ")).collect::<Vec<_>>(),
            ["1 10", "10 50", "100 80"]
        );
        let x: Vec<f64> = points.iter().map(|point| point[0].parse().unwrap()).collect();
        let y: Vec<f64> = points.iter().map(|point| point[1].parse().unwrap()).collect();
        assert!((x[1] - x[0] - (x[2] - x[1])).abs() <= 1.0, "a decade is a decade: {x:?}");
        assert!(y.is_sorted_by(|a, b| a > b), "more is higher: {y:?}");
        assert_eq!(svg.matches("<circle").count(), 1, "what is no number has no dot");
    }

    #[test]
    fn names_cannot_break_the_picture() {
        for size in [WIDE, NARROW] {
            let svg = stack("x < y", &[chart(), chart()], size);
            assert!(svg.contains("&lt;a&gt;") && !svg.contains("<a>") && svg.contains("x &lt; y"), "{svg}");
            assert_eq!(svg.matches("<svg").count(), 1);
            assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
        }
    }
}
