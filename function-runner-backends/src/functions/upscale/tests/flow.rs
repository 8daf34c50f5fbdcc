//! Progress, stopping, threads and sinks that fail.

use std::{
    io::{self, Cursor, Read, Seek, SeekFrom, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{Colours, Depth, EnlargeError, Factor, Image, Options, OutputFormat, enlarge, noise, run};

/// Narrow, so that it is quick, and high, so that it takes many batches.
fn image() -> Image {
    noise(24, 400, Colours::Rgba, Depth::Eight)
}

fn every_way() -> impl Iterator<Item = Options> {
    [OutputFormat::Png, OutputFormat::Jpeg]
        .into_iter()
        .flat_map(|output| [1, 2, 3].map(|threads| Options { output, threads, ..Options::new(Factor::Four) }))
}

#[test]
fn threads_change_nothing() {
    // Wide enough for several bands in a batch.
    let file = noise(300, 40, Colours::Rgba, Depth::Eight).png();
    for output in [OutputFormat::Png, OutputFormat::Jpeg] {
        let one = run(&file, &Options { output, ..Options::new(Factor::Four) }).unwrap();
        for threads in [0, 2, 3, 8] {
            let many = run(&file, &Options { output, threads, ..Options::new(Factor::Four) }).unwrap();
            assert!(one == many, "{output:?} on {threads} threads");
        }
    }
}

#[test]
fn progress_rises_to_all_rows() {
    let file = image().png();
    for options in every_way() {
        let mut told = Vec::new();
        let mut report = |done, rows| told.push((done, rows));
        enlarge(Cursor::new(&file), io::sink(), &options, &|| false, &mut report).unwrap();
        assert!(told.len() > 10, "{} reports", told.len());
        assert!(told.is_sorted() && told.iter().all(|(_, rows)| *rows == 1_600));
        assert_eq!(told.last(), Some(&(1_600, 1_600)));
    }
}

#[test]
fn it_stops_where_it_is_told() {
    let file = image().png();
    for options in every_way() {
        let whole = {
            let asked = AtomicUsize::new(0);
            let count = || asked.fetch_add(1, Ordering::Relaxed) == usize::MAX;
            enlarge(Cursor::new(&file), io::sink(), &options, &count, &mut |_, _| {}).unwrap();
            asked.load(Ordering::Relaxed)
        };
        assert!(whole > 20, "asked {whole} times");
        for limit in (0..whole).step_by(3) {
            let asked = AtomicUsize::new(0);
            let stopped = || asked.fetch_add(1, Ordering::Relaxed) >= limit;
            let mut rows = 0;
            let mut report = |done, _| rows = done;
            let error = enlarge(Cursor::new(&file), io::sink(), &options, &stopped, &mut report).unwrap_err();
            assert!(matches!(error, EnlargeError::Stopped), "{error:?} after {limit}");
            assert!(rows < 1_600);
        }
    }
}

/// Takes so many bytes and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_as_such() {
    // Larger than the buffer before the sink, so that it fails half-way too.
    let file = noise(80, 400, Colours::Rgba, Depth::Eight).png();
    for options in every_way() {
        for room in [0, 50_000] {
            let sink = Full(room);
            let error = enlarge(Cursor::new(&file), sink, &options, &|| false, &mut |_, _| {}).unwrap_err();
            let full =
                matches!(&error, EnlargeError::Write(cause) if cause.kind() == io::ErrorKind::StorageFull);
            assert!(full, "{error:?} of {options:?}");
            assert!(error.is_of_resources() && !error.is_of_the_input());
            assert_eq!(error.remedy(), Some("free some disk space"));
        }
    }
}

/// A disk that fails after so many bytes.
struct Failing {
    file: Cursor<Vec<u8>>,
    left: usize,
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("the disk is gone"));
        }
        let most = buffer.len().min(self.left);
        let read = self.file.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

impl Seek for Failing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[test]
fn a_disk_that_fails_is_not_the_images_fault() {
    let image = noise(200, 200, Colours::Rgb, Depth::Eight);
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 95)
        .encode(&image.bytes, 200, 200, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    for file in [image.png(), jpeg] {
        for options in every_way() {
            for left in [0, 16, 5_000] {
                let source = Failing { file: Cursor::new(file.clone()), left };
                let error = enlarge(source, io::sink(), &options, &|| false, &mut |_, _| {}).unwrap_err();
                assert!(matches!(error, EnlargeError::Read(_)), "{error:?} after {left} bytes");
            }
        }
    }
}
