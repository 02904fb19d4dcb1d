//! A request, understood and checked as far as it can be without knowing the jobs.

use super::limits::{LINES, USUAL_LINES};
use super::query::Query;
use super::refused::{Refused, shown};
use super::routes::{Route, Target};
use crate::fleet::Verb;
use sandhog_protocol::control::{self, ApplyRequest, ScaleRequest, Shutdown, VerbRequest};
use serde::de::DeserializeOwned;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Call {
    Daemon,
    Instances { select: Vec<String> },
    Jobs { select: Vec<String> },
    Job { name: String },
    Objects,
    Apply(ApplyRequest),
    Ask(Verb, VerbRequest),
    Scale(ScaleRequest),
    Send(control::SendRequest),
    Logs { select: Vec<String>, lines: usize, follow: bool, access: bool },
    Events { since: u64, last: usize, follow: bool },
    ShutDown,
    Document,
    Metrics,
}

/// What a request asks for: the name in its path, its query and its body.
pub(super) fn read(route: &Route, name: Option<String>, query: &str, body: &[u8]) -> Result<Call, Refused> {
    let query = Query::parse(query, route.query)?;
    Ok(match route.target {
        Target::Daemon => Call::Daemon,
        Target::Instances => Call::Instances { select: query.all("select") },
        Target::Jobs => Call::Jobs { select: query.all("select") },
        Target::Job => Call::Job { name: name.unwrap_or_default() },
        Target::Objects => Call::Objects,
        Target::Apply => Call::Apply(json(body)?),
        Target::Ask(verb) => Call::Ask(verb, ask(verb, json(body)?)?),
        Target::Scale => Call::Scale(json(body)?),
        Target::Send => Call::Send(send(json(body)?)?),
        Target::Logs => Call::Logs {
            select: query.all("select"),
            lines: count(&query, "lines", USUAL_LINES)?,
            follow: query.flag("follow")?,
            access: query.flag("access")?,
        },
        Target::Events => Call::Events {
            since: query.number("since", 0, u64::MAX)?,
            last: count(&query, "last", 0)?,
            follow: query.flag("follow")?,
        },
        Target::ShutDown => shut_down(body)?,
        Target::Document => Call::Document,
        Target::Metrics => Call::Metrics,
    })
}

fn count(query: &Query, key: &str, usual: usize) -> Result<usize, Refused> {
    let number = query.number(key, usual as u64, LINES as u64)?;
    Ok(usize::try_from(number).unwrap_or(LINES))
}

fn ask(verb: Verb, ask: VerbRequest) -> Result<VerbRequest, Refused> {
    some(&ask.select)?;
    match (verb, &ask.signal) {
        (Verb::Signal, None) => {
            Err(Refused::invalid("the body has no signal").with_hint("one of TERM, INT, HUP, KILL, STOP, CONT"))
        }
        (Verb::Start | Verb::Stop | Verb::Restart | Verb::Reload | Verb::Delete, Some(_)) => {
            Err(Refused::invalid("the body has a signal, which only /v1/signal takes"))
        }
        (Verb::Signal, Some(_)) | (_, None) => Ok(ask),
    }
}

fn send(send: control::SendRequest) -> Result<control::SendRequest, Refused> {
    some(&send.select)?;
    Ok(send)
}

/// What changes jobs says which ones: a list that came out empty by mistake must not mean all of them.
fn some(select: &[String]) -> Result<(), Refused> {
    if select.is_empty() {
        return Err(Refused::invalid("the body's select is empty: nothing is selected")
            .with_hint("names, ids, NAME/INSTANCE, groups, or \"all\""));
    }
    Ok(())
}

/// Without a body it is as clear.
fn shut_down(body: &[u8]) -> Result<Call, Refused> {
    if !body.is_empty() {
        let Shutdown {} = json(body)?;
    }
    Ok(Call::ShutDown)
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let wrong = |reason: &str| {
        let refused = Refused::invalid(format!("the body is not what is asked for here: {}", shown(reason)));
        refused.with_hint("GET /v1/openapi.json says what is")
    };
    // A list would be taken for an object's values in their order.
    match body.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(body).map_err(|error| wrong(&error.to_string())),
        Some(_) | None => Err(wrong("it is no JSON object")),
    }
}
