//! Models: what is there, installing from a file, a folder and a server, and what is not installed.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::mpsc,
    thread,
};

use serde_json::{Value, json};

use crate::bench::{Bench, Ended};

/// The smallest of all models.
const MODEL: &str = "esrgan-slim-x2";
const FILE: &str = "esrgan-slim-x2.safetensors";

/// The folder of the repository that has the models.
fn repository() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/models").into()
}

fn content() -> Vec<u8> {
    fs::read(repository().join(FILE)).unwrap()
}

/// A folder of its own, with its models below it.
struct Place(Bench);

impl Place {
    fn new() -> Self {
        Self(Bench::new())
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.0.command();
        command
            .args(arguments)
            .env("FUNCTION_RUNNER_MODELS", self.0.path("models"))
            .env("NO_PROXY", "127.0.0.1");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    fn install(&self, from: &str) -> Ended {
        self.run(&["models", "install", MODEL, "--from", from])
    }

    /// What is in the models folder.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.0.path("models")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[track_caller]
    fn has_it(&self) {
        assert_eq!(self.names(), [FILE]);
        assert!(fs::read(self.0.path("models").join(FILE)).unwrap() == content());
    }

    fn state(&self) -> Value {
        self.run(&["--json", "models", MODEL]).ends(0).last()
    }
}

/// A server that gives each connection the next of these answers and closes it; its URL.
fn server(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            head(&mut stream);
            // a caller that has seen enough leaves before the end
            let _ = stream.write_all(&answer);
        }
    });
    url
}

/// Reads what is asked for, and gives its path.
fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned()
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n").as_bytes(), body].concat()
}

fn sized(body: &[u8]) -> Vec<u8> {
    answer("200 OK", &format!("Content-Length: {}\r\n", body.len()), body)
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let chunks = body
        .chunks(100_000)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    let body: Vec<_> = chunks.chain(*b"0\r\n\r\n").collect();
    answer("200 OK", "Transfer-Encoding: chunked\r\n", &body)
}

#[test]
fn what_is_missing_is_listed_with_the_way_to_get_it() {
    let place = Place::new();
    let list = place.run(&["models"]).ends(0).out;
    assert!(list.starts_with("model                    state    size  "), "{list}");
    assert!(list.contains("\nesrgan-thick-x4          missing  13.95 MiB   MIT\n"), "{list}");
    assert!(list.contains("`fnr models install MODEL --from PATH-OR-URL`"), "{list}");
    let documents = place.run(&["models", "--json"]).ends(0).documents();
    assert_eq!(documents.len(), 6);
    for document in documents {
        assert_eq!((&document["kind"], &document["state"]), (&json!("model"), &json!("missing")));
        let remedy = format!("fnr models install {} --from PATH-OR-URL", document["name"].as_str().unwrap());
        assert_eq!((&document["remedy"], &document["path"]), (&json!(remedy), &Value::Null));
        assert_eq!(document["files"][0]["sha256"].as_str().unwrap().len(), 64);
    }
}

#[test]
fn the_models_of_the_repository_are_all_there_and_right() {
    let bench = Bench::new();
    for document in bench.run(&["models", "--json"]).ends(0).documents() {
        let name = document["name"].as_str().unwrap();
        let mut command = bench.command();
        command.args(["--json", "models", name]).env("FUNCTION_RUNNER_MODELS", repository());
        let document = Ended::of(command.output().unwrap()).ends(0).last();
        assert_eq!(document["state"], "present", "{document}");
        let licence = document["licence_file"].as_str().unwrap();
        assert!(repository().join(licence).is_file(), "{document}");
    }
}

#[test]
fn an_unknown_model_says_which_is_near() {
    let place = Place::new();
    let text = "error: there is no model `esrgan-slim-x3`; did you mean `esrgan-slim-x2`?\n\
                help: `fnr models` shows what there is\n";
    for arguments in
        [&["models", "esrgan-slim-x3"][..], &["models", "install", "esrgan-slim-x3", "--from", "."]]
    {
        assert_eq!(place.run(arguments).ends(2).err, text);
    }
    let error = place.run(&["--json", "models", "paint"]).ends(2).last();
    assert_eq!(error["error"]["message"], "there is no model `paint`");
    assert!(place.run(&["models", "install", MODEL]).ends(2).err.contains("--from"));
}

#[test]
fn a_model_is_installed_from_its_file_or_from_the_folder_that_has_it() {
    for from in [repository(), repository().join(FILE)] {
        let place = Place::new();
        let ended = place.install(from.to_str().unwrap()).ends(0);
        let path = place.0.path("models").join(FILE);
        assert_eq!(ended.out, format!("{MODEL} is installed: {}\n", path.display()));
        place.has_it();
        let state = place.state();
        assert_eq!((&state["state"], &state["path"]), (&json!("present"), &json!(path)));
        let shown = place.run(&["models", MODEL]).ends(0).out;
        assert!(shown.contains("present, the checksum is right: "), "{shown}");
        let again = place.run(&["--json", "models", "install", MODEL, "--from", "/no/such/file"]).ends(0);
        assert_eq!((&again.last()["kind"], &again.last()["changed"]), (&json!("installed"), &json!(false)));
    }
}

