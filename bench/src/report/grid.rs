//! Tables, for a terminal, for Markdown and for a page.

use std::iter;

use super::plot::escape;

/// Rows of cells under a head.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    columns: Vec<(String, Align)>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
enum Row {
    Cells(Vec<String>),
    Rule,
}

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// For words.
    Left,
    /// For numbers.
    Right,
}

impl Grid {
    /// An empty table with these columns.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Grid {
        let columns = columns.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect();
        Grid { columns, rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let missing = iter::repeat_with(String::new);
        self.rows.push(Row::Cells(cells.into_iter().chain(missing).take(self.columns.len()).collect()));
    }

    /// Separates the rows before from those after. Markdown has no such thing.
    pub(crate) fn rule(&mut self) {
        self.rows.push(Row::Rule);
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let widths = self.widths();
        let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1));
        let mut lines = vec![self.line(self.head(), &widths, "  "), rule.clone()];
        lines.extend(self.rows.iter().map(|row| match row {
            Row::Cells(cells) => self.line(cells.iter(), &widths, "  "),
            Row::Rule => rule.clone(),
        }));
        lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// For Markdown.
    pub(crate) fn markdown(&self) -> String {
        let widths = self.widths();
        let dashes = |(width, (_, align)): (&usize, &(String, Align))| match align {
            Align::Left => "-".repeat(*width),
            Align::Right => format!("{}:", "-".repeat(width.saturating_sub(1))),
        };
        let dashes: Vec<_> = widths.iter().zip(&self.columns).map(dashes).collect();
        let cells = self.rows.iter().filter_map(|row| match row {
            Row::Cells(cells) => Some(self.line(cells.iter(), &widths, " | ")),
            Row::Rule => None,
        });
        let head = [self.line(self.head(), &widths, " | "), dashes.join(" | ")];
        head.into_iter().chain(cells).map(|line| format!("| {line} |\n")).collect()
    }

    /// For a page.
    pub(crate) fn html(&self) -> String {
        let class = |align| if align == Align::Right { " class=\"number\"" } else { "" };
        let head = self
            .columns
            .iter()
            .map(|(name, align)| format!("<th scope=\"col\"{}>{}</th>", class(*align), escape(name)));
        let row = |cells: &Vec<String>| {
            let cells = cells.iter().zip(&self.columns);
            let cells = cells.map(|(cell, (_, align))| format!("<td{}>{}</td>", class(*align), escape(cell)));
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let rows = self.rows.iter().filter_map(|it| match it {
            Row::Cells(cells) => Some(row(cells)),
            Row::Rule => None,
        });
        let (head, rows) = (head.collect::<String>(), rows.collect::<String>());
        format!("<table class=\"grid\">\n<tr>{head}</tr>\n{rows}</table>\n")
    }

    fn head(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().map(|(name, _)| name)
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(move |row| match row {
                Row::Cells(cells) => Some(&cells[column]),
                Row::Rule => None,
            });
            let head = iter::once(&self.columns[column].0);
            head.chain(cells).map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        (0..self.columns.len()).map(width).collect()
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a String>, widths: &[usize], between: &str) -> String {
        let padded = cells.zip(widths).zip(&self.columns).map(|((cell, &width), (_, align))| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        padded.collect::<Vec<_>>().join(between)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new(&[("what", Align::Left), ("µs", Align::Right), ("", Align::Left)]);
        grid.row(["relay", "26.7", ""].map(str::to_owned));
        grid.rule();
        grid.row(["router ≤ 2".to_owned(), "1".to_owned()]);
        grid
    }

    #[test]
    fn terminal() {
        let expected = "\
what          µs
─────────────────────
relay       26.7
─────────────────────
router ≤ 2     1
";
        assert_eq!(grid().text(), expected);
    }

    #[test]
    fn markdown() {
        let expected = "\
| what       |   µs |     |
| ---------- | ---: | --- |
| relay      | 26.7 |     |
| router ≤ 2 |    1 |     |
";
        assert_eq!(grid().markdown(), expected);
    }

    #[test]
    fn a_page() {
        let mut grid = grid();
        grid.row(["<b>".to_owned()]);
        let html = grid.html();
        assert!(html.contains("<th scope=\"col\" class=\"number\">µs</th>"), "{html}");
        assert!(html.contains("<td>relay</td><td class=\"number\">26.7</td>"), "{html}");
        assert!(html.contains("&lt;b&gt;") && html.matches("<tr>").count() == 4, "{html}");
    }
}
