//! What can be asked for: the table of routes, and that of the address for numbers, which has one.

use super::limits::{APPLY_BYTES, BODY_BYTES};
use super::query::decode;
use super::refused::{Refused, shown};
use crate::fleet::Verb;
use hyper::{Method, StatusCode};
use sandhog_spec::nearest::nearest;

/// A line of the table. In its path, `{name}` stands for one part.
#[derive(Debug)]
pub(super) struct Route {
    pub method: Method,
    pub path: &'static str,
    /// Parameters that its query may have.
    pub query: &'static [&'static str],
    /// The longest body; 0: none is read.
    pub body_bytes: usize,
    pub target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Daemon,
    Instances,
    Jobs,
    Job,
    Objects,
    Apply,
    Ask(Verb),
    Scale,
    Send,
    Logs,
    Events,
    ShutDown,
    Document,
    Metrics,
}

/// Those of the control socket.
pub(super) static ROUTES: [Route; 19] = [
    get("/v1/daemon", &[], Target::Daemon),
    get("/v1/instances", &["select"], Target::Instances),
    get("/v1/jobs", &["select"], Target::Jobs),
    get("/v1/jobs/{name}", &[], Target::Job),
    get("/v1/objects", &[], Target::Objects),
    post("/v1/apply", APPLY_BYTES, Target::Apply),
    post("/v1/start", BODY_BYTES, Target::Ask(Verb::Start)),
    post("/v1/stop", BODY_BYTES, Target::Ask(Verb::Stop)),
    post("/v1/restart", BODY_BYTES, Target::Ask(Verb::Restart)),
    post("/v1/reload", BODY_BYTES, Target::Ask(Verb::Reload)),
    post("/v1/delete", BODY_BYTES, Target::Ask(Verb::Delete)),
    post("/v1/signal", BODY_BYTES, Target::Ask(Verb::Signal)),
    post("/v1/scale", BODY_BYTES, Target::Scale),
    post("/v1/send", BODY_BYTES, Target::Send),
    get("/v1/logs", &["select", "lines", "follow", "access"], Target::Logs),
    get("/v1/events", &["since", "last", "follow"], Target::Events),
    post("/v1/shutdown", BODY_BYTES, Target::ShutDown),
    get("/v1/openapi.json", &[], Target::Document),
    get("/metrics", &[], Target::Metrics),
];

/// Those of an address of the network.
pub(super) static METRICS: [Route; 1] = [get("/metrics", &[], Target::Metrics)];

const fn get(path: &'static str, query: &'static [&'static str], target: Target) -> Route {
    Route { method: Method::GET, path, query, body_bytes: 0, target }
}

const fn post(path: &'static str, body_bytes: usize, target: Target) -> Route {
    Route { method: Method::POST, path, query: &[], body_bytes, target }
}

/// The route of a request among these, and the name in its path.
pub(super) fn find(
    routes: &'static [Route],
    method: &Method,
    path: &str,
) -> Result<(&'static Route, Option<String>), Refused> {
    let there: Vec<_> = routes.iter().filter_map(|route| Some((route, fit(route.path, path)?))).collect();
    if there.is_empty() {
        return Err(unknown(routes, path));
    }
    let Some((route, name)) = there.iter().find(|(route, _)| route.method == *method) else {
        return Err(wrong_method(method, path, &there[0].0.method));
    };
    Ok((route, name.map(decode).transpose()?))
}

/// Whether a path has this form, and what stands for the name.
fn fit<'a>(form: &str, path: &'a str) -> Option<Option<&'a str>> {
    match form.split_once("{name}") {
        None => (form == path).then_some(None),
        Some((before, after)) => {
            let name = path.strip_prefix(before)?.strip_suffix(after)?;
            (!name.is_empty() && !name.contains('/')).then_some(Some(name))
        }
    }
}

fn unknown(routes: &[Route], path: &str) -> Refused {
    let refused = Refused::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", shown(path)));
    if let [only] = routes {
        return refused.with_hint(format!("there is {} and nothing else", only.path));
    }
    match nearest(path, routes.iter().map(|route| route.path)) {
        Some(near) => refused.with_hint(format!("do you mean {near}? GET /v1/openapi.json has them all")),
        None => refused.with_hint("GET /v1/openapi.json has all that there is"),
    }
}

/// No path has two methods, so there is one to name.
fn wrong_method(method: &Method, path: &str, right: &Method) -> Refused {
    let error = format!("{} is for {right}, not for {}", shown(path), shown(method.as_str()));
    Refused { allow: Some(right.to_string()), ..Refused::new(StatusCode::METHOD_NOT_ALLOWED, error) }
}
