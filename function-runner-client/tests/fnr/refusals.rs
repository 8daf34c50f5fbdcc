//! Wrong use and wrong input: each is told before anything runs, says what to do, and exits with 2.

use std::fs;

use serde_json::json;

use crate::{
    bench::{Bench, Ended},
    picture,
};

/// A run whose image is there and whose output has a place.
fn refused(more: &[&str]) -> Ended {
    let bench = Bench::new();
    bench.write("photo.png", picture::noise(8, 8));
    let arguments = [&["run", "image.upscale", "image=@photo.png", "-o", "big.png"], more].concat();
    let ended = bench.run(&arguments).ends(2);
    assert!(!bench.path("big.png").exists() && ended.out.is_empty(), "{ended:#?}");
    let json = bench.run(&[&["--json"], &arguments[..]].concat()).ends(2);
    let document = json.last();
    assert_eq!((json.documents().len(), json.err.as_str(), &document["kind"]), (1, "", &json!("error")));
    let message = document["error"]["message"].as_str().unwrap();
    assert!(ended.err.starts_with(&format!("error: {message}\n")), "{ended:#?}\n{document}");
    assert!(ended.err.contains(document["error"]["remedy"].as_str().unwrap()), "{ended:#?}\n{document}");
    ended
}

#[test]
fn every_fault_of_an_input_is_listed() {
    let text = "error: the input of `image.upscale` does not match its schema (2 problems)\n  \
                  /factor    5 is not one of 2, 4\n  \
                  /qualty    unknown field; did you mean `quality`? (quality is set on the call, not in the input)\n\
                help: `fnr functions image.upscale` shows the schema and an example\n";
    assert_eq!(refused(&["factor=5", "qualty=high"]).err, text);
}

#[test]
fn the_faults_are_documents_too() {
    let bench = Bench::new();
    let arguments = ["--json", "run", "image.upscale", "factor=5", "styel=art", "-o", "a.png"];
    let error = bench.run(&arguments).ends(2).last()["error"].clone();
    assert_eq!(error["code"], "invalid_input");
    assert!(error["task"].is_string(), "{error}");
    let faults = error["errors"].as_array().unwrap();
    let fault = |pointer: &str| faults.iter().find(|fault| fault["pointer"] == pointer).unwrap();
    assert_eq!(
        (&fault("/factor")["code"], &fault("/factor")["allowed"]),
        (&json!("not_allowed"), &json!([2, 4]))
    );
    assert_eq!(fault("/factor")["detail"], "5 is not one of 2, 4");
    assert_eq!(fault("/styel")["suggestion"], "style");
    assert_eq!(fault("/image")["code"], "missing");
}

#[test]
fn values_of_another_type_are_told_as_they_were_written() {
    let ended = refused(&["factor=four", "style:=3", "format=gif"]);
    for line in ["/factor    \"four\" is not ", "/format    \"gif\" is not ", "/style     3 is not "] {
        assert!(ended.err.contains(line), "{}\nlacks {line}", ended.err);
    }
}

#[test]
fn unknown_names_say_which_is_near() {
    let bench = Bench::new();
    let ended = bench.run(&["run", "image.upscal", "-o", "a.png"]).ends(2);
    assert!(
        ended.err.starts_with("error: there is no function `image.upscal`; did you mean `image.upscale`?\n")
    );
    let ended = refused(&["--quality", "standart"]);
    let text = "error: `image.upscale` has no quality `standart`; did you mean `standard`?\n\
                help: it has: draft, standard, high, ultra\n";
    assert_eq!(ended.err, text);
    assert!(
        refused(&["--quality", "film"]).err.starts_with("error: `image.upscale` has no quality `film`\n")
    );
    assert!(refused(&["--quality", "No Such"]).err.contains("`No Such`"));
}

