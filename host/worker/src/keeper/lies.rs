//! A keeper that was taken over, for tests of its coordinator: it lies once it has said that memory of a certain size is there, and
//! the one behind it is honest again. Not built into what is installed.

use rustix::event::poll;
use sandhog_ipc::{send_encoded, send_frame, send_some};
use sandhog_protocol::frame;
use sandhog_protocol::objects::{FromKeeper, Kind, LISTED, Member, ObjectId, ObjectState, ToKeeper};
use sandhog_protocol::request::Request;
use sandhog_protocol::worker::{End, FromWorker, Report};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes of memory that mean the first lie below; the next one is a page more, and so on.
const FIRST: u64 = 66 << 12;
const PAGE: u64 = 1 << 12;

/// What it says from then on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// It reads all and says nothing.
    Silent,
    /// It reads nothing and says nothing.
    Deaf,
    /// It reads nothing, and says that whatever will be asked for next is there.
    Ahead,
    /// Each answer twice.
    Twice,
    /// The answers before the last one, when the next one is due.
    Late,
    /// Of an object that there never was.
    Stranger,
    /// That a member has been recovered who lives.
    Living,
    /// What is to be seen of an object, without being asked.
    Unasked,
    /// More holders than a state has.
    Long,
    /// That no memory can be had, by a number that means nothing.
    Failing,
    /// A length over the limit.
    Oversize,
    /// The beginning of a message.
    Torn,
    /// What is no message.
    Rubbish,
    /// What only guests' workers say.
    Guest,
    /// A descriptor.
    Descriptor,
    /// One answer without end.
    Flood,
}

const LIES: [Lie; 16] = [
    Lie::Silent,
    Lie::Deaf,
    Lie::Ahead,
    Lie::Twice,
    Lie::Late,
    Lie::Stranger,
    Lie::Living,
    Lie::Unasked,
    Lie::Long,
    Lie::Failing,
    Lie::Oversize,
    Lie::Torn,
    Lie::Rubbish,
    Lie::Guest,
    Lie::Descriptor,
    Lie::Flood,
];

/// What a keeper that was taken over makes of its answers.
#[derive(Default)]
pub(super) struct Liar {
    lie: Option<Lie>,
    /// From its next answer on.
    next: Option<Lie>,
    /// Of [`Lie::Late`].
    kept: Vec<FromKeeper>,
}

impl Liar {
    /// Hears what the keeper hears.
    pub(super) fn hear(&mut self, said: &ToKeeper) {
        if let ToKeeper::Object { kind: Kind::Memory { bytes }, fresh: true, .. } = said
            && let Some(at) = bytes.checked_sub(FIRST)
            && at % PAGE == 0
        {
            self.next = usize::try_from(at / PAGE).ok().and_then(|at| LIES.get(at)).copied();
        }
    }

    /// What it says instead of these answers, some of it at once. None as for the keeper.
    pub(super) fn answers(&mut self, channel: BorrowedFd<'_>, answers: Vec<FromKeeper>) -> Option<Vec<FromKeeper>> {
        if answers.is_empty() {
            return Some(answers);
        }
        let Some(lie) = self.lie else {
            self.lie = self.next.take();
            return Some(answers);
        };
        let says = |answer: FromKeeper| send_frame(channel, &FromWorker::Kept(answer)).ok();
        let made = |object, errno| FromKeeper::Made { object: ObjectId(object), errno };
        match lie {
            Lie::Silent => Some(Vec::new()),
            Lie::Late => Some(mem::replace(&mut self.kept, answers)),
            Lie::Twice => Some([answers.clone(), answers].concat()),
            Lie::Failing => Some(answers.into_iter().map(failing).collect()),
            Lie::Long => Some(answers.into_iter().map(long).collect()),
            Lie::Deaf => live_on(),
            Lie::Ahead => {
                let FromKeeper::Made { object, .. } = answers.last()? else { return None };
                answers.iter().cloned().try_for_each(says)?;
                ahead(object.0, |object| says(made(object, 0)))
            }
            Lie::Stranger => says(made(1 << 40, 0)).map(|()| answers),
            Lie::Living => {
                let member = Member { seat: 0, generation: 1 };
                says(FromKeeper::Recovered { member, held: vec![ObjectId(1); 1000] }).map(|()| answers)
            }
            Lie::Unasked => {
                says(FromKeeper::State { object: ObjectId(1), state: ObjectState::default() }).map(|()| answers)
            }
            Lie::Oversize => send_encoded(channel, &u32::MAX.to_le_bytes()).ok().and_then(|()| live_on()),
            Lie::Torn => {
                let whole = frame::encode(&FromWorker::Kept(made(1, 0))).ok()?;
                send_encoded(channel, &whole[..whole.len() - 1]).ok().and_then(|()| live_on())
            }
            Lie::Rubbish => {
                let whole = [&5_u32.to_le_bytes()[..], &[0xc1; 5]].concat();
                send_encoded(channel, &whole).ok().and_then(|()| live_on())
            }
            Lie::Guest => {
                send_frame(channel, &FromWorker::Asks(Request::Create { kind: Kind::Lock })).ok()?;
                send_frame(channel, &FromWorker::Ended(Report::of(End::Exited { code: 0 }))).ok()?;
                live_on()
            }
            Lie::Descriptor => {
                let whole = frame::encode(&FromWorker::Kept(answers.last()?.clone())).ok()?;
                send_some(channel, &whole, &[channel.as_fd()]).ok()?;
                live_on()
            }
            Lie::Flood => loop {
                says(answers.last()?.clone())?;
            },
        }
    }
}

fn failing(answer: FromKeeper) -> FromKeeper {
    match answer {
        FromKeeper::Made { object, .. } => FromKeeper::Made { object, errno: i32::MIN },
        other @ (FromKeeper::Recovered { .. } | FromKeeper::State { .. }) => other,
    }
}

fn long(answer: FromKeeper) -> FromKeeper {
    match answer {
        FromKeeper::State { object, state } => {
            let holders = vec![Member { seat: 9999, generation: 9 }; LISTED + 1];
            FromKeeper::State { object, state: ObjectState { holders, ..state } }
        }
        other @ (FromKeeper::Made { .. } | FromKeeper::Recovered { .. }) => other,
    }
}

/// Objects have numbers in a row. Now and then, so that most of it is asked for by the time at which it is answered.
fn ahead(last: u64, says: impl Fn(u64) -> Option<()>) -> Option<Vec<FromKeeper>> {
    let pause = rustix::event::Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
    for object in last + 1.. {
        poll(&mut [], Some(&pause)).ok()?;
        says(object)?;
    }
    None
}

fn live_on() -> Option<Vec<FromKeeper>> {
    while poll(&mut [], None).is_ok() {}
    None
}
