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
    stores::{Failure, Stores, instantiate, reported},
};
use crate::{
    attempt::Error,
    report::{self, Stage},
    session::Session,
};
use sandhog_channel::{Batch, Endpoint, Error as ChannelError, Format, Large, Timeout};
use sandhog_protocol::{
    causes, limits,
    message::{self, Message},
    plan::GuestPlan,
    worker::{End, Report},
};
use std::os::fd::OwnedFd;
use wasmtime::{
    Store,
    component::{ComponentExportIndex, ComponentType, Lift, Lower, TypedFunc},
};

const WITHOUT_CONNECTION: &str = "it is a handler, which answers tasks that come through a connection, and this attempt has \
    none: run it with --ipc, or as a child of another job";

/// The largest task that is taken, in bytes: as large as a message may be. Whoever sends tasks has started the handler and may end
/// it, so there is nothing that a lower limit would keep from them.
const TASK: usize = limits::MESSAGE;

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

type TaskResult = Result<Task, String>;

/// An instance that waits for a task.
struct Instance {
    store: Store<ComponentGuest>,
    handle: TypedFunc<(Task,), (TaskResult,)>,
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

    async fn call(&mut self, task: Message) -> Result<TaskResult, Failure> {
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
    (large, coredump): (Large, Option<OwnedFd>),
    stores: Stores<'_>,
    session: Session,
) -> Result<Report, Error> {
    let Some(connection) = connection else {
        return Ok(Report::of(End::Refused { reason: WITHOUT_CONNECTION.to_owned() }));
    };
    let mut endpoint = Endpoint::new(connection, TASK).sending(large);
    if stores.plan.sockets {
        endpoint = endpoint.without_shutdown();
    }
    let mut store = stores.first(session)?;
    let (outcome, mut store) = loop {
        let mut instance = match Instance::new(stores.prepared, function, store).await {
            Ok(instance) => instance,
            Err((failure, store)) => break (Err(failure), store),
        };
        match answer_all(&mut endpoint, &mut instance, stores.plan).await {
            Ok(Next::Instance) => store = stores.next(instance.store)?,
            Ok(Next::Nothing) => break (Ok(0), instance.store),
            Ok(Next::Broken(reason)) => return Ok(counted(Report::of(report::broken(&reason)), &endpoint)),
            Err(failure) => break (Err(failure), instance.store),
        }
    };
    let report = reported(outcome, &mut store, stores.plan, coredump);
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
async fn answer_all(endpoint: &mut Endpoint, instance: &mut Instance, plan: &GuestPlan) -> Result<Next, Failure> {
    let mut answers = Answers::default();
    loop {
        let task = match endpoint.recv(Timeout::Never) {
            Ok(task) => task,
            Err(ChannelError::Closed) => return Ok(Next::Nothing),
            Err(error) => return Ok(Next::Broken(causes::one_line(&error))),
        };
        let answer = match instance.call(task).await {
            Ok(answer) => answer,
            Err(failure) => {
                // Those before it were answered.
                let _ = answers.flush(endpoint);
                return Err(failure);
            }
        };
        let sent = match plan.together && !plan.fresh {
            true => answers.keep(endpoint, answer),
            false => send(endpoint, answer),
        };
        match sent {
            Ok(()) if plan.fresh => return Ok(Next::Instance),
            Ok(()) => {}
            Err(ChannelError::Closed) => return Ok(Next::Nothing),
            Err(error) => return Ok(Next::Broken(causes::one_line(&error))),
        }
    }
}

/// Answers that go together: there is another task already, whose sender waits for all of them.
#[derive(Default)]
struct Answers(Batch);

impl Answers {
    /// Keeps it, behind those that are kept already, until the last task of its packet is answered; what is too large for that is
    /// sent.
    fn keep(&mut self, endpoint: &mut Endpoint, answer: TaskResult) -> Result<(), ChannelError> {
        if !self.push(&answer) {
            self.flush(endpoint)?;
            if !self.push(&answer) {
                return send(endpoint, answer);
            }
        }
        if endpoint.has_message() { Ok(()) } else { self.flush(endpoint) }
    }

    /// A failure is alone in its packet, and so is what is made up wrongly.
    fn push(&mut self, answer: &TaskResult) -> bool {
        let Ok(message) = answer else { return false };
        let format = Format::from(message.format);
        match format {
            Format::Value | Format::Bytes => {
                message::check(format, &message.body).is_ok() && self.0.push(format, &message.body)
            }
            Format::Failure => false,
        }
    }

    fn flush(&mut self, endpoint: &mut Endpoint) -> Result<(), ChannelError> {
        let Some(batch) = self.0.as_bytes() else { return Ok(()) };
        let sent = endpoint.send_batch(batch, Timeout::Never);
        self.0.clear();
        sent
    }
}

/// What the guest made up wrongly is an answer, too: whoever waits for one must hear of it.
fn send(endpoint: &mut Endpoint, answer: TaskResult) -> Result<(), ChannelError> {
    let sent = match &answer {
        Ok(message) => endpoint.send(message.format.into(), &message.body, Timeout::Never),
        Err(error) => endpoint.send(Format::Failure, error.as_bytes(), Timeout::Never),
    };
    match sent {
        Err(error @ (ChannelError::TooLarge { .. } | ChannelError::Invalid(_))) => {
            let text = format!("the handler's answer can't be sent: {}", causes::one_line(&error));
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

#[cfg(test)]
mod tests {
    use super::super::super::{attempt::Outside, engine, run::run};
    use super::*;
    use sandhog_ipc::FrameBuffer;
    use sandhog_sys::{descriptors::StandardStream, in_child::in_child};

    use rustix::fs::{MemfdFlags, memfd_create};
    use sandhog_protocol::{
        frame,
        plan::{Kind, Metering},
        worker::TrapKind,
    };
    use std::{fs::File, io::Write};

    /// Counts its tasks. Answers a value with itself, bytes with one byte, the number of the task, and a failure with an
    /// error. A task of no bytes is its end.
    const HANDLER: &str = r#"(component
        (core module $main
            (memory (export "memory") 1)
            (global $count (mut i32) (i32.const 0))
            (global $free (mut i32) (i32.const 4096))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (global.get $free))
                (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))
                (local.get $at))
            (func (export "handle") (param $format i32) (param $start i32) (param $length i32) (result i32)
                (global.set $count (i32.add (global.get $count) (i32.const 1)))
                (global.set $free (i32.const 4096))
                (if (i32.eqz (local.get $length)) (then unreachable))
                (i32.store8 (i32.const 0) (i32.const 0))
                (i32.store8 (i32.const 4) (local.get $format))
                (i32.store (i32.const 8) (local.get $start))
                (i32.store (i32.const 12) (local.get $length))
                (if (i32.eq (local.get $format) (i32.const 1))
                    (then
                        (i32.store8 (i32.const 64) (global.get $count))
                        (i32.store (i32.const 8) (i32.const 64))
                        (i32.store (i32.const 12) (i32.const 1))))
                (if (i32.eq (local.get $format) (i32.const 2))
                    (then
                        (i32.store8 (i32.const 0) (i32.const 1))
                        (i32.store (i32.const 4) (local.get $start))
                        (i32.store (i32.const 8) (local.get $length))))
                (i32.const 0)))
        (core instance $main (instantiate $main))
        (type $format' (enum "value" "bytes" "failure"))
        (export $format "format" (type $format'))
        (type $message' (record (field "format" $format) (field "body" (list u8))))
        (export $message "message" (type $message'))
        (alias core export $main "memory" (core memory $memory))
        (alias core export $main "realloc" (core func $realloc))
        (alias core export $main "handle" (core func $handle))
        (func (export "handle") (param "task" $message) (result (result $message (error string)))
            (canon lift (core func $handle) (memory $memory) (realloc $realloc))))"#;

    fn compiled() -> File {
        let component = wat::parse_str(HANDLER).unwrap();
        assert_eq!(sandhog_compiler::check(&component), Ok(Kind::Component));
        let engine = sandhog_compiler::engine::for_compiling(Metering::default(), Kind::Component, false).unwrap();
        let mut file = File::from(memfd_create("compiled", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(&engine.precompile_component(&component).unwrap()).unwrap();
        file
    }

    /// What the handler answers to these tasks, and how it ends when there are no more.
    fn answers(tasks: &[(Format, &[u8])], fresh: bool) -> (Vec<(Format, Vec<u8>)>, Report) {
        let file = compiled();
        let (ours, theirs) = sandhog_channel::pair().unwrap();
        let mut endpoint = Endpoint::new(ours, TASK);
        for (format, body) in tasks {
            endpoint.send(*format, body, Timeout::Now).unwrap();
        }
        // From here on only the handler has the other end.
        let theirs = std::cell::Cell::new(Some(theirs));
        let last = endpoint.sent();
        let report = in_child(|answer| {
            let prepared = engine::load(Metering::default(), Kind::Component, file).unwrap();
            let connection = theirs.take();
            let outside = Outside {
                socket: StandardStream::Stdin.borrow(),
                buffer: FrameBuffer::default(),
                connection,
                large: Large::Memory,
                coredump: None,
                listeners: Vec::new(),
            };
            let plan = GuestPlan { memory_bytes: 1 << 20, timeout_ms: Some(20_000), fresh, ..GuestPlan::default() };
            // The tasks are all there: what is read after them is the end.
            let shut = rustix::net::shutdown(&endpoint, rustix::net::Shutdown::Write);
            assert!(shut.is_ok());
            let report = run(&prepared, &plan, Vec::new(), outside);
            answer.write_all(&frame::encode_body(&report).unwrap()).unwrap();
        });
        drop(theirs);
        let report: Report = frame::decode_body(&report).unwrap();
        let mut answers = Vec::new();
        while let Ok(message) = endpoint.recv(Timeout::Now) {
            answers.push((message.format, message.body));
        }
        assert!(answers.len() as u64 <= last);
        (answers, report)
    }

    #[test]
    fn tasks_are_answered_in_their_order_until_the_connection_closes() {
        let tasks: [(Format, &[u8]); 4] =
            [(Format::Value, b"\xa1x"), (Format::Bytes, b"?"), (Format::Failure, b"no"), (Format::Bytes, b"?")];
        let (answers, report) = answers(&tasks, false);
        let expected: [(Format, &[u8]); 4] =
            [(Format::Value, b"\xa1x"), (Format::Bytes, b"\x02"), (Format::Failure, b"no"), (Format::Bytes, b"\x04")];
        assert_eq!(answers, expected.map(|(format, body)| (format, body.to_vec())));
        assert_eq!((report.end, report.messages_received, report.messages_sent), (End::Exited { code: 0 }, 4, 4));
        assert!(report.peak_memory_bytes >= 65_536);
    }

    #[test]
    fn a_fresh_instance_knows_nothing_of_the_task_before() {
        let (answers, report) = answers(&[(Format::Bytes, b"?".as_slice()); 3], true);
        assert_eq!(answers, vec![(Format::Bytes, vec![1]); 3]);
        assert_eq!((report.end, report.peak_memory_bytes), (End::Exited { code: 0 }, 65_536));
    }

    #[test]
    fn a_task_that_is_too_much_for_it_ends_the_attempt() {
        let (answers, report) = answers(&[(Format::Bytes, b"?"), (Format::Bytes, b"")], false);
        assert_eq!(answers.len(), 1);
        assert!(matches!(report.end, End::Trapped { kind: TrapKind::Unreachable, .. }), "{report:?}");
    }

    #[test]
    fn a_handler_without_a_connection_is_refused_with_a_sentence() {
        let file = compiled();
        let report = in_child(|answer| {
            let prepared = engine::load(Metering::default(), Kind::Component, file).unwrap();
            let outside = Outside {
                socket: StandardStream::Stdin.borrow(),
                buffer: FrameBuffer::default(),
                connection: None,
                large: Large::Memory,
                coredump: None,
                listeners: Vec::new(),
            };
            let report = run(&prepared, &GuestPlan::default(), Vec::new(), outside);
            answer.write_all(&frame::encode_body(&report).unwrap()).unwrap();
        });
        let report: Report = frame::decode_body(&report).unwrap();
        assert_eq!(report.end, End::Refused { reason: WITHOUT_CONNECTION.to_owned() });
    }
}
