//! The body as a worker runs it, and its template.

use std::{ops::Range, path::Path, sync::mpsc, thread};

use async_trait::async_trait;
use bytes::Bytes;
use function_runner_core::{
    Artifact, ArtifactStore, ByteStream, Digest, Error, ErrorKind, Failure, FailureClass, Grant, Quality,
    Result, Schema, Stage,
};
use function_runner_testkit::{TestContext, assert_compatible};
use futures::{StreamExt, TryStreamExt, executor::block_on, stream};
use serde_json::json;

use super::{
    super::{Network, Style, UPSCALE, UpscaleInput, UpscaleOutput, implementation, upscale},
    Colours, Depth, Image, OutputFormat, noise,
};
use crate::folder::{FolderStore, scratch_in};

fn sample() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sample.png")).unwrap()
}

fn put(store: &FolderStore, file: &[u8], name: &str) -> Artifact {
    let content = stream::iter([Ok(Bytes::copy_from_slice(file))]).boxed();
    block_on(store.put(content, "application/octet-stream")).unwrap().named(name)
}

fn read(store: &FolderStore, artifact: &Artifact) -> Vec<u8> {
    let pieces: Vec<Bytes> =
        block_on(async { store.get(&artifact.sha256, None).await?.try_collect().await }).unwrap();
    pieces.concat()
}

/// A context at a quality of the template, with a folder for scratch that the test keeps.
fn context(store: impl ArtifactStore, quality: Quality, scratch: &Path) -> TestContext {
    let mut grant = Grant::default();
    grant.amounts.cpu_millis = 2_000;
    let parameters = implementation().template().parameters_at(&quality);
    let test =
        TestContext::new().quality(quality).granted(grant).artifacts(store).scratch(scratch_in(scratch));
    parameters.into_iter().fold(test, |test, (name, value)| test.parameter(name, value))
}

fn run(
    file: &[u8],
    quality: Quality,
    ask: impl FnOnce(UpscaleInput) -> UpscaleInput,
) -> Result<(UpscaleOutput, Vec<u8>), Failure> {
    let (store, scratch) = (FolderStore::temporary().unwrap(), tempfile::tempdir().unwrap());
    let input = ask(UpscaleInput::new(put(&store, file, "sample.webp")));
    let output = upscale(context(store.clone(), quality, scratch.path()).context(), input)?;
    let file = read(&store, &output.image);
    Ok((output, file))
}

#[test]
fn queued_tasks_and_old_callers_still_work() {
    assert_compatible!(UPSCALE, "src/functions/upscale/tests/data/image.upscale.json");
}

#[test]
fn the_template_is_whole() {
    let registry = crate::functions::registry();
    registry.check().unwrap();
    let template = registry.find("image.upscale", 1).unwrap().template();
    assert_eq!(template.qualities(), [&Quality::Draft, &Quality::Standard, &Quality::High, &Quality::Ultra]);
    for (quality, photo, art) in [
        (Quality::Draft, "bilinear", "lanczos"),
        (Quality::Standard, "lanczos", "animevideo"),
        (Quality::High, "thick", "thick"),
        (Quality::Ultra, "thick-ensemble", "thick-ensemble"),
    ] {
        let expected = [("art".into(), json!(art)), ("photo".into(), json!(photo))].into();
        assert_eq!(template.parameters_at(&quality), expected);
        let large = quality >= Quality::High;
        let needs: Vec<_> = template
            .requires_at(&quality)
            .options()
            .map(|needs| (needs.each.cpu_millis, needs.each.memory_mib, needs.each.custom.len()))
            .collect();
        let (memory, models) = if large { (1_024, 1) } else { (800, 0) };
        assert_eq!(needs, [(2_000, memory, models), (1_000, memory, models)], "{quality}");
    }
    assert!(!template.title.is_empty() && !template.description.is_empty());
}

#[test]
fn the_example_is_the_sample() {
    let input: UpscaleInput =
        serde_json::from_value(implementation().template().examples[0].input.clone()).unwrap();
    let sample = sample();
    assert_eq!((input.image.sha256, input.image.size_bytes), (Digest::of(&sample), sample.len() as u64));
}

