//! An API in JSON with a number behind it. Workers have no memory in common, and an instance that is fresh for each request keeps
//! nothing: the number is a shared object, which all workers of the service add to and which outlives each of them.
//!
//!     sandhog serve --listen 127.0.0.1:8080 -i 2 --object 'visits: value(u64) rw' visits-api.wasm
//!     curl http://127.0.0.1:8080/visits                  # {"visits":0}
//!     curl --data 5 http://127.0.0.1:8080/visits         # {"visits":5}

use sandhog::http::{Request, Response};
use sandhog::shared::Value;

#[sandhog::http]
fn handle(mut request: Request) -> sandhog::Result<Response> {
    let answer = match (request.method(), request.path()) {
        ("GET", "/visits") => shown(visits()?.get()?),
        ("POST", "/visits") => match how_many(&mut request) {
            Some(more) => shown(visits()?.add(more)?.wrapping_add(more)),
            None => problem(400, "the body is a number"),
        },
        (_, "/visits") => problem(405, "GET or POST").with_header("allow", "GET, POST"),
        _ => problem(404, "there is /visits and nothing else"),
    };
    Ok(answer)
}

fn visits() -> sandhog::Result<Value<u64>> {
    Value::open("visits")
}

/// What the body says; an empty one is one visit.
fn how_many(request: &mut Request) -> Option<u64> {
    let body = request.read_body().ok()?;
    match body.trim_ascii() {
        b"" => Some(1),
        text => str::from_utf8(text).ok()?.parse().ok(),
    }
}

fn shown(visits: u64) -> Response {
    json(format!(r#"{{"visits":{visits}}}"#))
}

fn problem(code: u16, text: &str) -> Response {
    json(format!(r#"{{"problem":"{text}"}}"#)).with_status(code)
}

fn json(text: String) -> Response {
    Response::bytes(text + "\n").with_header("content-type", "application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_a_number_or_one_visit() {
        assert_eq!(how_many(&mut Request::post("/visits", "5\n")), Some(5));
        assert_eq!(how_many(&mut Request::post("/visits", "")), Some(1));
        assert_eq!(how_many(&mut Request::post("/visits", "five")), None);
    }

    #[test]
    fn there_is_one_path() {
        assert_eq!(handle(Request::get("/")).unwrap().code(), 404);
        assert_eq!(handle(Request::post("/visits", "?")).unwrap().code(), 400);
    }
}
