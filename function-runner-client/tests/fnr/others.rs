//! The commands that only show, help, and a stdout that nobody reads.

use std::{io, process::Stdio};

use serde_json::json;

use crate::bench::{Bench, Ended};

#[test]
fn the_functions_are_listed_and_shown_in_full() {
    let bench = Bench::new();
    let list = bench.run(&["functions"]).ends(0);
    assert!(
        list.out.contains("image.upscale  1.1.0    draft, standard, high, ultra  Make an image larger\n"),
        "{}",
        list.out
    );
    let one = bench.run(&["functions", "image.upscale"]).ends(0).out;
    for part in ["image.upscale 1.1.0 · ", "\nqualities\n", "\ninput\n", "\noutput\n", "\nexample: "] {
        assert!(one.contains(part), "{one}\nlacks {part}");
    }
    let documents = bench.run(&["functions", "--json"]).ends(0).documents();
    assert_eq!((documents.len(), &documents[0]["function"]), (1, &json!("image.upscale")));
    let template = bench.run(&["--json", "functions", "image.upscale@1"]).ends(0).last();
    assert_eq!(template, documents[0]);
    assert_eq!(template["input"]["properties"]["factor"]["enum"], json!([2, 4]));
    assert!(template["presets"]["draft"].is_object() && !template["examples"][0]["input"].is_null());
}

#[test]
fn the_example_that_is_shown_runs() {
    let bench = Bench::new();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sample.png");
    std::fs::copy(sample, bench.path("sample.png")).unwrap();
    let shown = bench.run(&["functions", "image.upscale"]).ends(0).out;
    let line = shown.lines().find_map(|line| line.trim().strip_prefix("fnr ")).unwrap();
    let arguments: Vec<_> = line.split(' ').collect();
    let ended = bench.run(&arguments).ends(0);
    assert!(ended.err.contains("result.png  1024 × 1024 · "), "{}", ended.err);
}

#[test]
fn an_unknown_function_is_not_shown() {
    let bench = Bench::new();
    let ended = bench.run(&["functions", "upscale"]).ends(2);
    let text = "error: there is no function `upscale`; did you mean `image.upscale`?\n\
                help: there are: image.upscale; `fnr functions` says what they do\n";
    assert_eq!((ended.err.as_str(), ended.out.as_str()), (text, ""));
    let error = bench.run(&["functions", "upscale", "--json"]).ends(2).last();
    assert_eq!((&error["kind"], &error["error"]["code"]), (&json!("error"), &json!("unknown_function")));
}

#[test]
fn the_doctor_looks_at_everything() {
    let bench = Bench::new();
    let text = bench.run(&["doctor"]).ends(0).out;
    let documents = bench.run(&["doctor", "--json"]).ends(0).documents();
    let names: Vec<_> = documents.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["threads", "memory", "scratch disk", "GPUs", "models", "functions", "artifact store"]);
    for (line, check) in text.lines().filter(|line| !line.starts_with(' ')).zip(&documents) {
        let (state, name) = (check["state"].as_str().unwrap(), check["name"].as_str().unwrap());
        assert!(line.starts_with(state) && line.contains(name), "{line}\n{check}");
        assert_eq!(state == "lack", check["remedy"].is_string(), "{check}");
    }
}

#[cfg(unix)]
#[test]
fn the_doctor_fails_where_something_needed_is_lacking() {
    let bench = Bench::new();
    let ended = Ended::of(bench.command().arg("doctor").env("TMPDIR", "/no/such/folder").output().unwrap());
    let ended = ended.ends(1);
    assert!(
        ended.out.contains("lack  artifact store  no file can be kept in /no/such/folder"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("set TMPDIR to a folder that can be written"), "{}", ended.out);
}

#[test]
fn help_says_what_there_is() {
    let bench = Bench::new();
    let help = bench.run(&["--help"]).ends(0).out;
    for part in ["run ", "functions ", "doctor ", "--json", "Exit codes: 0 succeeded, 1 the function failed"]
    {
        assert!(help.contains(part), "{help}\nlacks {part}");
    }
    let help = bench.run(&["run", "--help"]).ends(0).out;
    for part in ["--quality", "--priority", "--label", "--timeout", "--input", "--output", "key=@path"] {
        assert!(help.contains(part), "{help}\nlacks {part}");
    }
    assert_eq!(bench.run(&["--version"]).ends(0).out, format!("fnr {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_stdout_that_nobody_reads_is_no_fault() {
    let bench = Bench::new();
    bench.write("photo.png", crate::picture::noise(8, 8));
    for arguments in [
        &["functions"][..],
        &["functions", "--json"],
        &["doctor"],
        &["--help"],
        &["--json", "run", "image.upscale", "image=@photo.png", "-o", "a.png"],
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = bench.command();
        let child = command.args(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap()).ends(0);
        assert_eq!(ended.err, "");
    }
    assert!(bench.path("a.png").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_stdout_that_is_full_is_told() {
    let bench = Bench::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = Ended::of(bench.command().arg("functions").stdout(full).output().unwrap()).ends(2);
    assert!(ended.err.starts_with("error: cannot write to stdout\n"), "{}", ended.err);
}
