//! An address of the network at which whoever can reach it gets the numbers, and nothing else.

use crate::accept::{Accept, Accepted};
use crate::body::Room;
use crate::limits::{NUMBERS_CONNECTIONS, Patience};
use crate::refused::Refused;
use crate::server;
use axum::Router;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::io;
use std::os::fd::OwnedFd;
use tokio::net::{TcpListener, TcpStream};

/// Where the numbers are.
pub const PATH: &str = "/metrics";

/// Prometheus' text format. Source: "Exposition formats" of its documentation.
const FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Whoever can reach the address may ask.
impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<Accepted<TcpStream>> {
        let (stream, _) = Self::accept(self).await?;
        Ok(Accepted { stream, stranger: None })
    }
}

/// Serves the numbers at a socket that listens and does not block, until `stop` is done, to at most 16 connections at once.
/// `page`: the numbers as they are now.
///
/// # Errors
/// The event loop does not take the socket.
pub fn serve<P, F>(
    socket: OwnedFd,
    patience: Patience,
    page: P,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<impl Future<Output = ()> + Send>
where
    P: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<String, Refused>> + Send + 'static,
{
    let listener = TcpListener::from_std(socket.into())?;
    Ok(server::serve(listener, NUMBERS_CONNECTIONS, patience, move |_| routes(page, patience), stop))
}

fn routes<P, F>(page: P, patience: Patience) -> Router
where
    P: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<String, Refused>> + Send + 'static,
{
    // For bodies there is none: a request has none.
    let room = Room::new(0, patience);
    let answer = async move |request: Request| -> Result<Response, Refused> {
        room.take(request.into_body(), 0).await?;
        Ok(text(page().await?))
    };
    let wrong_method = async |method: Method, uri: Uri| Refused::wrong_method(&method, &uri, &Method::GET);
    let elsewhere =
        async |uri: Uri| Refused::unknown(uri.path()).with_hint(format!("there is {PATH} and nothing else"));
    Router::new().route(PATH, get(answer).fallback(wrong_method)).fallback(elsewhere)
}

/// Numbers in Prometheus' text format, as an answer.
#[must_use]
pub fn text(page: String) -> Response {
    ([(CONTENT_TYPE, FORMAT)], page).into_response()
}
