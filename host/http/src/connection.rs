//! One connection: requests in, answers out, one after the other, and no head beyond its bound.
//!
//! What is no HTTP at all, and a head that is too long, are answered by the library: 400 or 431, without a sentence.

use crate::accept::{Accepted, Closing};
use crate::limits::{HEAD_BYTES, Patience};
use crate::patient::Patient;
use crate::refused::Refused;
use axum::Router;
use axum::http::{Request, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service as _;

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) routes: Router,
    pub(crate) patience: Patience,
    pub(crate) closing: Closing,
}

/// An extension of an answer that goes on: its client may pause for longer, for it is sent what comes, not what is there.
#[derive(Clone, Copy, Debug)]
pub struct Follows;

/// Serves a connection until its client, its time or the server ends. Who is a stranger is told so, and nothing else.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(accepted: Accepted<S>, service: Service) {
    let Accepted { stream, stranger } = accepted;
    let Service { routes, patience, mut closing } = service;
    let follows = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Patient::new(stream, patience, Arc::clone(&follows)));
    let is_stranger = stranger.is_some();
    let answer = service_fn(|request| {
        let (routes, stranger, follows) = (routes.clone(), stranger.clone(), &follows);
        async move {
            let response = respond(request, stranger, routes).await;
            follows.store(response.extensions().get::<Follows>().is_some(), Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(HEAD_BYTES);
    let mut connection = pin!(builder.keep_alive(!is_stranger).serve_connection(io, answer));
    // How a connection ends is its client's business: it has been told, or it has gone.
    let _ = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}

async fn respond(request: Request<Incoming>, stranger: Option<Refused>, mut routes: Router) -> Response {
    if let Some(refused) = stranger {
        return refused.into_response();
    }
    if request.version() != Version::HTTP_11 {
        return Refused::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "this is no HTTP/1.1").into_response();
    }
    // A router is always ready, and answers whatever comes.
    match routes.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
