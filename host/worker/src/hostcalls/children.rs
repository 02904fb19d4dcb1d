//! `sandhog:job/children`: jobs that a guest starts.

use super::child_handles::{Child, Reader, Writer};
use super::child_waits;
use super::objects::{ObjectGrant, granted};
use super::text::{self, Budget};
use super::types::{Error, Outgoing, answer, or_default};
use super::view::{HANDLES, Parts, View};
use super::waiting::{Store, Waiting};
use crate::session::{Connection, Counts};
use sandhog_protocol::message::{Format, Message};
use sandhog_protocol::plan::Access;
use sandhog_protocol::request::{ChildDirectory, ChildJob, ChildLimits, ChildStdio};
use sandhog_protocol::usage::LiveUsage;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType, WasmList, WasmStr};

/// Texts and data of a job together, in bytes: they travel in one frame ([`sandhog_protocol::limits::FRAME`]) with their
/// headers.
const JOB: usize = 900 << 10;

#[expect(dead_code, reason = "comes out of a guest, by its number")]
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
enum Stdio {
    #[component(name = "null")]
    Null,
    #[component(name = "inherit")]
    Inherit,
    #[component(name = "piped")]
    Piped,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Directory {
    path: WasmStr,
    name: WasmStr,
    write: bool,
}

#[derive(Clone, Copy, ComponentType, Lift)]
#[component(record)]
struct Limits {
    #[component(name = "memory-bytes")]
    memory_bytes: Option<u64>,
    #[component(name = "timeout-ns")]
    timeout_ns: Option<u64>,
    #[component(name = "cpu-ns")]
    cpu_ns: Option<u64>,
    fuel: Option<u64>,
    #[component(name = "max-output-bytes")]
    max_output_bytes: Option<u64>,
    #[component(name = "max-file-bytes")]
    max_file_bytes: Option<u64>,
    #[component(name = "max-files")]
    max_files: Option<u32>,
}

/// All of it is in the guest's memory still.
#[derive(ComponentType, Lift)]
#[component(record)]
struct Job {
    module: WasmStr,
    arguments: WasmList<WasmStr>,
    environment: WasmList<(WasmStr, WasmStr)>,
    directories: WasmList<Directory>,
    modules: WasmList<WasmStr>,
    objects: WasmList<ObjectGrant>,
    #[component(name = "max-objects")]
    max_objects: u32,
    passed: bool,
    limits: Limits,
    data: Option<Outgoing>,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
    connected: bool,
    detached: bool,
    fresh: bool,
}

/// What a child that lives has used so far.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Usage {
    #[component(name = "cpu-us")]
    cpu_us: u64,
    #[component(name = "resident-bytes")]
    resident_bytes: u64,
    #[component(name = "peak-resident-bytes")]
    peak_resident_bytes: u64,
    threads: u32,
    #[component(name = "messages-received")]
    messages_received: u64,
    #[component(name = "messages-sent")]
    messages_sent: u64,
}

impl Usage {
    /// `counts`: of the parent's end, which has received what the child sent.
    const fn of(usage: LiveUsage, counts: Counts) -> Self {
        let LiveUsage { cpu_us, rss_bytes, peak_rss_bytes, threads } = usage;
        Self {
            cpu_us,
            resident_bytes: rss_bytes,
            peak_resident_bytes: peak_rss_bytes,
            threads,
            messages_received: counts.sent,
            messages_sent: counts.received,
        }
    }
}

type CallResult<T> = wasmtime::Result<(Result<T, Error>,)>;

