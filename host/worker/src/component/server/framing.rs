//! What hyper may read of a client that speaks HTTP/1: one head at a time, each whole and looked through before, and what belongs
//! to its body. A request that hyper makes of anything else, or of another length, is refused ([`Heads`]): two readers agree
//! about where each request begins and ends, or nothing is made of it.
//!
//! Must not: read a socket, or keep more than a head and what came together with it.

use super::chunks::{Chunks, Come};
use super::heads::{self, Head, Length};
use hyper::StatusCode;
use hyper::body::SizeHint;
use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A head that hyper is given for one that is too large for it: so its refusal takes its turn behind the answers before it.
const INSTEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A head that hyper was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    head: Head,
    /// It is [`INSTEAD`] of what came.
    pub(super) is_instead: bool,
}

/// The heads that hyper was given and that no request has been made of, in their order. Its clones are one.
#[derive(Clone, Default)]
pub(super) struct Heads(Arc<Mutex<VecDeque<Given>>>);

impl Heads {
    fn given(&self) -> MutexGuard<'_, VecDeque<Given>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of the request that hyper has made next.
    pub(super) fn next(&self) -> Option<Given> {
        self.given().pop_front()
    }
}

impl Given {
    /// # Errors
    /// The status with which it is refused. `body`: how long hyper takes its body to be.
    pub(super) fn check(self, body: &SizeHint) -> Result<(), StatusCode> {
        let agreed = match self.head.length {
            Length::Of(bytes) => body.exact() == Some(bytes),
            Length::Chunks => body.exact().is_none(),
            Length::Unknown => false,
        };
        match self.head.refused {
            Some(status) => Err(status),
            None if agreed => Ok(()),
            None => Err(StatusCode::BAD_REQUEST),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a head's end, which is not in the first so many bytes.
    Head(usize),
    Body(u64),
    Chunks(Chunks),
    /// It is not known where the body ends, and no head is given any more: hyper refuses what it is given.
    Lost,
    /// Nothing is given any more.
    Over,
}

/// See the module.
pub(super) struct Framing {
    state: State,
    /// Most bytes of a head.
    most: usize,
    /// Came already, and was not given.
    came: Vec<u8>,
    heads: Heads,
}

/// What is to be done for hyper's next read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is given this.
    Give(Vec<u8>),
    /// The client is read, to [`Framing::took`].
    Take,
    /// The client is read straight into hyper's buffer, for [`Framing::passes`].
    Pass,
    Nothing,
}

impl Framing {
    /// `came`: before all that is still to be read. A head has at most `most` bytes.
    pub(super) fn new(came: Vec<u8>, most: usize, heads: Heads) -> Self {
        Self { state: State::Head(0), most, came, heads }
    }

    /// `room`: bytes that hyper takes.
    pub(super) fn next(&mut self, room: usize) -> Next {
        match self.state {
            State::Head(from) => self.head(from),
            State::Body(_) | State::Chunks(_) | State::Lost if !self.came.is_empty() => {
                let mut given = self.cut(room);
                let kept = self.passes(&given);
                // What is of the next head stays before what came behind it.
                self.came.splice(..0, given.drain(kept..));
                Next::Give(given)
            }
            State::Body(_) | State::Chunks(_) | State::Lost => Next::Pass,
            State::Over => Next::Nothing,
        }
    }

    /// The first bytes of what came, at most so many.
    fn cut(&mut self, most: usize) -> Vec<u8> {
        let rest = self.came.split_off(self.came.len().min(most));
        mem::replace(&mut self.came, rest)
    }

    /// The client has sent this, and [`Next::Take`] was said before. Of nothing: it sends no more.
    pub(super) fn took(&mut self, bytes: &[u8]) {
        self.came.extend_from_slice(bytes);
        if bytes.is_empty() {
            // A part of a head is hyper's to throw away.
            self.state = State::Lost;
        }
    }

    /// Hyper is about to have these bytes: how many of them are of the body. The rest is to be given to [`Self::took`].
    pub(super) fn passes(&mut self, bytes: &[u8]) -> usize {
        let (state, of_it) = match self.state {
            State::Body(left) => {
                let of_it = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                (body(left - of_it as u64), of_it)
            }
            State::Chunks(place) => match place.through(bytes) {
                Come::On(place) => (State::Chunks(place), bytes.len()),
                Come::End(of_it) => (State::Head(0), of_it),
                Come::Broken => (State::Lost, bytes.len()),
            },
            state @ (State::Head(_) | State::Lost | State::Over) => (state, bytes.len()),
        };
        self.state = state;
        of_it
    }

    fn head(&mut self, from: usize) -> Next {
        match heads::end(&self.came, from) {
            Some(end) if end <= self.most => self.whole(end),
            Some(_) => self.too_large(),
            None if !heads::may_begin(&self.came) => {
                self.state = State::Lost;
                Next::Give(mem::take(&mut self.came))
            }
            None if self.came.len() >= self.most => self.too_large(),
            None => {
                self.state = State::Head(self.came.len());
                Next::Take
            }
        }
    }

