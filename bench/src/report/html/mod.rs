//! Pages for people who would rather look than read: one file each, which needs nothing from elsewhere.

mod compare;
mod load;
mod suite;

use super::plot::{Chart, NARROW, WIDE, escape};

pub(crate) use compare::compare;
pub(crate) use load::load;
pub(crate) use suite::suite;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// How much of the screen a page takes.
#[derive(Clone, Copy)]
enum Breadth {
    /// A column that is good to read.
    Column,
    /// More, for long tables.
    Broad,
}

/// A page around what is `inside`, which is HTML.
fn page(title: &str, breadth: Breadth, inside: &str) -> String {
    let class = match breadth {
        Breadth::Column => "column",
        Breadth::Broad => "broad",
    };
    let title = escape(title);
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main class=\"{class}\">\n{inside}\
         <footer>Made by connectanum-bench {version}.</footer>\n</main>\n<script>\n{SCRIPT}</script>\n\
         </body>\n</html>\n"
    )
}

/// A part of the page, with a heading. `inside` is HTML.
fn card(heading: &str, inside: &str) -> String {
    format!("<section class=\"card\">\n<h2>{}</h2>\n{inside}</section>\n", escape(heading))
}

/// A picture, as it suits the screen.
fn figure(chart: &Chart) -> String {
    let (wide, narrow) = (chart.svg(WIDE), chart.svg(NARROW));
    format!("<figure class=\"wide\">\n{wide}</figure>\n<figure class=\"narrow\">\n{narrow}</figure>\n")
}

/// Names and numbers. A row without a value is left out.
fn numbers(rows: impl IntoIterator<Item = (String, Option<String>)>) -> String {
    table("number", rows)
}

/// Names and words.
fn words(rows: impl IntoIterator<Item = (String, Option<String>)>) -> String {
    table("words", rows)
}

fn table(class: &str, rows: impl IntoIterator<Item = (String, Option<String>)>) -> String {
    let row = |(name, value): (String, Option<String>)| {
        let (name, value) = (escape(&name), escape(&value?));
        Some(format!("<tr><th scope=\"row\">{name}</th><td class=\"{class}\">{value}</td></tr>\n"))
    };
    let rows: String = rows.into_iter().filter_map(row).collect();
    format!("<table>\n{rows}</table>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let page = page("a <title>", Breadth::Column, "");
        assert!(page.contains("<title>a &lt;title&gt;</title>"), "{page}");
        // The name space of SVG is a name, not a place.
        let foreign = page.replace("http://www.w3.org/2000/svg", "");
        for reference in ["http:", "https:", "src=", "@import", "url(", "<link"] {
            assert!(!foreign.contains(reference), "{reference}");
        }
    }
}
