//! A native server: hyper with nothing behind it, in two threads. What serving costs without a sandbox.

use crate::Outcome;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The word that makes the benchmarks this server.
pub(crate) const WORD: &str = "--native-server";

/// Serves until it is killed.
pub(crate) fn serve(address: &str) -> Outcome<()> {
    let address: SocketAddr = address.parse()?;
    let listener = TcpListener::bind(address)?;
    let threads: [UnboundedSender<TcpStream>; 2] = [(); 2].map(|()| {
        let (to, from) = unbounded_channel();
        std::thread::spawn(move || work(from));
        to
    });
    for (number, stream) in listener.incoming().enumerate() {
        let stream = stream?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        threads[number % threads.len()].send(stream)?;
    }
    Ok(())
}

fn work(mut from: UnboundedReceiver<TcpStream>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        while let Some(stream) = from.recv().await {
            let Ok(stream) = tokio::net::TcpStream::from_std(stream) else { continue };
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::task::spawn_local(async move { drop(connection.await) });
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    Ok(Response::new(match *request.method() {
        Method::POST => request.into_body().boxed(),
        _ => Full::new(Bytes::from_static(b"hello\n")).map_err(|never| match never {}).boxed(),
    }))
}
