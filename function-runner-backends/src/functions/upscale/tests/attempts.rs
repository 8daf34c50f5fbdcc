//! Attempts after attempts: what one leaves, and what the next one makes of it.

use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use async_trait::async_trait;
use bytes::Bytes;
use function_runner_core::{
    Artifact, ArtifactStore, ByteStream, Digest, Failure, FailureClass, Grant, Result, Stage,
};
use function_runner_testkit::TestContext;
use futures::{StreamExt, executor::block_on, stream};
use serde_json::{Value, json};

use super::{
    super::{
        UpscaleInput, UpscaleOutput,
        body::{Means, run},
    },
    Colours, Depth, Image,
    network::{memory_for, plan},
    noise,
};
use crate::{
    folder::{FolderStore, scratch_in},
    networks::Network,
};

/// A store that counts what is put into it, and stands still after so many until it is told to go on.
#[derive(Clone, Debug)]
struct Counting {
    within: FolderStore,
    puts: Arc<AtomicUsize>,
    pause: Option<Pause>,
}

#[derive(Clone, Debug)]
struct Pause {
    after: usize,
    reached: Sender<()>,
    go_on: Arc<std::sync::Mutex<Receiver<()>>>,
}

impl Counting {
    fn new(within: &FolderStore) -> Self {
        Self { within: within.clone(), puts: Arc::default(), pause: None }
    }

