//! Calibrating, and what is said of a call that needs a model.

use serde_json::{Value, json};

use crate::{bench::Bench, picture};

/// A bench whose models folder is its own, with this model in it.
fn with_model(name: &str) -> Bench {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("models")).unwrap();
    let file = format!("{name}.safetensors");
    let source = format!("{}/../examples/models/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(source, bench.path("models").join(file)).unwrap();
    bench
}

fn fnr(bench: &Bench, arguments: &[&str]) -> std::process::Output {
    let mut command = bench.command();
    command.env("FUNCTION_RUNNER_MODELS", bench.path("models")).args(arguments).output().unwrap()
}

fn documents(output: &std::process::Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_installed_is_measured_and_kept() {
    let bench = with_model("esrgan-slim-x2");
    let output = fnr(&bench, &["--json", "calibrate"]);
    assert!(output.status.success(), "{output:?}");
    let documents = documents(&output);
    let (last, speeds) = documents.split_last().unwrap();
    assert!(!speeds.is_empty());
    for speed in speeds {
        assert_eq!((&speed["kind"], &speed["model"]), (&json!("speed"), &json!("esrgan-slim-x2")));
        assert!(speed["seconds_per_megapixel"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(last["kind"], "calibrated");
    let kept = std::fs::read(bench.path("models").join("calibration.json")).unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept["format"], 1);
    assert_eq!(kept["speeds"].as_array().unwrap().len(), speeds.len());
}

#[test]
fn a_calibration_changes_what_is_said_before_a_run() {
    let bench = with_model("realesr-animevideov3-x4");
    bench.write("photo.png", picture::noise(20, 20));
    let speed =
        json!({ "model": "realesr-animevideov3-x4", "threads": 1, "seconds_per_megapixel": 1_000_000.0 });
    let calibration = json!({ "format": 1, "speeds": [speed] }).to_string();
    std::fs::write(bench.path("models").join("calibration.json"), calibration).unwrap();
    let run = ["run", "image.upscale", "image=@photo.png", "style=art", "-o", "big.png"];
    let output = fnr(&bench, &run);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(" · about 13 min\n"), "{said}");
}

#[test]
fn a_task_without_its_model_says_how_to_get_it() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("models")).unwrap();
    bench.write("photo.png", picture::noise(20, 20));
    let art = fnr(&bench, &["run", "image.upscale", "image=@photo.png", "style=art", "-o", "a.png"]);
    let said = String::from_utf8_lossy(&art.stderr);
    assert_eq!(art.status.code(), Some(1), "{said}");
    assert!(said.contains("the model `realesr-animevideov3-x4` is not installed"), "{said}");
    assert!(said.contains("`fnr models install realesr-animevideov3-x4 --from PATH-OR-URL`"), "{said}");
    let photo = fnr(&bench, &["run", "image.upscale", "image=@photo.png", "-o", "a.png"]);
    assert!(photo.status.success(), "photos need none at standard");
    let nothing = fnr(&bench, &["calibrate"]);
    let said = String::from_utf8_lossy(&nothing.stderr);
    assert!(!nothing.status.success() && said.contains("no model is installed"), "{said}");
}
