use crate::Error;
use rmp_serde::decode::Error as Decode;
use sandhog_channel::{Batch, Endpoint, Format, Message, Timeout};
use sandhog_protocol::limits;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// This program's end of the connection to a job.
///
/// Values are any types of serde's, as MessagePack with named fields; they arrive in the order in which they were sent.
/// Each call without a [`Timeout`] waits for ever: for a message, or for a job that does not read.
#[derive(Debug)]
pub struct Connection {
    endpoint: Endpoint,
    /// What [`Self::limit`] was told.
    max: usize,
    /// The bytes of the last value that was sent.
    buffer: Vec<u8>,
    /// Answers that nobody waits for any more.
    owed: u64,
}

impl AsFd for Connection {
    /// For poll(2): readable where something has come, or nothing will. Ask [`Connection::look`] first, and then again: a large
    /// message can come in pieces.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.endpoint.as_fd()
    }
}

impl Connection {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        sandhog_channel::look_before_sleeping();
        Self::of(Endpoint::new(socket, limits::MESSAGE), limits::MESSAGE)
    }

    const fn of(endpoint: Endpoint, max: usize) -> Self {
        Self { endpoint, max, buffer: Vec::new(), owed: 0 }
    }

    /// The largest message that is taken from the job from now on, in bytes; 64 MiB unless something else is said, which is as much
    /// as a job may send. A larger one costs this program no memory: it is [`Error::Broken`], and the connection is closed.
    pub const fn limit(&mut self, max_bytes: usize) {
        self.max = max_bytes;
        self.endpoint.limit(max_bytes);
    }

    /// A second handle, for a thread that sends while this one receives, or the other way round. Only one of them may receive: a
    /// large message can come in pieces, and two would get some of them each.
    ///
    /// # Errors
    /// [`Error::System`]: no more descriptors.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let socket = self.as_fd().try_clone_to_owned().map_err(Error::system("duplicate a connection"))?;
        Ok(Self::of(Endpoint::new(socket, self.max), self.max))
    }

    /// Sends a value.
    ///
    /// # Errors
    /// Nothing was sent. [`Error::Closed`], [`Error::TooLarge`] over 64 MiB, [`Error::Invalid`].
    pub fn send<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.send_timeout(value, Timeout::Never)
    }

    /// As [`Self::send`], and not longer than that.
    ///
    /// # Errors
    /// As [`Self::send`]; [`Error::TimedOut`], [`Error::WouldBlock`].
    pub fn send_timeout<T: Serialize + ?Sized>(&mut self, value: &T, timeout: Timeout) -> Result<(), Error> {
        encode(value, &mut self.buffer)?;
        Ok(self.endpoint.send(Format::Value, &self.buffer, timeout)?)
    }

    /// Sends bytes that mean something to both ends alone.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.send_bytes_timeout(bytes, Timeout::Never)
    }

    /// As [`Self::send_bytes`], and not longer than that.
    ///
    /// # Errors
    /// As [`Self::send_timeout`].
    pub fn send_bytes_timeout(&mut self, bytes: &[u8], timeout: Timeout) -> Result<(), Error> {
        Ok(self.endpoint.send(Format::Bytes, bytes, timeout)?)
    }

    /// Sends many values, as many as fit together at a time: where there are thousands of small ones, some twenty times as
    /// fast as one by one.
    ///
    /// # Errors
    /// As [`Self::send`], of the first that did not go; those before it may have gone.
    pub fn send_all<'a, T: Serialize + 'a>(&mut self, values: impl IntoIterator<Item = &'a T>) -> Result<(), Error> {
        let mut batch = Batch::default();
        for value in values {
            encode(value, &mut self.buffer)?;
            if batch.push(Format::Value, &self.buffer) {
                continue;
            }
            self.send_batch(&mut batch, Timeout::Never)?;
            if !batch.push(Format::Value, &self.buffer) {
                self.endpoint.send(Format::Value, &self.buffer, Timeout::Never)?;
            }
        }
        self.send_batch(&mut batch, Timeout::Never)
    }

    /// Sends what is in a batch, all of it or nothing, and empties it. An empty one is sent at once.
    ///
    /// # Errors
    /// As [`Self::send_timeout`]; the batch is as it was.
    pub fn send_batch(&mut self, batch: &mut Batch, timeout: Timeout) -> Result<(), Error> {
        if let Some(bytes) = batch.as_bytes() {
            self.endpoint.send_batch(bytes, timeout)?;
            batch.clear();
        }
        Ok(())
    }

    /// The next value.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Format`] and [`Error::Unexpected`] where the next message is none of this type.
    pub fn recv<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        self.recv_timeout(Timeout::Never)
    }

    /// As [`Self::recv`], and not longer than that.
    ///
    /// # Errors
    /// As [`Self::recv`]; [`Error::TimedOut`], [`Error::WouldBlock`].
    pub fn recv_timeout<T: DeserializeOwned>(&mut self, timeout: Timeout) -> Result<T, Error> {
        self.endpoint.recv_with(timeout, |format, body| match format {
            Format::Value => decode(body),
            Format::Bytes | Format::Failure => Err(Error::Format { found: format }),
        })?
    }

    /// The next message, which must be bytes.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub fn recv_bytes(&mut self) -> Result<Vec<u8>, Error> {
        self.recv_bytes_timeout(Timeout::Never)
    }

    /// As [`Self::recv_bytes`], and not longer than that.
    ///
    /// # Errors
    /// As [`Self::recv_timeout`].
    pub fn recv_bytes_timeout(&mut self, timeout: Timeout) -> Result<Vec<u8>, Error> {
        let Message { format, body } = self.recv_message_timeout(timeout)?;
        match format {
            Format::Bytes => Ok(body),
            Format::Value | Format::Failure => Err(Error::Format { found: format }),
        }
    }

    /// The next message, whatever it is.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn recv_message(&mut self) -> Result<Message, Error> {
        self.recv_message_timeout(Timeout::Never)
    }

    /// As [`Self::recv_message`], and not longer than that.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::TimedOut`], [`Error::WouldBlock`].
    pub fn recv_message_timeout(&mut self, timeout: Timeout) -> Result<Message, Error> {
        Ok(self.endpoint.recv(timeout)?)
    }

    /// Takes in what has come, without waiting: whether [`Connection::recv`] does not wait, for a message is here as a whole, or
    /// none will come.
    pub fn look(&mut self) -> bool {
        self.endpoint.look()
    }

    /// Whether a message is here already: to get it takes no system call.
    #[must_use]
    pub const fn has_message(&self) -> bool {
        self.endpoint.has_message()
    }

    /// Tells the job that no message follows: it receives what was sent, then finds the connection closed. It can still
    /// answer.
    pub fn finish_sending(&mut self) {
        self.endpoint.finish_sending();
    }

    /// Closes both directions. What was sent still arrives; what was not received is gone.
    pub fn disconnect(&mut self) {
        self.endpoint.disconnect();
    }

    /// How many messages were received and sent by this handle.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        (self.endpoint.received(), self.endpoint.sent())
    }

    /// A task for a handler, and its answer.
    pub(crate) fn call<T: Serialize + ?Sized, R: DeserializeOwned>(
        &mut self,
        task: &T,
        timeout: Timeout,
    ) -> Result<Result<R, String>, Error> {
        let start = std::time::Instant::now();
        let left = || match timeout {
            Timeout::After(duration) => Timeout::After(duration.saturating_sub(start.elapsed())),
            Timeout::Never | Timeout::Now => timeout,
        };
        self.send_timeout(task, timeout)?;
        self.owed += 1;
        // Answers come in the order of their tasks: those to earlier calls that gave up come first.
        while self.owed > 1 {
            self.endpoint.recv_with(left(), |_, _| ())?;
            self.owed -= 1;
        }
        let answer = self.endpoint.recv_with(left(), |format, body| match format {
            Format::Value => decode(body).map(Ok),
            Format::Failure => Ok(Err(String::from_utf8_lossy(body).into_owned())),
            Format::Bytes => Err(Error::Format { found: format }),
        })?;
        self.owed -= 1;
        answer
    }
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) -> Result<(), Error> {
    buffer.clear();
    let mut serializer = rmp_serde::Serializer::new(buffer).with_struct_map();
    value.serialize(&mut serializer).map_err(|error| Error::Invalid(error.to_string()))
}

pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    let value = T::deserialize(&mut deserializer).map_err(Error::Unexpected)?;
    match IgnoredAny::deserialize(&mut deserializer) {
        // There is nothing behind it.
        Err(Decode::InvalidMarkerRead(_)) => Ok(value),
        Ok(_) | Err(_) => Err(Error::Unexpected(Decode::Uncategorized("there is something behind its end".into()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_channel::Broken;
    use std::collections::BTreeMap;

    fn connected() -> (Connection, Endpoint) {
        let (here, there) = sandhog_channel::pair().unwrap();
        (Connection::new(here), Endpoint::new(there, limits::MESSAGE))
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Point {
        x: i32,
        y: Option<f64>,
    }

    #[test]
    fn values_of_any_type_go_both_ways() {
        let (mut here, there) = connected();
        let mut there = Connection::of(there, limits::MESSAGE);
        let point = Point { x: -1, y: Some(0.5) };
        here.send(&point).unwrap();
        assert_eq!(there.recv::<BTreeMap<String, f64>>().unwrap(), [("x".into(), -1.0), ("y".into(), 0.5)].into());
        there.send(&point).unwrap();
        assert_eq!(here.recv::<Point>().unwrap(), point);
        here.send("text").unwrap();
        assert_eq!(there.recv::<String>().unwrap(), "text");
        here.send_bytes(b"\0\xff").unwrap();
        assert_eq!(there.recv_bytes().unwrap(), b"\0\xff");
        assert_eq!((here.counts(), there.counts()), ((1, 3), (3, 1)));
    }

    #[test]
    fn a_message_of_another_type_is_told_and_taken() {
        let (mut here, mut there) = connected();
        there.send(Format::Value, b"\xa1x", Timeout::Never).unwrap();
        there.send(Format::Value, b"\x01\x02", Timeout::Never).unwrap();
        there.send(Format::Value, b"\x01\xc1", Timeout::Never).unwrap();
        there.send(Format::Value, b"\xdd\xff\xff\xff\xff", Timeout::Never).unwrap();
        there.send(Format::Bytes, b"\x01", Timeout::Never).unwrap();
        there.send(Format::Value, b"\x01", Timeout::Never).unwrap();
        for _ in 0..3 {
            assert!(matches!(here.recv::<u8>(), Err(Error::Unexpected(_))));
        }
        assert!(matches!(here.recv::<Vec<u8>>(), Err(Error::Unexpected(_))));
        assert!(matches!(here.recv::<u8>(), Err(Error::Format { found: Format::Bytes })));
        assert_eq!(here.recv::<u8>().unwrap(), 1);
    }

    #[test]
    fn many_values_go_in_few_packets_and_in_order() {
        let (mut here, there) = connected();
        let mut there = Connection::of(there, limits::MESSAGE);
        let mut values: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
        values[1000] = "x".repeat(100_000);
        let expected = values.clone();
        let receiver = std::thread::spawn(move || {
            for value in expected {
                assert_eq!(there.recv::<String>().unwrap(), value);
            }
        });
        here.send_all(&values).unwrap();
        receiver.join().unwrap();
    }

    #[test]
    fn what_is_larger_than_was_said_is_told_and_closes_the_connection() {
        let (mut here, mut there) = connected();
        here.limit(1000);
        let mut twin = here.try_clone().unwrap();
        there.send(Format::Bytes, &[0; 1000], Timeout::Never).unwrap();
        there.send(Format::Bytes, &vec![0; 1 << 20], Timeout::Never).unwrap();
        assert_eq!(twin.recv_bytes().unwrap().len(), 1000);
        let too_large = Broken::TooLarge { length: 1 << 20, max: 1000 };
        assert!(matches!(twin.recv_bytes(), Err(Error::Broken(broken)) if broken == too_large));
        assert!(matches!(here.recv_bytes(), Err(Error::Closed)));
        assert!(matches!(there.send(Format::Bytes, b"x", Timeout::Never), Err(sandhog_channel::Error::Closed)));
    }

    #[test]
    fn a_call_gets_its_own_answer_even_after_one_that_gave_up() {
        let (mut here, mut there) = connected();
        assert!(matches!(here.call::<_, u32>(&1, Timeout::Now), Err(Error::WouldBlock)));
        let handler = std::thread::spawn(move || {
            for _ in 0..3 {
                let task = there.recv(Timeout::Never).unwrap().body;
                match task[0] {
                    2 => there.send(Format::Failure, "kaputt".as_bytes(), Timeout::Never).unwrap(),
                    _ => there.send(Format::Value, &task, Timeout::Never).unwrap(),
                }
            }
        });
        assert_eq!(here.call::<_, u32>(&2, Timeout::Never).unwrap(), Err("kaputt".into()));
        assert_eq!(here.call::<_, u32>(&3, Timeout::Never).unwrap(), Ok(3));
        handler.join().unwrap();
        assert!(matches!(here.call::<_, u32>(&4, Timeout::Never), Err(Error::Closed)));
    }
}
