//! The daemon's end of a job's connection: messages go in by `send`, what comes out are events, and answers to whoever waits
//! for one.
//!
//! Must not: keep the event loop busy, whatever jobs send. A turn has an end in messages and in bytes; what is long is read and
//! made text on a thread; what nobody waits for and no event shows is dropped where it comes; and what is larger than an answer
//! may be is not read at all.

use super::message::{Inbox, Message};
use sandhog_channel::{Broken, Endpoint, Error, Format, Incoming, Timeout};
use sandhog_ipc::json;
use sandhog_protocol::causes;
use sandhog_spec::units::print_size;
use sandhog_supervisor::state::AttemptNumber;
use sandhog_sys::ready::watch;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The largest message that is taken from a job, in bytes, and the longest answer as JSON: as much as a request of `send` has at
/// the most. Nobody but an answer's reader ever sees more than [`SHOWN`] of one.
const MAX: usize = 1 << 20;

/// What is taken from a job in its turn, in messages and in bytes of packets, however often it wakes the daemon for it, and how
/// long a turn is: what nobody reads but the events must not keep the daemon busy. One that has more rests for as long.
const TURN_MESSAGES: u32 = 100;
const TURN_BYTES: u64 = 256 << 10;
const TURN: Duration = Duration::from_millis(100);

/// How long a job rests for each that rests, where they are more than twenty: however many they are, there is one turn in so much
/// time. A turn of small messages takes about a fifth of it, with all that becomes of them.
const REST_FOR_EACH: Duration = Duration::from_millis(5);

/// Longest message that is shown as an event, in bytes: some thousands of them are kept.
const SHOWN: usize = 4 << 10;

/// Messages that wait to be sent.
const OUTGOING: usize = 64;

/// A message for a job.
pub(super) struct Outgoing {
    pub format: Format,
    pub body: Vec<u8>,
    /// Where its next message goes, where somebody waits for that.
    pub answer: Option<oneshot::Sender<JsonText>>,
    /// Whether it was sent.
    pub sent: oneshot::Sender<Result<(), String>>,
}

#[derive(Clone)]
pub(super) struct Mailbox {
    outgoing: mpsc::Sender<Outgoing>,
    passed: Arc<Passed>,
}

/// Messages that have passed, for whoever shows them.
#[derive(Default)]
struct Passed {
    to_job: AtomicU64,
    from_job: AtomicU64,
}

impl Mailbox {
    /// # Errors
    /// No more descriptors.
    pub(super) fn open(end: OwnedFd, attempt: AttemptNumber, inbox: Inbox) -> io::Result<Self> {
        let socket = watch(end.try_clone()?)?;
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        let endpoint = Endpoint::new(end, MAX);
        let task = MailboxTask::new(endpoint, attempt, inbox);
        let passed = Arc::clone(&task.passed);
        tokio::spawn(task.serve(socket, outgoing));
        Ok(Self { outgoing: sender, passed })
    }

    /// Messages that the job was sent so far, and that have been received from it.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.passed.to_job.load(Ordering::Relaxed), self.passed.from_job.load(Ordering::Relaxed))
    }

    /// # Errors
    /// The message comes back where too many wait already, or the job has gone.
    pub(super) fn post(&self, message: Outgoing) -> Result<(), Outgoing> {
        self.outgoing.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(message) | mpsc::error::TrySendError::Closed(message) => message,
        })
    }
}

/// What has been taken in a turn.
struct Turn {
    began: Instant,
    messages: u32,
    bytes: u64,
}

impl Turn {
    fn begin() -> Self {
        Self { began: Instant::now(), messages: 0, bytes: 0 }
    }

    fn is_over(&self) -> bool {
        self.messages >= TURN_MESSAGES || self.bytes >= TURN_BYTES
    }
}

