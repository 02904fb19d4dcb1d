"""hello-http in Python (`./just python-http` builds and serves it): answers requests by wasi:http/incoming-handler 0.2."""

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.types import Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam


class IncomingHandler(exports.IncomingHandler):
    """componentize-py looks for a class of this name."""

    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        _, _, name = (request.path_with_query() or "/").partition("?name=")
        text = f"Hello, {name}!\n" if name else "Hello!\n"
        response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain; charset=utf-8")]))
        body = response.body()
        # From here on the head is with the client.
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            stream.blocking_write_and_flush(text.encode())
        OutgoingBody.finish(body, None)
