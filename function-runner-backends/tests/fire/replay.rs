//! The disk after a power cut: what was synced is there, of what was written later some sectors are and some are not.

use std::{collections::BTreeMap, fs, mem, path::Path};

use crate::{
    dice::Dice,
    record::{Change, Step},
};

/// What a disk keeps or loses whole.
const SECTOR: usize = 512;

/// What becomes, at the cut, of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All of it is lost.
    All,
    /// None is, as when a process is killed.
    None,
    /// Everything after some change is lost.
    Tail,
    /// Sectors are lost here and there.
    Sectors,
    /// None is but at the end of the write-ahead log, which is cut at a byte behind its last sync.
    EndOfLog,
}

impl Loss {
    pub(crate) const ANY: [Self; 5] = [Self::All, Self::None, Self::Tail, Self::Sectors, Self::EndOfLog];
}

/// The files of a recorded folder as the disk has them, with what is still on its way there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    /// Every file as the processes see it.
    seen: BTreeMap<String, Contents>,
    /// What was made and removed, in order, since the folder was synced.
    moves: Vec<Move>,
}

#[derive(Clone, Debug)]
enum Move {
    Made(String),
    Gone(String, Contents),
}

#[derive(Clone, Debug, Default)]
struct Contents {
    synced: Vec<u8>,
    pending: Vec<Change>,
}

impl Disk {
    pub(crate) fn apply(&mut self, step: &Step) {
        let path = step.path.clone();
        if path.is_empty() {
            return self.moves.clear();
        }
        match &step.change {
            Change::Created => {
                self.moves.push(Move::Made(path.clone()));
                self.seen.insert(path, Contents::default());
            }
            Change::Removed => {
                let gone = self.seen.remove(&path).unwrap_or_default();
                self.moves.push(Move::Gone(path, gone));
            }
            Change::Synced => {
                let contents = self.seen.entry(path).or_default();
                let pending = mem::take(&mut contents.pending);
                pending.iter().for_each(|change| write(&mut contents.synced, change));
            }
            change => self.seen.entry(path).or_default().pending.push(change.clone()),
        }
    }

    /// The bytes of this file as the processes see it, whatever the disk has of it.
    pub(crate) fn now(&self, path: &str) -> Vec<u8> {
        let Some(contents) = self.seen.get(path) else { return Vec::new() };
        let mut bytes = contents.synced.clone();
        contents.pending.iter().for_each(|change| write(&mut bytes, change));
        bytes
    }

    /// The power is cut: what is left of these files, written into this folder.
    pub(crate) fn cut(&self, files: &[&str], loss: Loss, dice: &mut Dice, into: &Path) {
        for path in files {
            if let Some(contents) = self.left(path, loss, dice) {
                fs::write(into.join(path), contents.after(path, loss, dice)).unwrap();
            }
        }
    }

    /// The file that a listing after the cut finds by this name.
    fn left(&self, path: &str, loss: Loss, dice: &mut Dice) -> Option<&Contents> {
        let mut found = self.seen.get(path);
        // back over what was made and removed and not synced, the latest first, as far as the dice go
        for moved in self.moves.iter().rev() {
            let undone = match loss {
                Loss::None | Loss::EndOfLog => false,
                Loss::All => true,
                Loss::Tail | Loss::Sectors => dice.one_in(2),
            };
            match moved {
                Move::Made(made) if made == path && undone => found = None,
                Move::Gone(gone, contents) if gone == path && undone => found = Some(contents),
                Move::Made(name) | Move::Gone(name, _) if name == path => break,
                _ => {}
            }
        }
        found
    }
}

impl Contents {
    fn after(&self, path: &str, loss: Loss, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let many = self.pending.len();
        match loss {
            Loss::All => {}
            Loss::None => self.pending.iter().for_each(|change| write(&mut bytes, change)),
            Loss::Tail => {
                let kept = dice.below(many as u64 + 1) as usize;
                self.pending[..kept].iter().for_each(|change| write(&mut bytes, change));
            }
            Loss::Sectors => {
                let one_of = 2 + dice.below(8);
                for change in &self.pending {
                    sectors(change)
                        .iter()
                        .filter(|_| !dice.one_in(one_of))
                        .for_each(|part| write(&mut bytes, part));
                }
            }
            Loss::EndOfLog => {
                let synced = bytes.len();
                self.pending.iter().for_each(|change| write(&mut bytes, change));
                // only what was appended since can be told from what was written over
                if path.ends_with("-wal") && bytes.len() > synced {
                    bytes.truncate(synced + dice.below((bytes.len() - synced) as u64 + 1) as usize);
                }
            }
        }
        bytes
    }
}

fn write(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Wrote { offset, bytes: data } => {
            let (from, to) = (*offset as usize, *offset as usize + data.len());
            bytes.resize(bytes.len().max(to), 0);
            bytes[from..to].copy_from_slice(data);
        }
        Change::Cut { length } => bytes.resize(*length as usize, 0),
        _ => {}
    }
}

/// A write as the sectors it touches; anything else as it is.
fn sectors(change: &Change) -> Vec<Change> {
    let Change::Wrote { offset, bytes } = change else { return vec![change.clone()] };
    let (mut parts, mut at, mut rest) = (Vec::new(), *offset, &bytes[..]);
    while !rest.is_empty() {
        let room = SECTOR - at as usize % SECTOR;
        let (part, behind) = rest.split_at(room.min(rest.len()));
        parts.push(Change::Wrote { offset: at, bytes: part.to_vec() });
        (at, rest) = (at + part.len() as u64, behind);
    }
    parts
}