    fn count(&self) -> usize {
        self.puts.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ArtifactStore for Counting {
    async fn put(&self, content: ByteStream, media_type: &str) -> Result<Artifact> {
        let artifact = self.within.put(content, media_type).await?;
        let count = self.puts.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(pause) = self.pause.as_ref().filter(|pause| pause.after == count) {
            pause.reached.send(()).unwrap();
            pause.go_on.lock().unwrap().recv().unwrap();
        }
        Ok(artifact)
    }

    async fn get(&self, content: &Digest, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.within.get(content, range).await
    }

    async fn head(&self, content: &Digest) -> Result<u64> {
        self.within.head(content).await
    }
}

fn image() -> Image {
    noise(30, 120, Colours::Rgb, Depth::Eight)
}

fn put(store: &FolderStore, image: &Image) -> Artifact {
    let content = stream::iter([Ok(Bytes::from(image.png()))]).boxed();
    block_on(store.put(content, "image/png")).unwrap()
}

fn context(store: &Counting, scratch: &Path) -> TestContext {
    let mut grant = Grant::default();
    grant.amounts.cpu_millis = 2_000;
    let test = TestContext::new().granted(grant).artifacts(store.clone()).scratch(scratch_in(scratch));
    test.parameter("photo", "thick")
}

fn attempt(test: &TestContext, image: &Artifact) -> std::result::Result<UpscaleOutput, Failure> {
    let network = Network::new(plan(4));
    let memory = memory_for(&network, &self::image(), 16);
    let load = |_: &str| Ok(network.clone());
    let input = UpscaleInput::new(image.clone()).factor(4);
    run(&test.context(), &input, &Means { load: &load, memory: &|_| memory })
}

/// Runs an attempt that is cancelled when it has put so many bands away, and gives its checkpoint.
fn cancelled_after(bands: usize, store: &FolderStore, image: &Artifact) -> Bytes {
    let scratch = tempfile::tempdir().unwrap();
    let ((reached, has_reached), (go_on, goes_on)) = (channel(), channel());
    let mut counting = Counting::new(store);
    let go_on_later = Arc::new(std::sync::Mutex::new(goes_on));
    counting.pause = Some(Pause { after: bands, reached, go_on: go_on_later });
    let test = context(&counting, scratch.path());
    thread::scope(|scope| {
        let body = scope.spawn(|| attempt(&test, image));
        has_reached.recv().unwrap();
        test.cancel();
        go_on.send(()).unwrap();
        assert_eq!(body.join().unwrap().unwrap_err().class, FailureClass::Cancelled);
    });
    assert_eq!(counting.count(), bands);
    test.checkpoint().expect("it left a checkpoint")
}

/// What an attempt that nobody disturbs gives, and how many artifacts it stores.
fn undisturbed(store: &FolderStore, image: &Artifact) -> (Digest, usize) {
    let (scratch, counting) = (tempfile::tempdir().unwrap(), Counting::new(store));
    let output = attempt(&context(&counting, scratch.path()), image).unwrap();
    (output.image.sha256, counting.count())
}

fn resumed(store: &FolderStore, image: &Artifact, checkpoint: Bytes) -> (Digest, usize, TestContext) {
    let (scratch, counting) = (tempfile::tempdir().unwrap(), Counting::new(store));
    let test = context(&counting, scratch.path()).attempt(2).resumed(checkpoint);
    let output = attempt(&test, image).unwrap();
    (output.image.sha256, counting.count(), test)
}

fn logs(test: &TestContext) -> String {
    test.logs().into_iter().map(|line| line.message + "\n").collect()
}

#[test]
fn the_next_attempt_computes_only_the_rest() {
    let store = FolderStore::temporary().unwrap();
    let image = put(&store, &image());
    let (expected, all) = undisturbed(&store, &image);
    assert!(all > 4, "{all} artifacts: bands but the last, and the result");
    for bands in 1..all {
        let checkpoint = cancelled_after(bands, &store, &image);
        let (result, puts, test) = resumed(&store, &image, checkpoint);
        assert_eq!(result, expected, "after {bands}");
        assert_eq!(puts, all - bands, "only what was missing is stored");
        assert!(
            logs(&test).contains(&format!("goes on after {bands} of {all} rows of tiles")),
            "{}",
            logs(&test)
        );
        let running = test.progress().into_iter().filter(|progress| progress.stage == Stage::Running);
        let steps: Vec<_> = running.map(|progress| progress.step.unwrap()).collect();
        let kept = bands as u32 * steps[0].steps / all as u32;
        let before = steps.iter().filter(|step| step.step < kept).count();
        assert_eq!(before, bands, "of kept rows nothing is told but that they are there");
        assert!(steps.iter().filter(|step| step.step == kept).count() > 1, "the next one is computed");
    }
}

#[test]
fn an_attempt_that_goes_on_leaves_checkpoints_too() {
    let store = FolderStore::temporary().unwrap();
    let image = put(&store, &image());
    let (expected, all) = undisturbed(&store, &image);
    let checkpoint = cancelled_after(1, &store, &image);
    let (_, _, test) = resumed(&store, &image, checkpoint);
    let last = test.checkpoint().unwrap();
    let document: Value = serde_json::from_slice(&last).unwrap();
    assert_eq!(document["format"], 1);
    assert_eq!(document["bands"].as_array().unwrap().len(), all - 1);
    let (result, puts, _) = resumed(&store, &image, last);
    assert_eq!((result, puts), (expected, 1), "the last row and the result");
}

#[test]
fn a_band_that_is_lost_or_damaged_is_computed_again() {
    let store = FolderStore::temporary().unwrap();
    let image = put(&store, &image());
    let (expected, all) = undisturbed(&store, &image);
    let checkpoint = cancelled_after(3, &store, &image);
    let with = |second: String| {
        let mut document: Value = serde_json::from_slice(&checkpoint).unwrap();
        document["bands"][1] = json!(second);
        Bytes::from(document.to_string())
    };
    let nothing = Digest::of(b"nothing of the kind").to_string();
    let foreign = image.sha256.to_string();
    for second in [nothing, foreign] {
        let (result, puts, test) = resumed(&store, &image, with(second));
        assert_eq!((result, puts), (expected, all - 1), "all but the first is computed again");
        assert!(logs(&test).contains("a kept row of tiles is lost and computed again"), "{}", logs(&test));
    }
}

#[test]
fn a_checkpoint_that_is_no_use_is_told_and_passed_over() {
    let store = FolderStore::temporary().unwrap();
    let image = put(&store, &image());
    let (expected, all) = undisturbed(&store, &image);
    let checkpoint = cancelled_after(2, &store, &image);
    let newer = String::from_utf8(checkpoint.to_vec()).unwrap().replace("\"format\":1", "\"format\":2");
    let other = put(&store, &noise(30, 120, Colours::Grey, Depth::Eight));
    let of_other = cancelled_after(2, &store, &other);
    for garbled in [
        Bytes::from_static(b""),
        Bytes::from_static(b"\xff\0{"),
        checkpoint.slice(..40),
        newer.into(),
        of_other,
    ] {
        let (result, puts, test) = resumed(&store, &image, garbled);
        assert_eq!((result, puts), (expected, all));
        assert!(
            logs(&test).contains("the checkpoint of the attempt before is not used: "),
            "{}",
            logs(&test)
        );
    }
}

#[test]
fn the_estimate_is_told_before_the_work() {
    let (store, scratch) = (FolderStore::temporary().unwrap(), tempfile::tempdir().unwrap());
    let image = put(&store, &image());
    let test = context(&Counting::new(&store), scratch.path());
    attempt(&test, &image).unwrap();
    let told = test.progress();
    let reading = told.iter().find(|progress| progress.message == "reading the image").unwrap();
    assert!(reading.eta.is_some_and(|eta| !eta.is_zero()));
    let running: Vec<_> = told.iter().filter(|progress| progress.stage == Stage::Running).collect();
    assert!(running.iter().all(|progress| progress.eta.is_some()));
    let first = running[0];
    assert!(first.message.starts_with("tile 1/") && first.fraction == Some(0.0), "{first:?}");
    let last = running[running.len() - 1];
    let steps = last.step.unwrap();
    assert_eq!((steps.step, last.message.as_str()), (steps.steps, &*format!("tile {0}/{0}", steps.steps)));
}
