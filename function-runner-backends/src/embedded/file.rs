//! Opening the file: what may be opened, how, and in which format.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use function_runner_core::{ErrorKind, Times};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use super::fault::Broken;

/// Tells our files from other databases: "fnrq".
const APPLICATION: i32 = 0x666e_7271;

/// The format that this program writes.
pub(super) const FORMAT: i32 = 1;

/// The first SQLite without the race in which two connections reset a log and corrupt the file.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long another process may hold the file's lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// File systems on which SQLite's locks and shared memory do not work between machines.
const FAR: [(i64, &str); 9] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x5346_414f, "AFS"),
    (0x0116_1970, "GFS2"),
];

/// Opens a queue's file, and makes it if there is none.
///
/// Nobody else may open the file by itself, were it only to look: closing it again would take from this process every
/// lock that SQLite has on it (as POSIX has it), and another would then remove the log that this one writes.
pub(super) fn open(path: &Path, times: &Times) -> Result<Connection, Broken> {
    check_version(rusqlite::version_number())?;
    check_folder(path)?;
    let began = Instant::now();
    loop {
        match try_open(path, times) {
            // while one makes a new file, or heals its log, SQLite asks no busy handler of the others
            Err(broken) if broken.is_busy() && began.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(1))
            }
            opened => return opened,
        }
    }
}

fn try_open(path: &Path, times: &Times) -> Result<Connection, Broken> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_handler(Some(wait_for_lock))?;
    connection.set_prepared_statement_cache_capacity(256);
    // else statements are planned anew whenever a bound value changes
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; \
         PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 4000;",
    )?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let message = format!("the queue's file cannot have a write-ahead log: its mode stays `{mode}`");
        return Err(Broken::new(ErrorKind::Io, message, "keep the file on a local disk that may be written"));
    }
    migrate(&mut connection, times)?;
    Ok(connection)
}

/// Whether another process's lock is waited for once more.
fn wait_for_lock(tries: i32) -> bool {
    // a lock is held for the length of one transaction: short naps first, then longer ones
    let nap = Duration::from_micros(if tries < 200 { 50 } else { 1000 });
    thread_local!(static SINCE: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) });
    let since = if tries == 0 { None } else { SINCE.get() }.unwrap_or_else(Instant::now);
    SINCE.set(Some(since));
    thread::sleep(nap);
    since.elapsed() < PATIENCE
}

fn check_version(linked: i32) -> Result<(), Broken> {
    if linked >= OLDEST_SQLITE {
        return Ok(());
    }
    let version = |number: i32| format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000);
    let message = format!(
        "this program is linked with SQLite {}, which can corrupt a file that two processes write",
        version(linked)
    );
    Err(Broken::new(ErrorKind::Unsupported, message, "link SQLite 3.51.3 or newer, as the bundled one is"))
}

/// Refuses a folder that does not exist, and one that other machines share.
fn check_folder(path: &Path) -> Result<(), Broken> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let about = |error: std::io::Error| {
        let message = format!("the folder of the queue's file cannot be used: {error}");
        Broken::new(ErrorKind::Io, message, "create the folder, or give another path")
    };
    let stat = rustix::fs::statfs(folder).map_err(|error| about(error.into()))?;
    check_kind(stat.f_type as i64)
}

fn check_kind(kind: i64) -> Result<(), Broken> {
    let far = FAR.iter().find(|(number, _)| *number == kind & 0xffff_ffff);
    let Some((_, name)) = far else { return Ok(()) };
    let message =
        format!("the queue's file is on {name}, where processes of several machines cannot share it safely");
    Err(Broken::new(ErrorKind::Unsupported, message, "keep the file on a local disk"))
}

/// Brings a file to today's format; one from the future is left alone.
fn migrate(connection: &mut Connection, times: &Times) -> Result<(), Broken> {
    // outside a transaction first: a file that is as it should be is only read
    if formats(connection)? == (APPLICATION, FORMAT) {
        return check_times(connection, times);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match formats(&transaction)? {
        (APPLICATION, FORMAT) => {}
        (0, 0) => {
            let tables: i64 =
                transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if tables > 0 {
                let help = "give the path of a queue, or one that does not exist";
                return Err(Broken::new(ErrorKind::Corrupt, "the file is a database, but not a queue", help));
            }
            transaction.execute_batch(include_str!("schema.sql"))?;
            let text = serde_json::to_string(times).map_err(Broken::corrupt)?;
            transaction.execute("INSERT INTO store (one, times) VALUES (1, ?1)", [text])?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
        (APPLICATION, format) if format > FORMAT => {
            let message =
                format!("the queue's file has format {format}, and this program knows up to {FORMAT}");
            return Err(Broken::new(ErrorKind::Unsupported, message, "use the newer program that wrote it"));
        }
        (APPLICATION, format) => {
            return Err(Broken::corrupt(format_args!("a format {format} never was")));
        }
        _ => {
            let help = "give the path of a queue, or one that does not exist";
            return Err(Broken::new(ErrorKind::Corrupt, "the file is a database, but not a queue", help));
        }
    }
    transaction.commit()?;
    check_times(connection, times)
}

fn formats(connection: &Connection) -> Result<(i32, i32), Broken> {
    let application = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let format = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((application, format))
}

/// All who share a file live by the same times.
fn check_times(connection: &Connection, times: &Times) -> Result<(), Broken> {
    let text: String = connection.query_row("SELECT times FROM store", [], |row| row.get(0))?;
    let stored: Times = serde_json::from_str(&text).map_err(Broken::corrupt)?;
    // what is stored is whole milliseconds
    let text = serde_json::to_string(times).map_err(Broken::corrupt)?;
    let given: Times = serde_json::from_str(&text).map_err(Broken::corrupt)?;
    if stored == given {
        return Ok(());
    }
    let message = format!(
        "the queue's file was made with other times: leases of {} ms, not of {} ms",
        stored.lease.as_millis(),
        times.lease.as_millis()
    );
    Err(Broken::new(ErrorKind::InvalidSetup, message, "open it with the times that it was made with"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_with_the_race_is_refused() {
        assert!(check_version(3_051_003).is_ok() && check_version(rusqlite::version_number()).is_ok());
        let error = check_version(3_051_002).unwrap_err().error();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("SQLite 3.51.2"), "{error}");
    }

    #[test]
    fn a_network_file_system_is_refused() {
        assert!(check_kind(0xef53).is_ok(), "ext4");
        let error = check_kind(0x6969).unwrap_err().error();
        assert!(error.to_string().contains("is on NFS"), "{error}");
        // some systems widen the number with its sign
        assert!(check_kind(i64::from(0xff53_4d42_u32 as i32)).is_err());
    }
}
