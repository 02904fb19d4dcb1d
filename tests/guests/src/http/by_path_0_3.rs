//! Serves HTTP by WASI 0.3, where an instance has several requests at the same time, and does as the path says.

#[path = "../misbehaves.rs"]
mod misbehaves;
#[path = "../shares.rs"]
mod shares;

use misbehaves::{allocated, parameter, spin, trap};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, HeaderError, Request, Response};
use wasip3::random::random::get_random_u64;
use wasip3::wit_bindgen::{StreamResult, StreamWriter, spawn_local};
use wasip3::{wit_future, wit_stream};

struct ByPath;

impl wasip3::exports::http::handler::Guest for ByPath {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        SERVED.fetch_add(1, Ordering::Relaxed);
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/spin" => spin(),
            "/trap" => trap(),
            "/hang" => wait_for(3_600_000_000_000).await,
            "/sleep" => wait_for(parameter(query, "ms") * 1_000_000).await,
            "/error" => return Err(ErrorCode::InternalError(None)),
            "/retire" => sandhog::process::retire("a request asked for it"),
            "/allocate" => return Ok(text(format!("{}\n", allocated()))),
            "/large" => return Ok(large(parameter(query, "bytes"))),
            "/status" => return Ok(status(parameter(query, "code") as u16)),
            "/who" => return Ok(text(who())),
            "/saw" => return Ok(text(saw(&request))),
            "/echo" => return Ok(echo(request)),
            "/count" => return Ok(count(request).await),
            "/breaks-off" => return Ok(breaks_off(|| {})),
            "/traps-in-body" => return Ok(breaks_off(trap)),
            "/newline" => return Ok(newline()),
            path => {
                if let Some(done) = shares::by_path(path) {
                    return Ok(text(done));
                }
            }
        }
        Ok(text("done\n".to_owned()))
    }
}

wasip3::http::service::export!(ByPath);

/// How many requests this instance was asked, and what tells it from others.
static SERVED: AtomicU64 = AtomicU64::new(0);
static INSTANCE: OnceLock<u64> = OnceLock::new();

fn who() -> String {
    let instance = INSTANCE.get_or_init(get_random_u64);
    let attempt = sandhog::process::identity().attempt;
    format!("attempt={attempt}\ninstance={instance:x}\nserved={}\n", SERVED.load(Ordering::Relaxed))
}

fn saw(request: &Request) -> String {
    let target = request.get_path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, "-"));
    let mut text = format!(
        "method={}\npath={path}\nquery={query}\nscheme={}\nauthority={}\n",
        format!("{:?}", request.get_method()).to_uppercase().replace("METHOD::", ""),
        request.get_scheme().map_or("-".into(), |scheme| format!("{scheme:?}")
            .to_lowercase()
            .replace("scheme::", "")),
        request.get_authority().as_deref().unwrap_or("-"),
    );
    for (name, value) in request.get_headers().copy_all() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    text
}

fn fields(list: &[(&str, &str)]) -> Result<Fields, HeaderError> {
    let list: Vec<_> =
        list.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Fields::from_list(&list)
}

/// An answer whose body is written when its head has gone.
fn answer<F>(headers: Fields, write: impl FnOnce(StreamWriter<u8>) -> F) -> Response
where
    F: Future<Output = bool> + 'static,
{
    let (to_client, body) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Err(ErrorCode::HttpResponseIncomplete));
    let (answer, _) = Response::new(headers, Some(body), no_trailers);
    let written = write(to_client);
    spawn_local(async move {
        if written.await {
            let _ = trailers.write(Ok(None)).await;
        }
    });
    answer
}

fn text(text: String) -> Response {
    let length = text.len().to_string();
    answer(fields(&[("content-length", &length)]).unwrap(), async move |mut to| {
        to.write_all(text.into_bytes()).await.is_empty()
    })
}

fn status(code: u16) -> Response {
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (answer, _) = Response::new(Fields::new(), None, no_trailers);
    let _ = answer.set_status_code(code);
    answer
}

fn large(bytes: u64) -> Response {
    let length = bytes.to_string();
    answer(fields(&[("content-length", &length)]).unwrap(), async move |mut to| {
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(64 << 10);
            if !to.write_all(vec![b'x'; piece as usize]).await.is_empty() {
                return false;
            }
            left -= piece;
        }
        true
    })
}

/// Each piece as it comes, so that what is on the way stays small.
fn echo(request: Request) -> Response {
    let (_, received) = wit_future::new(|| Ok(()));
    let (mut from_client, _) = Request::consume_body(request, received);
    answer(Fields::new(), async move |mut to| {
        loop {
            let (result, piece) = from_client.read(Vec::with_capacity(64 << 10)).await;
            if !to.write_all(piece).await.is_empty() {
                return false;
            }
            match result {
                StreamResult::Complete(_) => {}
                StreamResult::Dropped | StreamResult::Cancelled => return true,
            }
        }
    })
}

/// Reads the whole body; what can't be read is no error of the guest's.
async fn count(request: Request) -> Response {
    let (_, received) = wit_future::new(|| Ok(()));
    let (mut from_client, _) = Request::consume_body(request, received);
    let mut bytes = 0;
    loop {
        let (result, piece) = from_client.read(Vec::with_capacity(64 << 10)).await;
        bytes += piece.len();
        match result {
            StreamResult::Complete(_) => {}
            StreamResult::Dropped | StreamResult::Cancelled => return text(format!("{bytes}\n")),
        }
    }
}

/// An answer of 100 bytes that ends after 10, and what happens then.
fn breaks_off(then: fn()) -> Response {
    answer(fields(&[("content-length", "100")]).unwrap(), async move |mut to| {
        to.write_all(b"0123456789".to_vec()).await;
        then();
        false
    })
}

/// The host refuses such a header; the answer says whether it did.
fn newline() -> Response {
    let refused = fields(&[("x-split", "a\r\nx-smuggled: yes")]);
    text(if refused.is_err() { "refused\n" } else { "taken\n" }.to_owned())
}