pub(super) fn link<T: View + Send + 'static>(
    children: &mut LinkerInstance<'_, T>,
    waiting: Waiting,
) -> wasmtime::Result<()> {
    streams(children)?;
    handles(children)?;
    child_waits::link(children, waiting)?;
    children.func_wrap("[method]child.stop", |mut store: Store<'_, T>, (child,): (Resource<Child>,)| {
        let Parts { session, table } = store.data_mut().parts();
        or_default(session.stop(table.get(&child)?.0));
        Ok(())
    })?;
    children.func_wrap("[method]child.kill", |mut store: Store<'_, T>, (child,): (Resource<Child>,)| {
        let Parts { session, table } = store.data_mut().parts();
        or_default(session.kill(table.get(&child)?.0));
        Ok(())
    })?;
    children.func_wrap("[method]child.usage", |mut store: Store<'_, T>, (child,): (Resource<Child>,)| {
        let Parts { session, table } = store.data_mut().parts();
        let usage = session.usage(table.get(&child)?.0);
        Ok((answer(usage).map(|(usage, counts)| Usage::of(usage, counts)),))
    })?;
    children.func_wrap("spawn", spawn)
}

/// What a guest has by a child: its id and its ends.
fn handles<T: View + 'static>(children: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    children.resource("child", ResourceType::host::<Child>(), |mut store, rep| {
        let Parts { session, table } = store.data_mut().parts();
        session.forget(table.delete(Resource::<Child>::new_own(rep))?.0);
        Ok(())
    })?;
    children.func_wrap("[method]child.id", |mut store: Store<'_, T>, (child,): (Resource<Child>,)| {
        let Parts { session, table } = store.data_mut().parts();
        Ok((session.attempt_of(table.get(&child)?.0).to_owned(),))
    })?;
    children.func_wrap("[method]child.connection", |mut store: Store<'_, T>, (child,): (Resource<Child>,)| {
        let Parts { session, table } = store.data_mut().parts();
        let connection = session.connection_to(table.get(&child)?.0);
        Ok((connection.map(|connection| table.push(connection)).transpose()?,))
    })?;
    children.func_wrap("[method]child.stdin", |store: Store<'_, T>, (child,): (Resource<Child>,)| {
        take_stream(store, &child, 0, |fd| Writer(Arc::new(fd)))
    })?;
    children.func_wrap("[method]child.stdout", |store: Store<'_, T>, (child,): (Resource<Child>,)| {
        take_stream(store, &child, 1, Reader)
    })?;
    children.func_wrap("[method]child.stderr", |store: Store<'_, T>, (child,): (Resource<Child>,)| {
        take_stream(store, &child, 2, Reader)
    })
}

fn take_stream<T: View + 'static, S: Send + 'static>(
    mut store: Store<'_, T>,
    child: &Resource<Child>,
    number: usize,
    stream: impl FnOnce(OwnedFd) -> S,
) -> wasmtime::Result<(Option<Resource<S>>,)> {
    let Parts { session, table } = store.data_mut().parts();
    let fd = session.take_stream(table.get(child)?.0, number);
    Ok((fd.map(|fd| table.push(stream(fd))).transpose()?,))
}

fn streams<T: View + 'static>(children: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    children.resource("writer", ResourceType::host::<Writer>(), |mut store, rep| {
        store.data_mut().parts().table.delete(Resource::<Writer>::new_own(rep))?;
        Ok(())
    })?;
    children.resource("reader", ResourceType::host::<Reader>(), |mut store, rep| {
        store.data_mut().parts().table.delete(Resource::<Reader>::new_own(rep))?;
        Ok(())
    })?;
    Ok(())
}

fn spawn<T: View + 'static>(mut store: Store<'_, T>, (job,): (Job,)) -> CallResult<Resource<Child>> {
    let mut ends = Vec::new();
    let job = match child_job(&job, &mut store, &mut ends)? {
        Ok(job) => job,
        Err(error) => return Ok((Err(error),)),
    };
    let Parts { session, table } = store.data_mut().parts();
    let child = match answer(session.spawn(job, &ends)) {
        Ok(child) => child,
        Err(error) => return Ok((Err(error),)),
    };
    match table.push(Child(child)) {
        Ok(handle) => Ok((Ok(handle),)),
        Err(_) => {
            or_default(session.kill(child));
            session.forget(child);
            Ok((Err(Error::Quota(format!("{HANDLES} handles"))),))
        }
    }
}

