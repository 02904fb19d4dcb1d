//! HTTP for guests that import it, whether they use it or not: components made of JavaScript always do. Each request is
//! denied before anything is looked up or opened, for there is no network that could be granted.

use hyper::{Request, Response};
use sandhog_protocol::plan::Kind;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi_http::{
    Error, RequestOptions, Result, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// What happens in the background of a request, and how it ends.
type Transfer = Box<dyn Future<Output = Result<()>> + Send>;

/// What comes of a request.
type ResponseFuture = Box<dyn Future<Output = Result<(Response<WasiBody>, Transfer)>> + Send>;

/// A guest's side of HTTP: what the library keeps, with its own limit for the size of headers (128 KiB for each list).
pub(super) struct Http {
    context: WasiHttpCtx,
    denied: Denied,
}

struct Denied;

impl WasiHttpHooks for Denied {
    /// `HTTP-request-denied`, at once.
    fn send_request(&mut self, _: Request<WasiBody>, _: Option<RequestOptions>, _: Transfer) -> ResponseFuture {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

impl Http {
    pub(super) fn new() -> Self {
        Self { context: WasiHttpCtx::new(), denied: Denied }
    }

    pub(super) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.denied, table, ctx: &mut self.context }
    }
}

/// Adds the interfaces of 0.2, and those of 0.3 where the component is of that kind.
pub(super) fn link<T: WasiHttpView + 'static>(linker: &mut Linker<T>, kind: Kind) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    match kind {
        Kind::Core | Kind::Component => Ok(()),
        Kind::Concurrent => wasmtime_wasi_http::p3::add_to_linker(linker),
    }
}
