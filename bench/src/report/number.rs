//! Numbers as people read them: three digits and a unit.

/// A duration in nanoseconds, as `26.7 µs`.
pub(crate) fn nanoseconds(ns: f64) -> String {
    match ns {
        _ if ns < 1e3 => format!("{} ns", significant(ns)),
        _ if ns < 1e6 => format!("{} µs", significant(ns / 1e3)),
        _ if ns < 1e9 => format!("{} ms", significant(ns / 1e6)),
        _ => format!("{} s", significant(ns / 1e9)),
    }
}

/// A count, as `892 k`.
pub(crate) fn si(count: f64) -> String {
    match count {
        _ if count < 1e3 => significant(count),
        _ if count < 1e6 => format!("{} k", significant(count / 1e3)),
        _ if count < 1e9 => format!("{} M", significant(count / 1e6)),
        _ => format!("{} G", significant(count / 1e9)),
    }
}

/// Bytes, as `5.4 MB`.
pub(crate) fn bytes(count: u64) -> String {
    let mut text = si(count as f64);
    if !text.ends_with(char::is_alphabetic) {
        text.push(' ');
    }
    text + "B"
}

/// Three significant digits, as long as they are not all zero.
pub(crate) fn significant(number: f64) -> String {
    match number.abs() {
        n if n < 9.995 => format!("{number:.2}"),
        n if n < 99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits() {
        let shown = [0.0, 0.004, 0.92, 9.994, 9.996, 26.71, 99.96, 892.4].map(significant);
        assert_eq!(shown, ["0.00", "0.00", "0.92", "9.99", "10.0", "26.7", "100", "892"]);
        assert_eq!(
            [700.0, 26_710.0, 9_000_000.0, 2e9].map(nanoseconds),
            ["700 ns", "26.7 µs", "9.00 ms", "2.00 s"]
        );
        assert_eq!([7.0, 47_500.0, 1_650_000.0].map(si), ["7.00", "47.5 k", "1.65 M"]);
        assert_eq!([500, 5_400_000].map(bytes), ["500 B", "5.40 MB"]);
    }
}
