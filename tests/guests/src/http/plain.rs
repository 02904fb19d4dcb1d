//! Serves HTTP by WASI 0.2 with nothing of Sandhog in it, for any server: says hello, and sends back what it is sent.

use std::io;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Plain;

impl Guest for Plain {
    fn handle(request: IncomingRequest, to: ResponseOutparam) {
        match request.method() {
            Method::Post => echo(&request, to),
            _ => hello(to),
        }
    }
}

wasip2::http::proxy::export!(Plain);

fn hello(to: ResponseOutparam) {
    let fields = Fields::new();
    fields.append("content-length", b"6").unwrap();
    answer(fields, to, &mut b"hello\n".as_slice());
}

fn echo(request: &IncomingRequest, to: ResponseOutparam) {
    let fields = Fields::new();
    let length = request.headers().get("content-length");
    fields.set("content-length", &length).unwrap();
    let body = request.consume().unwrap();
    answer(fields, to, &mut body.stream().unwrap());
}

fn answer(fields: Fields, to: ResponseOutparam, from: &mut impl io::Read) {
    let outgoing = OutgoingResponse::new(fields);
    let body = outgoing.body().unwrap();
    ResponseOutparam::set(to, Ok(outgoing));
    let mut writer = body.write().unwrap();
    io::copy(from, &mut writer).unwrap();
    drop(writer);
    OutgoingBody::finish(body, None).unwrap();
}