#[test]
fn settings_out_of_range_are_named() {
    for priority in ["0", "11"] {
        let text =
            format!("error: the priority {priority} is out of range; it takes 1 (last) to 10 (first)\n");
        assert!(refused(&["--priority", priority]).err.starts_with(&text));
    }
    let text = "error: the label `shot` is not key=value\nhelp: write --label key=value\n";
    assert_eq!(refused(&["--label", "shot"]).err, text);
    assert!(refused(&["factor=2", "factor=4"]).err.starts_with("error: factor is given twice\n"));
    assert!(refused(&["photo.png"]).err.contains("help: to give the file write image=@photo.png\n"));
}

#[test]
fn a_file_needs_a_place_and_the_place_is_tried_before_anything_runs() {
    let bench = Bench::new();
    bench.write("photo.png", picture::noise(8, 8));
    let run = |more: &[&str]| {
        bench.run(&[&["run", "image.upscale", "image=@photo.png"], more].concat()).ends(2).err
    };
    assert_eq!(run(&[]), "error: image.upscale gives a file: say where it goes\nhelp: add -o PATH\n");
    let missing = run(&["-o", "no/such/big.png"]);
    assert!(
        missing.starts_with("error: cannot write no/such/big.png\nhelp: check that the path exists"),
        "{missing}"
    );
    assert!(missing.contains("\n  because "), "{missing}");
    assert!(run(&["-o", "."]).starts_with("error: cannot write .: it is a folder\n"));
    assert!(run(&["-o", "-"]).starts_with("error: cannot write -: a file is written whole or not at all"));
    #[cfg(unix)]
    assert!(run(&["-o", "/dev/null"]).starts_with("error: cannot write /dev/null: it is no file\n"));
    assert_eq!(fs::read_dir(bench.path("")).unwrap().count(), 2, "the photo and the temporary folder");
}

#[test]
fn a_file_that_cannot_be_read_says_which() {
    let bench = Bench::new();
    let ended = bench.run(&["run", "image.upscale", "image=@missing.png", "-o", "a.png"]).ends(2);
    assert!(
        ended.err.starts_with("error: cannot read the file to upload (path: missing.png)\nhelp: "),
        "{ended:#?}"
    );
    assert!(ended.err.contains("because No such file") || !cfg!(unix), "{ended:#?}");
    let ended = bench.run(&["run", "image.upscale", "image=@.", "-o", "a.png"]).ends(2);
    assert_eq!(ended.err, "error: image: . is a folder\nhelp: give a file\n");
}

#[test]
fn an_input_that_is_no_json_or_too_much_of_it_is_refused() {
    let bench = Bench::new();
    let run = |input: &[u8]| {
        bench.run_with(&["run", "image.upscale", "--input", "-", "-o", "a.png"], input).ends(2).err
    };
    let torn = run(b"{\"factor\": ");
    assert!(torn.starts_with("error: the input of `image.upscale` is not JSON that can be read\n"), "{torn}");
    assert!(
        torn.contains("not JSON at line 1") && torn.contains("\nhelp: --input takes JSON, @FILE or -"),
        "{torn}"
    );
    let deep = run(&[b"[".repeat(10_000), b"]".repeat(10_000)].concat());
    assert!(deep.contains("deep; at most 64 are allowed"), "{deep}");
    let large = run(format!("\"{}\"", "x".repeat(11 << 20)).as_bytes());
    assert!(large.starts_with("error: the input is over the limit of 10 MiB\n"), "{large}");
}

#[test]
fn arguments_that_cannot_be_read_are_wrong_use() {
    let bench = Bench::new();
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["run"],
        &["run", "image.upscale", "--timeout", "soon"],
        &["run", "image.upscale", "--priority", "high"],
        &["doctor", "extra"],
    ] {
        let ended = bench.run(arguments).ends(2);
        assert!(ended.out.is_empty() && ended.err.contains("--help"), "{ended:#?}");
    }
    let ended = bench.run(&["--json", "frobnicate"]).ends(2);
    let error = &ended.last()["error"];
    assert_eq!((&error["code"], ended.err.as_str()), (&json!("bad_request"), ""));
    assert_eq!(error["message"], "unrecognized subcommand 'frobnicate'");
}
