//! The `upscale` example, run as a user runs it: the real program on the sample.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sample.png");

/// The example beside this test's program, where cargo puts it.
fn upscale(folder: &Path) -> Command {
    let test = env::current_exe().unwrap();
    let built =
        test.ancestors().nth(2).unwrap().join("examples/upscale").with_extension(env::consts::EXE_EXTENSION);
    assert!(
        built.exists(),
        "{} is not built: cargo build -p function-runner-examples --examples",
        built.display()
    );
    let mut command = Command::new(built);
    command.current_dir(folder).env("TMPDIR", folder.join("tmp"));
    command
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let output = upscale(self.0.path()).args(arguments).output().unwrap();
        assert_eq!(fs::read_dir(self.path("tmp")).unwrap().count(), 0, "it leaves no temporary file");
        output
    }
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_sample_is_made_four_times_larger() {
    let folder = Folder::new();
    let output = folder.run(&[SAMPLE, "big.png", "--quality", "standard", "--factor", "4"]);
    let said = words(&output.stdout);
    assert!(output.status.success(), "{said}{}", words(&output.stderr));
    assert!(said.starts_with("image.upscale@1.1:standard · photo \"lanczos\" · needs "), "{said}");
    assert!(said.contains("\nbig.png  1024 × 1024 · "), "{said}");
    let big = fs::read(folder.path("big.png")).unwrap();
    let info = png::Decoder::new(std::io::Cursor::new(&big)).read_info().unwrap().info().clone();
    assert_eq!((info.width, info.height), (1024, 1024));
}

#[test]
fn the_extension_and_the_options_are_obeyed() {
    let folder = Folder::new();
    let output = folder.run(&[SAMPLE, "big.jpg", "--quality", "draft", "--style", "art"]);
    let said = words(&output.stdout);
    assert!(
        said.starts_with("image.upscale@1.1:draft · art \"lanczos\"") && said.contains("512 × 512"),
        "{said}"
    );
    assert_eq!(fs::read(folder.path("big.jpg")).unwrap()[..3], *b"\xff\xd8\xff");
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_written() {
    let folder = Folder::new();
    fs::write(folder.path("text.png"), "hello").unwrap();
    for (arguments, said) in [
        (&["text.png", "big.png"][..], "this is not an image of a known format"),
        (&["missing.png", "big.png"], "cannot read the file to upload (path: missing.png)"),
        (&[SAMPLE], "give two paths"),
        (&[SAMPLE, "big.png", "--factor", "3"], "3 is not one of 2, 4"),
        (&[SAMPLE, "big.png", "--quality", "best"], "`image.upscale` has no quality `best`"),
        (&[SAMPLE, "big.png", "--size", "9"], "there is no --size"),
    ] {
        let output = folder.run(arguments);
        let error = words(&output.stderr);
        assert!(!output.status.success() && error.contains(said) && error.contains("\nhelp: "), "{error}");
        assert!(!folder.path("big.png").exists());
    }
}

/// A PNG of 16 megapixels: making it larger takes far longer than this test.
#[cfg(unix)]
fn large() -> Vec<u8> {
    const SIDE: u32 = 4000;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIDE, SIDE);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    let rows = (0..SIDE * SIDE).map(|at| ((at / SIDE) ^ (at % SIDE)) as u8);
    writer.write_image_data(&rows.collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    file
}

/// Stopped while the body is at work: the line of what is used comes once it was submitted.
#[cfg(unix)]
#[test]
fn ctrl_c_cancels_cleanly() {
    use std::{
        io::{BufRead as _, BufReader, Read as _},
        process::Stdio,
    };
    let folder = Folder::new();
    fs::write(folder.path("large.png"), large()).unwrap();
    let mut command = upscale(folder.0.path());
    command.args(["large.png", "big.png", "--factor", "4"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.code() == Some(1) && rest.is_empty(), "{rest}{output:?}");
    assert!(words(&output.stderr).contains("cancelled"), "{output:?}");
    assert!(!folder.path("big.png").exists());
    assert_eq!(fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
}