#[test]
fn what_is_not_the_file_is_refused_and_leaves_nothing() {
    let place = Place::new();
    let (good, mut other) = (content(), content());
    *other.last_mut().unwrap() ^= 1;
    for (file, fault) in [
        (&good[..9], "it has 9 bytes, not 451032"),
        (&[&good[..], b"!"].concat(), "it has more than 451032 bytes"),
        (&other, "its SHA-256 is "),
    ] {
        place.0.write("given", file);
        let ended = place.install("given").ends(1);
        let text = format!("error: what was given is not `{FILE}` of the model `{MODEL}`: {fault}");
        assert!(
            ended.err.starts_with(&text) && ended.err.contains(" (from: given)\nhelp: "),
            "{}",
            ended.err
        );
        assert!(place.names().is_empty(), "{:?}", place.names());
    }
    let ended = place.install("no/such/file").ends(2);
    assert!(ended.err.starts_with("error: cannot read what is to be installed (from: no/such/file)\n"));
    assert!(place.install("ftp://example.org/a").ends(2).err.contains("its scheme is `ftp`"));
}

#[test]
fn a_wrong_file_in_its_place_is_told_and_replaced() {
    let place = Place::new();
    let path = place.0.path("models").join(FILE);
    let mut other = content();
    *other.last_mut().unwrap() ^= 1;
    fs::create_dir(place.0.path("models")).unwrap();
    fs::write(&path, &other[..9]).unwrap();
    let list = place.run(&["models"]).ends(0).out;
    assert!(list.contains("\nesrgan-slim-x2           wrong    "), "{list}");
    assert_eq!(place.state()["fault"], "it has 9 bytes, not 451032");
    fs::write(&path, &other).unwrap();
    let state = place.state();
    assert_eq!(state["state"], "wrong");
    assert!(state["fault"].as_str().unwrap().starts_with("its SHA-256 is "), "{state}");
    place.install(repository().to_str().unwrap()).ends(0);
    place.has_it();
}

#[test]
fn a_model_is_installed_from_a_server() {
    let good = content();
    let elsewhere = answer("302 Found", &format!("Location: /{FILE}\r\nContent-Length: 0\r\n"), b"");
    for (answers, path) in [
        (vec![sized(&good)], "/any?token=secret"),
        (vec![sized(&good)], "/folder/"),
        (vec![chunked(&good)], ""),
        (vec![answer("200 OK", "", &good)], "/until-it-closes"),
        (vec![elsewhere, sized(&good)], "/moved"),
    ] {
        let place = Place::new();
        let ended = place.install(&format!("{}{path}", server(answers))).ends(0);
        assert!(
            ended.out.starts_with(&format!("{MODEL} is installed: ")) && ended.err.is_empty(),
            "{ended:#?}"
        );
        place.has_it();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_system_without_certificates_has_plain_connections_all_the_same() {
    let place = Place::new();
    let bare = |url: &str| {
        let mut command = place.command(&["models", "install", MODEL, "--from", url]);
        command.env("SSL_CERT_FILE", "/no/such/file").env("SSL_CERT_DIR", "/no/such/folder");
        Ended::of(command.output().unwrap())
    };
    let refused = bare("https://127.0.0.1:9/").ends(2);
    assert!(refused.err.contains("help: install the system's certificates"), "{}", refused.err);
    bare(&server(vec![sized(&content())])).ends(0);
    place.has_it();
}

#[test]
fn a_folder_of_a_server_is_asked_for_the_file() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a/folder/", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let path = head(&mut stream);
        stream.write_all(&sized(&content())).unwrap();
        path
    });
    let place = Place::new();
    place.install(&url).ends(0);
    assert_eq!(asked.join().unwrap(), format!("/a/folder/{FILE}"));
}

