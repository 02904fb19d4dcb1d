//! What the owner will be told of one request. It is told once, when this is dropped.

use super::state::Server;
use super::watch::Watch;
use hyper::{Method, Uri};
use sandhog_protocol::http::{ConnectionId, METHOD, Request, RequestEnd, TARGET, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// See the module.
pub(super) struct Record {
    server: Arc<Server>,
    watch: Arc<Watch>,
    began: Instant,
    /// Bytes of its body, which somebody else counts.
    received: Arc<AtomicU64>,
    told: Option<Request>,
}

impl Record {
    pub(super) fn new(
        server: &Arc<Server>,
        watch: &Arc<Watch>,
        connection: ConnectionId,
        version: Version,
        (method, target): (&str, String),
    ) -> Self {
        server.told.begins();
        watch.begins();
        let told = Request {
            number: server.number(),
            connection,
            method: cut(method.to_owned(), METHOD),
            target: cut(target, TARGET),
            version,
            status: 0,
            received_bytes: 0,
            sent_bytes: 0,
            micros: 0,
            end: RequestEnd::Abandoned,
        };
        let (server, watch) = (Arc::clone(server), Arc::clone(watch));
        Self { server, watch, began: Instant::now(), received: Arc::default(), told: Some(told) }
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// The place where bytes of its body are counted.
    pub(super) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    pub(super) fn status(&mut self, status: u16) {
        self.told.iter_mut().for_each(|told| told.status = status);
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.told.iter_mut().for_each(|told| told.sent_bytes += bytes as u64);
    }

    /// How it ends; without this the client has gone.
    pub(super) fn end(&mut self, end: RequestEnd) {
        self.told.iter_mut().for_each(|told| told.end = end.clone());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.watch.ends();
        if let Some(mut told) = self.told.take() {
            told.micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
            told.received_bytes = self.received.load(Ordering::Relaxed);
            self.server.told.ends(told);
        }
    }
}

fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

/// A request's target as its client wrote it, or for HTTP/2 as one of HTTP/1.1 would have.
pub(super) fn target(uri: &Uri, version: Version, method: &Method) -> String {
    match version {
        Version::Http2 if method != Method::CONNECT => {
            uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string)
        }
        Version::Http10 | Version::Http11 | Version::Http2 => uri.to_string(),
    }
}
