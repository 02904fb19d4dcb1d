// hello-http in JavaScript (`./just js-http` builds and serves it): the event that service workers know, made of
// wasi:http/incoming-handler 0.2 by componentize-js.

addEventListener("fetch", (event) => {
  const name = new URL(event.request.url).searchParams.get("name");
  event.respondWith(new Response(name ? `Hello, ${name}!\n` : "Hello!\n"));
});
