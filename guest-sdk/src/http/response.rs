//! What a service answers.

use super::answer::Writer;
use std::fmt::{self, Debug, Display};
use std::io::{self, Write};

/// An answer.
#[derive(Debug)]
pub struct Response {
    pub(super) code: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) content: Content,
}

/// What writes a body.
type WriteBody = Box<dyn FnOnce(&mut Writer) -> io::Result<()>>;

pub(super) enum Content {
    Bytes(Vec<u8>),
    Stream(WriteBody),
}

impl Debug for Content {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(to, "{} bytes", bytes.len()),
            Self::Stream(_) => to.write_str("a stream"),
        }
    }
}

impl Response {
    /// Only a status, with an empty body.
    pub fn status(code: u16) -> Self {
        Self { code, headers: Vec::new(), content: Content::Bytes(Vec::new()) }
    }

    /// 200 with a text in UTF-8.
    pub fn text(text: impl Into<String>) -> Self {
        Self::bytes(text.into()).with_header("content-type", "text/plain; charset=utf-8")
    }

    /// 200 with bytes, of no type.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { code: 200, headers: Vec::new(), content: Content::Bytes(bytes.into()) }
    }

    /// 200 with a body that is written piece by piece, after the head has gone to the client. An error breaks the answer off,
    /// so that the client sees that it is not whole.
    ///
    /// ```
    /// use sandhog::http::Response;
    /// use std::io::Write;
    ///
    /// let numbers = Response::stream(|to| (1..=1000).try_for_each(|number| writeln!(to, "{number}")));
    /// # assert_eq!(numbers.content(), None);
    /// ```
    pub fn stream(write: impl FnOnce(&mut Writer) -> io::Result<()> + 'static) -> Self {
        Self { code: 200, headers: Vec::new(), content: Content::Stream(Box::new(write)) }
    }

    /// With another status.
    #[must_use]
    pub fn with_status(self, code: u16) -> Self {
        Self { code, ..self }
    }

    /// With one more header. One that HTTP does not allow (a newline in it, `Connection`) makes the answer a 500.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The status.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        super::find(&self.headers, name)
    }

    /// The body; `None` where it is written piece by piece.
    pub fn content(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes),
            Content::Stream(_) => None,
        }
    }
}

/// What the function may return.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` is no answer to a request",
    note = "return a `sandhog::http::Response`, text, or a `Result` of one of them whose error can be displayed"
)]
pub trait IntoResponse {
    /// The answer.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

impl IntoResponse for &str {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

/// An error is a 500. Its text is for whoever runs the service: it goes to stderr, and not to the client.
impl<T: IntoResponse, E: Display> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        self.map_or_else(|error| failed(&error), T::into_response)
    }
}

pub(super) fn failed(error: &dyn Display) -> Response {
    // In one piece: other requests write there too.
    let line = format!("error: {error}\n");
    let _ = io::stderr().write_all(line.as_bytes());
    Response::text("internal error\n").with_status(500)
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::*;

    #[test]
    fn an_error_is_a_500_without_its_text() {
        let answer = Err::<Response, _>("the database's password is wrong").into_response();
        assert_eq!((answer.code(), answer.content().unwrap()), (500, b"internal error\n".as_slice()));
    }

    #[test]
    fn headers_are_found_in_any_case_and_the_first_counts() {
        let answer = Response::text("x").with_header("X-A", "1").with_header("x-a", "2");
        assert_eq!(answer.header("x-A"), Some(b"1".as_slice()));
    }

    #[test]
    fn a_target_is_a_path_and_a_query() {
        let request = Request::get("/a%20b?c=d?e");
        assert_eq!((request.path(), request.query()), ("/a%20b", Some("c=d?e")));
        assert_eq!(Request::get("/").query(), None);
    }

    #[test]
    fn a_body_is_read_to_its_end() {
        assert_eq!(Request::post("/", "abc").read_body().unwrap(), b"abc");
    }
}