struct MailboxTask {
    endpoint: Endpoint,
    passed: Arc<Passed>,
    turn: Turn,
    attempt: AttemptNumber,
    inbox: Inbox,
    /// Who waits for an answer; the first one gets the next message.
    waiting: VecDeque<oneshot::Sender<JsonText>>,
    /// Why the connection was closed from here.
    hung_up: Option<String>,
}

/// A message as JSON, or why it can't be said.
type JsonText = Result<String, String>;

/// Jobs of this process that had more for a turn than it takes, and rest.
static RESTING: AtomicU32 = AtomicU32::new(0);

/// The time between two turns of a job that has more than one takes.
struct Rest {
    until: Instant,
}

impl Rest {
    fn begin() -> Self {
        let resting = RESTING.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        Self { until: Instant::now() + Self::of(resting) }
    }

    /// With so many that rest.
    fn of(resting: u32) -> Duration {
        REST_FOR_EACH.saturating_mul(resting).max(TURN)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        RESTING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What comes next for the task of a mailbox.
enum Next<'a> {
    Outgoing(Outgoing),
    Readable(AsyncFdReadyGuard<'a, OwnedFd>),
    Rested,
    /// Nobody can send to the job any more.
    Over,
}

impl MailboxTask {
    fn new(endpoint: Endpoint, attempt: AttemptNumber, inbox: Inbox) -> Self {
        let (turn, waiting) = (Turn::begin(), VecDeque::new());
        Self { endpoint, passed: Arc::default(), turn, attempt, inbox, waiting, hung_up: None }
    }

    /// Until the job has gone, or nobody can send to it any more.
    async fn serve(mut self, socket: AsyncFd<OwnedFd>, mut outgoing: mpsc::Receiver<Outgoing>) {
        let mut rest: Option<Rest> = None;
        loop {
            let until = rest.as_ref().map(|rest| rest.until);
            let listens = until.is_none() && self.hung_up.is_none();
            let next = tokio::select! {
                message = outgoing.recv() => message.map_or(Next::Over, Next::Outgoing),
                ready = socket.readable(), if listens => ready.map_or(Next::Over, Next::Readable),
                () = tokio::time::sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => Next::Rested,
            };
            match next {
                Next::Outgoing(message) => self.send(message),
                Next::Rested => {
                    rest = None;
                    self.turn = Turn::begin();
                }
                Next::Over => return,
                Next::Readable(mut ready) => match self.take().await {
                    Ok(Taken::All) => ready.clear_ready(),
                    // Somebody waits for one of those that follow: after whoever else has something to do.
                    Ok(Taken::Some) if self.is_awaited() => {
                        self.turn = Turn::begin();
                        tokio::task::yield_now().await;
                    }
                    Ok(Taken::Some) => rest = Some(Rest::begin()),
                    Err(Error::Broken(broken)) => self.hang_up(broken),
                    Err(_) => return,
                },
            }
        }
    }

    fn send(&mut self, message: Outgoing) {
        let Outgoing { format, body, answer, sent } = message;
        let json = match self.endpoint.send(format, &body, Timeout::Now) {
            Ok(()) => {
                self.passed.to_job.store(self.endpoint.sent(), Ordering::Relaxed);
                self.waiting.extend(answer);
                Ok(())
            }
            Err(Error::WouldBlock) => Err("it has not read what was sent to it before".into()),
            Err(Error::Closed) => Err(self.hung_up.clone().unwrap_or_else(|| "it has closed its connection".into())),
            Err(error) => Err(causes::one_line(&error)),
        };
        // Whoever sent it may have gone.
        let _ = sent.send(json);
    }

    /// Takes what is there, as far as its turn reaches.
    async fn take(&mut self) -> Result<Taken, Error> {
        if self.turn.began.elapsed() >= TURN {
            self.turn = Turn::begin();
        }
        while !self.turn.is_over() {
            let before = self.endpoint.bytes_received();
            let keep = if self.is_awaited() { MAX } else { SHOWN };
            match self.endpoint.step(keep) {
                Ok(Some(message)) => {
                    self.turn.messages += 1;
                    self.passed.from_job.store(self.endpoint.received(), Ordering::Relaxed);
                    self.hear(message).await?;
                }
                Ok(None) => {}
                Err(Error::WouldBlock) => return Ok(Taken::All),
                Err(error) => return Err(error),
            }
            self.turn.bytes += self.endpoint.bytes_received() - before;
        }
        Ok(Taken::Some)
    }

    /// Whether somebody waits for an answer. Those who have stopped waiting don't count.
    fn is_awaited(&mut self) -> bool {
        while self.waiting.pop_front_if(|waits| waits.is_closed()).is_some() {}
        !self.waiting.is_empty()
    }

    async fn hear(&mut self, message: Incoming) -> Result<(), Error> {
        let bytes = message.length();
        let json = if bytes <= SHOWN { to_json(message) } else { elsewhere(message).await };
        let json = json?;
        // One that was dropped had begun before anybody waited: it is no answer.
        if let Some(json) = &json
            && self.is_awaited()
            && let Some(waits) = self.waiting.pop_front()
        {
            let _ = waits.send(json.clone());
        }
        let text = json.filter(|_| bytes <= SHOWN).and_then(Result::ok);
        let _ = self.inbox.send(Message::Heard { attempt: self.attempt, bytes, text });
        Ok(())
    }

    /// The job did not keep to the rules: it hears that nobody is there, and whoever asks for it hears why.
    fn hang_up(&mut self, broken: Broken) {
        let reason = match broken {
            Broken::TooLarge { length, max } => format!(
                "it sent a message of {} to its parent, which takes at most {}",
                print_size(length as u64),
                print_size(max as u64)
            ),
            Broken::Packet(_)
            | Broken::Order
            | Broken::NoBytes
            | Broken::Truncated
            | Broken::Descriptors { .. }
            | Broken::Handle
            | Broken::TooManyDescriptors
            | Broken::NotSealed
            | Broken::Size { .. } => format!("it broke the rules of its connection: {broken}"),
        };
        let reason = format!("its connection was closed: {reason}");
        // Closes it where that has not been done yet: memory beside a packet is looked at elsewhere.
        self.endpoint.disconnect();
        self.waiting.drain(..).for_each(|waits| drop(waits.send(Err(reason.clone()))));
        let _ = self.inbox.send(Message::HungUp { attempt: self.attempt, reason: reason.clone() });
        self.hung_up = Some(reason);
    }
}

/// How far a turn came.
enum Taken {
    /// Nothing is there any more.
    All,
    /// There may be more.
    Some,
}

/// On a thread, since it takes as long as it takes.
async fn elsewhere(message: Incoming) -> Result<Option<JsonText>, Error> {
    let saying = tokio::task::spawn_blocking(move || to_json(message)).await;
    saying.unwrap_or_else(|error| Ok(Some(Err(error.to_string()))))
}

/// A message in words; none of one that was dropped.
fn to_json(message: Incoming) -> Result<Option<JsonText>, Error> {
    Ok(message.read()?.map(|message| text_of(message.format, &message.body)))
}

/// A text that has an end.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX {
            return Err(io::Error::other(format!("its message is longer than {} as JSON", print_size(MAX as u64))));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message as JSON, as on `--ipc`.
fn text_of(format: Format, body: &[u8]) -> JsonText {
    let mut text = Bounded(Vec::new());
    let sayable = json::say(format, body)
        .map_err(|error| format!("its message is no MessagePack: {}", causes::one_line(&error)))?;
    sayable.write(&mut text).map_err(|error| error.to_string())?;
    String::from_utf8(text.0).map_err(|error| error.to_string())
}

/// JSON as a message.
///
/// # Errors
/// One sentence.
pub(super) fn message_of(text: &str) -> Result<(Format, Vec<u8>), String> {
    json::read(text.as_bytes()).map_err(|error| format!("the message can't be sent: {}", causes::one_line(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_channel::{Batch, Large, Progress, pair};
    use sandhog_protocol::limits;
    use std::thread;

    fn in_a_runtime<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Long enough that only a hang lasts longer.
        let test = async { tokio::time::timeout(Duration::from_secs(60), test).await };
        runtime.block_on(test).expect("somebody waits for ever")
    }

    /// The job's end, and all that the daemon has of it.
    fn opened() -> (Endpoint, Mailbox, mpsc::UnboundedReceiver<Message>) {
        let (theirs, ours) = pair().unwrap();
        let (inbox, heard) = mpsc::unbounded_channel();
        let mailbox = Mailbox::open(ours, 1, inbox).unwrap();
        (Endpoint::new(theirs, limits::MESSAGE), mailbox, heard)
    }

    fn new_task() -> (Endpoint, MailboxTask, mpsc::UnboundedReceiver<Message>) {
        let (theirs, ours) = pair().unwrap();
        let (inbox, heard) = mpsc::unbounded_channel();
        let endpoint = Endpoint::new(ours, MAX);
        let task = MailboxTask::new(endpoint, 1, inbox);
        (Endpoint::new(theirs, limits::MESSAGE), task, heard)
    }

    fn heard(message: Option<Message>) -> (usize, Option<String>) {
        match message {
            Some(Message::Heard { bytes, text, .. }) => (bytes, text),
            _ => panic!("nothing was heard"),
        }
    }

    /// A message to the job, whether it was sent, and its answer.
    fn post(mailbox: &Mailbox) -> (oneshot::Receiver<Result<(), String>>, oneshot::Receiver<JsonText>) {
        let ((answer, answered), (sent, was_sent)) = (oneshot::channel(), oneshot::channel());
        let message = Outgoing { format: Format::Value, body: b"\xc0".to_vec(), answer: Some(answer), sent };
        assert!(mailbox.post(message).is_ok());
        (was_sent, answered)
    }

    /// A value of so many bytes: a text.
    fn value(bytes: usize) -> Vec<u8> {
        [&[0xdb][..], &(bytes as u32 - 5).to_be_bytes(), &vec![b'x'; bytes - 5]].concat()
    }

    #[test]
    fn a_message_that_is_larger_than_is_taken_closes_the_connection_and_whoever_asks_hears_why() {
        in_a_runtime(async {
            let (mut job, mailbox, mut events) = opened();
            let (was_sent, answered) = post(&mailbox);
            was_sent.await.unwrap().unwrap();
            job.send(Format::Value, &value(MAX + 1), Timeout::Now).unwrap();
            let reason =
                "its connection was closed: it sent a message of 1048577B to its parent, which takes at most 1MiB";
            assert_eq!(answered.await.unwrap().unwrap_err(), reason);
            let Some(Message::HungUp { reason: told, .. }) = events.recv().await else { panic!("nobody was told") };
            assert_eq!(told, reason);
            let (was_sent, answered) = post(&mailbox);
            assert_eq!(was_sent.await.unwrap().unwrap_err(), reason);
            assert!(answered.await.is_err());
            assert!(matches!(job.send(Format::Bytes, b"x", Timeout::Now), Err(Error::Closed)));
        });
    }

    #[test]
    fn an_answer_may_be_as_long_as_is_taken_whichever_way_it_comes() {
        for large in [Large::Memory, Large::Pieces] {
            in_a_runtime(async {
                let (job, mailbox, mut events) = opened();
                let mut job = job.sending(large);
                // Whatever comes unasked goes, and is not kept.
                let unasked = thread::spawn(move || {
                    job.send(Format::Value, &value(MAX), Timeout::Never).unwrap();
                    job.send(Format::Value, b"\x01", Timeout::Never).unwrap();
                    job
                });
                assert_eq!(heard(events.recv().await), (MAX, None));
                assert_eq!(heard(events.recv().await), (1, Some("1".into())));
                let mut job = unasked.join().unwrap();
                let (was_sent, answered) = post(&mailbox);
                was_sent.await.unwrap().unwrap();
                let answering = thread::spawn(move || {
                    job.send(Format::Value, &value(MAX - 100), Timeout::Never).unwrap();
                    job
                });
                assert_eq!(answered.await.unwrap().unwrap().len(), MAX - 100 - 5 + 2);
                assert_eq!(heard(events.recv().await), (MAX - 100, None));
                drop(answering.join().unwrap());
            });
        }
    }

    #[test]
    fn an_answer_that_becomes_too_long_as_json_is_told_and_closes_nothing() {
        in_a_runtime(async {
            let (mut job, mailbox, mut events) = opened();
            let (_, answered) = post(&mailbox);
            // Each byte of a text becomes six.
            let body = [&[0xdb, 0, 8, 0, 0][..], &vec![1; 8 << 16]].concat();
            job.send(Format::Value, &body, Timeout::Now).unwrap();
            assert_eq!(answered.await.unwrap().unwrap_err(), "its message is longer than 1MiB as JSON");
            assert_eq!(heard(events.recv().await).0, body.len());
            job.send(Format::Value, b"\x02", Timeout::Now).unwrap();
            assert_eq!(heard(events.recv().await), (1, Some("2".into())));
        });
    }

    /// Has a job send without end, and takes until its turn is over: what was taken in it.
    fn turn(mut send: impl FnMut(&mut Endpoint) -> Result<(), Error> + Send + 'static) -> (u32, u64) {
        let (mut job, mut task, _events) = new_task();
        let sending = thread::spawn(move || while send(&mut job).is_ok() {});
        // Its socket holds less than a turn: it is woken several times, and has one turn all the same.
        in_a_runtime(async { while let Taken::All = task.take().await.unwrap() {} });
        let taken = (task.turn.messages, task.turn.bytes);
        drop(task);
        sending.join().unwrap();
        taken
    }

    #[test]
    fn a_turn_has_an_end_however_much_a_job_sends() {
        let large = vec![7; limits::INLINE_PAYLOAD];
        let (_, bytes) = turn(move |job| job.send(Format::Bytes, &large, Timeout::Never));
        assert!((TURN_BYTES..TURN_BYTES + limits::MESSAGE_PACKET as u64).contains(&bytes), "{bytes}");
        let mut batch = Batch::default();
        while batch.push(Format::Bytes, b"") {}
        let tiny = batch.as_bytes().unwrap().to_vec();
        let (messages, bytes) = turn(move |job| job.send_batch(&tiny, Timeout::Never));
        assert_eq!((messages, bytes <= TURN_BYTES), (TURN_MESSAGES, true));
    }

    #[test]
    fn the_more_jobs_send_without_end_the_longer_each_rests() {
        assert_eq!([1, 20, 21, 1000].map(|resting| Rest::of(resting).as_millis()), [100, 100, 105, 5000]);
    }

    #[test]
    fn what_has_begun_before_a_letter_is_no_answer_to_it() {
        in_a_runtime(async {
            let (mut job, mut task, mut events) = new_task();
            job = job.sending(Large::Pieces);
            let (body, mut progress) = (value(500_000), Progress::default());
            assert!(matches!(job.send_on(&mut progress, Format::Value, &body, Timeout::Now), Err(Error::WouldBlock)));
            task.take().await.unwrap();
            let (answer, answered) = oneshot::channel();
            task.waiting.push_back(answer);
            while job.send_on(&mut progress, Format::Value, &body, Timeout::Now).is_err() {
                task.turn = Turn::begin();
                task.take().await.unwrap();
            }
            task.turn = Turn::begin();
            task.take().await.unwrap();
            job.send(Format::Value, b"\x07", Timeout::Now).unwrap();
            task.turn = Turn::begin();
            task.take().await.unwrap();
            assert_eq!(heard(events.recv().await), (500_000, None));
            assert_eq!(answered.await.unwrap().unwrap(), "7");
        });
    }
}
