//! What a shimmed process did to its files, in order.

use std::{fs, path::Path};

/// One change of a file under the recorded folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Within the folder; empty for the folder itself.
    pub(crate) path: String,
    pub(crate) change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Wrote {
        offset: u64,
        bytes: Vec<u8>,
    },
    Cut {
        length: u64,
    },
    /// What was written before is on the disk; of the folder, which files there are.
    Synced,
    Removed,
}

/// The changes that a shimmed process made.
#[derive(Debug)]
pub(crate) struct Record(Vec<Step>);

/// `fire`, in the order of the machine's bytes.
const MAGIC: u32 = 0x6572_6966;
const HEADER: usize = 24;

impl Record {
    /// Reads it up to its end, or to where a killed process left it.
    pub(crate) fn read(file: &Path) -> Self {
        let bytes = fs::read(file).unwrap();
        let (mut rest, mut steps) = (&bytes[..], Vec::new());
        while let Some((step, behind)) = step(rest) {
            steps.push(step);
            rest = behind;
        }
        Self(steps)
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }
}

fn step(bytes: &[u8]) -> Option<(Step, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let number = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
    assert_eq!(number(0), MAGIC, "the record of the shim is none");
    let offset = u64::from_ne_bytes(header[8..16].try_into().unwrap());
    let (path, rest) = rest.split_at_checked(number(16) as usize)?;
    let (data, rest) = rest.split_at_checked(number(20) as usize)?;
    let change = match number(4) {
        1 => Change::Wrote { offset, bytes: data.to_vec() },
        2 | 32 => Change::Synced,
        4 => Change::Cut { length: offset },
        8 => Change::Created,
        16 => Change::Removed,
        other => panic!("the shim wrote a change of kind {other}"),
    };
    Some((Step { path: String::from_utf8(path.to_vec()).unwrap(), change }, rest))
}