/// The job in our own memory, if it is not too large and makes sense. `ends`: those of pipes that the child is handed.
fn child_job<T: View + 'static>(
    job: &Job,
    store: &mut Store<'_, T>,
    ends: &mut Vec<Connection>,
) -> wasmtime::Result<Result<ChildJob, Error>> {
    let mut budget = Budget::new(JOB);
    let budget = &mut budget;
    macro_rules! good {
        ($result:expr) => {
            match $result? {
                Ok(value) => value,
                Err(error) => return Ok(Err(error)),
            }
        };
    }
    let module = good!(text::whole(&job.module, store, budget));
    let arguments = good!(text::items(&job.arguments, store, |text, store| text::whole(&text, store, budget)));
    let environment = good!(text::items(&job.environment, store, |pair, store| variable(&pair, store, budget)));
    let directories = good!(text::items(&job.directories, store, |item, store| directory(&item, store, budget)));
    let modules = good!(text::items(&job.modules, store, |text, store| text::whole(&text, store, budget)));
    let objects = good!(text::items(&job.objects, store, |grant, store| granted(&grant, store, budget, ends)));
    let data = match &job.data {
        None => None,
        Some(message) => match data(message, store, budget) {
            Ok(message) => Some(message),
            Err(error) => return Ok(Err(error)),
        },
    };
    Ok(Ok(ChildJob {
        module,
        arguments,
        environment,
        directories,
        modules,
        objects,
        max_objects: job.max_objects,
        passed: job.passed,
        limits: job.limits.into(),
        data,
        stdio: [job.stdin.into(), job.stdout.into(), job.stderr.into()],
        connected: job.connected,
        detached: job.detached,
        fresh: job.fresh,
    }))
}

fn variable<T: 'static>(
    (name, value): &(WasmStr, WasmStr),
    store: &Store<'_, T>,
    budget: &mut Budget,
) -> wasmtime::Result<Result<(String, String), Error>> {
    let name = text::whole(name, store, budget)?;
    let value = text::whole(value, store, budget)?;
    Ok(match (name, value) {
        (Ok(name), Ok(_)) if name.is_empty() || name.contains('=') => {
            Err(Error::Invalid(format!("a variable of the name {name:?}")))
        }
        (Ok(name), Ok(value)) => Ok((name, value)),
        (Err(error), _) | (_, Err(error)) => Err(error),
    })
}

fn directory<T: 'static>(
    directory: &Directory,
    store: &Store<'_, T>,
    budget: &mut Budget,
) -> wasmtime::Result<Result<ChildDirectory, Error>> {
    let path = text::whole(&directory.path, store, budget)?;
    let name = text::whole(&directory.name, store, budget)?;
    let access = if directory.write { Access::ReadWrite } else { Access::ReadOnly };
    Ok(path.and_then(|path| Ok(ChildDirectory { path, name: name?, access })))
}

fn data<T: 'static>(message: &Outgoing, store: &Store<'_, T>, budget: &mut Budget) -> Result<Message, Error> {
    let format = match message.format.into() {
        Format::Failure => return Err(Error::Invalid("a failure is a handler's answer".to_owned())),
        format @ (Format::Value | Format::Bytes) => format,
    };
    budget.spend(message.body.len())?;
    Ok(Message { format, body: message.body.as_le_slice(store).to_vec() })
}

impl From<Limits> for ChildLimits {
    fn from(limits: Limits) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            timeout_ns: limits.timeout_ns,
            cpu_ns: limits.cpu_ns,
            fuel: limits.fuel,
            max_output_bytes: limits.max_output_bytes,
            max_file_bytes: limits.max_file_bytes,
            max_files: limits.max_files,
        }
    }
}

impl From<Stdio> for ChildStdio {
    fn from(stdio: Stdio) -> Self {
        match stdio {
            Stdio::Null => Self::Null,
            Stdio::Inherit => Self::Inherit,
            Stdio::Piped => Self::Piped,
        }
    }
}
