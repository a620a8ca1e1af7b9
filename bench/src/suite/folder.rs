//! The table with its pictures as files.

use std::fmt::Write;
use std::path::Path;

use super::table::Table;
use crate::output::{OutputError, make_folder, write};
use crate::report::{self, html, plot};

/// Writes `table.md`, `table.json`, `index.html`, and the pictures, into a folder that is made if it is not there.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write_all(table: &Table, folder: &Path) -> Result<(), OutputError> {
    make_folder(folder)?;
    write(&folder.join("table.json"), &report::json(table)?)?;
    let bars = table.ratios().svg(plot::WIDE.width);
    write(&folder.join("ratios.svg"), &bars)?;
    let mut markdown = table.markdown();
    // Writing to a string cannot fail.
    let _ = writeln!(markdown, "\n![Ratios to the baseline](ratios.svg)");
    let curves = table.curves();
    for (name, chart) in &curves {
        let file = format!("latency-{name}.svg");
        write(&folder.join(&file), &plot::stack(&chart.title, std::slice::from_ref(chart), plot::WIDE))?;
        let _ = writeln!(markdown, "\n![{}]({file})", chart.title);
    }
    write(&folder.join("table.md"), &markdown)?;
    let charts: Vec<_> = curves.iter().map(|(_, chart)| chart).collect();
    write(
        &folder.join("index.html"),
        &html::suite(&table.head(), &table.grid(), &table.starts(), &table.ratios(), &charts),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::table::tests::table;
    use super::*;

    #[test]
    fn every_picture_is_there_and_mentioned() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/here");
        write_all(&table(), &path).unwrap();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        let markdown = read("table.md");
        for name in ["ratios.svg", "latency-pair-w1.svg", "latency-fanout-100.svg"] {
            assert!(markdown.contains(&format!("]({name})")), "{markdown}");
            let svg = read(name);
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("epoll"), "{svg}");
        }
        assert!(read("table.json").contains("\"latencies\": [["));
        assert!(read("index.html").contains("router epoll ws+json"));
        let blocked = write_all(&table(), &path.join("table.md")).unwrap_err().to_string();
        assert!(blocked.starts_with("cannot write ") && blocked.contains("table.md: "), "{blocked}");
    }
}
