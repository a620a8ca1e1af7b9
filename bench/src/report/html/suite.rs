//! The page of the suite's table.

use super::super::Grid;
use super::super::plot::{Bars, Chart, NARROW, WIDE, escape};
use super::{Breadth, card, figure, page};

/// The whole page. `head` says how it was measured.
pub(crate) fn suite(head: &str, table: &Grid, starts: &Grid, ratios: &Bars, curves: &[&Chart]) -> String {
    let title = "Routers compared";
    let head = format!("<header>\n<h1>{title}</h1>\n<p class=\"soft\">{}</p>\n</header>\n", escape(head));
    let bars = format!(
        "<figure class=\"wide\">\n{}</figure>\n<figure class=\"narrow\">\n{}</figure>\n",
        ratios.svg(WIDE.width),
        ratios.svg(NARROW.width)
    );
    let curves: String = curves.iter().map(|chart| card(&chart.title, &figure(chart))).collect();
    let grid = |grid: &Grid| format!("<div class=\"scroll\">\n{}</div>\n", grid.html());
    let (table, starts) = (card("Figures", &grid(table)), card("Before anybody connects", &grid(starts)));
    let curves = format!("<div class=\"pictures\">\n{curves}</div>\n");
    page(title, Breadth::Broad, &[head, card("Ratios", &bars), table, curves, starts].concat())
}
