//! The routes of the control socket, and what each asks of the jobs.

use super::answer::{Document, List, Numbers, One};
use super::api::Api;
use super::input::{Json, Name, Query};
use super::limits::{LINES, USUAL_LINES};
use super::lines::Tail;
use super::query::{self, Asks};
use super::routes::{About, Routes};
use crate::fleet::{LogTail, Verb};
use sandhog_http::Refused;
use sandhog_protocol::control::{
    ApplyRequest, Daemon, Event, Instance, Job, JobSummary, LogLine, ScaleRequest, SendReply, SendRequest,
    SharedObject, Shutdown, VerbRequest, VerbResult,
};

/// All that the socket answers.
pub(super) fn routes<A: Api>() -> Routes<A> {
    change(look(Routes::new()))
}

/// Routes that change nothing.
fn look<A: Api>(routes: Routes<A>) -> Routes<A> {
    let about = |id, summary, answer| About { id, summary, answer };
    routes
        .get("/v1/daemon", about("daemon", "The daemon that answers here.", "The daemon."), daemon)
        .get(
            "/v1/instances",
            about("instances", "The instances that `sandhog ps` shows.", "Those that are selected."),
            instances,
        )
        .get(
            "/v1/jobs",
            about(
                "jobs",
                "The jobs that are selected as a whole, also those that have no instance.",
                "Those that are selected by their own names, by their groups' or by `all`.",
            ),
            jobs,
        )
        .get("/v1/jobs/{name}", about("job", "All that is known of a job.", "The job."), job)
        .get("/v1/objects", about("objects", "The objects that jobs share, of all groups.", "All of them."), objects)
        .get("/v1/logs", about("logs", "Logs: a line of JSON for each line of theirs.", "Lines, oldest first."), logs)
        .get("/v1/events", about("events", "Events: a line of JSON for each.", "Events, oldest first."), events)
        .get("/v1/openapi.json", about("openapi", "The description of all routes.", "This document."), document)
        .get(
            "/metrics",
            about(
                "metrics",
                "The numbers of all jobs, in Prometheus' text format 0.0.4.",
                "One family of metrics after the other.",
            ),
            metrics,
        )
}

/// Routes that change something.
fn change<A: Api>(routes: Routes<A>) -> Routes<A> {
    let about = |id, summary| About { id, summary, answer: "The instances that it concerns, as they are now." };
    let verb = |verb| move |jobs: A, asked: Json<VerbRequest>| ask(jobs, verb, asked);
    routes
        .post(
            "/v1/apply",
            About { id: "apply", summary: "Lets exactly these jobs be up.", answer: "What has changed, or would." },
            apply,
        )
        .post(
            "/v1/start",
            about(
                "start",
                "Starts all that is selected and not up. A job with a schedule that is named, and not only its group, \
                 runs now, out of turn.",
            ),
            verb(Verb::Start),
        )
        .post("/v1/stop", about("stop", "Stops all that is selected. It stays known."), verb(Verb::Stop))
        .post("/v1/restart", about("restart", "Stops all that is selected, and starts it again."), verb(Verb::Restart))
        .post(
            "/v1/reload",
            about(
                "reload",
                "Replaces instances one at a time. The new one is ready before the old one is asked to go.",
            ),
            verb(Verb::Reload),
        )
        .post("/v1/delete", about("delete", "Stops all that is selected, and forgets it."), verb(Verb::Delete))
        .post(
            "/v1/signal",
            about("signal", "Sends a signal to the workers of all that is selected."),
            verb(Verb::Signal),
        )
        .post("/v1/scale", about("scale", "Lets a job have more or fewer instances."), scale)
        .post(
            "/v1/send",
            About { id: "send", summary: "Sends a message to each instance.", answer: "A reply for each instance." },
            send,
        )
        .post(
            "/v1/shutdown",
            About {
                id: "shutdown",
                summary: "Stops all jobs in reverse order, and ends the daemon. The next daemon starts them again.",
                answer: "It has begun.",
            },
            shut_down,
        )
}

/// Which ones a request is about.
struct Selected(Vec<String>);

impl Asks for Selected {
    fn of(query: &mut query::Query) -> Result<Self, Refused> {
        query.selectors().map(Self)
    }
}

const FOLLOW: &str = "Go on with lines as they come, until the client or the daemon ends.";

/// Which lines of logs.
struct Logs {
    select: Vec<String>,
    lines: usize,
    follow: bool,
    access: bool,
}

