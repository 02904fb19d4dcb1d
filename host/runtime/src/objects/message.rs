//! The messages to the task that owns a group's objects. This file is below the senders and the receiver.

use super::asked::{Given, Handed, Quota, Wanted, Who};
use super::row::Row;
use sandhog_protocol::objects::{Dead, Kind, Member, ObjectId, Right};
use sandhog_protocol::request::{ChildObject, Refused};
use sandhog_protocol::verdict::Verdict;
use sandhog_supervisor::outcome::Cause;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where an answer goes; whoever asked may have gone.
pub(super) type Answer<T> = oneshot::Sender<T>;

/// Each attempt has one of those with an answer on its way at a time.
pub(super) enum Message {
    Enter {
        who: Arc<Who>,
        wanted: Wanted,
        answer: Answer<Result<Given, Refused>>,
    },
    /// The answer: what no honest worker says.
    Leave {
        attempt: String,
        object: ObjectId,
        answer: Answer<Result<(), String>>,
    },
    /// As [`Message::Leave`].
    Waits {
        object: ObjectId,
        answer: Answer<Result<(), String>>,
    },
    Hand {
        parent: String,
        child: String,
        objects: Vec<ChildObject>,
        quota: Quota,
        answer: Answer<Result<Vec<Handed>, Refused>>,
    },
    /// What was handed to it is not the child's: it was not started.
    NotStarted {
        parent: String,
        child: String,
    },
    /// An end of a pipe is closed. As [`Message::Leave`].
    HangUp {
        attempt: String,
        object: ObjectId,
        end: Right,
        answer: Answer<Result<(), String>>,
    },
    Dead {
        member: Member,
        answer: Answer<Option<Dead>>,
    },
    /// The attempt was asked to stop: its waits are to end.
    Stop {
        attempt: String,
    },
    Ended {
        attempt: String,
        verdict: Verdict,
        code: u32,
    },
    /// Objects of these names and kinds stay without a user.
    Keep(BTreeMap<String, Kind>),
    /// Memory of all objects together, in bytes.
    Memory(u64),
    Look(Answer<Vec<Row>>),
    /// Nobody uses anything any more; the answer comes when the keeper has ended.
    Close(Answer<()>),
}

/// What becomes of a keeper.
pub(super) enum News {
    /// It hears from now on.
    Began,
    /// It has ended, or never began; and why, as far as that is known.
    Ended(Option<Cause>),
}
