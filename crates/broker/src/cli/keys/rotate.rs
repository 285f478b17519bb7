//! `fjmcp-broker keys rotate`.

use std::io::IsTerminal as _;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use store::Store;
use store::sealed::{KeyUse, ResealCursor, Resealed};

use super::super::exit::Failure;

/// Values sealed anew between two looks at the progress.
const BATCH: u32 = 200;

/// A broker that writes all the time can overtake a pass; so many are made.
const PASSES: u32 = 10;

/// How an operator sees the progress: a bar on a terminal, lines elsewhere.
enum Progress {
    Bar(ProgressBar),
    Lines { done: u64, of: u64 },
}

pub(super) async fn run(store: &Store, offline: bool) -> Result<(), Failure> {
    let uses = store.key_uses().await.map_err(anyhow::Error::new)?;
    let Some(first) = uses.first().and_then(|used| used.key) else {
        return Err(anyhow!("the key ring is empty").into());
    };
    if !offline && !store.first_key_is_in_use().await.map_err(anyhow::Error::new)? {
        let why = anyhow!(
            "no broker has been started with the first key ({first}) yet, and a running one could not read what is sealed under it: \
             restart the broker with the new key ring, then rotate; if none is running, use --offline"
        );
        return Err(why.into());
    }
    let waiting = uses.iter().filter(|used| used.position.is_some_and(|place| place > 0)).map(KeyUse::total).sum();
    let mut progress = Progress::begin(waiting)?;
    let mut moved = 0;
    let mut last = Resealed::default();
    for _ in 0..PASSES {
        last = pass(store, &mut progress).await?;
        moved += last.moved;
        if last.moved == 0 && last.overtaken == 0 {
            break;
        }
    }
    progress.end();
    super::audit(store, "keys.rotated", first, format!("{moved} values sealed anew, {} unreadable", last.unreadable))
        .await?;
    super::super::print(&format!("{moved} values lie under key {first} now\n"))?;
    if last.unreadable > 0 {
        let unreadable = last.unreadable;
        let why = anyhow!(
            "{unreadable} values could not be opened with any key of the ring and stay as they are: `fjmcp-broker keys list` names the \
             missing key; add it again, or give up what it sealed with `fjmcp-broker keys forget ID`"
        );
        return Err(why.into());
    }
    Ok(())
}

async fn pass(store: &Store, progress: &mut Progress) -> Result<Resealed, Failure> {
    let mut cursor = ResealCursor::default();
    let mut sum = Resealed::default();
    while let Some(step) = store.reseal(&mut cursor, BATCH).await.map_err(anyhow::Error::new)? {
        sum.moved += step.moved;
        sum.overtaken += step.overtaken;
        sum.unreadable += step.unreadable;
        progress.add(step.moved)?;
    }
    Ok(sum)
}

// === impl Progress ===

impl Progress {
    fn begin(of: u64) -> Result<Self, Failure> {
        if !std::io::stderr().is_terminal() {
            return Ok(Self::Lines { done: 0, of });
        }
        let style =
            ProgressStyle::with_template("{bar:40} {pos}/{len} values, {eta} left").map_err(anyhow::Error::new)?;
        Ok(Self::Bar(ProgressBar::new(of).with_style(style)))
    }

    fn add(&mut self, moved: u64) -> Result<(), Failure> {
        match self {
            Self::Bar(bar) => bar.inc(moved),
            Self::Lines { done, of } if moved > 0 => {
                *done += moved;
                // More can come up while the broker writes.
                *of = (*of).max(*done);
                super::super::print(&format!("{done} of {of} values sealed anew\n"))?;
            }
            Self::Lines { .. } => {}
        }
        Ok(())
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
