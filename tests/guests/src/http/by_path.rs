//! Serves HTTP by WASI 0.2, and does as the path says: well, badly, or for ever.

#[path = "../misbehaves.rs"]
mod misbehaves;
#[path = "../shares.rs"]
mod shares;

use misbehaves::{allocated, parameter, spin, trap};
use sandhog::http::{Request, Response, export};
use std::io::{self, Read, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::random::random::get_random_u64;

struct ByPath;

impl Guest for ByPath {
    fn handle(request: IncomingRequest, to: ResponseOutparam) {
        SERVED.fetch_add(1, Ordering::Relaxed);
        let target = request.path_with_query().unwrap_or_default();
        match target.split('?').next().unwrap_or_default() {
            // Gives the promise back unkept.
            "/never" => drop(to),
            "/twice" => twice(to),
            "/error" => ResponseOutparam::set(to, Err(ErrorCode::InternalError(None))),
            "/breaks-off" => breaks_off(to, || {}),
            "/traps-in-body" => breaks_off(to, trap),
            "/newline" => newline(to),
            "/echo" => echo(request, to),
            _ => export::answer(polite, request, to),
        }
    }
}

wasip2::http::proxy::export!(ByPath);

/// How many requests this instance was asked, and what tells it from others.
static SERVED: AtomicU64 = AtomicU64::new(0);
static INSTANCE: OnceLock<u64> = OnceLock::new();

fn polite(request: Request) -> io::Result<Response> {
    let number = |name: &str| parameter(request.query().unwrap_or_default(), name);
    if let Some(text) = shares::by_path(request.path()) {
        return Ok(Response::text(text));
    }
    match request.path() {
        "/spin" => spin(),
        "/trap" => trap(),
        "/hang" => subscribe_duration(3_600_000_000_000).block(),
        "/sleep" => subscribe_duration(number("ms") * 1_000_000).block(),
        "/retire" => sandhog::process::retire("a request asked for it"),
        "/says" => eprintln!("said on stderr"),
        "/keep" => keep(number("mib")),
        "/allocate" => return Ok(Response::text(format!("{}\n", allocated()))),
        "/large" => return Ok(large(number("bytes"))),
        "/status" => return Ok(Response::status(number("code") as u16)),
        "/who" => return Ok(Response::text(who())),
        "/saw" => return Ok(Response::text(saw(&request))),
        "/count" => return counted(request).map(|bytes| Response::text(format!("{bytes}\n"))),
        _ => {}
    }
    Ok(Response::text("done\n"))
}

/// Takes so much, and never gives it back.
fn keep(mib: u64) {
    (0..mib).for_each(|_| std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 20])));
}

fn large(bytes: u64) -> Response {
    Response::stream(move |to| io::copy(&mut io::repeat(b'x').take(bytes), to).map(drop))
        .with_header("content-length", bytes.to_string())
}

fn who() -> String {
    let instance = INSTANCE.get_or_init(get_random_u64);
    let attempt = sandhog::process::identity().attempt;
    format!("attempt={attempt}\ninstance={instance:x}\nserved={}\n", SERVED.load(Ordering::Relaxed))
}

fn saw(request: &Request) -> String {
    let mut text = format!(
        "method={}\npath={}\nquery={}\nscheme={}\nauthority={}\n",
        request.method(),
        request.path(),
        request.query().unwrap_or("-"),
        request.scheme().unwrap_or("-"),
        request.authority().unwrap_or("-"),
    );
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(value));
    }
    text
}

/// Reads the whole body; what can't be read is no error of the guest's.
fn counted(mut request: Request) -> io::Result<u64> {
    io::copy(request.body(), &mut io::sink())
}

/// Each piece as it comes, so that what is on the way stays small.
fn echo(request: IncomingRequest, to: ResponseOutparam) {
    let outgoing = OutgoingResponse::new(Fields::new());
    let body = outgoing.body().unwrap();
    ResponseOutparam::set(to, Ok(outgoing));
    let mut request = Request::from(request);
    let mut writer = body.write().unwrap();
    let copied = io::copy(request.body(), &mut writer);
    drop(writer);
    if copied.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

/// An answer of 100 bytes that ends after 10, and what happens then.
fn breaks_off(to: ResponseOutparam, then: fn()) {
    let outgoing = OutgoingResponse::new(fields(&[("content-length", "100")]).unwrap());
    let body = outgoing.body().unwrap();
    ResponseOutparam::set(to, Ok(outgoing));
    let mut writer = body.write().unwrap();
    let _ = writer.write_all(b"0123456789");
    let _ = writer.flush();
    then();
}

/// The second time with a handle that is no longer its own.
fn twice(to: ResponseOutparam) {
    let handle = to.take_handle();
    for _ in 0..2 {
        // SAFETY: sound the first time; the second time the host refuses the handle.
        let to = unsafe { ResponseOutparam::from_handle(handle) };
        ResponseOutparam::set(to, Ok(OutgoingResponse::new(Fields::new())));
    }
}

/// The host refuses such a header; the answer says whether it did.
fn newline(to: ResponseOutparam) {
    let refused = fields(&[("x-split", "a\r\nx-smuggled: yes")]);
    let said = if refused.is_err() { "refused" } else { "taken" };
    let outgoing = OutgoingResponse::new(refused.unwrap_or_else(|_| Fields::new()));
    let _ = outgoing.headers().append("x-said", said.as_bytes());
    let body = outgoing.body().unwrap();
    ResponseOutparam::set(to, Ok(outgoing));
    let mut writer = body.write().unwrap();
    let _ = writeln!(writer, "{said}");
    drop(writer);
    let _ = OutgoingBody::finish(body, None);
}

fn fields(list: &[(&str, &str)]) -> Result<Fields, wasip2::http::types::HeaderError> {
    let list: Vec<_> =
        list.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Fields::from_list(&list)
}
