//! Lines from a worker's stdout: bounded, never blocking on what is not a message.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// Room for one read of a worker that says little, and of one that says much: as much as a pipe holds.
const LEAST_ROOM: usize = 1024;
const MOST_ROOM: usize = 64 * 1024;
/// With less than this, a read is not worth its system call.
const TOO_LITTLE_ROOM: usize = 512;
/// A line longer than this takes its memory along instead of leaving it to the next ones.
const LONG_LINE: usize = 256 * 1024;

/// Splits a byte stream into lines.
pub(crate) struct LineReader<R> {
    from: R,
    buffer: BytesMut,
    /// Bytes of the buffer known to hold no line end.
    searched: usize,
    /// Room for the next read, in bytes: more after one that filled it, less after one that needed little of it.
    room: usize,
    /// The present line is too long; its rest is being thrown away.
    skipping: bool,
    cap: usize,
}

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line without its line end, never empty.
    Whole(Bytes),
    /// A line longer than the cap was thrown away.
    TooLong,
    /// The worker has closed its stdout. An unterminated last line is dropped.
    End,
}

// === impl LineReader ===

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(from: R, cap: usize) -> Self {
        Self { from, buffer: BytesMut::new(), searched: 0, room: LEAST_ROOM, skipping: false, cap }
    }

    pub(crate) async fn next(&mut self) -> io::Result<Line> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                let mut line = self.buffer.split_to(self.searched + end + 1);
                self.searched = 0;
                if line.len() > LONG_LINE {
                    self.buffer = BytesMut::from(&self.buffer[..]);
                }
                if std::mem::take(&mut self.skipping) || line.len() - 1 > self.cap {
                    return Ok(Line::TooLong);
                }
                line.truncate(line.trim_ascii_end().len());
                line.advance(line.len() - line.trim_ascii_start().len());
                if line.is_empty() {
                    continue;
                }
                return Ok(Line::Whole(line.freeze()));
            }
            if self.skipping || self.buffer.len() > self.cap {
                self.skipping = true;
                self.buffer = BytesMut::with_capacity(self.room);
            }
            self.searched = self.buffer.len();
            if self.read().await? == 0 {
                return Ok(Line::End);
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        let (room, read) = poll_fn(|context| self.poll_read(context)).await?;
        if read == room {
            self.room = (self.room * 4).min(MOST_ROOM);
        } else if read < self.room / 8 && self.room > LEAST_ROOM {
            self.room /= 2;
            if self.buffer.len() == read && self.buffer.capacity() > 4 * self.room {
                self.buffer = BytesMut::from(&self.buffer[..]);
            }
        }
        Ok(read)
    }

    /// The room there was, and what was read into it. While there is nothing to read, no memory is held for it.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(usize, usize)>> {
        if self.buffer.capacity() - self.buffer.len() < TOO_LITTLE_ROOM.max(self.room / 4) {
            self.buffer.reserve(self.room);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let polled = poll_read_buf(Pin::new(&mut self.from), context, &mut self.buffer);
        if polled.is_pending() && self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        polled.map_ok(|read| (room, read))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn lines(input: &[u8], cap: usize) -> Vec<Line> {
        let mut reader = LineReader::new(input, cap);
        let mut found = Vec::new();
        loop {
            let line = reader.next().await.expect("a slice does not fail");
            if line == Line::End {
                return found;
            }
            found.push(line);
        }
    }

    fn whole(text: &str) -> Line {
        Line::Whole(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[tokio::test]
    async fn lines_come_without_their_ends_and_blank_ones_not_at_all() {
        assert_eq!(lines(b"{}\r\n\n  \n [1] \nrest", 100).await, [whole("{}"), whole("[1]")]);
    }

    #[tokio::test]
    async fn a_line_longer_than_the_cap_is_skipped_and_the_next_one_read() {
        let input = [vec![b'x'; 100_000], b"\n{}\n".to_vec()].concat();
        assert_eq!(lines(&input, 1000).await, [Line::TooLong, whole("{}")]);
    }

    #[tokio::test]
    async fn a_line_of_exactly_the_cap_is_whole_and_one_byte_more_is_not() {
        assert_eq!(lines(b"12345\n123456\n", 5).await, [whole("12345"), Line::TooLong]);
    }

    proptest! {
        #[test]
        fn however_the_bytes_arrive_the_lines_are_the_same(parts in proptest::collection::vec("[a-z]{1,40}", 1..20), piece in 1_usize..64) {
            let input = parts.iter().fold(Vec::new(), |mut all, part| { all.extend_from_slice(part.as_bytes()); all.push(b'\n'); all });
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
            let found = runtime.block_on(async {
                let (mut writer, reader) = tokio::io::duplex(piece);
                let write = async { tokio::io::AsyncWriteExt::write_all(&mut writer, &input).await.expect("write"); drop(writer); };
                let read = async {
                    let mut reader = LineReader::new(reader, 30);
                    let mut found = Vec::new();
                    loop { match reader.next().await.expect("read") { Line::End => break found, line => found.push(line) } }
                };
                tokio::join!(write, read).1
            });
            let expected: Vec<Line> = parts.iter().map(|part| if part.len() > 30 { Line::TooLong } else { whole(part) }).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
