//! What the fuzz targets reach of this crate beyond its face, with what must hold of it.

use bytes::Bytes;

use crate::envelope::{Bounds, Incoming, Message, read_line, read_post};
use crate::frame::{Line, LineReader};

/// Longest line of [`frames`].
const CAP: usize = 512;

/// A message as a client posts it and as a worker prints it.
///
/// # Panics
/// When a message changes its meaning by being given another id.
pub fn envelope(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    // What is read as a line has no line feed left.
    let line: Bytes = input.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
    for read in [read_post(&bytes, Bounds { depth: 64, batch: 16 }), read_line(&line)] {
        match read {
            Ok(Incoming::One(message)) => spliced(&message),
            Ok(Incoming::Batch(messages)) => messages.iter().for_each(spliced),
            Err(malformed) => assert!(!malformed.reason.is_empty()),
        }
    }
}

fn spliced(message: &Message) {
    assert!(!message.bytes().contains(&b'\n'), "a message is one line");
    let (_, _, _) = (message.params(), message.payload(), message.meta("progressToken"));
    let token = message.progress_token().map(|_| &b"\"77\""[..]);
    let Ok(Incoming::One(again)) = read_line(&message.with_id(b"4711", token)) else {
        panic!("a message under another id is no message");
    };
    assert_eq!((again.kind(), again.method()), (message.kind(), message.method()));
    assert_eq!(again.payload(), message.payload());
    if message.id().is_some() {
        assert_eq!(again.id().and_then(|id| id.as_number()), Some(4711));
    }
}

/// A worker's stdout, cut by its first byte into pieces: the same lines as in one piece, and none longer than the cap.
///
/// # Panics
/// When the pieces make a difference.
pub fn frames(input: &[u8]) {
    let (size, input) = input.split_first().map_or((1, input), |(first, rest)| (usize::from(*first).max(1), rest));
    let cut = lines(input.chunks(size).map(<[u8]>::to_vec).collect());
    assert_eq!(cut, lines(vec![input.to_vec()]), "pieces of {size}");
    for line in &cut {
        if let Line::Whole(line) = line {
            assert!(!line.is_empty() && line.len() <= CAP && !line.contains(&b'\n'));
        }
    }
}

fn lines(pieces: Vec<Vec<u8>>) -> Vec<Line> {
    let pieces =
        futures_util::stream::iter(pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))));
    let mut reader = LineReader::new(tokio_util::io::StreamReader::new(pieces), CAP);
    let mut lines = Vec::new();
    let reading = async {
        loop {
            match reader.next().await {
                Ok(Line::End) => return,
                Ok(line) => lines.push(line),
                Err(error) => panic!("memory does not fail: {error}"),
            }
        }
    };
    // Nothing in memory ever waits.
    futures_util::FutureExt::now_or_never(reading).expect("a stream in memory is ready");
    lines
}

/// Headers that repeat a part of the body.
pub fn mirrored(input: &[u8]) {
    crate::era::modern::mirrored(input);
}
