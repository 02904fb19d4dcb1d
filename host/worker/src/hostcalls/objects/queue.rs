//! `queue`: messages from many to many.

use super::super::types::{Incoming, Timeout};
use super::define::Define;
use super::handle::{Of, operate, until};
use super::open::resource;
use super::taken::Taken;
use crate::session;
use sandhog_objects_model::{Got, Item, Problem, Queue};
use sandhog_protocol::limits;
use sandhog_protocol::message::{self, Format, Message, Packet};
use sandhog_protocol::objects::Right;

const PUT: &[Right] = &[Right::Put];
const GET: &[Right] = &[Right::Get];
const EITHER: &[Right] = &[Right::Put, Right::Get];

/// Most items of one batch: what the header of a batch can say.
const ITEMS: u32 = u16::MAX as u32;

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Queue>(objects)?;
    objects.put::<Queue>(|to, format, body, timeout| {
        if body.len() > limits::MESSAGE {
            return Err(session::Error::TooLarge { max: limits::MESSAGE as u64 }.into());
        }
        let format = number(format)?;
        to.call(|queue, memory, me| queue.put(memory, me, format, &[body], until(timeout)))
    })?;
    objects.put_batch::<Queue>(|to, batch, timeout| {
        let bodies = bodies(batch)?;
        let items: Vec<_> = bodies.iter().map(|(format, body)| Item { format: *format, parts: body }).collect();
        to.call(|queue, memory, me| queue.put_batch(memory, me, &items, until(timeout)))
    })?;
    gets(objects)?;
    objects.function::<(Of<Queue>,), ()>("[method]queue.task-done", |parts, (queue,)| {
        operate(parts, &queue, GET, |queue, memory, me| queue.task_done(memory, me))
    })?;
    objects.waits::<Queue, (Of<Queue>, Timeout), (), ()>("[method]queue.join", |parts, (queue, _), timeout, ()| {
        operate(parts, queue, EITHER, |queue, memory, me| queue.join(memory, me, until(timeout)))
    })?;
    objects.function::<(Of<Queue>,), u32>("[method]queue.size", |parts, (queue,)| {
        operate(parts, &queue, EITHER, |queue, memory, _| Ok(queue.size(memory)))
    })?;
    objects.function::<(Of<Queue>,), u64>("[method]queue.bytes", |parts, (queue,)| {
        operate(parts, &queue, EITHER, |queue, memory, _| Ok(queue.bytes(memory)))
    })?;
    objects.function::<(Of<Queue>,), ()>("[method]queue.close", |parts, (queue,)| {
        operate(parts, &queue, PUT, |queue, memory, me| queue.close(memory, me))
    })
}

fn gets(objects: &mut impl Define) -> wasmtime::Result<()> {
    objects.waits::<Queue, (Of<Queue>, Timeout), Incoming, ()>(
        "[method]queue.get",
        |parts, (queue, _), timeout, ()| {
            operate(parts, queue, GET, |queue, memory, me| received(queue.get(memory, me, until(timeout))?))
        },
    )?;
    objects.waits::<Queue, (Of<Queue>, u32, Timeout), Vec<u8>, ()>(
        "[method]queue.get-batch",
        |parts, (queue, most, _), timeout, ()| {
            operate(parts, queue, GET, |queue, memory, me| {
                if *most == 0 {
                    return Err(Problem::Invalid);
                }
                let most = (*most).min(ITEMS);
                batch(&queue.get_batch(memory, me, most, limits::INLINE_PAYLOAD, until(timeout))?)
            })
        },
    )?;
    objects.waits::<Queue, (Of<Queue>, Timeout), Taken, ()>(
        "[method]queue.take",
        |parts, (queue, _), timeout, ()| {
            operate(parts, queue, GET, |queue, memory, me| {
                let taken = queue.take(memory, me, until(timeout))?;
                Ok(Taken { token: taken.token, message: received(taken.item)? })
            })
        },
    )?;
    objects.function::<(Of<Queue>, u64), ()>("[method]queue.acknowledge", |parts, (queue, token)| {
        operate(parts, &queue, GET, |queue, memory, me| queue.acknowledge(memory, me, token))
    })?;
    objects.function::<(Of<Queue>, u64), ()>("[method]queue.give-back", |parts, (queue, token)| {
        operate(parts, &queue, GET, |queue, memory, me| queue.give_back(memory, me, token))
    })
}

/// Formats as items have them.
const VALUE: u8 = 0;
const BYTES: u8 = 1;

fn number(format: Format) -> Result<u8, session::Error> {
    match format {
        Format::Value => Ok(VALUE),
        Format::Bytes => Ok(BYTES),
        Format::Failure => Err(session::Error::Invalid("a failure is a handler's answer".to_owned())),
    }
}

/// # Errors
/// [`Problem::Damaged`]: nobody who keeps to the rules has put it.
fn received(Got { format, body }: Got) -> Result<Incoming, Problem> {
    let format = match format {
        VALUE => Format::Value,
        BYTES => Format::Bytes,
        _ => return Err(Problem::Damaged),
    };
    Ok(Message { format, body }.into())
}

/// An item's format and its one part.
type Body<'a> = (u8, [&'a [u8]; 1]);

/// The items of a batch as `channel.send-batch` takes it.
fn bodies(batch: &[u8]) -> Result<Vec<Body<'_>>, session::Error> {
    let invalid = |breach: message::Breach| session::Error::Invalid(breach.to_string());
    message::check_batch(batch).map_err(invalid)?;
    let Packet::Messages { count, items } = Packet::parse(batch).map_err(invalid)? else {
        return Err(invalid(message::Breach::Empty));
    };
    let mut rest = batch.get(items).unwrap_or_default();
    let mut bodies = Vec::with_capacity(count);
    for _ in 0..count {
        let (item, behind) = message::Item::read(rest).map_err(invalid)?;
        bodies.push((number(item.format)?, [item.body]));
        rest = behind;
    }
    Ok(bodies)
}

/// The same array the other way round. What is alone in it may be larger than one of a packet.
fn batch(items: &[Got]) -> Result<Vec<u8>, Problem> {
    let count = u16::try_from(items.len()).map_err(|_| Problem::Damaged)?;
    let mut bytes = Vec::with_capacity(items.iter().map(|item| item.body.len() + 6).sum::<usize>() + 3);
    bytes.push(0xdc);
    bytes.extend(count.to_be_bytes());
    for Got { format, body } in items {
        let length = u32::try_from(body.len()).map_err(|_| Problem::Damaged)?.to_be_bytes();
        match *format {
            // An extension of type 1.
            VALUE => {
                bytes.push(0xc9);
                bytes.extend(length);
                bytes.push(1);
            }
            BYTES => {
                bytes.push(0xc6);
                bytes.extend(length);
            }
            _ => return Err(Problem::Damaged),
        }
        bytes.extend_from_slice(body);
    }
    Ok(bytes)
}
