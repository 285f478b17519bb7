//! Small real archives: zip and tar.gz with stored (uncompressed) content.

use crate::model::git::Tree;

/// A zip file of a tree, below a directory.
pub(crate) fn zip(dir: &str, tree: &Tree) -> Vec<u8> {
    let (mut out, mut directory, mut count) = (Vec::new(), Vec::new(), 0_u16);
    for (path, content) in tree {
        let name = format!("{dir}/{path}");
        let mut common = Vec::new();
        // Version 2.0, no flags, stored, 1980-01-01 00:00.
        for word in [20_u16, 0, 0, 0, 0x21] {
            common.extend(word.to_le_bytes());
        }
        for word in [crc32(content), length(content.len()), length(content.len())] {
            common.extend(word.to_le_bytes());
        }
        common.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        common.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(length(out.len()).to_le_bytes());
        directory.extend(name.as_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(content.as_ref());
        count += 1;
    }
    let start = length(out.len());
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(length(directory.len()).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// A gzipped tar file of a tree, below a directory.
pub(crate) fn tar_gz(dir: &str, tree: &Tree) -> Vec<u8> {
    let mut tar = Vec::new();
    for (path, content) in tree {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &str| {
            for (slot, byte) in header[at..].iter_mut().zip(text.bytes()) {
                *slot = byte;
            }
        };
        let name = format!("{dir}/{path}");
        put(0, &name[..name.len().min(100)]);
        put(100, "0000644\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", content.len()));
        put(136, "00000000000\0");
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        for (slot, byte) in header[148..].iter_mut().zip(format!("{sum:06o}\0 ").bytes()) {
            *slot = byte;
        }
        tar.extend(header);
        tar.extend(content.as_ref());
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

/// Gzip with stored blocks.
fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = data.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        out.push(u8::from(blocks.peek().is_none()));
        let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(block);
    }
    out.extend(crc32(data).to_le_bytes());
    out.extend(length(data.len()).to_le_bytes());
    out
}

fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// CRC-32 as zip and gzip use it (polynomial 0xEDB88320).
fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32| {
        if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
    };
    !data.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
