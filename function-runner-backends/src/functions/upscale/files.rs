//! Artifacts to files of the scratch folder, and back; both stop when the task is cancelled.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    pin::pin,
};

use bytes::Bytes;
use function_runner_core::{
    Artifact, ByteStream, Context, Digest, Error, ErrorKind, Failure, FailureClass, Progress, Stage,
};
use futures::{
    StreamExt,
    executor::block_on,
    future::{Either, select},
    stream,
};

/// Bytes of a file on their way at a time.
const PIECE: usize = 256 * 1024;

/// Copies the image into a new file, and opens that.
pub(super) fn fetch(ctx: &Context, artifact: &Artifact, path: &Path) -> Result<File, Failure> {
    copy(ctx, &artifact.sha256, path, &mut |received| {
        let message = format!("fetching the image, {} KiB", received / 1024);
        ctx.update(Progress::at(Stage::Preparing, message));
    })
}

/// Copies an artifact into a new file, and opens that; `told` hears how many bytes have come.
pub(super) fn copy(
    ctx: &Context,
    content: &Digest,
    path: &Path,
    told: &mut dyn FnMut(u64),
) -> Result<File, Failure> {
    let mut file = File::create(path).map_err(unwritten)?;
    block_on(async {
        let mut content =
            unless_cancelled(ctx, ctx.artifacts()?.get(content, None)).await?.map_err(unread)?;
        let mut received = 0;
        while let Some(piece) = unless_cancelled(ctx, content.next()).await? {
            let piece = piece.map_err(unread)?;
            file.write_all(&piece).map_err(unwritten)?;
            received += piece.len() as u64;
            told(received);
        }
        Ok::<_, Failure>(())
    })?;
    File::open(path).map_err(Failure::from)
}

/// Stores a file as an artifact.
pub(super) fn keep(ctx: &Context, path: &Path, media_type: &str) -> Result<Artifact, Failure> {
    let file = File::open(path).map_err(Failure::from)?;
    block_on(async {
        let put = ctx.artifacts()?.put(content(file), media_type);
        unless_cancelled(ctx, put).await?.map_err(unkept)
    })
}

fn content(file: File) -> ByteStream {
    stream::try_unfold(file, |file| async move {
        let mut piece = Vec::new();
        let read = (&file).take(PIECE as u64).read_to_end(&mut piece);
        read.map_err(|error| Error::new(ErrorKind::Io, "the result cannot be read back").with_source(error))?;
        Ok((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
    })
    .boxed()
}

/// Waits for one or the other; what is dropped leaves nothing behind.
async fn unless_cancelled<T>(ctx: &Context, work: impl Future<Output = T>) -> Result<T, Failure> {
    match select(pin!(work), pin!(ctx.cancelled())).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(_) => Err(Failure::cancelled()),
    }
}

/// A source that is not there, or not what it says, will not be there next time either.
fn unread(error: Error) -> Failure {
    let class = match error.kind() {
        ErrorKind::UnknownArtifact | ErrorKind::DigestMismatch => FailureClass::InvalidInput,
        _ => FailureClass::Transient,
    };
    told(class, "image: it cannot be fetched", error)
}

fn unkept(error: Error) -> Failure {
    let class = if error.kind() == ErrorKind::Io { FailureClass::Resource } else { FailureClass::Transient };
    told(class, "the result cannot be stored", error)
}

fn told(class: FailureClass, what: &str, error: Error) -> Failure {
    Failure::new(class, format_args!("{what}: {}", error.message()))
        .code(error.kind().name())
        .remedy(error.kind().remedy())
}

/// Writing to the scratch folder fails for want of room more than for anything else.
fn unwritten(error: io::Error) -> Failure {
    let failure = Failure::resource(format_args!("the scratch folder cannot be written: {error}"));
    failure.remedy("free some disk space")
}
