//! The work of a keeper: it hears what the coordinator says of the objects of its group, and answers, until the channel closes.
//!
//! Must not: know an object, wait for anything but the channel, trust what lies in the objects' memory.

#[cfg(feature = "hostile")]
mod lies;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use sandhog_ipc::{FrameBuffer, send_frame};
use sandhog_objects::keeper::Keeper;
use sandhog_protocol::objects::{FromKeeper, ToKeeper};
use sandhog_protocol::worker::{FromWorker, ToWorker};
use std::mem;
use std::os::fd::{BorrowedFd, OwnedFd};

/// After this it looks again where a member was at work in an object from which a dead one is to be recovered. A member that lives
/// is there for microseconds.
const SOON: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// `buffer` and `fds` are what has come already. None where the coordinator does not keep to the protocol, or descriptors found
/// no room here: there is nobody to tell, and the next keeper begins anew.
pub(crate) fn keep(channel: BorrowedFd<'_>, mut buffer: FrameBuffer, mut fds: Vec<OwnedFd>) -> Option<()> {
    let mut keeper = Keeper::default();
    #[cfg(feature = "hostile")]
    let mut liar = lies::Liar::default();
    loop {
        let answers = match buffer.take_frame().ok()? {
            Some(ToWorker::Keeper(heard)) => {
                #[cfg(feature = "hostile")]
                liar.hear(&heard);
                let these = taken(&mut fds, files(&heard))?;
                keeper.hear(heard, these)
            }
            Some(ToWorker::Hello { .. } | ToWorker::Go(_) | ToWorker::Tells(_)) => return None,
            // All that came with what was heard has been taken.
            None if buffer.is_empty() && !fds.is_empty() => return None,
            None if keeper.is_behind() && !comes_soon(channel)? => keeper.settle(),
            None => match buffer.fill_with_fds(channel, RecvFlags::empty(), &mut fds).ok()? {
                0 => return buffer.is_empty().then_some(()),
                _ => Vec::new(),
            },
        };
        #[cfg(feature = "hostile")]
        let answers = liar.answers(channel, answers)?;
        say(channel, answers)?;
    }
}

/// The first so many; those behind them belong to what follows, which may have come as well. None: there are not as many.
fn taken(fds: &mut Vec<OwnedFd>, count: usize) -> Option<Vec<OwnedFd>> {
    if fds.len() < count {
        return None;
    }
    let rest = fds.split_off(count);
    Some(mem::replace(fds, rest))
}

fn say(channel: BorrowedFd<'_>, answers: Vec<FromKeeper>) -> Option<()> {
    answers.into_iter().try_for_each(|answer| send_frame(channel, &FromWorker::Kept(answer)).ok())
}

/// Whether the coordinator says something before it is time to look again.
fn comes_soon(channel: BorrowedFd<'_>) -> Option<bool> {
    match poll(&mut [PollFd::from_borrowed_fd(channel, PollFlags::IN)], Some(&SOON)) {
        Ok(count) => Some(count > 0),
        Err(Errno::INTR) => Some(false),
        Err(_) => None,
    }
}

