//! Server-sent events: tells each client the seconds since it came, one event a second, until it goes. It speaks the interface of
//! WASI 0.3 itself: an instance has many clients at the same time, and waiting for the next second holds up none of them.
//!
//!     sandhog serve --listen 127.0.0.1:8080 --idle-timeout 1h --request-timeout 1h clock-events.wasm
//!     curl --no-buffer 'http://127.0.0.1:8080/?events=3'

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, HeaderError, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

const SECOND: u64 = 1_000_000_000;

struct Clock;

impl wasip3::exports::http::handler::Guest for Clock {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let events = how_many(&request.get_path_with_query().unwrap_or_default());
        let headers =
            headers().map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
        let (mut to_client, body) = wit_stream::new();
        let (_, no_trailers) = wit_future::new(|| Ok(None));
        let (answer, _) = Response::new(headers, Some(body), no_trailers);
        // Goes on when the function has returned: the answer's head is on its way by then.
        wit_bindgen::spawn_local(async move {
            for second in 0..events {
                let not_written = to_client.write_all(event(second).into_bytes()).await;
                if !not_written.is_empty() {
                    return; // The client has gone.
                }
                wait_for(SECOND).await;
            }
        });
        Ok(answer)
    }
}

wasip3::http::service::export!(Clock);

fn headers() -> Result<Fields, HeaderError> {
    let list = [("content-type", "text/event-stream"), ("cache-control", "no-store")];
    Fields::from_list(&list.map(|(name, value)| (name.to_owned(), value.into())))
}

fn event(second: u64) -> String {
    format!("event: second\ndata: {second}\n\n")
}

/// What `?events=` says, without it no end.
fn how_many(target: &str) -> u64 {
    target.split_once("?events=").and_then(|(_, number)| number.parse().ok()).unwrap_or(u64::MAX)
}
