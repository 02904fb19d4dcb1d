//! A function that may have to wait, in either way.

use super::super::types::{Error, Timeout};
use super::super::view::View;
use super::bell::Bell;
use super::left::{Left, Over};
use super::manner::Waiting;
use super::pace::Pace;
use std::future::ready;
use std::sync::atomic::Ordering;
use std::time::Instant;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentNamedList, Lift, LinkerInstance, Lower};

pub(in super::super) type Store<'a, T> = StoreContextMut<'a, T>;

/// What an attempt comes to: outside, what the engine finds wrong with the call; inside, what the guest is told.
pub(in super::super) type Attempted<R, E> = wasmtime::Result<Result<R, E>>;

/// What such a function takes.
pub(in super::super) trait Timed {
    /// How long it may wait.
    fn timeout(&self) -> Timeout;
}

/// Why an attempt came to nothing.
pub(in super::super) trait Why {
    /// It would have had to wait, and has changed nothing.
    fn would_block(&self) -> bool;

    fn of(error: Error) -> Self;
}

impl Why for Error {
    fn would_block(&self) -> bool {
        matches!(self, Self::WouldBlock)
    }

    fn of(error: Error) -> Self {
        error
    }
}

impl Why for Box<Error> {
    fn would_block(&self) -> bool {
        self.as_ref().would_block()
    }

    fn of(error: Error) -> Self {
        Self::new(error)
    }
}

/// Makes it known. `attempt` may wait as long as it is told, and finds what an attempt of the same call before it has left;
/// `bell` rings when the next one is worth while.
pub(in super::super) fn define<T, P, R, E, S>(
    linker: &mut LinkerInstance<'_, T>,
    waiting: Waiting,
    name: &str,
    attempt: impl Fn(&mut Store<'_, T>, &P, Timeout, &mut S) -> Attempted<R, E> + Copy + Send + Sync + 'static,
    bell: impl Fn(&mut Store<'_, T>, &P) -> wasmtime::Result<Bell> + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    T: View + Send + 'static,
    P: ComponentNamedList + Lift + Timed + Send + 'static,
    S: Left,
    R: Send + 'static,
    E: Why + Send + 'static,
    (Result<R, E>,): ComponentNamedList + Lower,
{
    match waiting {
        Waiting::Blocks => linker.func_wrap(name, move |mut store: Store<'_, T>, given: P| {
            Ok((attempt(&mut store, &given, given.timeout(), &mut S::default())?,))
        }),
        Waiting::Yields => linker.func_wrap_async(name, move |mut store: Store<'_, T>, given: P| {
            let mut left = S::default();
            match attempt(&mut store, &given, Some(0), &mut left) {
                Ok(Err(error)) if error.would_block() && given.timeout() != Some(0) => {
                    Box::new(async move { Ok((go_on(&mut store, &given, left, attempt, bell).await?,)) })
                }
                done => Box::new(ready(done.map(|done| (done,)))),
            }
        }),
    }
}

/// One such call, from its first attempt on.
pub(in super::super) async fn wait<T: View + Send + 'static, P: Timed, R, E: Why>(
    store: &mut Store<'_, T>,
    given: &P,
    attempt: impl Fn(&mut Store<'_, T>, &P, Timeout, &mut ()) -> Attempted<R, E>,
    bell: impl Fn(&mut Store<'_, T>, &P) -> wasmtime::Result<Bell>,
) -> Attempted<R, E> {
    match attempt(store, given, Some(0), &mut ()) {
        Ok(Err(error)) if error.would_block() && given.timeout() != Some(0) => {
            go_on(store, given, (), attempt, bell).await
        }
        done => done,
    }
}

/// Makes an attempt after each time that the bell rings, until one comes to something or the time is over.
async fn go_on<T: View + Send + 'static, P: Timed, R, E: Why, S: Left>(
    store: &mut Store<'_, T>,
    given: &P,
    mut left: S,
    attempt: impl Fn(&mut Store<'_, T>, &P, Timeout, &mut S) -> Attempted<R, E>,
    bell: impl Fn(&mut Store<'_, T>, &P) -> wasmtime::Result<Bell>,
) -> Attempted<R, E> {
    let bell = bell(store, given)?;
    let busy = store.data_mut().busy();
    let polled = || busy.iter().for_each(|busy| busy.store(true, Ordering::Relaxed));
    let mut pace = Pace::new(Instant::now(), given.timeout(), !bell.is_partial());
    loop {
        let (now, stops) = (Instant::now(), bell.stops());
        match pace.rest(now).filter(|_| !stops) {
            Some(rest) => {
                if pace.is_long(now) {
                    bell.tell(store.data_mut().parts().session);
                }
                bell.rings(rest, polled).await;
            }
            None => {
                let (why, error) =
                    if stops { (Over::Stopping, Error::Stopping) } else { (Over::TimedOut, Error::TimedOut) };
                if !left.over(why) {
                    return Ok(Err(E::of(error)));
                }
                pace = Pace::new(now, None, !bell.is_partial());
            }
        }
        match attempt(store, given, Some(0), &mut left) {
            Ok(Err(error)) if error.would_block() && stops => return Ok(Err(E::of(Error::Stopping))),
            Ok(Err(error)) if error.would_block() => {}
            other => return other,
        }
    }
}
