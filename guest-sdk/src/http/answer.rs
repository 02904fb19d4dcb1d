//! From the host's request to the function, and its answer to the host.

use super::request::Request;
use super::response::{Content, IntoResponse, Response, failed};
use std::io::{self, Write};
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::OutputStream;

/// Where the body of an answer is written. [`std::io::Write`] works on it; [`flush`](Write::flush) waits until what was written is
/// on its way to the client.
#[derive(Debug)]
pub struct Writer(OutputStream);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match Write::write(&mut self.0, bytes)? {
            0 if !bytes.is_empty() => Err(io::ErrorKind::BrokenPipe.into()),
            written => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.0)
    }
}

/// What the export does.
#[doc(hidden)]
pub fn answer<T: IntoResponse>(handle: impl FnOnce(Request) -> T, request: IncomingRequest, to: ResponseOutparam) {
    let answer = handle(request.into()).into_response();
    let (outgoing, content) = match head(answer) {
        Ok(made) => made,
        Err(error) => match head(failed(&error)) {
            Ok(made) => made,
            // Neither of them: the host answers in place of a function that did not.
            Err(_) => return,
        },
    };
    let body = outgoing.body();
    ResponseOutparam::set(to, Ok(outgoing));
    let Ok(body) = body else { return };
    match write(&body, content) {
        Ok(()) => drop(OutgoingBody::finish(body, None)),
        // Not finished: the client sees that it is not whole. Whether it has gone itself can't be told.
        Err(_) => drop(body),
    }
}

/// Everything but the body; the error says which part HTTP does not allow.
fn head(answer: Response) -> Result<(OutgoingResponse, Content), String> {
    let fields = Fields::new();
    for (name, value) in &answer.headers {
        fields.append(name, value).map_err(|error| format!("the header {name:?} of an answer: {error}"))?;
    }
    if let Content::Bytes(bytes) = &answer.content
        && !(100..200).contains(&answer.code)
        && ![204, 304].contains(&answer.code)
        && answer.header("content-length").is_none()
    {
        let length = bytes.len().to_string();
        fields.set("content-length", &[length.into_bytes()]).map_err(|error| error.to_string())?;
    }
    let outgoing = OutgoingResponse::new(fields);
    outgoing.set_status_code(answer.code).map_err(|()| format!("{} is no status of HTTP", answer.code))?;
    Ok((outgoing, answer.content))
}

fn write(body: &OutgoingBody, content: Content) -> io::Result<()> {
    let closed = |()| io::Error::from(io::ErrorKind::BrokenPipe);
    match content {
        Content::Bytes(bytes) if bytes.is_empty() => Ok(()),
        Content::Bytes(bytes) => Writer(body.write().map_err(closed)?).write_all(&bytes),
        Content::Stream(write) => {
            let mut writer = Writer(body.write().map_err(closed)?);
            write(&mut writer)?;
            writer.flush()
        }
    }
}
