//! Whether anybody reads what is written to a descriptor.

use sandhog_sys::ready::watch_for;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits until nobody can read any more: a pipe's last reader, a socket's other end has gone. Never where that can't be seen, as
/// with a file.
pub(super) async fn reader_gone(fd: OwnedFd) {
    // Neither room to write nor something to read is news; what the kernel tells in any case is. Registered for errors alone it
    // would be told of what there is to read as well, and that its program sends no more, again and again.
    // epoll(7) takes no files, which have no reader.
    let Ok(watched) = watch_for(fd, Interest::PRIORITY) else { return std::future::pending().await };
    let interest = Interest::PRIORITY | Interest::ERROR;
    loop {
        match watched.ready(interest).await {
            Ok(_) if is_gone(&watched) => return,
            Ok(mut ready) => ready.clear_ready(),
            Err(_) => return std::future::pending().await,
        }
    }
}

/// A socket whose other end only sends no more is none: that is what poll(2) tells apart.
fn is_gone(fd: &AsyncFd<OwnedFd>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut polled = [PollFd::new(fd.get_ref(), PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    fn with_runtime<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    async fn goes(fd: OwnedFd, leave: impl FnOnce()) {
        let mut gone = pin!(reader_gone(fd));
        assert_eq!(gone.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        leave();
        tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    }

    #[test]
    fn the_last_reader_of_a_pipe_and_the_other_end_of_a_socket_are_missed() {
        with_runtime(async {
            let (reader, writer) = std::io::pipe().unwrap();
            goes(writer.into(), || drop(reader)).await;
            let (ours, theirs) = UnixStream::pair().unwrap();
            theirs.shutdown(Shutdown::Write).unwrap();
            goes(ours.into(), || drop(theirs)).await;
        });
    }

    #[test]
    fn a_file_has_no_reader_that_could_go() {
        with_runtime(async {
            let file = tempfile::tempfile().unwrap();
            let mut gone = pin!(reader_gone(file.into()));
            assert_eq!(gone.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        });
    }
}
