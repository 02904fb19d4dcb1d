//! Requests to a daemon, over its control socket.
//!
//! Must not: print, or start a daemon.

use super::embedded::Failure;
use super::render::problem::Problem;
use crate::coordinator::{ground, places, privilege};
use crate::exit_code;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sandhog_protocol::control;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// The longest answer that is taken in: 10,000 instances with all that is known of them are some 20 MiB.
const ANSWER_BYTES: usize = 256 << 20;
/// The longest line of a stream: the largest message that a guest may send is 64 MiB, and as JSON twice that.
const LINE_BYTES: usize = 128 << 20;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Place(#[from] places::Error),
    #[error("no daemon is running: nothing listens at {0:?}")]
    NoDaemon(PathBuf),
    #[error("failed to reach the daemon at {path:?}: {cause}")]
    Reach { path: PathBuf, cause: io::Error },
    #[error("the socket {path:?} is served by the user with the id {owner}, not by you: nothing was sent to it")]
    Stranger { path: PathBuf, owner: u32 },
    #[error("failed to start a runtime for the request: {0}")]
    Runtime(io::Error),
    #[error("failed to write the request to {path:?}: {cause}")]
    Write { path: String, cause: String },
    #[error("the daemon went away in the middle of {path:?}: {cause}")]
    Gone { path: String, cause: hyper::Error },
    #[error("the daemon's answer to {path:?} is longer than {limit} bytes")]
    TooLong { path: String, limit: usize },
    #[error("the daemon's answer to {path:?} makes no sense to this version of sandhog: {cause}")]
    Nonsense { path: String, cause: serde_json::Error },
    #[error("the daemon answered {path:?} with the status {status} and no reason")]
    Status { path: String, status: StatusCode },
}

impl Error {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoDaemon(_) => Some("start one: `sandhog up` with a sandhog.toml, or `sandhog daemon`"),
            Self::Reach { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied => {
                Some("it is another user's daemon: set SANDHOG_RUNTIME_DIR to a directory of your own")
            }
            Self::Stranger { .. } => Some("set SANDHOG_RUNTIME_DIR to a directory that only you can write"),
            Self::Gone { .. } => Some("`sandhog ps` says whether it runs again"),
            Self::TooLong { .. } => Some("ask for less at once, by name"),
            Self::Nonsense { .. } | Self::Status { .. } => {
                Some("the daemon may be of another version: `sandhog down --daemon`, then `sandhog up`")
            }
            Self::Place(_) | Self::Reach { .. } | Self::Runtime(_) | Self::Write { .. } => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let problem = error.hint().into_iter().fold(Problem::of(&error), Problem::with_hint);
        Self { problem, code: exit_code::SANDHOG_FAILED }
    }
}

/// The way to a daemon. Every request has a connection of its own, so that nothing gets old between two.
pub(crate) struct Client {
    socket: PathBuf,
    /// Whose daemon it may be, beside root.
    owner: u32,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    /// The person's daemon; a failure where none runs.
    pub(crate) fn connect() -> Result<Self, Failure> {
        let mut client = Self::of_this_person()?;
        client.find()?;
        Ok(client)
    }

    /// The person's daemon; none where none runs: there is no socket, or nobody listens to it.
    pub(crate) fn try_connect() -> Result<Option<Self>, Failure> {
        let mut client = Self::of_this_person()?;
        match client.find() {
            Ok(()) => Ok(Some(client)),
            Err(Error::NoDaemon(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the daemon answers to `GET PATH`. Make the path with [`path`] and [`query`].
    pub(crate) fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        self.exchange(Method::GET, path, Bytes::new())
    }

    /// What the daemon answers to `POST PATH` with this body.
    pub(crate) fn post<B: Serialize, T: DeserializeOwned>(&mut self, path: &str, body: &B) -> Result<T, Failure> {
        let write = |cause: serde_json::Error| Error::Write { path: path.into(), cause: cause.to_string() };
        let body = serde_json::to_vec(body).map_err(write)?;
        self.exchange(Method::POST, path, body.into())
    }

    /// Hands on each line that the daemon answers to `GET PATH`, until it ends, or `each` says that it is enough.
    pub(crate) fn lines<T: DeserializeOwned>(
        &mut self,
        path: &str,
        each: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let response = self.request(Method::GET, path, Bytes::new()).await?;
            if response.status() == StatusCode::OK {
                Ok(hand_on(response.into_body(), path, each).await?)
            } else {
                Err(refusal(response, path).await)
            }
        })
    }

    fn of_this_person() -> Result<Self, Error> {
        let person = privilege::who();
        let socket = places::control_socket(&person, |name| std::env::var_os(name))?;
        Self::new(socket, person.uid)
    }

    fn new(socket: PathBuf, owner: u32) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        Ok(Self { socket, owner, runtime })
    }

