//! What tells a wait that its next attempt is worth while.
//!
//! Must not: make an attempt.

use crate::session::{Attachment, News, Session, Source};
use rustix::event::PollFlags;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// See the module.
#[derive(Default)]
pub(in super::super) struct Bell {
    object: Option<Attachment>,
    files: Vec<AsyncFd<OwnedFd>>,
    news: Option<News>,
    /// Not all that happens rings it.
    is_partial: bool,
}

impl Bell {
    /// Rung by whoever changes the object in this process; what others do to it rings nothing.
    pub(in super::super) fn of_object(object: Attachment) -> Self {
        Self { object: Some(object), is_partial: true, ..Self::default() }
    }

    /// Rung by what may make one of these due. To be called in a runtime that waits for descriptors. One for which the attempt
    /// has no file left, or the event loop no place, rings nothing.
    pub(in super::super) fn of_sources(session: &Session, sources: &[Source<'_>]) -> Self {
        let mut bell = Self::default();
        for source in sources {
            if source.is_told() {
                bell.news = Some(session.news());
                continue;
            }
            let file = source.descriptor().and_then(|(file, flags)| watched(file, flags));
            bell.is_partial |= file.is_none();
            bell.files.extend(file);
        }
        bell
    }

    /// Not all that happens rings it.
    pub(in super::super) fn in_part(self) -> Self {
        Self { is_partial: true, ..self }
    }

    /// See [`Self::is_partial`].
    pub(super) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// The attempt is asked to stop, and no wait for an object goes on then.
    pub(super) fn stops(&self) -> bool {
        self.object.as_ref().is_some_and(|attachment| attachment.object().segment().is_stopping())
    }

    /// Tells people that it is waited for.
    pub(super) fn tell(&self, session: &Session) {
        if let Some(attachment) = &self.object {
            session.waits().tell(attachment.object().id());
        }
    }

    /// Until it rings, or so long. `polled` is called each time that somebody looks.
    pub(super) async fn rings(&self, rest: Duration, polled: impl Fn()) {
        let mut over = pin!(sleep(rest));
        let mut changed = pin!(self.object.as_ref().map(|attachment| attachment.object().awaited().change()));
        let mut news = pin!(self.news.as_ref().map(News::change));
        poll_fn(|context| {
            polled();
            let rung = changed.as_mut().as_pin_mut().is_some_and(|changed| changed.poll(context).is_ready())
                | news.as_mut().as_pin_mut().is_some_and(|news| news.poll(context).is_ready())
                | self.files.iter().fold(false, |rung, file| rung | is_ready(file, context));
            if rung { Poll::Ready(()) } else { over.as_mut().poll(context) }
        })
        .await;
    }
}

fn watched(file: OwnedFd, flags: PollFlags) -> Option<AsyncFd<OwnedFd>> {
    let interest = match (flags.contains(PollFlags::IN), flags.contains(PollFlags::OUT)) {
        (true, true) => Interest::READABLE | Interest::WRITABLE,
        (false, true) => Interest::WRITABLE,
        (true | false, false) => Interest::READABLE,
    };
    #[expect(
        deprecated,
        reason = "what could be wrong with it can't be with a descriptor that is owned and never replaced"
    )]
    AsyncFd::with_interest(file, interest).ok()
}

/// Whether the kernel has said something of it since this was asked before.
fn is_ready(file: &AsyncFd<OwnedFd>, context: &mut Context<'_>) -> bool {
    [file.poll_read_ready(context), file.poll_write_ready(context)].into_iter().fold(false, |ready, poll| {
        ready
            | match poll {
                Poll::Ready(Ok(mut guard)) => {
                    guard.clear_ready();
                    true
                }
                Poll::Ready(Err(_)) => true,
                Poll::Pending => false,
            }
    })
}
