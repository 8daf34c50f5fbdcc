//! The content of a file that was named by a path or a URL, as it arrives.

use std::{fmt, io, path::PathBuf, sync::Once, time::Duration};

use function_runner_core::{Error, ErrorKind, Result};
use reqwest::{Client, ClientBuilder, Response, StatusCode, Url, header::CONTENT_LENGTH, redirect::Policy};
use tokio::{fs::File, io::AsyncReadExt as _};

/// How long a server may take to answer the call.
const CONNECT: Duration = Duration::from_secs(10);

/// How long it may say nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// How often it may send the caller elsewhere.
const REDIRECTS: usize = 5;

/// How much of a file is read at once.
const CHUNK: usize = 64 << 10;

/// Where a file is to be had.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Origin {
    /// The file, or a folder that has it.
    Path(PathBuf),
    /// The file, or a folder that has it if it ends in `/`.
    Url(Url),
}

/// The content of a file, in parts.
#[derive(Debug)]
pub(crate) enum Content {
    File(File),
    /// What a server sends, and how much it has sent.
    Answer(Response, u64),
}

impl Origin {
    /// A URL if it begins as one, else a path.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCall`] for a URL of another scheme, or one that cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let Some((scheme, _)) = text.split_once("://") else { return Ok(Self::Path(text.into())) };
        let bad = |fault: &str| {
            Error::new(ErrorKind::InvalidCall, format!("--from takes no such URL: {fault}"))
                .with_help("give a path, or a URL that begins with https:// or http://")
        };
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(bad(&format!("its scheme is `{}`", scheme.escape_debug())));
        }
        Url::parse(text).map(Self::Url).map_err(|error| bad(&error.to_string()))
    }

    /// Whether it names a folder.
    pub(crate) fn is_folder(&self) -> bool {
        match self {
            Self::Path(path) => path.is_dir(),
            Self::Url(url) => url.path().ends_with('/'),
        }
    }

    /// The file of this name in it, where it is a folder; else itself.
    pub(crate) fn of_file(&self, name: &str) -> Self {
        if !self.is_folder() {
            return self.clone();
        }
        match self {
            Self::Path(path) => Self::Path(path.join(name)),
            Self::Url(url) => {
                let mut url = url.clone();
                url.set_path(&format!("{}{name}", url.path()));
                Self::Url(url)
            }
        }
    }

    /// Begins to read it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] for a path that cannot be opened; [`ErrorKind::InvalidCall`] for a URL that leads nowhere;
    /// [`ErrorKind::Unavailable`] and [`ErrorKind::Timeout`] where the server is not reached.
    pub(crate) async fn open(&self) -> Result<Content> {
        self.open_by(|| builder(SILENCE)).await
    }

    async fn open_by(&self, builder: impl Fn() -> ClientBuilder) -> Result<Content> {
        let content = match self {
            Self::Path(path) => File::open(path).await.map(Content::File).map_err(|error| {
                Error::new(ErrorKind::Io, "cannot read what is to be installed")
                    .with_help("give the path of a file that may be read, or of a folder that has it")
                    .with_source(error)
            }),
            Self::Url(url) => ask(client(builder, url)?, url).await.map(|answer| Content::Answer(answer, 0)),
        };
        content.map_err(|error| error.with_context("from", self))
    }
}

/// A URL is told without what may be secret in it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Url(url) => {
                let mut url = url.clone();
                // a URL that has a host takes both
                let _ = (url.set_username(""), url.set_password(None));
                url.set_query(None);
                url.set_fragment(None);
                url.fmt(f)
            }
        }
    }
}

impl Content {
    /// How many bytes it has, where that is known beforehand.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::File(_) => None,
            Self::Answer(answer, _) => {
                answer.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
            }
        }
    }

    /// The next part; none at its end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] for a file; [`ErrorKind::Unavailable`] where the connection ends before the content does;
    /// [`ErrorKind::Timeout`] where the server says nothing for too long.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::File(file) => read(file).await.map_err(|error| {
                Error::new(ErrorKind::Io, "cannot read what is to be installed")
                    .with_help("give a file that can be read to its end")
                    .with_source(error)
            }),
            Self::Answer(answer, received) => match answer.chunk().await {
                Ok(part) => {
                    *received += part.as_ref().map_or(0, |part| part.len() as u64);
                    Ok(part.map(|part| part.to_vec()))
                }
                Err(error) => Err(broken(error, &format!("the download broke off after {received} bytes"))),
            },
        }
    }
}