    fn whole(&mut self, end: usize) -> Next {
        let head = heads::read(&self.came[..end]);
        if head.refused == Some(StatusCode::URI_TOO_LONG) {
            return self.instead(StatusCode::URI_TOO_LONG);
        }
        self.heads.given().push_back(Given { head, is_instead: false });
        self.state = match head.length {
            _ if head.refused.is_some() => State::Over,
            Length::Of(length) => body(length),
            Length::Chunks => State::Chunks(Chunks::Start),
            Length::Unknown => State::Lost,
        };
        let rest = self.came.split_off(end);
        Next::Give(mem::replace(&mut self.came, rest))
    }

    fn too_large(&mut self) -> Next {
        let first = &self.came[..self.came.len().min(self.most)];
        self.instead(match heads::is_one_line(first) {
            true => StatusCode::URI_TOO_LONG,
            false => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        })
    }

    fn instead(&mut self, status: StatusCode) -> Next {
        let head = Head { length: Length::Of(0), refused: Some(status) };
        self.heads.given().push_back(Given { head, is_instead: true });
        (self.state, self.came) = (State::Over, Vec::new());
        Next::Give(INSTEAD.to_vec())
    }
}

fn body(left: u64) -> State {
    if left == 0 { State::Head(0) } else { State::Body(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 10_000;
    const PIECE: usize = 4096;

    #[test]
    fn of_a_head_without_an_end_no_more_is_kept_than_a_head_may_have() {
        for (line, status) in [(&[b'x'; PIECE][..], 414), (&b"GET / HTTP/1.1\r\nX: y\r\n"[..], 431)] {
            let heads = Heads::default();
            let mut framing = Framing::new(Vec::new(), MOST, heads.clone());
            let given = loop {
                assert!(framing.came.len() < MOST + PIECE);
                match framing.next(100) {
                    Next::Take => framing.took(line),
                    next => break next,
                }
            };
            assert_eq!(
                (given, framing.next(100), framing.came.capacity()),
                (Next::Give(INSTEAD.to_vec()), Next::Nothing, 0)
            );
            let refused =
                heads.next().map(|given| given.check(&SizeHint::with_exact(0)).map_err(|status| status.as_u16()));
            assert_eq!((refused, heads.next()), (Some(Err(status)), None));
        }
    }

    #[test]
    fn nobody_waits_for_the_end_of_what_is_no_head() {
        let heads = Heads::default();
        let mut framing = Framing::new(b"\x16\x03\x01".to_vec(), MOST, heads.clone());
        assert_eq!((framing.next(100), framing.next(100)), (Next::Give(b"\x16\x03\x01".to_vec()), Next::Pass));
        assert_eq!((framing.passes(b"GET / HTTP/1.1\r\n\r\n"), heads.next()), (18, None));
    }

    #[test]
    fn what_comes_behind_a_body_is_kept_for_the_next_head() {
        for (head, body) in [("Content-Length: 5", "abcde"), ("Transfer-Encoding: chunked", "5\r\nabcde\r\n0\r\n\r\n")]
        {
            let heads = Heads::default();
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n");
            let both = format!("{head}{body}{head}{body}");
            let mut framing = Framing::new(both.clone().into_bytes(), MOST, heads.clone());
            for _ in 0..2 {
                assert_eq!(framing.next(100), Next::Give(head.clone().into_bytes()));
                assert_eq!(framing.next(100), Next::Give(body.to_owned().into_bytes()));
                assert!(
                    heads.next().is_some_and(|given| given.check(&SizeHint::default()).is_err() != body.contains('\r'))
                );
            }
            assert_eq!(framing.next(100), Next::Take);
            // Read straight into a buffer that has more room.
            framing.took(head.as_bytes());
            assert_eq!((framing.next(100), framing.next(100)), (Next::Give(head.clone().into_bytes()), Next::Pass));
            assert_eq!(framing.passes(format!("{body}GET").as_bytes()), body.len());
            framing.took(b"GET");
            assert_eq!((framing.next(100), framing.came.as_slice()), (Next::Take, &b"GET"[..]));
        }
    }

    #[test]
    fn a_request_that_is_none_of_the_heads_that_were_given_is_refused() {
        let heads = Heads::default();
        let mut framing = Framing::new(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n".to_vec(), MOST, heads.clone());
        assert!(heads.next().is_none() && matches!(framing.next(100), Next::Give(_)));
        let given = heads.next().unwrap();
        let lengths = [SizeHint::with_exact(5), SizeHint::with_exact(4), SizeHint::default()];
        assert_eq!(lengths.map(|length| given.check(&length).is_ok()), [true, false, false]);
    }
}
