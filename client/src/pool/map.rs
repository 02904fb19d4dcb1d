use super::blocking::RunningPool;
use super::task::Task;
use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;

/// Most tasks ahead of the one whose answer is next: enough for every worker, and no more memory than their answers take.
const AHEAD: usize = 1024;

/// The answers to many tasks, in the tasks' order: see [`RunningPool::map`].
#[derive(Debug)]
pub struct Map<I: Iterator, R> {
    pool: RunningPool,
    tasks: std::iter::Fuse<I>,
    /// For which there was no room.
    held: Option<I::Item>,
    /// Submitted, the next one first.
    under_way: VecDeque<Result<Task<R>, Error>>,
}

impl<I: Iterator, R> Map<I, R> {
    pub(super) fn new(pool: RunningPool, tasks: I) -> Self {
        Self { pool, tasks: tasks.fuse(), held: None, under_way: VecDeque::new() }
    }
}

impl<I, T, R> Map<I, R>
where
    I: Iterator<Item = T>,
    T: Serialize,
    R: DeserializeOwned,
{
    /// Submits as many as there is room for: others may use the pool as well. One at least.
    fn fill(&mut self) {
        while self.under_way.len() < AHEAD
            && let Some(task) = self.held.take().or_else(|| self.tasks.next())
        {
            let submitted =
                if self.under_way.is_empty() { self.pool.submit(&task) } else { self.pool.try_submit(&task) };
            if matches!(submitted, Err(Error::WouldBlock)) {
                self.held = Some(task);
                return;
            }
            self.under_way.push_back(submitted);
        }
    }
}

impl<I, T, R> Iterator for Map<I, R>
where
    I: Iterator<Item = T>,
    T: Serialize,
    R: DeserializeOwned,
{
    type Item = Result<Result<R, String>, Error>;

    /// The next task's answer: the value, or the handler's own error. An error of this task alone does not end the others.
    fn next(&mut self) -> Option<Self::Item> {
        self.fill();
        Some(self.under_way.pop_front()?.and_then(Task::wait))
    }
}
