//! The bell of a process: a datagram socket by which others tell it that the file has something for it.

use std::{
    fs, io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use function_runner_core::{ErrorKind, TaskId};
use rustix::{
    io::Errno,
    net::{SendFlags, SocketAddrUnix, sendto},
};

use super::{fault::Broken, processes::Ring};

/// The longest name that a socket can have.
const LONGEST: usize = 100;

/// The most bytes of a datagram.
const LARGEST: usize = 1 << 18;

/// This process's own bell, by which it rings others too.
#[derive(Debug)]
pub(super) struct Bell {
    socket: UnixDatagram,
    path: PathBuf,
    closed: Arc<AtomicBool>,
}

/// The end that hears.
#[derive(Debug)]
pub(super) struct Ear {
    socket: UnixDatagram,
    closed: Arc<AtomicBool>,
    page: Vec<u8>,
}

impl Bell {
    /// Hangs up a bell beside the file, or among the temporary files where that name would be too long.
    pub(super) fn new(file: &Path) -> Result<Self, Broken> {
        let unique = TaskId::unique();
        let unique = unique.as_str().rsplit('-').next().unwrap_or_default();
        let mut beside = file.as_os_str().to_owned();
        beside.push(format!("-{unique}.bell"));
        let mut path = PathBuf::from(beside);
        if path.as_os_str().len() > LONGEST {
            path = std::env::temp_dir().join(format!("fnr-{unique}.bell"));
        }
        let about = |error: io::Error| {
            let message = format!("no socket can be made beside the queue's file: {error}");
            Broken::new(ErrorKind::Io, message, "give this user the right to write in the file's folder")
        };
        let socket = UnixDatagram::bind(&path).map_err(about)?;
        socket.set_nonblocking(false).map_err(about)?;
        Ok(Self { socket, path, closed: Arc::default() })
    }

    pub(super) fn name(&self) -> &str {
        // made of the file's path, which was checked to be text
        self.path.to_str().unwrap_or_default()
    }

    /// The end that hears.
    pub(super) fn ear(&self) -> Result<Ear, Broken> {
        let socket = self.socket.try_clone().map_err(|error| {
            let message = format!("the socket of this process cannot be listened to: {error}");
            Broken::new(ErrorKind::Io, message, "raise the limit of open files")
        })?;
        Ok(Ear { socket, closed: self.closed.clone(), page: vec![0; LARGEST] })
    }

    /// Rings another's bell; never waits for it. A page that the system does not carry becomes an empty one: look at
    /// the file.
    pub(super) fn ring(&self, other: &str, page: &[u8]) -> Result<(), Ring> {
        match self.send(other, page) {
            Err(Errno::MSGSIZE) => self.send(other, b"{}"),
            sent => sent,
        }
        .map_err(|error| match error {
            Errno::CONNREFUSED | Errno::NOENT => Ring::Gone,
            _ => Ring::Full,
        })
    }

    fn send(&self, other: &str, page: &[u8]) -> Result<(), Errno> {
        let address = SocketAddrUnix::new(other)?;
        sendto(&self.socket, page, SendFlags::DONTWAIT, &address).map(drop)
    }

    /// Takes it down, and has its own ear stop listening.
    pub(super) fn take_down(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            // who hears it may have gone already
            let _ = self.socket.send_to(b"{}", &self.path);
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Takes down a bell that nobody has any more.
    pub(super) fn remove(&self, other: &str) {
        // another may have been faster
        let _ = fs::remove_file(other);
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.take_down();
    }
}

impl Ear {
    /// Waits for the next page that somebody rang with; none when the bell is down.
    pub(super) fn hear(&mut self) -> Option<&[u8]> {
        loop {
            let heard = self.socket.recv(&mut self.page);
            if self.closed.load(Ordering::Acquire) {
                return None;
            }
            match heard {
                // somebody wanted to know whether this process lives
                Ok(0) => {}
                Ok(bytes) => return Some(&self.page[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // the safety tick does without
                Err(_) => return None,
            }
        }
    }
}
