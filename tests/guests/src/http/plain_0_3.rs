//! The same by WASI 0.3.

use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::wit_bindgen::spawn_local;
use wasip3::{wit_future, wit_stream};

struct Plain;

impl wasip3::exports::http::handler::Guest for Plain {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        match request.get_method() {
            Method::Post => Ok(echo(request)),
            _ => Ok(hello()),
        }
    }
}

wasip3::http::service::export!(Plain);

fn hello() -> Response {
    let (mut to_client, body) = wit_stream::new();
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let fields = Fields::from_list(&[("content-length".into(), b"6".to_vec())]).unwrap();
    let (answer, _) = Response::new(fields, Some(body), no_trailers);
    spawn_local(async move {
        to_client.write_all(b"hello\n".to_vec()).await;
    });
    answer
}

/// The body is the client's own stream: no byte of it comes into this instance.
fn echo(request: Request) -> Response {
    let length = request.get_headers().get("content-length");
    let fields = Fields::new();
    fields.set("content-length", &length).unwrap();
    let (_, received) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, received);
    let (answer, _) = Response::new(fields, Some(body), trailers);
    answer
}
