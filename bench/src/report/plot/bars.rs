//! Bars in groups, each with the spread of its value and with marks to be reached.

use super::{Anchor, Canvas, GRID, INK, LINE_HEIGHT, Size, colour, width};

/// A picture with bars.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    /// What it shows.
    pub(crate) title: String,
    /// What is below the title.
    pub(crate) subtitle: String,
    pub(crate) groups: Vec<Group>,
}

/// Bars that are compared with each other.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) bars: Vec<Bar>,
    /// Where lines cross the bars: what has to be reached, and what is hoped for.
    pub(crate) marks: Vec<f64>,
}

/// A bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// The least and the most.
    pub(crate) spread: (f64, f64),
    /// What is written at its end.
    pub(crate) label: String,
    /// The number of its colour.
    pub(crate) colour: usize,
}

/// What is longer is cut off: a slow one must not make all others look alike.
const CUT: f64 = 4.0;

const BAR_HEIGHT: f64 = 13.0;
const HEAD: f64 = 62.0;
const MARGIN: f64 = 14.0;

impl Bars {
    /// The picture. Its height is that of what is in it.
    pub(crate) fn svg(&self, width_px: f64) -> String {
        let rows: usize = self.groups.iter().map(|group| group.bars.len() + 1).sum();
        let height = HEAD + rows as f64 * LINE_HEIGHT + 8.0 * self.groups.len() as f64 + MARGIN;
        let mut canvas = Canvas::new(Size { width: width_px, height }, &self.title);
        canvas.text(MARGIN, 22.0, Anchor::Start, "title", &self.title);
        canvas.text(MARGIN, 42.0, Anchor::Start, "label", &self.subtitle);
        let bars = || self.groups.iter().flat_map(|group| &group.bars);
        let left = MARGIN + bars().map(|bar| width(&bar.name)).fold(0.0, f64::max) + 10.0;
        let room = bars().map(|bar| width(&bar.label)).fold(0.0, f64::max) + 18.0;
        let marks = self.groups.iter().flat_map(|group| group.marks.iter().copied());
        let longest = marks.chain(bars().map(|bar| bar.spread.1)).fold(1.0, f64::max).min(CUT);
        let scale = (width_px - left - room - MARGIN).max(10.0) / longest;
        let mut y = HEAD;
        for group in &self.groups {
            canvas.text(MARGIN, y + 12.0, Anchor::Start, "name", &group.name);
            canvas.line([MARGIN, y + 18.0, width_px - MARGIN, y + 18.0], GRID, "grid");
            y += LINE_HEIGHT;
            let top = y;
            for bar in &group.bars {
                canvas.text(left - 8.0, y + 14.0, Anchor::End, "tick", &bar.name);
                let end = left + bar.value.min(longest) * scale;
                canvas.rect([left, y + 3.0, (end - left).max(1.0), BAR_HEIGHT], colour(bar.colour));
                let (least, most) = bar.spread;
                let [least, most] = [least, most].map(|value| left + value.min(longest) * scale);
                let middle = y + 3.0 + BAR_HEIGHT / 2.0;
                canvas.line([least, middle, most, middle], INK, "whisker");
                let label =
                    if bar.value > longest { format!("{} →", bar.label) } else { bar.label.clone() };
                canvas.text(most.max(end) + 8.0, y + 14.0, Anchor::Start, "tick", &label);
                y += LINE_HEIGHT;
            }
            for mark in &group.marks {
                let x = left + mark.min(longest) * scale;
                canvas.put(format_args!(
                    "<line x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{y:.1}\" stroke=\"{INK}\" \
                     stroke-dasharray=\"3 3\" class=\"mark\"/>\n"
                ));
            }
            y += 8.0;
        }
        canvas.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_long_as_their_values() {
        let bar = |name: &str, value: f64| Bar {
            name: name.to_owned(),
            value,
            spread: (value, value),
            label: format!("{value}"),
            colour: name.len(),
        };
        let group = |bars| Group { name: "g".to_owned(), bars, marks: vec![1.25] };
        let groups =
            vec![group(vec![bar("a", 1.0), bar("<b>", 2.0), bar("c", 20.0)]), group(vec![bar("c", 1.0)])];
        let svg = Bars { title: "t".to_owned(), subtitle: "s".to_owned(), groups }.svg(600.0);
        let attribute = |part: &str, name: &str| {
            part.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        let bars: Vec<(f64, String)> = svg
            .split("<rect ")
            .skip(1)
            .map(|rect| (attribute(rect, "width").parse().unwrap(), attribute(rect, "fill")))
            .collect();
        assert!((bars[1].0 - 2.0 * bars[0].0).abs() < 0.2, "{bars:?}");
        assert!((bars[2].0 - CUT * bars[0].0).abs() < 0.5 && svg.contains("20 →"), "{bars:?}");
        assert!(bars[0].1 == bars[3].1 && bars[0].1 != bars[1].1, "{bars:?}");
        assert_eq!(svg.matches("stroke-dasharray").count(), 2);
        assert!(svg.contains("&lt;b&gt;"));
    }
}