#[test]
fn defaults_are_twice_a_photo_to_a_png() {
    let image = serde_json::to_value(Artifact::new(Digest::of(b""), 0, "image/png")).unwrap();
    let input: UpscaleInput = serde_json::from_value(json!({ "image": image })).unwrap();
    assert_eq!((input.factor, input.style, input.format), (2, Style::Photo, None));
    assert_eq!(input, UpscaleInput::new(input.image.clone()));
}

#[test]
fn a_wrong_field_is_told_before_anything_runs() {
    let implementation = implementation();
    let schema = Schema::compile(&implementation.template().input).unwrap();
    let image = serde_json::to_value(Artifact::new(Digest::of(b""), 0, "image/png")).unwrap();
    let input = json!({ "image": image, "factor": 5, "style": "foto", "format": "gif", "qualty": "high" });
    let faults = schema.check(&input);
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers.len(), 4, "{faults:?}");
    for pointer in ["/factor", "/style", "/format", "/qualty"] {
        assert!(pointers.contains(&pointer), "{pointer} in {faults:?}");
    }
}

#[test]
fn the_sample_gets_larger() {
    let (store, scratch) = (FolderStore::temporary().unwrap(), tempfile::tempdir().unwrap());
    let test = context(store.clone(), Quality::Standard, scratch.path());
    let input = UpscaleInput::new(put(&store, &sample(), "sample.png")).factor(4);
    let output = upscale(test.context(), input).unwrap();
    assert_eq!((output.width, output.height), (1_024, 1_024));
    assert_eq!(
        (&*output.image.media_type, output.image.name.as_deref()),
        ("image/png", Some("sample-4x.png"))
    );
    let result = Image::read(&read(&store, &output.image));
    assert_eq!((result.width, result.height, result.layout.colours), (1_024, 1_024, Colours::Rgb));
    let told = test.progress();
    let stages: Vec<_> = told.iter().map(|progress| progress.stage).collect();
    assert!(
        stages.is_sorted()
            && [Stage::Preparing, Stage::Running, Stage::Finalizing]
                .iter()
                .all(|stage| stages.contains(stage))
    );
    assert_eq!(told.last().unwrap().fraction, Some(1.0));
    let running: Vec<_> = told.iter().filter(|progress| progress.stage == Stage::Running).collect();
    assert!(running.len() > 5 && running.iter().all(|progress| progress.eta.is_some()));
    assert_eq!(running.last().unwrap().step.map(|step| (step.step, step.steps)), Some((1_024, 1_024)));
    drop(test);
    assert_eq!(scratch.path().read_dir().unwrap().count(), 0, "the scratch folder is gone");
}

#[test]
fn presets_and_styles_are_what_they_say() {
    let file = noise(40, 30, Colours::Rgb, Depth::Eight).png();
    let image =
        |quality: Quality, style| Image::read(&run(&file, quality, |input| input.style(style)).unwrap().1);
    let sharp = image(Quality::Standard, Style::Photo);
    assert!(image(Quality::Draft, Style::Photo) != sharp);
    assert!(image(Quality::Draft, Style::Art) == sharp);
}

#[test]
fn a_jpeg_is_written_where_it_is_asked_for() {
    let (output, file) = run(&sample(), Quality::Draft, |input| input.format(OutputFormat::Jpeg)).unwrap();
    assert_eq!(
        (&*output.image.media_type, output.image.name.as_deref()),
        ("image/jpeg", Some("sample-2x.jpg"))
    );
    assert!(file.starts_with(b"\xff\xd8\xff"));
}

#[test]
fn a_preset_without_the_parameter_is_told() {
    let store = FolderStore::temporary().unwrap();
    let input = UpscaleInput::new(put(&store, &sample(), "x"));
    let test = TestContext::new()
        .parameter("photo", "cubism")
        .artifacts(store)
        .scratch(scratch_in(std::env::temp_dir()));
    assert_eq!(upscale(test.context(), input.clone()).unwrap_err().class, FailureClass::Permanent);
    let test = TestContext::new().parameter("photo", Network::Lanczos);
    let failure = upscale(test.context(), input.style(Style::Art)).unwrap_err();
    assert!(failure.message.contains("no parameter `art`"), "{failure}");
}