impl Asks for Logs {
    fn of(query: &mut query::Query) -> Result<Self, Refused> {
        const ACCESS: &str = "The requests that jobs have served, a line each, instead of the lines that jobs wrote.";
        let select = query.selectors();
        let lines = query.count("lines", "How many of the past lines.", USUAL_LINES, LINES);
        let (follow, access) = (query.flag("follow", FOLLOW), query.flag("access", ACCESS));
        Ok(Self { select: select?, lines: lines?, follow: follow?, access: access? })
    }
}

/// Which events.
struct Events {
    since: u64,
    last: usize,
    follow: bool,
}

impl Asks for Events {
    fn of(query: &mut query::Query) -> Result<Self, Refused> {
        const SINCE: &str =
            "Events since this number, as far as they are kept (the last 10,000). 0: as many as `last` says.";
        let since = query.number("since", SINCE, 0, None);
        let last = query.count("last", "How many of the past events.", 0, LINES);
        let follow = query.flag("follow", FOLLOW);
        Ok(Self { since: since?, last: last?, follow: follow? })
    }
}

async fn daemon<A: Api>(jobs: A, _: Query<()>) -> Result<One<Daemon>, Refused> {
    Ok(One(jobs.daemon().await?))
}

async fn instances<A: Api>(jobs: A, Query(Selected(select)): Query<Selected>) -> Result<List<Instance>, Refused> {
    Ok(List(jobs.instances(select).await?))
}

async fn jobs<A: Api>(jobs: A, Query(Selected(select)): Query<Selected>) -> Result<List<JobSummary>, Refused> {
    Ok(List(jobs.jobs(select).await?))
}

async fn job<A: Api>(jobs: A, Name(name): Name) -> Result<One<Job>, Refused> {
    Ok(One(jobs.job(name).await?))
}

async fn objects<A: Api>(jobs: A, _: Query<()>) -> Result<List<SharedObject>, Refused> {
    Ok(List(jobs.objects().await?))
}

async fn logs<A: Api>(jobs: A, Query(asked): Query<Logs>) -> Result<Tail<LogLine>, Refused> {
    let Logs { select, lines, follow, access } = asked;
    let LogTail { lines: first, follow: then, concerns } = jobs.logs(select, lines, follow, access).await?;
    Ok(Tail { first, then, concerns })
}

async fn events<A: Api>(jobs: A, Query(asked): Query<Events>) -> Result<Tail<Event>, Refused> {
    let (first, then) = jobs.events(asked.since, asked.last).await?;
    Ok(Tail { first, then: asked.follow.then_some(then), concerns: Box::new(|_| true) })
}

async fn document<A: Api>(_: A, _: Query<()>) -> Result<Document, Refused> {
    Ok(Document)
}

async fn metrics<A: Api>(jobs: A, _: Query<()>) -> Result<Numbers, Refused> {
    Ok(Numbers(jobs.metrics().await?))
}

async fn apply<A: Api>(jobs: A, Json(apply): Json<ApplyRequest>) -> Result<One<VerbResult>, Refused> {
    Ok(One(jobs.apply(apply).await?))
}

async fn ask<A: Api>(jobs: A, verb: Verb, Json(ask): Json<VerbRequest>) -> Result<One<VerbResult>, Refused> {
    some(&ask.select)?;
    match (verb, &ask.signal) {
        (Verb::Signal, None) => {
            Err(Refused::invalid("the body has no signal").with_hint("one of TERM, INT, HUP, KILL, STOP, CONT"))
        }
        (Verb::Start | Verb::Stop | Verb::Restart | Verb::Reload | Verb::Delete, Some(_)) => {
            Err(Refused::invalid("the body has a signal, which only /v1/signal takes"))
        }
        (Verb::Signal, Some(_)) | (_, None) => Ok(One(jobs.ask(verb, ask).await?)),
    }
}

async fn scale<A: Api>(jobs: A, Json(scale): Json<ScaleRequest>) -> Result<One<VerbResult>, Refused> {
    Ok(One(jobs.scale(scale).await?))
}

async fn send<A: Api>(jobs: A, Json(send): Json<SendRequest>) -> Result<List<SendReply>, Refused> {
    some(&send.select)?;
    Ok(List(jobs.send(send).await?))
}

async fn shut_down<A: Api>(jobs: A, Json(Shutdown {}): Json<Shutdown>) -> Result<One<Shutdown>, Refused> {
    jobs.shut_down().await?;
    Ok(One(Shutdown {}))
}

/// Whoever changes jobs says which ones: a list that came out empty by mistake must not mean all of them.
fn some(select: &[String]) -> Result<(), Refused> {
    if select.is_empty() {
        return Err(Refused::invalid("the body's select is empty: nothing is selected")
            .with_hint("names, ids, NAME/INSTANCE, groups, or \"all\""));
    }
    Ok(())
}
