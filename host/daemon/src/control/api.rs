//! From a call to what is sent back: the daemon's jobs answer, here it becomes JSON.

use super::call::Call;
use super::document::DOCUMENT;
use super::lines::Tail;
use super::refused::Refused;
use crate::fleet::{Handle, LogTail};
use hyper::StatusCode;
use hyper::body::Bytes;
use sandhog_protocol::control::{Event, LogLine, Shutdown};
use serde::Serialize;

/// Who answers calls: the daemon's jobs, or a test.
pub(super) trait Api: Clone + Send + Sync + 'static {
    fn answer(&self, call: Call) -> impl Future<Output = Result<Payload, Refused>> + Send;
}

/// What is sent back: one document, or lines.
pub(super) enum Payload {
    Whole(Bytes),
    /// In Prometheus' text format.
    Metrics(Bytes),
    Log(Tail<LogLine>),
    Events(Tail<Event>),
}

impl Api for Handle {
    async fn answer(&self, call: Call) -> Result<Payload, Refused> {
        match call {
            Call::Daemon => whole(&self.daemon().await?),
            Call::Instances { select } => whole(&self.instances(select).await?),
            Call::Jobs { select } => whole(&self.jobs(select).await?),
            Call::Job { name } => whole(&self.job(name).await?),
            Call::Objects => whole(&self.objects().await?),
            Call::Apply(apply) => whole(&self.apply(apply).await?),
            Call::Ask(verb, ask) => whole(&self.ask(verb, ask).await?),
            Call::Scale(scale) => whole(&self.scale(scale).await?),
            Call::Send(send) => whole(&self.send(send).await?),
            Call::Logs { select, lines, follow, access } => {
                let LogTail { lines: first, follow: then, concerns } = self.logs(select, lines, follow, access).await?;
                Ok(Payload::Log(Tail { first, then, concerns }))
            }
            Call::Events { since, last, follow } => {
                let (first, then) = self.events(since, last).await?;
                Ok(Payload::Events(Tail { first, then: follow.then_some(then), concerns: Box::new(|_| true) }))
            }
            Call::ShutDown => {
                self.shut_down().await?;
                whole(&Shutdown {})
            }
            Call::Document => Ok(Payload::Whole(DOCUMENT.clone())),
            Call::Metrics => Ok(Payload::Metrics(self.metrics().await?.into())),
        }
    }
}

/// JSON, with a line's end for whoever looks at it in a terminal.
pub(super) fn whole(value: &impl Serialize) -> Result<Payload, Refused> {
    let mut text = serde_json::to_vec(value)
        .map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the answer is no JSON: {error}")))?;
    text.push(b'\n');
    Ok(Payload::Whole(text.into()))
}
