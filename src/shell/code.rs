//! The pages of the program's code that only its start needs: a third of what an idle router has in memory.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;

/// Has the process let go of the pages of its code. The next instruction that runs brings its page back, with its neighbours, from the
/// system's cache of the file; what nobody needs any more is the system's to reuse.
pub(super) fn release() {
    // Where the file cannot be read, the pages stay.
    let Ok(maps) = File::open("/proc/self/smaps") else { return };
    if let Some(pages) = unchanged(BufReader::new(maps), release as *const () as usize) {
        // SAFETY: the file still has what was in the pages, since nobody has changed them (and nobody can: they are not writable),
        // so whoever reads there cannot tell that they were away. The program's own code stays mapped as long as it runs.
        unsafe { libc::madvise(pages.start as *mut libc::c_void, pages.len(), libc::MADV_DONTNEED) };
    }
}

/// The mapping that `address` is in, if it is code from a file and no page of it was changed: a debugger's breakpoints and
/// probes live in changed pages, which the file cannot give back.
fn unchanged(smaps: impl BufRead, address: usize) -> Option<Range<usize>> {
    let mut lines = smaps.lines().map_while(Result::ok);
    let found = lines.find_map(|line| mapping(&line).filter(|pages| pages.contains(&address)))?;
    let changed = lines.find_map(|line| line.strip_prefix("Anonymous:").map(|size| size.trim() != "0 kB"))?;
    (!changed).then_some(found)
}

/// The addresses that the first line of a mapping tells, if it is code from a file.
fn mapping(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let pages = usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?;
    let (mode, inode) = (words.next()?, words.nth(2)?);
    (mode == "r-xp" && inode != "0").then_some(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "00043000-0056a000 r-xp 00043000 fe:00 1442  /usr/bin/connectanum\nSize: 5276 kB\n";

    #[test]
    fn only_code_as_the_file_has_it() {
        let before = "00000000-00043000 r--p 00000000 fe:00 1442  /usr/bin/connectanum\nAnonymous:  4 kB\n";
        let clean = "Anonymous:             0 kB\n";
        let touched = "Anonymous:             4 kB\n";
        let find = |maps: &str, address| unchanged(maps.as_bytes(), address);
        let maps = [before, CODE, clean, before, touched].concat();
        assert_eq!(find(&maps, 0x43000), Some(0x43000..0x56a000));
        assert_eq!(find(&maps, 0x569fff), Some(0x43000..0x56a000));
        assert_eq!(find(&maps, 0x42fff), None, "not code");
        assert_eq!(find(&maps, 0x56a000), None, "nothing is there");
        assert_eq!(find(&[before, CODE, touched, clean].concat(), 0x43000), None, "a breakpoint");
        let moved = CODE.replace("1442", "0");
        assert_eq!(find(&[&moved, clean].concat(), 0x43000), None, "not from a file");
        let shared = CODE.replace("r-xp", "r-xs");
        assert_eq!(find(&[&shared, clean].concat(), 0x43000), None, "of others, too");
        assert_eq!(find(&[before, CODE].concat(), 0x43000), None, "cut off");
        assert_eq!(find("", 0x43000), None);
    }
}
