//! What can be asked for: each route is one definition, of which the router is made and, in a test, the description.

use super::answer::{Output, Streams};
use super::api::Api;
use super::input::Input;
use super::limits::{BODIES_BYTES, FOLLOWERS};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use sandhog_http::{Closing, Patience, Refused, Room};
use sandhog_spec::nearest::nearest;
use std::sync::Arc;
use tokio::sync::Semaphore;

#[cfg(test)]
use super::tests::description::Description;

/// In a test, all that the definition of a route says of it; otherwise nothing.
#[cfg(not(test))]
pub(super) struct Description;

#[cfg(not(test))]
impl Description {
    #[expect(clippy::extra_unused_type_parameters, reason = "a test describes them")]
    const fn of<I, O>(_: &Method, _: &'static str, _: About) -> Self {
        Self
    }
}

/// What a route does, for its description.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the description is made by a test"))]
pub(super) struct About {
    /// Its name in generated clients.
    pub id: &'static str,
    /// What it does, a sentence.
    pub summary: &'static str,
    /// What comes back where that went well.
    pub answer: &'static str,
}

/// What all requests share.
#[derive(Clone)]
pub(super) struct Shared<A> {
    answers: A,
    room: Room,
    streams: Streams,
}

impl<A> Shared<A> {
    /// With room for [`BODIES_BYTES`] and [`FOLLOWERS`].
    pub(super) fn new(answers: A, patience: Patience, closing: Closing) -> Self {
        let streams = Streams { followers: Arc::new(Semaphore::new(FOLLOWERS)), closing };
        Self { answers, room: Room::new(BODIES_BYTES, patience), streams }
    }
}

/// Routes, and what describes them.
pub(super) struct Routes<A> {
    router: Router<Shared<A>>,
    paths: Vec<&'static str>,
    pub described: Vec<Description>,
}

impl<A: Api> Routes<A> {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), paths: Vec::new(), described: Vec::new() }
    }

    /// One that asks. HEAD is answered as well, without the body.
    pub(super) fn get<I, O, H, F>(self, path: &'static str, about: About, handler: H) -> Self
    where
        I: Input,
        O: Output,
        H: Fn(A, I) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<O, Refused>> + Send + 'static,
    {
        self.add(Method::GET, MethodFilter::GET, path, about, handler)
    }

    /// One that changes something.
    pub(super) fn post<I, O, H, F>(self, path: &'static str, about: About, handler: H) -> Self
    where
        I: Input,
        O: Output,
        H: Fn(A, I) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<O, Refused>> + Send + 'static,
    {
        self.add(Method::POST, MethodFilter::POST, path, about, handler)
    }

    fn add<I, O, H, F>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        about: About,
        handler: H,
    ) -> Self
    where
        I: Input,
        O: Output,
        H: Fn(A, I) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<O, Refused>> + Send + 'static,
    {
        self.described.push(Description::of::<I, O>(&method, path, about));
        let answer = move |State(shared): State<Shared<A>>, request: Request| answer(handler.clone(), shared, request);
        let other = move |asked: Method, uri: Uri| {
            let refused = Refused::wrong_method(&asked, &uri, &method);
            async move { refused }
        };
        // No path has two methods, so there is one to name.
        self.router = self.router.route(path, on(filter, answer).fallback(other));
        self.paths.push(path);
        self
    }

    /// All of them, answered by these jobs.
    pub(super) fn with(self, shared: Shared<A>) -> Router {
        let paths: Arc<[&str]> = self.paths.into();
        let elsewhere = move |uri: Uri| {
            let refused = unknown(&paths, uri.path());
            async move { refused }
        };
        self.router.fallback(elsewhere).with_state(shared)
    }
}

async fn answer<A: Api, I: Input, O: Output, F>(
    handler: impl Fn(A, I) -> F,
    shared: Shared<A>,
    request: Request,
) -> Result<Response, Refused>
where
    F: Future<Output = Result<O, Refused>>,
{
    let input = I::take(request, &shared.room).await?;
    let output = handler(shared.answers, input).await?;
    Ok(output.respond(&shared.streams).into_response())
}

fn unknown(paths: &[&'static str], path: &str) -> Refused {
    let refused = Refused::unknown(path);
    match nearest(path, paths.iter().copied()) {
        Some(near) => refused.with_hint(format!("do you mean {near}? GET /v1/openapi.json has them all")),
        None => refused.with_hint("GET /v1/openapi.json has all that there is"),
    }
}
