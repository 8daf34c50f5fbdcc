//! A child process: this program again, started as one of its tests, and the hand that its parent has on it.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What every line begins with that a child says to its parent: the test runner says something too.
const SAYS: &str = "fire: ";

/// How long a parent waits for what a child is to say or do, on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be started.
pub(crate) struct Start {
    role: &'static str,
    folder: PathBuf,
    name: String,
    group: Option<Pid>,
    environment: Vec<(String, OsString)>,
}

impl Start {
    /// A child in this role, whose errors go to a file of this name in this folder.
    pub(crate) fn new(role: &'static str, folder: &Path, name: impl Into<String>) -> Self {
        let (folder, name) = (folder.to_owned(), name.into());
        Self { role, folder, name, group: None, environment: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// In the process group of this child; else it leads one of its own.
    pub(crate) fn beside(mut self, leader: &Child) -> Self {
        self.group = Some(leader.group);
        self
    }

    pub(crate) fn go(self) -> Child {
        let errors = self.folder.join(format!("{}.err", self.name));
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["child::a_child_answers", "--exact", "--nocapture", "--test-threads=1"])
            .env("FIRE_ROLE", self.role)
            .env("RUST_BACKTRACE", "0")
            .env("FIRE_NAME", &self.name)
            .envs(self.environment)
            .process_group(self.group.map_or(0, |group| group.as_raw_nonzero().get()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors).unwrap());
        let mut process = command.spawn().unwrap();
        let said = Arc::new(Said::default());
        let (told, hears) = (said.clone(), BufReader::new(process.stdout.take().unwrap()));
        thread::spawn(move || told.hear(hears));
        let pid = Pid::from_child(&process);
        let stdin = process.stdin.take();
        let group = self.group.unwrap_or(pid);
        Child { name: self.name, ready: false, pid, group, process, stdin, said, read: 0, errors }
    }
}

/// What a child has said so far.
#[derive(Default)]
struct Said {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Said {
    fn hear(&self, lines: impl std::io::BufRead) {
        for line in lines.lines().map_while(Result::ok) {
            // the test runner may have begun the line
            if let Some((_, said)) = line.split_once(SAYS) {
                self.lines.lock().unwrap().0.push(said.to_owned());
                self.more.notify_all();
            }
        }
        self.lines.lock().unwrap().1 = true;
        self.more.notify_all();
    }
}

/// A child process. One that is dropped is killed.
pub(crate) struct Child {
    pub(crate) name: String,
    /// Whether it has said that it is.
    ready: bool,
    pid: Pid,
    group: Pid,
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    said: Arc<Said>,
    read: usize,
    errors: PathBuf,
}

impl Child {
    /// Waits until it says a line that begins so, and gives what follows; lines before it are passed over.
    pub(crate) fn hears(&mut self, beginning: &str) -> String {
        self.hears_within(PATIENCE, beginning)
    }

    /// The same for what takes long.
    pub(crate) fn hears_within(&mut self, patience: Duration, beginning: &str) -> String {
        let end = Instant::now() + patience;
        let mut lines = self.said.lines.lock().unwrap();
        loop {
            while let Some(line) = lines.0.get(self.read) {
                self.read += 1;
                if let Some(rest) = line.strip_prefix(beginning) {
                    return rest.trim().to_owned();
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            let over = lines.1;
            if over || left.is_zero() {
                drop(lines);
                let why = if over { "it is gone" } else { "it took too long" };
                panic!("{} never said `{beginning}`: {why}\n{}", self.name, self.errors());
            }
            lines = self.said.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits until it has said that it is ready.
    pub(crate) fn is_ready(&mut self) {
        if !std::mem::replace(&mut self.ready, true) {
            self.hears("ready");
        }
    }

    pub(crate) fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        // one that is dead hears nothing
        let _ = writeln!(self.stdin.as_mut().unwrap(), "{line}");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Kills it, and all others of its group.
    pub(crate) fn kill_group(&self) {
        kill_process_group(self.group, Signal::KILL).unwrap();
    }

    /// Fails where it has ended by itself.
    pub(crate) fn lives(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended with {status}\n{}", self.name, self.errors());
        }
    }

    /// Its end, once it has come.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for(&format!("the end of {}", self.name), || self.ended())
    }

    /// Waits until it ends by itself, well.
    pub(crate) fn ends_well(mut self) {
        let status = self.wait();
        assert!(status.success(), "{} ended with {status}\n{}", self.name, self.errors());
    }

    fn errors(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
        let errors = self.errors();
        if thread::panicking() && !errors.is_empty() {
            eprintln!("{} said:\n{errors}", self.name);
        }
    }
}

/// Looks again and again until there is something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited for {what} too long");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Says something to the parent.
pub(crate) fn say(what: impl std::fmt::Display) {
    println!("{SAYS}{what}");
}

/// What the parent tells, line by line. A child whose parent is gone ends at once.
pub(crate) fn told(mut tell: impl FnMut(String) + Send + 'static) {
    thread::spawn(move || {
        std::io::stdin().lock().lines().map_while(Result::ok).for_each(&mut tell);
        std::process::exit(9);
    });
}

/// A child process is this test, told its role by its environment. Run as a test it starts such a child and has it
/// answer.
#[test]
fn a_child_answers() {
    if let Ok(role) = env::var("FIRE_ROLE") {
        return crate::roles::play(&role);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Start::new("echo", folder.path(), "echo").go();
    child.tell("hello");
    assert_eq!(child.hears("heard"), "hello");
    child.signal(Signal::TERM);
    assert!(!child.wait().success(), "it was ended by a signal");
}