#[test]
fn bad_input_says_what_to_do() {
    for (file, words) in [
        (&b""[..], "image: the image file is empty (0 bytes)"),
        (b"GIF89a\x01\0\x01\0", "image: this is a GIF; image.upscale reads PNG, JPEG and WebP"),
        (&sample()[..2_000], "image: the PNG file is truncated: it ends in the middle of the image"),
    ] {
        let failure = run(file, Quality::Standard, |input| input).unwrap_err();
        assert_eq!((failure.class, &*failure.message), (FailureClass::InvalidInput, words));
        assert!(failure.remedy.is_some());
    }
    let failure = run(&sample(), Quality::Standard, |input| input.factor(3)).unwrap_err();
    assert_eq!(
        (failure.class, &*failure.message),
        (FailureClass::InvalidInput, "factor: 3 is not one of 2, 4")
    );
    let wide = noise(40_000, 1, Colours::Grey, Depth::Eight).png();
    let failure = run(&wide, Quality::Standard, |input| input.format(OutputFormat::Jpeg)).unwrap_err();
    assert_eq!(failure.class, FailureClass::InvalidInput);
    assert!(failure.message.starts_with("format: the result would have 80000 × 2 pixels"), "{failure}");
}

#[test]
fn an_image_that_was_never_uploaded_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let test = context(FolderStore::temporary().unwrap(), Quality::Standard, scratch.path());
    let failure = upscale(test.context(), UpscaleInput::new(Artifact::new(Digest::of(b"x"), 1, "image/png")))
        .unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_deref()),
        (FailureClass::InvalidInput, Some("unknown_artifact"))
    );
    assert_eq!(failure.remedy.as_deref(), Some("upload the file first"));
}

/// A store whose parts a test decides.
#[derive(Debug)]
struct Odd {
    within: FolderStore,
    /// Says that a get hangs, which it does where this is there.
    hangs: Option<mpsc::Sender<()>>,
    full: bool,
}

#[async_trait]
impl ArtifactStore for Odd {
    async fn put(&self, content: ByteStream, media_type: &str) -> Result<Artifact> {
        if self.full {
            return Err(Error::new(ErrorKind::Io, "cannot write the artifact"));
        }
        self.within.put(content, media_type).await
    }

    async fn get(&self, content: &Digest, range: Option<Range<u64>>) -> Result<ByteStream> {
        if let Some(hangs) = &self.hangs {
            hangs.send(()).unwrap();
            return Ok(stream::pending().boxed());
        }
        self.within.get(content, range).await
    }

    async fn head(&self, content: &Digest) -> Result<u64> {
        self.within.head(content).await
    }
}

#[test]
fn a_cancel_ends_a_fetch_that_hangs() {
    let (hangs, hung) = mpsc::channel();
    let scratch = tempfile::tempdir().unwrap();
    let within = FolderStore::temporary().unwrap();
    let input = UpscaleInput::new(put(&within, &sample(), "x"));
    let test = context(Odd { within, hangs: Some(hangs), full: false }, Quality::Standard, scratch.path());
    thread::scope(|scope| {
        let body = scope.spawn(|| upscale(test.context(), input));
        hung.recv().unwrap();
        test.cancel();
        assert_eq!(body.join().unwrap().unwrap_err().class, FailureClass::Cancelled);
    });
}

#[test]
fn a_cancel_before_the_work_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let store = FolderStore::temporary().unwrap();
    let input = UpscaleInput::new(put(&store, &sample(), "x"));
    let test = context(store, Quality::Standard, scratch.path());
    test.cancel();
    assert_eq!(upscale(test.context(), input).unwrap_err().class, FailureClass::Cancelled);
}

#[test]
fn a_full_store_is_a_matter_of_resources() {
    let scratch = tempfile::tempdir().unwrap();
    let within = FolderStore::temporary().unwrap();
    let input = UpscaleInput::new(put(&within, &sample(), "x"));
    let test = context(Odd { within, hangs: None, full: true }, Quality::Draft, scratch.path());
    let failure = upscale(test.context(), input).unwrap_err();
    assert_eq!((failure.class, failure.code.as_deref()), (FailureClass::Resource, Some("io")));
}

#[test]
fn a_long_name_stays_within_its_bounds() {
    let (store, scratch) = (FolderStore::temporary().unwrap(), tempfile::tempdir().unwrap());
    let input = UpscaleInput::new(put(&store, &sample(), &"é".repeat(255)));
    let output = upscale(context(store, Quality::Draft, scratch.path()).context(), input).unwrap();
    assert!(output.image.name.unwrap().chars().count() <= 255);
}
