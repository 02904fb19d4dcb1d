//! A handler: a task in, its answer out, in order, until the connection closes.
//!
//! ```text
//! connection ──▶ task ──▶ handle ──▶ answer, or Format::Failure with the handler's own error ──▶ connection
//!                           └▶ trap, limit: the attempt ends, and with it the connection
//! ```
//!
//! The tasks own the connection, so a handler's own `channel.parent()` is none.

use super::{
    ComponentGuest, Prepared,
    run::{Failure, Stores, instantiate, reported},
};
use crate::worker::{
    report::{self, Stage},
    run::Error,
    session::Session,
};
use sandhog_channel::{Endpoint, Error as ChannelError, Format, Timeout};
use sandhog_protocol::{
    message::Message,
    worker::{End, Report},
};
use std::os::fd::OwnedFd;
use wasmtime::{
    Store,
    component::{ComponentExportIndex, ComponentType, Lift, Lower, TypedFunc},
};

const WITHOUT_CONNECTION: &str = "it is a handler, which answers tasks that come through a connection, and this attempt has \
    none: run it with --ipc, or as a child of another job";

/// A task and an answer, as the guest sees them: `types.message`.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Task {
    format: TaskFormat,
    body: Vec<u8>,
}

#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
enum TaskFormat {
    #[component(name = "value")]
    Value,
    #[component(name = "bytes")]
    Bytes,
    #[component(name = "failure")]
    Failure,
}

type Answer = Result<Task, String>;

/// An instance that waits for a task.
struct Instance {
    store: Store<ComponentGuest>,
    handle: TypedFunc<(Task,), (Answer,)>,
}

impl Instance {
    async fn new(
        prepared: &Prepared,
        function: &ComponentExportIndex,
        store: Store<ComponentGuest>,
    ) -> Result<Self, (Failure, Store<ComponentGuest>)> {
        let mut store = store;
        let instance = match instantiate(prepared, &mut store).await {
            Ok(instance) => instance,
            Err(failure) => return Err((failure, store)),
        };
        match instance.get_typed_func(&mut store, function) {
            Ok(handle) => Ok(Self { store, handle }),
            Err(error) => Err(((Stage::Instantiating, error), store)),
        }
    }

    async fn call(&mut self, task: Message) -> Result<Answer, Failure> {
        let task = Task { format: task.format.into(), body: task.body };
        let outcome = self.handle.call_async(&mut self.store, (task,)).await;
        outcome.map(|(answer,)| answer).map_err(|error| (Stage::Running, error))
    }
}

/// Answers tasks until the connection closes. With `fresh`, each is answered by a new instance, made while nobody waits for
/// it, with new memories; the time, the fuel and the peak of memory are those of the attempt.
///
/// # Errors
/// Where a store can't be made.
pub(super) async fn serve(
    function: &ComponentExportIndex,
    connection: Option<OwnedFd>,
    stores: Stores<'_>,
    session: Session,
) -> Result<Report, Error> {
    let Some(connection) = connection else {
        return Ok(Report::of(End::Refused { reason: WITHOUT_CONNECTION.to_owned() }));
    };
    let mut endpoint = Endpoint::new(connection);
    let mut store = stores.first(session)?;
    let (outcome, store) = loop {
        let mut instance = match Instance::new(stores.prepared, function, store).await {
            Ok(instance) => instance,
            Err((failure, store)) => break (Err(failure), store),
        };
        match answer_all(&mut endpoint, &mut instance, stores.plan.fresh).await {
            Ok(Next::Instance) => store = stores.next(instance.store)?,
            Ok(Next::Nothing) => break (Ok(0), instance.store),
            Ok(Next::Broken(why)) => return Ok(counted(Report::of(report::broken(&why)), &endpoint)),
            Err(failure) => break (Err(failure), instance.store),
        }
    };
    let report = reported(outcome, &store);
    std::mem::forget(store);
    Ok(counted(report, &endpoint))
}

fn counted(report: Report, endpoint: &Endpoint) -> Report {
    Report { messages_received: endpoint.received(), messages_sent: endpoint.sent(), ..report }
}

/// What comes after an answer.
enum Next {
    Instance,
    /// The connection has closed.
    Nothing,
    /// The connection can't be used; a sentence.
    Broken(String),
}

/// Answers one task where each needs an instance of its own, else all.
async fn answer_all(endpoint: &mut Endpoint, instance: &mut Instance, fresh: bool) -> Result<Next, Failure> {
    loop {
        let task = match endpoint.recv(Timeout::Never) {
            Ok(task) => task,
            Err(ChannelError::Closed) => return Ok(Next::Nothing),
            Err(error) => return Ok(Next::Broken(error.to_string())),
        };
        let answer = instance.call(task).await?;
        match send(endpoint, answer) {
            Ok(()) if fresh => return Ok(Next::Instance),
            Ok(()) => {}
            Err(ChannelError::Closed) => return Ok(Next::Nothing),
            Err(error) => return Ok(Next::Broken(error.to_string())),
        }
    }
}

/// What the guest made up wrongly is an answer, too: whoever waits for one must hear of it.
fn send(endpoint: &mut Endpoint, answer: Answer) -> Result<(), ChannelError> {
    let sent = match &answer {
        Ok(message) => endpoint.send(message.format.into(), &message.body, Timeout::Never),
        Err(error) => endpoint.send(Format::Failure, error.as_bytes(), Timeout::Never),
    };
    match sent {
        Err(error @ (ChannelError::TooLarge { .. } | ChannelError::Invalid(_))) => {
            let text = format!("the handler's answer can't be sent: {error}");
            endpoint.send(Format::Failure, text.as_bytes(), Timeout::Never)
        }
        other => other,
    }
}

impl From<Format> for TaskFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Value => Self::Value,
            Format::Bytes => Self::Bytes,
            Format::Failure => Self::Failure,
        }
    }
}

impl From<TaskFormat> for Format {
    fn from(format: TaskFormat) -> Self {
        match format {
            TaskFormat::Value => Self::Value,
            TaskFormat::Bytes => Self::Bytes,
            TaskFormat::Failure => Self::Failure,
        }
    }
}
