//! The one file that maps a URL to a backend.

#[cfg(feature = "embedded")]
use function_runner_backends::embedded::EmbeddedQueue;
use function_runner_backends::{folder::FolderStore, memory::MemoryQueue};
use function_runner_core::{Connection, Error, ErrorKind, Result};
use futures::{FutureExt as _, future::BoxFuture};

/// Opens what lies behind a scheme, given what stands behind its colon.
type Open = fn(&str) -> BoxFuture<'_, Result<Connection>>;

/// A scheme that this crate knows.
struct Scheme {
    name: &'static str,
    /// What opens it, or the cargo feature that would bring that.
    open: Result<Open, &'static str>,
}

/// Every scheme there is.
const SCHEMES: &[Scheme] = &[
    Scheme { name: "memory", open: Ok(|rest| open_memory(rest).boxed()) },
    Scheme { name: "sqlite", open: SQLITE },
];

#[cfg(feature = "embedded")]
const SQLITE: Result<Open, &str> = Ok(|rest| open_sqlite(rest).boxed());

#[cfg(not(feature = "embedded"))]
const SQLITE: Result<Open, &str> = Err("embedded");

/// How long files beside a queue's file are kept unused: longer than the longest delay and the life of a dead letter
/// together.
#[cfg(feature = "embedded")]
const UNUSED: std::time::Duration = std::time::Duration::from_secs(38 * 24 * 3600);

/// Opens what is behind a URL.
///
/// | URL | what it is |
/// |---|---|
/// | `memory:` | tasks and files of this process alone, gone with it; two connections are two stores |
/// | `sqlite:PATH` | tasks in this file, shared by the processes of this machine; cargo feature `embedded` |
///
/// Behind `sqlite:` stands a path, `sqlite:tasks.db` or `sqlite:/var/lib/tasks.db`, also as `sqlite:///var/…`. Files
/// that go in and out lie in the folder `PATH-artifacts` beside it, until nobody has used them for 38 days.
///
/// # Errors
///
/// [`ErrorKind::InvalidCall`] where it is no URL; [`ErrorKind::Unsupported`] for a scheme that does not exist or is
/// not compiled in, with what to do; what the backend says. No error shows more of the URL than its scheme, since
/// the rest may hold a password.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> function_runner_client::Result<()> {
/// use function_runner_client::connect;
///
/// let connection = connect::open("memory:").await?;
/// assert!(connection.queue.is_some());
/// assert!(connect::open("ftp://example.org").await.is_err());
/// # Ok(())
/// # }
/// ```
pub async fn open(url: &str) -> Result<Connection> {
    let (open, rest) = resolve(SCHEMES, url)?;
    open(rest).await
}

/// Finds what opens this URL, and what it is to open: pure.
fn resolve<'u>(schemes: &[Scheme], url: &'u str) -> Result<(Open, &'u str)> {
    let (name, rest) = split(url).ok_or_else(|| malformed(schemes))?;
    let known_scheme = schemes.iter().find(|scheme| scheme.name.eq_ignore_ascii_case(name));
    if known_scheme.is_none() && is_user(rest) {
        return Err(malformed(schemes));
    }
    let Some(scheme) = known_scheme else {
        let message = format!("there is no backend for `{name}:`; this build knows: {}", known(schemes));
        return Err(Error::new(ErrorKind::Unsupported, message));
    };
    scheme.open.map(|open| (open, rest)).map_err(|feature| {
        Error::new(ErrorKind::Unsupported, format!("the backend for `{}:` is not compiled in", scheme.name))
            .with_help(format!("enable the cargo feature `{feature}` of function-runner-client"))
    })
}

/// A URL at its first colon. What can be no scheme is not taken for one: it would be shown.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let plausible = scheme.len() <= 16
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(letters);
    plausible.then_some((scheme, rest))
}

/// Whether what stands before the colon may be a user's name, for what stands behind it.
fn is_user(rest: &str) -> bool {
    rest.contains('@') && !rest.starts_with("//")
}

fn malformed(schemes: &[Scheme]) -> Error {
    Error::new(ErrorKind::InvalidCall, "this is not a URL that begins with a scheme")
        .with_help(format!("write a scheme and a colon first; this build knows: {}", known(schemes)))
}

fn known(schemes: &[Scheme]) -> String {
    let names: Vec<_> =
        schemes.iter().filter(|scheme| scheme.open.is_ok()).map(|scheme| scheme.name).collect();
    names.join(", ")
}

async fn open_memory(rest: &str) -> Result<Connection> {
    if !matches!(rest, "" | "//") {
        return Err(Error::new(ErrorKind::InvalidCall, "`memory:` takes nothing behind the colon"));
    }
    Ok(MemoryQueue::new().connection().with_artifacts(FolderStore::temporary()?))
}

