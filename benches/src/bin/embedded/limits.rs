//! What carries the backend: how often the disk syncs, and how fast bare SQLite inserts and syncs as much.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::Connection;

/// Writes one page behind the other, as a log grows, each synced.
pub(super) fn syncs(folder: &Path, count: usize) -> Duration {
    let file = File::create(folder.join("syncs")).expect("the folder can be written");
    let page = [7u8; 4096];
    // a log's room is used again and again
    file.write_all_at(&vec![0; 4096 * 1000], 0).and_then(|()| file.sync_all()).expect("the disk has room");
    let begin = Instant::now();
    for at in 0..count {
        file.write_all_at(&page, 4096 * (at as u64 % 1000))
            .and_then(|()| file.sync_data())
            .expect("the disk syncs");
    }
    begin.elapsed()
}

/// A bare table of ids and bodies, as small as a queue of its kind could be, with a log that every commit syncs.
pub(super) fn bare(folder: &Path) -> Connection {
    let file = folder.join("bare.db");
    let sql = Connection::open(file).expect("the folder can be written");
    let schema = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
        CREATE TABLE IF NOT EXISTS task (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body BLOB NOT NULL) STRICT;";
    sql.execute_batch(schema).expect("a table is made");
    sql
}

/// Inserts so many bodies, so many in each transaction.
pub(super) fn inserts(sql: &mut Connection, body: &[u8], count: usize, each: usize) -> Duration {
    let ids: Vec<String> =
        (0..count).map(|_| function_runner_core::TaskId::unique().as_str().to_owned()).collect();
    let begin = Instant::now();
    for ids in ids.chunks(each) {
        let transaction = sql.transaction().expect("nobody else writes");
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO task (id, body) VALUES (?1, ?2)").expect("SQL");
            for id in ids {
                insert.execute((id, body)).expect("an id of its own");
            }
        }
        transaction.commit().expect("the disk syncs");
    }
    begin.elapsed()
}
