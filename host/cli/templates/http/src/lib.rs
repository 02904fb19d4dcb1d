//! A service that greets: a function that is called for each request. It has no file, no variable and no network of its own,
//! unless it is granted some.

use sandhog::http::{Request, Response};

#[sandhog::http]
fn handle(request: Request) -> Response {
    match (request.method(), request.path()) {
        ("GET" | "HEAD", "/") => Response::text(format!("Hello, {}!\n", name(&request))),
        (_, "/") => Response::status(405).with_header("allow", "GET, HEAD"),
        _ => Response::text("there is nothing here\n").with_status(404),
    }
}

fn name(request: &Request) -> &str {
    request.query().and_then(|query| query.strip_prefix("name=")).unwrap_or("whoever you are")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_name_is_greeted_by_it() {
        let answer = handle(Request::get("/?name=Ada"));
        assert_eq!((answer.code(), answer.content()), (200, Some(b"Hello, Ada!\n".as_slice())));
    }

    #[test]
    fn nothing_is_elsewhere() {
        assert_eq!(handle(Request::get("/elsewhere")).code(), 404);
    }

    #[test]
    fn nothing_can_be_sent() {
        assert_eq!(handle(Request::post("/", "something")).code(), 405);
    }
}
