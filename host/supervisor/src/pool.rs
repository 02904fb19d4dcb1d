//! A pool of warm workers: who is started, who gets which task, who is ended. A pure function of events.
//!
//! ```text
//!          StartWorker           WorkerReady          Assign
//!   free ─────────────▶ starting ───────────▶ idle ◀───────────▶ busy
//!    ▲                     │                   │     TaskDone      │ cancelled, overdue, closed: Kill
//!    │                     │ refused           │ Retire            │ worn out: Retire
//!    │                     ▼                   ▼                   ▼
//!    └──────────────────────────────────── WorkerEnded ────────────┘
//! ```
//!
//! [`State`] is the pool: `step(now, event)` says what is to be done, `next_wake` when time itself is an event
//! ([`Event::Tick`]). The first `Tick` makes the pool start what it keeps ready.
//!
//! - A **slot** is the place of one process. It is free again when its process has been reaped, so that there are never more
//!   than `max`, those on their way out among them.
//! - A task waits in the line of its client, and clients take turns. It goes to the worker that has been idle for longest. Only
//!   when `busy_max` workers are busy is it put behind another one, where `in_flight` allows that.
//! - The pool starts what it lacks: `min` workers that are ready, and one for each task that waits and could run.
//! - Workers end when they are worn out (tasks, age, bytes), when there have been more idle ones than `min` for as long as
//!   `idle`, or when one of their tasks is to end.
//!
//! Where the design is silent:
//!
//! - The first task of a worker has begun. Those behind it have not, for a handler answers in order. When a worker ends without
//!   an answer, its first task ends with it, and the others come before all that wait: they have had their turn.
//! - One that is taken back while it is behind another one is finished at once, and nobody else suffers: its worker is killed
//!   when its turn comes. Until then the worker gets no further task.
//! - How a task ends is settled when that is decided: an answer that comes after its time limit, or after it was taken back,
//!   does not count.
//! - Starts that fail at once count once, for they may have one cause, such as the death of their zygote. After a failure
//!   one start at a time tries whether it goes better, from a new zygote. A successor of a zygote that still serves counts not
//!   at all unless its refusal is final.
//! - After a worker that ends before it had a task, soon after it was ready, comes the first pause: without one such workers
//!   would make the pool spin. It is no failure.
//! - `zygote_attempts` and `zygote_age` say when a successor is started. The old zygote serves until that is ready.
//! - Where each worker has a zygote of its own ([`Spawn::Exec`]), as many are started at once as workers are missing, within a
//!   bound, and one more is there already for the next worker. It ends when its worker is ready. One that fails counts only if
//!   a worker was missing.
//!
//! Each slot that was told to start answers with `WorkerReady` and later `WorkerEnded`, or with one of `WorkerRefused` and
//! `WorkerEnded`. Each zygote that was told to start ends with one `ZygoteEnded`. An event that concerns a slot, a zygote or a
//! task that is not there, or not in a state for it, changes nothing; time passes.

mod cancel;
mod close;
mod config;
mod failures;
mod growth;
mod message;
mod queue;
mod serve;
#[cfg(test)]
mod simulation;
mod slots;
mod starts;
mod state;
mod tasks;
#[cfg(test)]
mod tests;
mod zygotes;

pub use config::{Config, Pauses, Spawn};
pub use message::{Action, ClientId, Event, How, SlotId, TaskId, ZygoteId};
pub use state::{Counts, State};
