//! Room for connections that no worker has: whoever accepts one takes a place, and gives it back when a worker has the connection
//! or it is over.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) struct Room {
    places: Arc<Semaphore>,
    /// How many there are, taken or not.
    count: Mutex<usize>,
}

impl Room {
    /// At least one place: whoever comes is either given to a worker or refused at once then.
    pub(super) fn new(waiting_max: usize) -> Self {
        let count = within(waiting_max);
        Self { places: Arc::new(Semaphore::new(count)), count: Mutex::new(count) }
    }

    /// Another number. Those that are taken are given back first.
    pub(super) fn set(&self, waiting_max: usize) {
        let wanted = within(waiting_max);
        // Nothing panics while it holds the lock.
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted > *count {
            self.places.add_permits(wanted - *count);
            *count = wanted;
        } else {
            *count -= self.places.forget_permits(*count - wanted);
        }
    }

    /// A place, if one is free.
    pub(super) fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Waits for one. None: never, for it is not closed.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

fn within(waiting_max: usize) -> usize {
    waiting_max.clamp(1, Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_as_many_as_was_said_last_once_those_beyond_are_given_back() {
        let room = Room::new(2);
        let mut taken = vec![room.try_take().unwrap(), room.try_take().unwrap()];
        assert!(room.try_take().is_none());
        room.set(3);
        taken.push(room.try_take().unwrap());
        assert!(room.try_take().is_none());
        taken.pop();
        room.set(0);
        assert!(room.try_take().is_none(), "two are taken, and one was free");
        room.set(4);
        let more = [room.try_take(), room.try_take(), room.try_take()].into_iter().flatten().count();
        assert_eq!(more, 2);
    }
}