async fn read(file: &mut File) -> io::Result<Option<Vec<u8>>> {
    let mut part = vec![0; CHUNK];
    let count = file.read(&mut part).await?;
    part.truncate(count);
    Ok((count > 0).then_some(part))
}

async fn ask(client: Client, url: &Url) -> Result<Response> {
    let answer = client.get(url.clone()).send().await;
    let answer = answer.map_err(|error| broken(error, "the server cannot be reached"))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
    let (kind, help) = match status.is_server_error() || busy {
        true => (ErrorKind::Unavailable, "try again later, or give another source"),
        false => {
            (ErrorKind::InvalidCall, "check the URL: it is that of the file, or of its folder and ends in /")
        }
    };
    Err(Error::new(kind, format!("the server answers {status}")).with_help(help))
}

/// The error of a connection, without its URL, which may have a secret in it.
fn broken(error: reqwest::Error, what: &str) -> Error {
    let error = error.without_url();
    if error.is_redirect() {
        return Error::new(
            ErrorKind::InvalidCall,
            format!("the server redirects more than {REDIRECTS} times"),
        )
        .with_help("give the URL that the file itself has");
    }
    let (kind, what) = match error.is_timeout() {
        true => (ErrorKind::Timeout, format!("{what}: it said nothing for too long")),
        false => (ErrorKind::Unavailable, what.to_owned()),
    };
    Error::new(kind, what)
        .with_help("check the URL and the connection and try again, or give the path of a file")
        .with_source(error)
}

fn builder(silence: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("fnr/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT.min(silence))
        .read_timeout(silence)
        .redirect(Policy::limited(REDIRECTS))
        // what stands behind the ? of a URL may be a password
        .referer(false)
}

fn client(builder: impl Fn() -> ClientBuilder, url: &Url) -> Result<Client> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // where one is installed already, it does as well
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let built = builder().build().or_else(|error| match url.scheme() {
        // where the system has no certificates, a plain connection needs none
        "http" => builder().tls_certs_only([]).build(),
        _ => Err(error),
    });
    built.map_err(|error| {
        Error::new(ErrorKind::Io, "cannot set up secure connections")
            .with_help(
                "install the system's certificates (the package ca-certificates), or give the path of a file",
            )
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    #[test]
    fn what_begins_as_a_url_is_one_and_all_else_is_a_path() {
        assert_eq!(Origin::parse("a/b.safetensors").unwrap(), Origin::Path("a/b.safetensors".into()));
        assert_eq!(Origin::parse(r"C:\models").unwrap(), Origin::Path(r"C:\models".into()));
        assert!(matches!(Origin::parse("HTTPS://example.org/a").unwrap(), Origin::Url(_)));
        for wrong in ["ftp://example.org/a", "http://", "https://[", "file:///a"] {
            assert_eq!(Origin::parse(wrong).unwrap_err().kind(), ErrorKind::InvalidCall, "{wrong}");
        }
    }

    #[test]
    fn a_folder_is_told_by_its_last_character_and_a_secret_is_not_told() {
        let of = |text: &str| match Origin::parse(text).unwrap().of_file("m.bin") {
            Origin::Url(url) => url.to_string(),
            path => panic!("{path:?}"),
        };
        assert_eq!(of("http://a.org/x/"), "http://a.org/x/m.bin");
        assert_eq!(of("http://a.org"), "http://a.org/m.bin");
        assert_eq!(of("http://a.org/x"), "http://a.org/x");
        assert_eq!(of("http://a.org/x/?token=1"), "http://a.org/x/m.bin?token=1");
        let told = Origin::parse("https://ada:secret@a.org/x?token=1#y").unwrap().to_string();
        assert_eq!(told, "https://a.org/x");
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/m.bin", listener.local_addr().unwrap());
        let serve = async {
            let (mut silent, _) = listener.accept().await.unwrap();
            let (mut torn, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(torn.read_u8().await.unwrap());
            }
            torn.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
            // both stay open as long as anybody asks
            let mut rest = Vec::new();
            let _ = (silent.read_to_end(&mut rest).await, torn.read_to_end(&mut rest).await);
        };
        let ask = async {
            let origin = Origin::parse(&url).unwrap();
            let impatient = || builder(Duration::from_millis(200)).no_proxy();
            let error = origin.open_by(impatient).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
            let mut content = origin.open_by(impatient).await.unwrap();
            assert_eq!(content.size(), Some(9));
            let error = loop {
                match content.next().await {
                    Ok(part) => assert_eq!(part.unwrap(), b"half"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
            assert!(error.message().starts_with("the download broke off after 4 bytes: "), "{error}");
        };
        tokio::join!(serve, ask);
    }
}
