//! Pictures as SVG. They carry colours of their own that are legible on white and on black, as attributes, which the
//! style of a page overrides; and nothing from elsewhere.

mod bars;
mod chart;
mod scale;

use std::fmt::Write;

pub(crate) use bars::{Bar, Bars, Group};
pub(crate) use chart::{Axis, Chart, Series, Style};
pub(crate) use scale::Scale;

/// Pixels of a picture, before it is scaled to its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// For documents.
pub(crate) const WIDE: Size = Size { width: 860.0, height: 340.0 };

/// For phones.
pub(crate) const NARROW: Size = Size { width: 380.0, height: 300.0 };

/// Of lines and bars, in their order; told apart by people who see red and green alike.
const PALETTE: [&str; 8] =
    ["#3b82f6", "#f59e0b", "#10b981", "#e5484d", "#8b5cf6", "#0ea5b7", "#d6409f", "#84912b"];

/// Of words.
const INK: &str = "#7a8594";

/// Of lines behind the data.
const GRID: &str = "#8b95a340";

const FONT: &str = "ui-sans-serif, system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

/// Pixels of an average letter, by which words are given room.
const LETTER: f64 = 6.9;

const LINE_HEIGHT: f64 = 20.0;

/// The colour of the line or bar with this number.
fn colour(index: usize) -> &'static str {
    PALETTE[index % PALETTE.len()]
}

/// Where a text stands in relation to its place.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that grows.
struct Canvas {
    out: String,
    size: Size,
}

impl Canvas {
    fn new(size: Size, title: &str) -> Canvas {
        let Size { width, height } = size;
        let out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{}\" \
             font-family=\"{FONT}\" font-size=\"12\">\n",
            escape(title)
        );
        Canvas { out, size }
    }

    fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let style = if class == "title" { " font-size=\"15\" font-weight=\"600\"" } else { "" };
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\" fill=\"{INK}\"{style}>{}</text>\n",
            escape(text)
        ));
    }

    fn line(&mut self, [x1, y1, x2, y2]: [f64; 4], colour: &str, class: &str) {
        self.put(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" class=\"{class}\"/>\n"
        ));
    }

    fn rect(&mut self, [x, y, width, height]: [f64; 4], fill: &str) {
        self.put(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" fill=\"{fill}\"/>\n"
        ));
    }

    /// Appends to the picture.
    fn put(&mut self, part: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(part);
    }

    fn end(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }
}

/// Pictures below each other, as one.
pub(crate) fn stack(title: &str, charts: &[Chart], size: Size) -> String {
    const TITLE: f64 = 30.0;
    let height = TITLE + size.height * charts.len() as f64;
    let mut canvas = Canvas::new(Size { height, ..size }, title);
    canvas.text(12.0, 20.0, Anchor::Start, "title", title);
    // What is at the same place is at the same value.
    let left = charts.iter().map(Chart::left).fold(0.0, f64::max);
    for (i, chart) in charts.iter().enumerate() {
        let top = TITLE + size.height * i as f64;
        canvas.put(format_args!("<g transform=\"translate(0 {top:.0})\">\n"));
        chart.draw(&mut canvas, size, left);
        canvas.out.push_str("</g>\n");
    }
    canvas.end()
}

/// Pixels that a text takes, about.
fn width(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

/// A text within HTML or SVG, in an attribute or not.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no place for these, not even escaped.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_a_text() {
        assert_eq!(escape("a<b> & \"c' \u{1}é"), "a&lt;b&gt; &amp; &quot;c&#39; \u{FFFD}é");
    }
}