/// How many descriptors come with it.
const fn files(heard: &ToKeeper) -> usize {
    match heard {
        ToKeeper::Object { .. } | ToKeeper::Member(_) => 1,
        ToKeeper::Adopted | ToKeeper::Died(_) | ToKeeper::Stop(_) | ToKeeper::Forget(_) | ToKeeper::Look(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::SocketType;
    use sandhog_ipc::{pair, recv_frame, send_some};
    use sandhog_objects::{Page, Segment};
    use sandhog_objects_model::{Lock, Until};
    use sandhog_protocol::frame;
    use sandhog_protocol::objects::{FromKeeper, Kind, Member, ObjectId};
    use sandhog_sandbox::seccomp::{self, Filter};
    use sandhog_sys::child::{self, Ended};
    use sandhog_sys::shared;
    use std::os::fd::AsFd;
    use std::sync::Arc;

    /// Whether it ends well, and what it answers, under the filter of keepers.
    fn told(messages: Vec<(ToWorker, Vec<OwnedFd>)>) -> (bool, Vec<FromKeeper>) {
        let (here, there) = pair(SocketType::STREAM).unwrap();
        for (message, fds) in &messages {
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            send_some(&here, &frame::encode(message).unwrap(), &fds).unwrap();
        }
        rustix::net::shutdown(&here, rustix::net::Shutdown::Write).unwrap();
        let ended = child::run(|| {
            rustix::thread::set_no_new_privs(true).unwrap();
            seccomp::apply(Filter::Keeper).unwrap();
            i32::from(keep(there.as_fd(), FrameBuffer::default(), Vec::new()).is_none())
        });
        drop(there);
        let (mut buffer, mut answers) = (FrameBuffer::default(), Vec::new());
        while let Ok(Ok(FromWorker::Kept(answer))) = recv_frame(&here, &mut buffer) {
            answers.push(answer);
        }
        let Ended::Exited(code) = ended else { panic!("{ended:?}") };
        (code == 0, answers)
    }

    const LOCK: ObjectId = ObjectId(3);
    const MEMBER: Member = Member { seat: 1, generation: 1 };

    fn object() -> (ToWorker, Vec<OwnedFd>) {
        let bytes = sandhog_objects_model::Object::bytes(Kind::Lock).unwrap();
        let memory = shared::create(c"lock", bytes).unwrap();
        (ToWorker::Keeper(ToKeeper::Object { object: LOCK, kind: Kind::Lock, fresh: true }), vec![memory])
    }

    fn member() -> (ToWorker, Vec<OwnedFd>) {
        (ToWorker::Keeper(ToKeeper::Member(MEMBER)), vec![shared::create(c"page", 4096).unwrap()])
    }

    fn died() -> (ToWorker, Vec<OwnedFd>) {
        (ToWorker::Keeper(ToKeeper::Died(MEMBER)), Vec::new())
    }

    #[test]
    fn what_it_is_told_is_answered_until_the_channel_closes() {
        let made = FromKeeper::Made { object: LOCK, errno: 0 };
        let recovered = FromKeeper::Recovered { member: MEMBER, held: Vec::new() };
        assert_eq!(told(vec![object(), member(), died()]), (true, vec![made, recovered]));
        assert_eq!(told(Vec::new()), (true, Vec::new()));
    }

    #[test]
    fn what_a_member_that_died_held_is_free_and_a_look_tells_it() {
        let (object, files) = object();
        let (kind, page) = (Kind::Lock, Arc::new(Page::map(member().1.remove(0), MEMBER).unwrap()));
        let taken = Segment::map(files[0].try_clone().unwrap(), LOCK, kind, true, page).unwrap();
        let lock = Lock::at(0);
        lock.acquire(&taken, MEMBER, Until::Now).unwrap();
        let ToWorker::Keeper(ToKeeper::Object { .. }) = object else { panic!("{object:?}") };
        // As of a keeper before.
        let adopted = ToWorker::Keeper(ToKeeper::Object { object: LOCK, kind, fresh: false });
        let look = || (ToWorker::Keeper(ToKeeper::Look(LOCK)), Vec::new());
        let forget = (ToWorker::Keeper(ToKeeper::Forget(LOCK)), Vec::new());
        let (well, answers) = told(vec![(adopted, files), member(), look(), died(), look(), forget]);
        assert!(well);
        let [_, FromKeeper::State { state: before, .. }, recovered, FromKeeper::State { state: after, .. }] =
            &answers[..]
        else {
            panic!("{answers:?}")
        };
        assert_eq!((&before.holders[..], &after.holders[..]), (&[MEMBER][..], &[][..]));
        assert_eq!(*recovered, FromKeeper::Recovered { member: MEMBER, held: vec![LOCK] });
        assert_eq!(lock.acquire(&taken, MEMBER, Until::Now).unwrap().died, Some(MEMBER));
    }

    #[test]
    fn a_descriptor_too_few_or_too_many_is_the_end() {
        let without = |(message, _): (ToWorker, Vec<OwnedFd>)| (message, Vec::new());
        assert_eq!(told(vec![without(object())]), (false, Vec::new()));
        let more = (died().0, member().1);
        assert!(!told(vec![more]).0);
    }

    #[test]
    fn what_is_not_for_a_keeper_is_the_end() {
        assert_eq!(told(vec![(ToWorker::Hello { version: 1 }, Vec::new())]), (false, Vec::new()));
    }
}
