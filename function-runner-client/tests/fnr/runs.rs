//! Calls that succeed: files in and out, formats, inputs from everywhere, and what is said of them.

use std::fs;

use serde_json::{Value, json};

use crate::{bench::Bench, picture};

const RUN: [&str; 3] = ["run", "image.upscale", "image=@photo.png"];

fn with_photo() -> Bench {
    let bench = Bench::new();
    bench.write("photo.png", picture::noise(40, 30));
    bench
}

#[test]
fn a_photo_goes_in_and_a_larger_one_comes_out() {
    let bench = with_photo();
    let ended = bench.run(&[&RUN[..], &["factor=4", "-o", "big.png"]].concat()).ends(0);
    assert_eq!(picture::size(&fs::read(bench.path("big.png")).unwrap()), (160, 120));
    assert_eq!(ended.out, "");
    let lines: Vec<_> = ended.err.lines().collect();
    let [first, last] = lines[..] else { panic!("two lines where nobody looks on: {}", ended.err) };
    assert!(first.starts_with("image.upscale · standard · photo lanczos · this process (cpu, "), "{first}");
    assert!(last.starts_with("big.png  160 × 120 · ") && last.contains(" s · "), "{last}");
    assert!(last.contains(" · task 0"), "{last}");
    #[cfg(target_os = "linux")]
    assert!(last.contains(" · peak ") && last.contains(" MiB · "), "{last}");
}

#[test]
fn the_quality_and_the_style_choose_the_parameters_that_are_told() {
    let bench = with_photo();
    let more = ["--quality", "draft", "--priority", "9", "--label", "shot=s03", "-o", "a.png"];
    let ended = bench.run(&[&RUN[..], &more].concat()).ends(0);
    assert!(ended.err.starts_with("image.upscale · draft · photo bilinear · "), "{}", ended.err);
    let ended = bench.run(&[&RUN[..], &["style=art", "-q", "draft", "-o", "a.png"]].concat()).ends(0);
    assert!(ended.err.starts_with("image.upscale · draft · art lanczos · "), "{}", ended.err);
}

#[test]
fn the_extension_chooses_the_format_unless_one_is_given() {
    let bench = with_photo();
    let begins = |arguments: &[&str], name: &str| {
        bench.run(&[&RUN[..], arguments, &["-o", name]].concat()).ends(0);
        fs::read(bench.path(name)).unwrap()[..4].to_vec()
    };
    assert_eq!(begins(&[], "big.jpg")[..3], *b"\xff\xd8\xff");
    assert_eq!(begins(&[], "big.JPEG")[..3], *b"\xff\xd8\xff");
    assert_eq!(begins(&[], "big.png"), b"\x89PNG");
    assert_eq!(begins(&[], "big"), b"\x89PNG");
    assert_eq!(begins(&["format=png"], "odd.jpg"), b"\x89PNG");
    let ended = bench.run(&[&RUN[..], &["-o", "big.webp"]].concat()).ends(2);
    let text = "error: image.upscale does not write .webp\n\
                help: give -o a name that ends in .png or .jpeg, or choose format=png or format=jpeg\n";
    assert_eq!(ended.err, text);
}

#[test]
fn the_input_comes_from_the_line_a_file_or_stdin_and_fields_stand_over_it() {
    let bench = with_photo();
    let whole = json!({ "factor": 2, "style": "art" }).to_string();
    bench.write("input.json", &whole);
    for source in [&whole, "@input.json", "-"] {
        let arguments = [&RUN[..], &["factor=4", "--input", source, "-o", "a.png"]].concat();
        let ended = bench.run_with(&arguments, whole.as_bytes()).ends(0);
        assert!(
            ended.err.contains("standard · art animevideo") && ended.err.contains("160 × 120"),
            "{ended:#?}"
        );
    }
}

#[test]
fn json_is_one_document_per_line_and_nothing_else() {
    let bench = with_photo();
    let ended = bench.run(&[&["--json"], &RUN[..], &["-o", "big.png"]].concat()).ends(0);
    assert_eq!(ended.err, "");
    let mut documents = ended.documents();
    let last = documents.pop().unwrap();
    for document in &documents {
        assert_eq!((&document["kind"], &document["task"]), (&json!("progress"), &last["task"]));
        assert!(document["progress"]["stage"].is_string(), "{document}");
    }
    assert!(!documents.is_empty());
    assert_eq!(last["kind"], "succeeded");
    assert_eq!((&last["function"], &last["version"]), (&json!("image.upscale"), &json!("1.1.0")));
    assert_eq!((&last["quality"], &last["file"]), (&json!("standard"), &json!("big.png")));
    assert_eq!((&last["output"]["width"], &last["output"]["height"]), (&json!(80), &json!(60)));
    assert_eq!(last["output"]["image"]["media_type"], "image/png");
    let size = fs::metadata(bench.path("big.png")).unwrap().len();
    assert_eq!(last["output"]["image"]["size_bytes"], size);
    assert!(last["usage"]["run_ms"].is_u64() && last["usage"]["queued_ms"].is_u64(), "{last}");
    let known = cfg!(target_os = "linux");
    assert_eq!(last["usage"]["peak_memory_mib"].as_u64().is_some_and(|peak| peak > 0), known, "{last}");
}

#[test]
fn a_version_can_be_asked_for_and_what_was_there_is_replaced() {
    let bench = with_photo();
    bench.write("big.png", "old");
    let arguments = ["run", "image.upscale@1.1", "image=@photo.png", "-o", "big.png", "--timeout", "10m"];
    bench.run(&arguments).ends(0);
    assert_eq!(picture::size(&fs::read(bench.path("big.png")).unwrap()), (80, 60));
    let missing = bench.run(&["run", "image.upscale@2", "image=@photo.png", "-o", "big.png"]).ends(2);
    assert!(
        missing.err.starts_with("error: `image.upscale@2` is not built in; there are: 1.1.0\n"),
        "{missing:#?}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_is_written_through_and_the_file_is_like_any_other() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let bench = with_photo();
    bench.write("plain", "");
    fs::create_dir(bench.path("far")).unwrap();
    symlink("far/real.png", bench.path("link.png")).unwrap();
    bench.write("far/real.png", "old");
    bench.run(&[&RUN[..], &["-o", "link.png"]].concat()).ends(0);
    assert!(fs::symlink_metadata(bench.path("link.png")).unwrap().is_symlink());
    assert_eq!(picture::size(&fs::read(bench.path("far/real.png")).unwrap()), (80, 60));
    let mode = |name| fs::metadata(bench.path(name)).unwrap().permissions().mode();
    assert_eq!(mode("far/real.png"), mode("plain"));
}

#[test]
fn an_artifact_can_be_given_as_json_and_has_to_be_there() {
    let bench = with_photo();
    let last = bench.run(&[&["--json"], &RUN[..], &["-o", "a.png"]].concat()).ends(0).last();
    let image: &Value = &last["output"]["image"];
    let field = format!("image:={image}");
    let again = ["--json", "run", "image.upscale", &field, "-o", "b.png"];
    let ended = bench.run(&[&again[..], &["--queue", "memory:"]].concat()).ends(2);
    assert_eq!(ended.last()["failure"]["code"], "unknown_artifact", "{ended:#?}");
    assert!(!bench.path("b.png").exists());
    // the usual queue keeps what came out of it
    bench.run(&again).ends(0);
    assert_eq!(picture::size(&fs::read(bench.path("b.png")).unwrap()), (160, 120));
}
