//! Requests to a daemon, over its control socket.
//!
//! Must not: print, or start a daemon.

use super::embedded::Failure;
use super::render::problem::Problem;
use super::silence::{Silence, Takes, Tell, on_stderr};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sandhog_daemon::control::PAST_LINES;
use sandhog_dirs::{lock, paths};
use sandhog_protocol::control;
use sandhog_protocol::exit_code;
use sandhog_runtime::privilege;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

/// The longest answer that is taken in: 10,000 instances with all that is known of them are some 20 MiB.
const ANSWER_BYTES: usize = 256 << 20;
/// The longest line of a stream: the largest message that a guest may send is 64 MiB, and as JSON twice that.
const LINE_BYTES: usize = 128 << 20;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Paths(#[from] paths::Error),
    #[error("no daemon is running: nothing listens at {0:?}")]
    NoDaemon(PathBuf),
    #[error("failed to reach the daemon at {path:?}")]
    Reach {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the socket {path:?} is served by the user with the id {owner}, not by you: nothing was sent to it")]
    Stranger { path: PathBuf, owner: u32 },
    #[error("failed to start a runtime for the request")]
    Runtime(#[source] io::Error),
    #[error("failed to write the request to {path:?}")]
    Request {
        path: String,
        #[source]
        cause: hyper::http::Error,
    },
    #[error("failed to write what goes with the request to {path:?}")]
    Body {
        path: String,
        #[source]
        cause: serde_json::Error,
    },
    #[error("the daemon went away in the middle of {path:?}")]
    Gone {
        path: String,
        #[source]
        cause: hyper::Error,
    },
    #[error("failed to start a thread that waits")]
    Thread(#[source] io::Error),
    #[error("the daemon's answer to {path:?} is longer than {limit} bytes")]
    TooLong { path: String, limit: usize },
    #[error("the daemon's answer to {path:?} makes no sense to this version of sandhog")]
    Nonsense {
        path: String,
        #[source]
        cause: serde_json::Error,
    },
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
            Self::Paths(_)
            | Self::Reach { .. }
            | Self::Runtime(_)
            | Self::Thread(_)
            | Self::Request { .. }
            | Self::Body { .. } => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let problem = error.hint().into_iter().fold(Problem::of(&error), Problem::with_hint);
        let code = match error {
            Error::Paths(_) | Error::Stranger { .. } => exit_code::REFUSED,
            Error::NoDaemon(_)
            | Error::Reach { .. }
            | Error::Runtime(_)
            | Error::Request { .. }
            | Error::Body { .. }
            | Error::Gone { .. }
            | Error::Thread(_)
            | Error::TooLong { .. }
            | Error::Nonsense { .. }
            | Error::Status { .. } => exit_code::SANDHOG_FAILED,
        };
        Self { problem, code }
    }
}

/// The way to a daemon. Every request has a connection of its own, so that nothing gets old between two.
pub struct Client {
    socket: PathBuf,
    /// Whose daemon it may be, beside root.
    owner: u32,
    runtime: tokio::runtime::Runtime,
    silence: Silence,
}

/// How an answer by the line has come to its end.
pub(super) enum Over {
    /// Whoever takes the lines has enough.
    Enough,
    /// The daemon has ended it.
    Ended,
    /// The daemon went away in the middle of it, or none is there.
    Lost,
    /// It is there, and ends, or has no room for another one that follows.
    Unavailable(Failure),
}

impl Client {
    /// The person's daemon; a failure where none runs.
    pub fn connect() -> Result<Self, Failure> {
        Self::connect_and_tell(on_stderr())
    }

    /// The same; that the daemon does not answer is told in this way.
    pub fn connect_and_tell(tell: Tell) -> Result<Self, Failure> {
        let mut client = Self::of_this_person(tell)?;
        client.find()?;
        Ok(client)
    }

    /// The person's daemon; none where none runs: there is no socket, or nobody listens to it.
    pub fn try_connect() -> Result<Option<Self>, Failure> {
        let mut client = Self::of_this_person(on_stderr())?;
        match client.find() {
            Ok(()) => Ok(Some(client)),
            Err(Error::NoDaemon(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the daemon answers to `GET PATH`. Make the path with [`path`] and [`query`].
    pub fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        self.exchange(Method::GET, path, Bytes::new(), Takes::Little)
    }

    /// What the daemon answers to `POST PATH` with this body, at once.
    pub fn post<B: Serialize, T: DeserializeOwned>(&mut self, path: &str, body: &B) -> Result<T, Failure> {
        self.exchange(Method::POST, path, json(path, body)?, Takes::Little)
    }

    /// The same where the daemon answers when something else has come about, which may take any time.
    pub fn post_and_wait<B: Serialize, T: DeserializeOwned>(&mut self, path: &str, body: &B) -> Result<T, Failure> {
        self.exchange(Method::POST, path, json(path, body)?, Takes::AsLongAsItTakes)
    }

    /// Hands on each line that the daemon answers to `GET PATH`, until it ends, or `each` says that it is enough.
    pub fn lines<T: DeserializeOwned>(
        &mut self,
        path: &str,
        each: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.take_lines(path, &mut |_| (), each)?.map(drop)
    }

    /// The same of lines that may come for ever, and from one daemon after the other. `begins` is told first how many of
    /// them are of the past.
    pub(super) fn follow<T: DeserializeOwned>(
        &mut self,
        path: &str,
        begins: &mut dyn FnMut(usize),
        each: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Result<Over, Failure> {
        match self.take_lines(path, begins, each) {
            Ok(Ok(ControlFlow::Break(()))) => Ok(Over::Enough),
            Ok(Ok(ControlFlow::Continue(()))) => Ok(Over::Ended),
            Ok(Err(failure)) if failure.code == exit_code::SANDHOG_FAILED => Ok(Over::Unavailable(failure)),
            Ok(Err(failure)) => Err(failure),
            Err(Error::Gone { .. } | Error::NoDaemon(_)) => Ok(Over::Lost),
            Err(error) => Err(error.into()),
        }
    }

    /// What the daemon refuses is the inner failure.
    fn take_lines<T: DeserializeOwned>(
        &mut self,
        path: &str,
        begins: &mut dyn FnMut(usize),
        each: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Result<Result<ControlFlow<()>, Failure>, Error> {
        self.wait(Takes::AsLongAsItTakes, async {
            let response = self.request(Method::GET, path, Bytes::new()).await?;
            if response.status() != StatusCode::OK {
                return Ok(Err(self.refusal(response, path).await));
            }
            let past = response.headers().get(PAST_LINES).and_then(|value| value.to_str().ok()?.parse().ok());
            begins(past.unwrap_or(0));
            self.hand_on(response.into_body(), path, each).await.map(Ok)
        })
    }

    /// Does something that waits for the daemon in another way, and says so where that does not answer meanwhile.
    pub(super) fn while_it<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let (done, is_done) = oneshot::channel();
        let wait = move || drop(done.send(work()));
        std::thread::Builder::new().name("wait".into()).spawn(wait).map_err(Error::Thread)?;
        let lost = |_| Error::Thread(io::Error::other("it has ended without an answer"));
        Ok(self.wait(Takes::AsLongAsItTakes, is_done).map_err(lost)?)
    }

    /// In front of the person who waits.
    fn wait<T>(&self, takes: Takes, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(self.silence.over(&self.socket, takes, work))
    }

    fn of_this_person(tell: Tell) -> Result<Self, Error> {
        let person = privilege::who();
        let socket = paths::control_socket(&person, |name| std::env::var_os(name))?;
        Self::new(socket, person.uid, tell)
    }

    fn new(socket: PathBuf, owner: u32, tell: Tell) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        Ok(Self { socket, owner, runtime, silence: Silence::new(tell) })
    }

    /// Whether there is somebody, and the right one.
    /// Where the daemon was started with another runtime directory, its lock in the state directory says where it listens.
    fn find(&mut self) -> Result<(), Error> {
        let missed = match self.knock() {
            Err(missed @ Error::NoDaemon(_)) => missed,
            answer => return answer,
        };
        let state = paths::state(&privilege::who(), |name| std::env::var_os(name)).ok();
        let Some(socket) = state.and_then(|state| lock::socket_of(&state)) else { return Err(missed) };
        let old = std::mem::replace(&mut self.socket, socket);
        self.knock().inspect_err(|_| self.socket = old).map_err(|_| missed)
    }

    fn knock(&self) -> Result<(), Error> {
        self.wait(Takes::Little, self.open()).map(drop)
    }

    fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        takes: Takes,
    ) -> Result<T, Failure> {
        self.wait(takes, async {
            let response = self.request(method, path, body).await?;
            if response.status() != StatusCode::OK {
                return Err(self.refusal(response, path).await);
            }
            let answer = self.collect(response.into_body(), path).await?;
            Ok(serde_json::from_slice(&answer).map_err(|cause| Error::Nonsense { path: path.into(), cause })?)
        })
    }

    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Error> {
        let stream = self.open().await?;
        let gone = |cause| Error::Gone { path: path.into(), cause };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(gone)?;
        // It ends with the response: what it fails with, the response fails with.
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path);
        let request = request.header(HOST, "sandhog").header(CONTENT_TYPE, "application/json").body(Full::new(body));
        let request = request.map_err(|cause| Error::Request { path: path.into(), cause })?;
        sender.send_request(request).await.map_err(gone).inspect(|_| self.silence.is_broken())
    }

    /// A connection, checked before a byte is sent: whoever can make a socket in a shared place must not be taken for the
    /// daemon. The kernel says who listens (SO_PEERCRED), whatever happens to the path meanwhile.
    async fn open(&self) -> Result<UnixStream, Error> {
        let socket = &self.socket;
        let reach = |cause| unreachable(socket, cause);
        let stream = connect(socket).await.map_err(reach)?;
        let listener = stream.peer_cred().map_err(reach)?;
        self.silence.is_of(listener.pid());
        match listener.uid() {
            uid if uid == self.owner || uid == 0 => Ok(stream),
            uid => Err(Error::Stranger { path: socket.clone(), owner: uid }),
        }
    }

    /// A whole answer, as far as it is taken in.
    async fn collect(&self, mut body: Incoming, path: &str) -> Result<Vec<u8>, Error> {
        let mut answer = Vec::new();
        while let Some(piece) = self.next(&mut body, path).await? {
            if answer.len() + piece.len() > ANSWER_BYTES {
                return Err(Error::TooLong { path: path.into(), limit: ANSWER_BYTES });
            }
            answer.extend_from_slice(&piece);
        }
        Ok(answer)
    }

    /// The next piece of a body; none behind the last.
    async fn next(&self, body: &mut Incoming, path: &str) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|cause| Error::Gone { path: path.into(), cause })?;
            self.silence.is_broken();
            if let Ok(piece) = frame.into_data() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    async fn hand_on<T: DeserializeOwned>(
        &self,
        mut body: Incoming,
        path: &str,
        each: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut begun = Vec::new();
        while let Some(piece) = self.next(&mut body, path).await? {
            for part in piece.split_inclusive(|byte| *byte == b'\n') {
                if begun.len() + part.len() > LINE_BYTES {
                    return Err(Error::TooLong { path: path.into(), limit: LINE_BYTES });
                }
                begun.extend_from_slice(part);
                if begun.last() == Some(&b'\n') {
                    let line = serde_json::from_slice(&begun);
                    begun.clear();
                    if each(line.map_err(|cause| Error::Nonsense { path: path.into(), cause })?).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What the daemon says why not.
    async fn refusal(&self, response: Response<Incoming>, path: &str) -> Failure {
        let status = response.status();
        let problem = self.collect(response.into_body(), path).await;
        let problem = problem.ok().and_then(|text| serde_json::from_slice::<control::ErrorBody>(&text).ok());
        let Some(problem) = problem else { return Error::Status { path: path.into(), status }.into() };
        Failure {
            problem: problem.hint.into_iter().fold(Problem::new(problem.error), Problem::with_hint),
            code: code(status),
        }
    }
}

/// Why nobody was reached at a socket. A daemon that dies while a connection waits to be accepted resets it: then as little
/// runs as where nobody listened from the beginning (unix(7)).
fn unreachable(socket: &Path, cause: io::Error) -> Error {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotConnected, NotFound};
    let path = socket.to_path_buf();
    let is_nobody_there = matches!(cause.kind(), NotFound | ConnectionRefused | ConnectionReset | NotConnected);
    if is_nobody_there { Error::NoDaemon(path) } else { Error::Reach { path, cause } }
}

fn json(path: &str, body: &impl Serialize) -> Result<Bytes, Error> {
    let write = |cause| Error::Body { path: path.into(), cause };
    serde_json::to_vec(body).map(Bytes::from).map_err(write)
}

/// A connection, as soon as the daemon has a place for one.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    match UnixStream::connect(socket).await {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        connected => return connected,
    }
    // A connection that does not block is refused while all places are taken, and nothing tells when one is free
    // (connect(2)). One that blocks is told. A thread that still waits ends with the command.
    let (done, is_done) = oneshot::channel();
    let path = socket.to_path_buf();
    let wait = move || drop(done.send(std::os::unix::net::UnixStream::connect(path)));
    std::thread::Builder::new().name("connect".into()).spawn(wait)?;
    let stream = is_done.await.map_err(io::Error::other)??;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// What was asked for makes no sense or may not be, or it was tried and failed.
fn code(status: StatusCode) -> u8 {
    let is_ours = status.is_server_error() || status == StatusCode::UNPROCESSABLE_ENTITY;
    if is_ours { exit_code::SANDHOG_FAILED } else { exit_code::REFUSED }
}

/// A path out of its parts: `path(&["v1", "jobs", name])`.
pub fn path(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("/{}", encode(part))).collect()
}

/// A path with a query: `query("/v1/logs", &[("select", name), ("lines", "10")])`.
pub fn query(path: &str, pairs: &[(&str, &str)]) -> String {
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
