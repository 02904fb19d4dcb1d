//! `sandhog:job/process`: what an attempt knows of itself, and what it tells whoever watches it.

use super::text;
use super::types::{Incoming, Timeout, answer, or_default};
use super::view::{MemoryUse, View};
use super::waiting::{Bell, Store, Timed, Waiting, wait};
use crate::session::{Source, Until};
use sandhog_protocol::{limits, plan, request};
use wasmtime::AsContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, WasmList, WasmStr};

#[derive(ComponentType, Lower)]
#[component(record)]
struct Identity {
    attempt: String,
    job: String,
    instance: u32,
    #[component(name = "try")]
    number: u32,
    parent: Option<String>,
    depth: u32,
}

#[expect(dead_code, reason = "comes out of a guest, by its number")]
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

type Fields = WasmList<(WasmStr, WasmStr)>;

pub(super) fn link<T: View + Send + 'static>(
    process: &mut LinkerInstance<'_, T>,
    waiting: Waiting,
) -> wasmtime::Result<()> {
    knows(process)?;
    process.func_wrap("ready", |mut store: Store<'_, T>, (): ()| {
        or_default(store.data_mut().parts().session.ready());
        Ok(())
    })?;
    process.func_wrap("heartbeat", |mut store: Store<'_, T>, (): ()| {
        or_default(store.data_mut().parts().session.heartbeat());
        Ok(())
    })?;
    process.func_wrap("progress", progress)?;
    process.func_wrap("log", log)?;
    stopping(process, waiting)?;
    process.func_wrap("retire", |mut store: Store<'_, T>, (reason,): (WasmStr,)| {
        let reason = text::beginning(&reason, &store, limits::REPORT_TEXT)?;
        or_default(store.data_mut().parts().session.retire(reason));
        Ok(())
    })
}

/// Whether it is asked to stop; waits for that.
fn stopping<T: View + Send + 'static>(process: &mut LinkerInstance<'_, T>, waiting: Waiting) -> wasmtime::Result<()> {
    match waiting {
        Waiting::Blocks => process.func_wrap("stopping", |mut store: Store<'_, T>, (timeout,): (Timeout,)| {
            Ok((or_default(store.data_mut().parts().session.stopping(Until::of(timeout))),))
        }),
        Waiting::Yields => {
            process.func_wrap_async("stopping", |store: Store<'_, T>, given: (Timeout,)| Box::new(stops(store, given)))
        }
    }
}

async fn stops<T: View + Send>(mut store: Store<'_, T>, given: (Timeout,)) -> wasmtime::Result<(bool,)> {
    let attempt = |store: &mut Store<'_, T>, _: &(Timeout,), timeout: Timeout, (): &mut ()| {
        let waited = store.data_mut().parts().session.wait(&[Source::Stopping], Until::of(timeout));
        Ok(answer(waited).map(drop))
    };
    let bell = |store: &mut Store<'_, T>, _: &(Timeout,)| {
        Ok(Bell::of_sources(store.data_mut().parts().session, &[Source::Stopping]))
    };
    let asked = wait(&mut store, &given, attempt, bell).await?;
    Ok((asked.is_ok(),))
}

/// What it knows of itself.
fn knows<T: View + 'static>(process: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    process.func_wrap("get-identity", |mut store: Store<'_, T>, (): ()| {
        Ok((Identity::from(&store.data_mut().parts().session.about().identity),))
    })?;
    process.func_wrap("arguments", |mut store: Store<'_, T>, (): ()| {
        Ok((store.data_mut().parts().session.about().arguments.clone(),))
    })?;
    process.func_wrap("environment", |mut store: Store<'_, T>, (): ()| {
        Ok((store.data_mut().parts().session.about().environment.clone(),))
    })?;
    process.func_wrap("uptime", |mut store: Store<'_, T>, (): ()| {
        let uptime = store.data_mut().parts().session.uptime();
        Ok((u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX),))
    })?;
    process.func_wrap("memory", |store: Store<'_, T>, (): ()| -> wasmtime::Result<(MemoryUse,)> {
        Ok((store.data().memory(),))
    })?;
    process.func_wrap("initial-data", |mut store: Store<'_, T>, (): ()| {
        Ok((store.data_mut().parts().session.about().data.clone().map(Incoming::from),))
    })
}

fn progress<T: View + 'static>(
    mut store: Store<'_, T>,
    (done, total, note): (u64, Option<u64>, WasmStr),
) -> wasmtime::Result<()> {
    let note = text::beginning(&note, &store, limits::PROGRESS_NOTE)?;
    or_default(store.data_mut().parts().session.progress(done, total, &note));
    Ok(())
}

/// Text first, then the fields in their order, as far as [`limits::LOG_TEXT`] reaches.
fn log<T: View + 'static>(
    mut store: Store<'_, T>,
    (level, line, fields): (Level, WasmStr, Fields),
) -> wasmtime::Result<()> {
    let line = text::beginning(&line, &store, limits::LOG_TEXT)?;
    let mut left = limits::LOG_TEXT - line.len();
    let mut kept = Vec::new();
    for index in 0..fields.len().min(limits::LOG_FIELDS) {
        let Some(field) = fields.get(store.as_context_mut(), index) else { break };
        let (name, value) = field?;
        let name = text::beginning(&name, &store, left)?;
        left -= name.len();
        let value = text::beginning(&value, &store, left)?;
        left -= value.len();
        kept.push((name, value));
        if left == 0 {
            break;
        }
    }
    or_default(store.data_mut().parts().session.log(level.into(), line, kept));
    Ok(())
}

impl From<&plan::Identity> for Identity {
    fn from(identity: &plan::Identity) -> Self {
        Self {
            attempt: identity.attempt.clone(),
            job: identity.job.clone(),
            instance: identity.instance,
            number: identity.number,
            parent: identity.parent.clone(),
            depth: identity.depth,
        }
    }
}

impl From<Level> for request::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

impl Timed for (Timeout,) {
    fn timeout(&self) -> Timeout {
        self.0
    }
}
