//! Searching for texts where they must not be: in files, logs, and what is in another process.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};

/// Bytes of memory that are read at once.
const PIECE: u64 = 1 << 20;
/// `EIO` and `EFAULT`: reserved but never touched, or unmapped since the list was made.
const NOT_THERE: [i32; 2] = [5, 14];

/// Texts to search for in one pass over the bytes.
pub struct Needles {
    texts: Vec<Vec<u8>>,
    /// Which pairs of bytes a text begins with; sorts out nearly every position at once.
    beginnings: Vec<bool>,
    longest: usize,
}

/// What a search through a process saw.
#[derive(Debug, Default)]
pub struct Search {
    /// Needle and place (`environ`, `cmdline`, an address range) of what was found.
    pub found: Vec<(usize, String)>,
    /// How many bytes of memory could be read.
    pub bytes: u64,
}

// === impl Needles ===

impl Needles {
    /// Texts of at least two bytes; shorter ones are never found.
    pub fn new<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Self {
        let texts: Vec<Vec<u8>> = texts.into_iter().map(|text| text.as_ref().to_vec()).collect();
        let mut beginnings = vec![false; 1 << 16];
        for text in &texts {
            if let [first, second, ..] = text[..] {
                beginnings[pair(first, second)] = true;
            }
        }
        let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
        Self { texts, beginnings, longest }
    }

    /// Which of the texts are in there, by their places in the list.
    #[must_use]
    pub fn in_bytes(&self, bytes: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        let mut before = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if self.beginnings[pair(before, *byte)] && at > 0 {
                let rest = &bytes[at - 1..];
                found.extend((0..self.texts.len()).filter(|index| rest.starts_with(&self.texts[*index])));
            }
            before = *byte;
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Searches environment, arguments and all readable memory of a process.
    ///
    /// # Errors
    /// When the system does not let us look.
    pub fn in_process(&self, pid: u32) -> Result<Search> {
        let mut search = Search::default();
        for place in ["environ", "cmdline"] {
            let bytes = std::fs::read(format!("/proc/{pid}/{place}")).with_context(|| format!("{place} of {pid}"))?;
            search.note(self.in_bytes(&bytes), place);
        }
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).with_context(|| format!("maps of {pid}"))?;
        let memory = File::open(format!("/proc/{pid}/mem")).with_context(|| format!("memory of {pid}"))?;
        for (start, end) in maps.lines().filter_map(readable) {
            search.look_through(&memory, start, end, self)?;
        }
        Ok(search)
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// The address range of a line of `maps`, if a process may read it. The kernel's own pages have no contents to read.
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let is_the_kernels = words.last().is_some_and(|name| name.starts_with("[v"));
    let (start, end) = range.split_once('-')?;
    let range = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
    (rights.starts_with('r') && !is_the_kernels).then_some(range)
}

// === impl Search ===

impl Search {
    fn note(&mut self, found: Vec<usize>, place: &str) {
        self.found.extend(found.into_iter().map(|needle| (needle, place.to_owned())));
    }

    /// Pieces overlap by the longest needle, so that none is cut in two.
    fn look_through(&mut self, memory: &File, start: u64, end: u64, needles: &Needles) -> Result<()> {
        let mut at = start;
        while at < end {
            let length = (end - at).min(PIECE + needles.longest as u64);
            let mut piece = vec![0; usize::try_from(length)?];
            match memory.read_at(&mut piece, at) {
                Ok(read) => {
                    self.bytes += read as u64;
                    self.note(needles.in_bytes(&piece[..read]), &format!("{start:x}-{end:x}"));
                }
                Err(error) if error.raw_os_error().is_some_and(|number| NOT_THERE.contains(&number)) => {}
                Err(error) => return Err(error).context("memory cannot be read"),
            }
            at += PIECE;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_wherever_they_stand() {
        let needles = Needles::new(["abc", "bcd", "xyz"]);
        assert_eq!(needles.in_bytes(b"abcd"), [0, 1]);
        assert_eq!(needles.in_bytes(b"..xyz"), [2]);
        assert!(needles.in_bytes(b"ab").is_empty());
    }

    #[test]
    fn a_text_in_the_memory_of_a_process_is_found() {
        let secret = format!("needle of process {}", std::process::id());
        let search = Needles::new([&secret]).in_process(std::process::id()).unwrap();
        assert!(!search.found.is_empty() && search.bytes > 0);
    }
}
