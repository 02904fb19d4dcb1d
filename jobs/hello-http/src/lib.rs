//! A service: a function that is called for each request.
//!
//!     sandhog serve --listen 127.0.0.1:8080 hello-http.wasm

use sandhog::http::{Request, Response};

#[sandhog::http]
fn handle(request: Request) -> Response {
    match request.query().and_then(|query| query.strip_prefix("name=")) {
        Some(name) => Response::text(format!("Hello, {name}!\n")),
        None => Response::text("Hello!\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_name_is_greeted_by_it() {
        assert_eq!(handle(Request::get("/?name=Ada")).content(), Some(b"Hello, Ada!\n".as_slice()));
        assert_eq!(handle(Request::get("/")).content(), Some(b"Hello!\n".as_slice()));
    }
}
