//! What a session says of objects: it asks for one, gives one back, and asks who died with a lock.
//!
//! Must not: know what an operation on an object does.

#[cfg(test)]
mod tests;

use super::connection::Connection;
use super::conversation::{Answer, Session};
use super::ended::Ended;
use super::error::Error;
use super::objects::{Attachment, Come};
use super::shared::Waits;
use sandhog_protocol::exit_code;
use sandhog_protocol::objects::{Dead, Kind, Member};
use sandhog_protocol::request::Request;
use sandhog_protocol::verdict::{Usage, Verdict};

/// What the guest asks for.
enum Wanted {
    /// By its name.
    Granted(String),
    New(Kind),
}

impl Session {
    /// The object that was granted under this name.
    ///
    /// # Errors
    /// What the coordinator says to it; [`Error::Quota`] where there is no room for it here; [`Error::Gone`]. [`Error::Invalid`]:
    /// it is a pipe.
    pub(crate) fn attach(&mut self, name: String) -> Result<Attachment, Error> {
        match self.obtain(Wanted::Granted(name))? {
            Come::Object(attachment) => Ok(attachment),
            Come::Pipe(_) => Err(Error::Invalid("it is a pipe".to_owned())),
            // Nothing of a name is both.
            Come::Ends(_) => Err(Error::Gone),
        }
    }

    /// A new object without a name.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub(crate) fn create(&mut self, kind: Kind) -> Result<Attachment, Error> {
        match self.obtain(Wanted::New(kind))? {
            Come::Object(attachment) if attachment.kind() == kind => Ok(attachment),
            // Something else than was asked for.
            Come::Object(_) | Come::Pipe(_) | Come::Ends(_) => Err(Error::Gone),
        }
    }

    /// Both ends of a new pipe without a name.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub(crate) fn create_pipe(&mut self) -> Result<[Connection; 2], Error> {
        match self.obtain(Wanted::New(Kind::Pipe))? {
            Come::Ends(ends) => Ok(ends),
            // Something else than was asked for.
            Come::Object(_) | Come::Pipe(_) => Err(Error::Gone),
        }
    }

    /// The end of the pipe that was granted under this name.
    ///
    /// # Errors
    /// As [`Self::attach`]; [`Error::Invalid`]: it is no pipe.
    pub(crate) fn open_pipe(&mut self, name: String) -> Result<Connection, Error> {
        match self.obtain(Wanted::Granted(name))? {
            Come::Pipe(connection) => Ok(connection),
            // Nothing of a name is both.
            Come::Ends(_) => Err(Error::Gone),
            Come::Object(attachment) => {
                self.let_go(&attachment)?;
                Err(Error::Invalid("it is no pipe".to_owned()))
            }
        }
    }

    /// The guest has a handle less.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub(crate) fn let_go(&mut self, attachment: &Attachment) -> Result<(), Error> {
        let object = attachment.object().id();
        if self.objects.let_go(object) { self.control.ask(Request::Detach { object }) } else { Ok(()) }
    }

    /// The instance that had handles has gone, and all of them with it.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub(super) fn let_go_of_all(&mut self) -> Result<(), Error> {
        while let Some((object, last)) = self.objects.let_go_of_one() {
            if last {
                self.control.ask(Request::Detach { object })?;
            }
        }
        Ok(())
    }

    /// How the attempt ended that held a lock before, as its coordinator knows it.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub(crate) fn died(&mut self, member: Member) -> Result<Ended, Error> {
        match self.answer_to(Request::Dead { member })? {
            Answer::Dead(Some(dead)) => {
                let Dead { attempt, verdict, code } = *dead;
                Ok(Ended { attempt, verdict, code, usage: Usage::default() })
            }
            Answer::Dead(None) => Ok(Ended {
                attempt: String::new(),
                verdict: Verdict::Unknown,
                code: exit_code::SANDHOG_FAILED.into(),
                usage: Usage::default(),
            }),
            // To something else.
            Answer::Spawned(_) | Answer::Used(_) | Answer::Attached(_) => Err(Error::Gone),
        }
    }

    /// What an operation that waits needs of the conversation.
    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    fn obtain(&mut self, wanted: Wanted) -> Result<Come, Error> {
        if !self.objects.allowed {
            // Its filter is that of a worker without objects.
            return Err(match wanted {
                Wanted::New(_) => Error::Denied("this job may make no objects (--max-objects)".to_owned()),
                Wanted::Granted(_) => Error::NotFound("an object: this job was granted none".to_owned()),
            });
        }
        let request = match wanted {
            Wanted::Granted(object) => Request::Attach { object },
            Wanted::New(kind) => Request::Create { kind },
        };
        let answer = match self.answer_to(request)? {
            Answer::Attached(answer) => answer,
            // To something else.
            Answer::Spawned(_) | Answer::Used(_) | Answer::Dead(_) => return Err(Error::Gone),
        };
        let fds = self.control.take_fds();
        let attached = answer?;
        let object = attached.object;
        let come = self.objects.take_in(&attached, fds, self.ways, &self.control);
        if come.is_err() && !self.objects.is_open(object) {
            self.control.ask(Request::Detach { object })?;
        }
        come
    }
}
