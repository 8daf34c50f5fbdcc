//! A queue that lives between commands, and which queue a command uses.

use std::fs;

use serde_json::json;

use crate::{bench::Bench, picture};

const UPSCALE: [&str; 3] = ["run", "image.upscale", "image=@photo.png"];

fn with_photo() -> Bench {
    let bench = Bench::new();
    bench.write("photo.png", picture::noise(40, 30));
    bench
}

#[test]
fn what_is_detached_is_there_for_later_commands() {
    let bench = with_photo();
    let queued = bench.run(&[&["--json"], &UPSCALE[..], &["factor=4", "--detach"]].concat()).ends(0).last();
    assert_eq!((&queued["kind"], &queued["function"]), (&json!("queued"), &json!("image.upscale")));
    let id = queued["task"].as_str().unwrap();
    let listed = bench.run(&["--json", "tasks"]).ends(0).last();
    assert_eq!((&listed["task"], &listed["state"]), (&queued["task"], &json!("queued")));
    assert_eq!(listed["lane"], "image.upscale@1.1:standard");

    // whoever works on the queue runs it, here calls of something else
    let succeeded = ["--json", "tasks", "--state", "succeeded"];
    let ids = || {
        bench.run(&succeeded).ends(0).documents().iter().map(|task| task["task"].clone()).collect::<Vec<_>>()
    };
    while !ids().contains(&queued["task"]) {
        bench.run(&[&UPSCALE[..], &["-o", "other.png"]].concat()).ends(0);
    }
    let ended = bench.run(&["watch", id, "-o", "big.png"]).ends(0);
    assert_eq!(picture::size(&fs::read(bench.path("big.png")).unwrap()), (160, 120));
    assert!(ended.err.starts_with("big.png  160 × 120 · "), "{}", ended.err);
    assert!(ended.err.ends_with(&format!(" · task {id}\n")) && !ended.err.contains("peak"), "{}", ended.err);

    // as often as asked, and without a place as JSON
    let output = bench.run(&["--json", "watch", id]).ends(0).last();
    assert_eq!((&output["kind"], &output["output"]["width"]), (&json!("succeeded"), &json!(160)));
    assert!(ids().len() > 1);
}

#[test]
fn the_id_alone_is_printed_for_scripts() {
    let bench = with_photo();
    let ended = bench.run(&[&UPSCALE[..], &["--detach", "-q", "draft"]].concat()).ends(0);
    let id = ended.out.strip_suffix('\n').unwrap();
    assert_eq!(ended.err, "image.upscale · draft · photo bilinear · any worker of the queue\n");
    let text = bench.run(&["tasks"]).ends(0).out;
    let mut lines = text.lines();
    let heads: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(heads, ["task", "state", "lane", "age", "attempt"]);
    let cells: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(cells[..3], [id, "queued", "image.upscale@1.1:draft"]);
}

#[test]
fn a_queue_is_named_by_the_line_or_by_the_environment() {
    let bench = with_photo();
    bench.run(&[&UPSCALE[..], &["--detach", "--queue", "sqlite:here.db"]].concat()).ends(0);
    let count =
        |arguments: &[&str]| bench.run(&[&["--json", "tasks"], arguments].concat()).ends(0).documents().len();
    assert_eq!((count(&["--queue", "sqlite:here.db"]), count(&[])), (1, 0));
    let mut command = bench.command();
    let ended = command.args(["--json", "tasks"]).env("FNR_QUEUE", "sqlite:here.db").output().unwrap();
    assert_eq!(String::from_utf8(ended.stdout).unwrap().lines().count(), 1);
    assert!(bench.path("here.db-artifacts").is_dir());
    let none = bench.run(&["tasks", "--queue", "nowhere:x"]).ends(2);
    assert!(none.err.starts_with("error: there is no backend for `nowhere:`"), "{}", none.err);
}

#[cfg(unix)]
#[test]
fn the_usual_queue_is_its_users_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = with_photo();
    bench.run(&[&UPSCALE[..], &["--detach"]].concat()).ends(0);
    // macOS keeps it elsewhere
    let folder = match cfg!(target_os = "macos") {
        true => bench.path("home/Library/Application Support/function-runner"),
        false => bench.path("data/function-runner"),
    };
    assert!(folder.join("tasks.db").is_file() && folder.join("tasks.db-artifacts").is_dir());
    assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_usual_queue_that_cannot_be_used_says_how_to_give_another() {
    let bench = with_photo();
    bench.write("data", "no folder");
    bench.write("home", "neither");
    let ended = bench.run(&[&UPSCALE[..], &["-o", "big.png"]].concat()).ends(2);
    assert!(ended.err.starts_with("error: the usual queue "), "{}", ended.err);
    assert!(
        ended.err.contains(" cannot be used: ") && ended.err.contains("--queue memory:"),
        "{}",
        ended.err
    );
    let memory = ["-o", "big.png", "--queue", "memory:"];
    bench.run(&[&UPSCALE[..], &memory].concat()).ends(0);
    assert_eq!(picture::size(&fs::read(bench.path("big.png")).unwrap()), (80, 60));
}

#[test]
fn what_would_be_lost_is_not_detached() {
    let bench = with_photo();
    let ended = bench.run(&[&UPSCALE[..], &["--detach", "--queue", "memory:"]].concat()).ends(2);
    assert!(ended.err.starts_with("error: with --detach this process ends"), "{}", ended.err);
    let both = bench.run(&[&UPSCALE[..], &["--detach", "-o", "a.png"]].concat()).ends(2);
    assert!(both.err.contains("cannot be used with"), "{}", both.err);
}