#[cfg(feature = "embedded")]
async fn open_sqlite(rest: &str) -> Result<Connection> {
    let path = path(rest)?;
    let queue = EmbeddedQueue::open(path).await?;
    let artifacts = FolderStore::open(format!("{path}-artifacts"))?.forgetting(UNUSED);
    Ok(queue.connection().with_artifacts(artifacts))
}

/// The path behind `sqlite:`.
#[cfg(any(feature = "embedded", test))]
fn path(rest: &str) -> Result<&str> {
    let refuse = |message: &'static str, help: &'static str| {
        Err(Error::new(ErrorKind::InvalidCall, message).with_help(help))
    };
    match rest.strip_prefix("//") {
        _ if rest.is_empty() || rest == "//" => {
            refuse("`sqlite:` lacks the path of a file", "write sqlite:tasks.db or sqlite:/var/lib/tasks.db")
        }
        _ if rest == ":memory:" => {
            refuse("`sqlite:` keeps tasks in a file", "for tasks in memory write memory:")
        }
        Some(path) if path.starts_with('/') => Ok(path),
        Some(_) => refuse(
            "`sqlite://` is followed by a host, and a file has none",
            "write sqlite:tasks.db, or sqlite:///var/lib/tasks.db with three strokes",
        ),
        None => Ok(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Open = |_| async { Err(Error::new(ErrorKind::Io, "opened")) }.boxed();
    const TABLE: &[Scheme] = &[
        Scheme { name: "memory", open: Ok(NONE) },
        Scheme { name: "file", open: Ok(NONE) },
        Scheme { name: "far", open: Err("far-away") },
    ];

    fn refused(url: &str) -> Error {
        match resolve(TABLE, url) {
            Ok(_) => panic!("{url} was resolved"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_url_goes_to_its_scheme_with_what_stands_behind_the_colon() {
        for (url, expected) in
            [("memory:", ""), ("file:a@b/c.db", "a@b/c.db"), ("FILE://me@host/x", "//me@host/x")]
        {
            assert_eq!(resolve(TABLE, url).ok().map(|(_, rest)| rest), Some(expected));
        }
    }

    #[test]
    fn an_unknown_scheme_lists_those_that_exist() {
        let error = refused("ftp://example.org");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.message(), "there is no backend for `ftp:`; this build knows: memory, file");
    }

    #[test]
    fn a_scheme_that_is_not_compiled_in_says_which_feature_to_enable() {
        let error = refused("far://somewhere");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.message(), "the backend for `far:` is not compiled in");
        assert_eq!(error.remedy(), "enable the cargo feature `far-away` of function-runner-client");
    }

    #[test]
    fn what_is_no_url_is_told_with_what_to_write() {
        for url in [
            "",
            "memory",
            ":x",
            "9p:x",
            "a b:c",
            "\n:x",
            &"x".repeat(1 << 20),
            &format!("{}:", "x".repeat(1 << 20)),
        ] {
            let error = refused(url);
            assert_eq!(error.kind(), ErrorKind::InvalidCall);
            assert_eq!(error.remedy(), "write a scheme and a colon first; this build knows: memory, file");
            assert!(error.to_string().len() < 300);
        }
    }

    #[test]
    fn no_error_shows_a_secret() {
        let urls = [
            "ftp://me:s3cret@host/",
            "far://me:s3cret@host",
            "s3cret:hidden@host",
            "me:s3cret@host",
            "s3cret@host",
        ];
        for url in urls {
            let error = format!("{:?}", refused(url));
            assert!(!error.contains("s3cret") && !error.contains("me:"), "{error}");
        }
    }

    #[tokio::test]
    async fn memory_takes_nothing_behind_the_colon() {
        assert!(open("memory://").await.is_ok());
        assert_eq!(open("memory:there").await.unwrap_err().kind(), ErrorKind::InvalidCall);
    }

    #[test]
    fn behind_sqlite_stands_a_path() {
        for (rest, expected) in [
            ("tasks.db", "tasks.db"),
            ("/var/a b.db", "/var/a b.db"),
            ("///var/a.db", "/var/a.db"),
            ("c:\\a.db", "c:\\a.db"),
        ] {
            assert_eq!(path(rest).unwrap(), expected);
        }
        for rest in ["", "//", "//host/a.db", ":memory:"] {
            assert_eq!(path(rest).unwrap_err().kind(), ErrorKind::InvalidCall, "{rest}");
        }
    }

    #[cfg(feature = "embedded")]
    #[tokio::test]
    async fn sqlite_keeps_tasks_in_a_file_and_files_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("tasks.db").display());
        let connection = open(&url).await.unwrap();
        assert!(connection.queue.is_some() && connection.inspect.is_some() && connection.operate.is_some());
        assert!(
            folder.path().join("tasks.db").is_file() && folder.path().join("tasks.db-artifacts").is_dir()
        );
    }
}