    /// Whether there is somebody, and the right one.
    /// Where the daemon was started with another runtime directory, its lock in the state directory says where it listens.
    fn find(&mut self) -> Result<(), Error> {
        let missed = match self.knock() {
            Err(missed @ Error::NoDaemon(_)) => missed,
            answer => return answer,
        };
        let state = places::state(&privilege::who(), |name| std::env::var_os(name)).ok();
        let Some(socket) = state.and_then(|state| ground::socket_of(&state)) else { return Err(missed) };
        let old = std::mem::replace(&mut self.socket, socket);
        self.knock().inspect_err(|_| self.socket = old).map_err(|_| missed)
    }

    fn knock(&self) -> Result<(), Error> {
        self.runtime.block_on(open(&self.socket, self.owner)).map(drop)
    }

    fn exchange<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, Failure> {
        self.runtime.block_on(async {
            let response = self.request(method, path, body).await?;
            if response.status() != StatusCode::OK {
                return Err(refusal(response, path).await);
            }
            let answer = collect(response.into_body(), path).await?;
            Ok(serde_json::from_slice(&answer).map_err(|cause| Error::Nonsense { path: path.into(), cause })?)
        })
    }

    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Error> {
        let stream = open(&self.socket, self.owner).await?;
        let gone = |cause| Error::Gone { path: path.into(), cause };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(gone)?;
        // It ends with the response: what it fails with, the response fails with.
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path);
        let request = request.header(HOST, "sandhog").header(CONTENT_TYPE, "application/json").body(Full::new(body));
        let request = request.map_err(|cause| Error::Write { path: path.into(), cause: cause.to_string() })?;
        sender.send_request(request).await.map_err(gone)
    }
}

/// A connection, checked before a byte is sent: whoever can make a socket in a shared place must not be taken for the
/// daemon. The kernel says who listens (SO_PEERCRED), whatever happens to the path meanwhile.
async fn open(socket: &Path, owner: u32) -> Result<UnixStream, Error> {
    let reach = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::NoDaemon(socket.into()),
        _ => Error::Reach { path: socket.into(), cause },
    };
    // Blocks while the daemon has more connections than it takes; the other way is to be refused then.
    let stream = std::os::unix::net::UnixStream::connect(socket).map_err(reach)?;
    stream.set_nonblocking(true).map_err(reach)?;
    let stream = UnixStream::from_std(stream).map_err(reach)?;
    match stream.peer_cred().map_err(reach)?.uid() {
        listener if listener == owner || listener == 0 => Ok(stream),
        listener => Err(Error::Stranger { path: socket.into(), owner: listener }),
    }
}

/// A whole answer, as far as it is taken in.
async fn collect(mut body: Incoming, path: &str) -> Result<Vec<u8>, Error> {
    let mut answer = Vec::new();
    while let Some(piece) = next(&mut body, path).await? {
        if answer.len() + piece.len() > ANSWER_BYTES {
            return Err(Error::TooLong { path: path.into(), limit: ANSWER_BYTES });
        }
        answer.extend_from_slice(&piece);
    }
    Ok(answer)
}

/// The next piece of a body; none behind the last.
async fn next(body: &mut Incoming, path: &str) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|cause| Error::Gone { path: path.into(), cause })?;
        if let Ok(piece) = frame.into_data() {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

async fn hand_on<T: DeserializeOwned>(
    mut body: Incoming,
    path: &str,
    each: &mut dyn FnMut(T) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut begun = Vec::new();
    while let Some(piece) = next(&mut body, path).await? {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if begun.len() + part.len() > LINE_BYTES {
                return Err(Error::TooLong { path: path.into(), limit: LINE_BYTES });
            }
            begun.extend_from_slice(part);
            if begun.last() == Some(&b'\n') {
                let line = serde_json::from_slice(&begun);
                begun.clear();
                if each(line.map_err(|cause| Error::Nonsense { path: path.into(), cause })?).is_break() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// What the daemon says why not.
async fn refusal(response: Response<Incoming>, path: &str) -> Failure {
    let status = response.status();
    let problem = collect(response.into_body(), path).await;
    let problem = problem.ok().and_then(|text| serde_json::from_slice::<control::Problem>(&text).ok());
    let Some(problem) = problem else { return Error::Status { path: path.into(), status }.into() };
    Failure {
        problem: problem.hint.into_iter().fold(Problem::new(problem.error), Problem::with_hint),
        code: code(status),
    }
}

/// What was asked for makes no sense or may not be, or it was tried and failed.
fn code(status: StatusCode) -> u8 {
    let is_ours = status.is_server_error() || status == StatusCode::UNPROCESSABLE_ENTITY;
    if is_ours { exit_code::SANDHOG_FAILED } else { exit_code::REFUSED }
}

/// A path out of its parts: `path(&["v1", "jobs", name])`.
pub(crate) fn path(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("/{}", encode(part))).collect()
}

/// A path with a query: `query("/v1/logs", &[("select", name), ("lines", "10")])`.
pub(crate) fn query(path: &str, pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    if pairs.is_empty() { path.into() } else { format!("{path}?{}", pairs.join("&")) }
}

/// RFC 3986: all but unreserved characters, percent-encoded.
fn encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests;