#[test]
fn what_a_server_does_wrong_is_told_and_leaves_nothing() {
    let good = content();
    let mut other = content();
    other[0] ^= 1;
    let length = format!("Content-Length: {}\r\n", good.len());
    let torn = answer("200 OK", "Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\nffff\r\nand");
    let around = answer("302 Found", "Location: /again\r\nContent-Length: 0\r\n", b"");
    for (answers, code, text) in [
        (
            vec![answer("404 Not Found", "Content-Length: 2\r\n", b"no")],
            2,
            "the server answers 404 Not Found",
        ),
        (vec![answer("503 Service Unavailable", "", b"")], 4, "the server answers 503 Service Unavailable"),
        (vec![answer("200 OK", &length, &good[..99_999])], 4, "the download broke off after "),
        (vec![torn], 4, "the download broke off after 8 bytes"),
        (vec![b"SSH-2.0-other\r\n".to_vec()], 4, "the server cannot be reached"),
        (vec![vec![]], 4, "the server cannot be reached"),
        (vec![around; 6], 2, "the server redirects more than 5 times"),
        (vec![sized(&other)], 1, "what was given is not "),
        (vec![sized(b"<html>")], 1, "what was given is not "),
        (vec![chunked(&[&good[..], &good].concat())], 1, "what was given is not "),
        (vec![answer("200 OK", "", &good[..99_999])], 1, "what was given is not "),
    ] {
        let place = Place::new();
        let url = server(answers);
        let ended = place.install(&format!("{url}/it?token=secret")).ends(code);
        assert!(ended.err.starts_with(&format!("error: {text}")), "{}\nlacks {text}", ended.err);
        assert!(
            ended.err.contains(&format!("(from: {url}/it)")) && !ended.err.contains("secret"),
            "{}",
            ended.err
        );
        assert!(place.names().is_empty() && ended.out.is_empty(), "{:?}", place.names());
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error =
        Place::new().run(&["--json", "models", "install", MODEL, "--from", &format!("http://{nobody}/")]);
    assert_eq!(error.ends(4).last()["error"]["code"], "backend_unavailable");
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_a_server_is_slow_leaves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/{FILE}", listener.local_addr().unwrap());
    let (sent, half) = mpsc::channel();
    let serve = thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            head(&mut stream);
            stream.write_all(&sized(&content())[..200_000]).unwrap();
            sent.send(()).unwrap();
            // until the caller is gone
            let _ = stream.read(&mut [0]);
        }
    });
    let place = Place::new();
    for json in [false, true] {
        let mut command = place.command(&["models", "install", MODEL, "--from", &url]);
        command.args(json.then_some("--json"));
        let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = child.spawn().unwrap();
        half.recv().unwrap();
        let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let ended = Ended::of(child.wait_with_output().unwrap()).ends(3);
        match json {
            true => {
                let document = json!({ "kind": "cancelled", "model": MODEL, "reason": "asked" });
                assert_eq!((ended.last(), ended.err.as_str()), (document, ""));
            }
            false => assert_eq!(ended.err, "cancelled; nothing was installed\n"),
        }
        assert!(place.names().is_empty(), "{:?}", place.names());
    }
    serve.join().unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let place = Place::new();
    place.0.write("models", "in its way");
    let ended = place.install(repository().to_str().unwrap()).ends(2);
    let text = format!(
        "error: cannot write {}\nhelp: nothing was installed; set FUNCTION_RUNNER_MODELS to ",
        place.0.path("models").display()
    );
    assert!(ended.err.starts_with(&text), "{}", ended.err);
}

#[cfg(unix)]
#[test]
fn a_place_without_room_is_told_and_nothing_is_left() {
    let place = Place::new();
    // no file may grow past 100 blocks, which stops a write in its middle as a full disk does
    let mut command = place.0.prepared(std::process::Command::new("sh"));
    command.args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_fnr")]);
    command.args(["models", "install", MODEL, "--from"]).arg(repository());
    command.env("FUNCTION_RUNNER_MODELS", place.0.path("models"));
    let ended = Ended::of(command.output().unwrap()).ends(2);
    assert!(ended.err.starts_with("error: cannot write "), "{}", ended.err);
    assert!(ended.err.contains("\nhelp: nothing was installed; free some room there"), "{}", ended.err);
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn a_run_without_its_model_says_what_is_missing_and_how_it_is_had() {
    let place = Place::new();
    place.0.write("photo.png", crate::picture::noise(8, 8));
    let arguments = ["run", "image.upscale", "image=@photo.png", "factor=4", "-q", "high", "-o", "big.png"];
    let ended = place.run(&arguments).ends(2);
    let text = "error: `image.upscale` at high needs the model `esrgan-thick-x4`, which is not installed\n\
                help: `fnr models install esrgan-thick-x4 --from PATH-OR-URL` installs it, or choose ";
    assert!(ended.err.starts_with(text), "{}", ended.err);
    assert!(!place.0.path("big.png").exists());
    let error = place.run(&[&["--json"], &arguments[..]].concat()).ends(2).last()["error"].clone();
    assert_eq!(error["code"], "impossible_requirement");
    let doctor = place.run(&["doctor", "--json"]).ends(1).documents();
    let models = doctor.iter().find(|check| check["name"] == "models").unwrap();
    let found = models["found"].as_str().unwrap();
    assert!(found.contains("esrgan-thick-x4 is missing (for image.upscale high"), "{found}");
    let remedy = models["remedy"].as_str().unwrap();
    assert!(remedy.contains("`fnr models install esrgan-thick-x4 --from PATH-OR-URL`"), "{remedy}");
}
