//! What a client asks for.

use std::io::{self, Read};
use wasip2::http::types::{IncomingBody, IncomingRequest, Method, Scheme};
use wasip2::io::streams::InputStream;

/// A request.
#[derive(Debug)]
pub struct Request {
    method: String,
    target: String,
    scheme: Option<String>,
    authority: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
}

impl Request {
    /// A `GET` of a path, for tests.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target, Vec::new())
    }

    /// A `POST` to a path, for tests.
    pub fn post(target: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target, body.into())
    }

    fn new(method: &str, target: impl Into<String>, body: Vec<u8>) -> Self {
        let (scheme, authority, headers) = (None, None, Vec::new());
        Self {
            method: method.into(),
            target: target.into(),
            scheme,
            authority,
            headers,
            body: Body(Source::Here(io::Cursor::new(body))),
        }
    }

    /// The method, as the client wrote it: `GET`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The target up to its `?`, as the client wrote it: `/a%20b`.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What stands behind the `?`.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The scheme, `http` or another one.
    pub fn scheme(&self) -> Option<&str> {
        self.scheme.as_deref()
    }

    /// The host, with its port if one was given: of the header `Host` or of the target.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// All headers in their order, with names in lower case. A name may stand there several times.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The first header of this name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        super::find(&self.headers, name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The body, to be read as it comes.
    pub fn body(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The whole rest of the body. The server's limit (`--max-body`) says how much that can be.
    ///
    /// # Errors
    /// The client broke off, or the body is more than it may be.
    pub fn read_body(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        self.body.read_to_end(&mut all)?;
        Ok(all)
    }
}

impl From<IncomingRequest> for Request {
    fn from(incoming: IncomingRequest) -> Self {
        let headers = incoming.headers().entries();
        Self {
            method: method(incoming.method()),
            target: incoming.path_with_query().unwrap_or_else(|| "/".into()),
            scheme: incoming.scheme().map(scheme),
            authority: incoming.authority(),
            headers,
            body: Body(Source::Client { stream: None, body: None, request: incoming }),
        }
    }
}

fn method(method: Method) -> String {
    let name = match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => return name,
    };
    name.into()
}

fn scheme(scheme: Scheme) -> String {
    match scheme {
        Scheme::Http => "http".into(),
        Scheme::Https => "https".into(),
        Scheme::Other(name) => name,
    }
}

/// The body of a request. [`std::io::Read`] works on it, and nothing is buffered.
#[derive(Debug)]
pub struct Body(Source);

/// Where the bytes come from. Whoever holds a part goes before the whole: streams before bodies before requests.
#[derive(Debug)]
enum Source {
    Client { stream: Option<InputStream>, body: Option<IncomingBody>, request: IncomingRequest },
    Here(io::Cursor<Vec<u8>>),
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::Here(bytes) => bytes.read(into),
            Source::Client { stream: Some(stream), .. } => stream.read(into),
            Source::Client { stream, body, request } => {
                let taken = || io::Error::other("the body can be read once");
                let whole = request.consume().map_err(|()| taken())?;
                let opened = whole.stream().map_err(|()| taken())?;
                *body = Some(whole);
                stream.insert(opened).read(into)
            }
        }
    }
}
