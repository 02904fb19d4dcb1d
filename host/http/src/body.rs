//! Bodies of requests: taken in within a bound of their own, one of all together, and one of time.

use crate::limits::Patience;
use crate::refused::Refused;
use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The room for all bodies that are being read or understood, and how long each may take to come.
#[derive(Clone, Debug)]
pub struct Room {
    /// Bytes that may still be taken in.
    capacity: Arc<Semaphore>,
    time: Duration,
}

/// A body that was taken in. Its room is given back when it is dropped.
#[derive(Debug, Default)]
pub struct Taken {
    pub bytes: Vec<u8>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// For so many bytes.
    #[must_use]
    pub fn new(bytes: usize, patience: Patience) -> Self {
        Self { capacity: Arc::new(Semaphore::new(bytes)), time: patience.body }
    }

    /// The whole body, of at most `max` bytes.
    ///
    /// # Errors
    /// It is longer (413), too slow (408) or broken off (400), or there is no room (503).
    pub async fn take(&self, body: Body, max: usize) -> Result<Taken, Refused> {
        if body.size_hint().lower() > max as u64 {
            return Err(too_long(max));
        }
        let whole = tokio::time::timeout(self.time, self.collect(body, max)).await;
        whole.unwrap_or_else(|_| {
            Err(Refused::new(StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {:?}", self.time)))
        })
    }

    async fn collect(&self, mut body: Body, max: usize) -> Result<Taken, Refused> {
        let mut taken = Taken::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refused::invalid("the body is broken off, or not what its headers say"))?;
            let Ok(piece) = frame.into_data() else { continue };
            if taken.bytes.len() + piece.len() > max {
                return Err(too_long(max));
            }
            self.occupy(&mut taken.permit, piece.len())?;
            taken.bytes.extend_from_slice(&piece);
        }
        Ok(taken)
    }

    pub(crate) fn occupy(&self, permit: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Refused> {
        let capacity = || Arc::clone(&self.capacity);
        let more = u32::try_from(bytes).ok().and_then(|bytes| capacity().try_acquire_many_owned(bytes).ok());
        let more = more.ok_or_else(|| {
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too many large requests at once").with_hint("try again")
        })?;
        match permit {
            Some(permit) => permit.merge(more),
            None => *permit = Some(more),
        }
        Ok(())
    }
}

fn too_long(max: usize) -> Refused {
    let refused = Refused::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {max} bytes"));
    if max == 0 { refused.with_hint("leave it out: this takes none") } else { refused }
}
