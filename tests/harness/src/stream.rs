//! What a command writes, as it comes.
//!
//! Must not: hold up who writes. All is read at once, whoever waits for it.

use crate::waiting::DEADLINE;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// What has come from a stream so far, and whether it has ended.
#[derive(Clone)]
pub struct Stream(Arc<Shared>);

/// Filled by a thread of its own.
#[derive(Default)]
struct Shared {
    content: Mutex<Content>,
    changed: Condvar,
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stream {
    /// Reads all of this; nothing where there is none.
    pub fn collect(from: Option<impl Read + Send + 'static>) -> Self {
        let stream = Self(Arc::default());
        match from {
            Some(from) => {
                let filled = stream.clone();
                thread::spawn(move || filled.fill(from));
            }
            None => stream.0.content.lock().unwrap().ended = true,
        }
        stream
    }

    fn fill(&self, mut from: impl Read) {
        let mut piece = vec![0; 64 << 10];
        loop {
            let read = from.read(&mut piece).unwrap_or(0);
            let mut content = self.0.content.lock().unwrap();
            content.bytes.extend_from_slice(&piece[..read]);
            content.ended = read == 0;
            self.0.changed.notify_all();
            if read == 0 {
                return;
            }
        }
    }

    /// Waits until what has come is this.
    pub fn until(&self, text: &str) {
        let bytes = self.wait_for(|content| content.ended || content.bytes == text.as_bytes());
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    }

    /// Waits until this has come.
    pub fn until_has(&self, text: &str) {
        let has = |content: &Content| String::from_utf8_lossy(&content.bytes).contains(text);
        let bytes = self.wait_for(|content| content.ended || has(content));
        let heard = String::from_utf8_lossy(&bytes);
        assert!(heard.contains(text), "no {text:?} in {heard:?}");
    }

    /// Waits for a line, counted from 0.
    pub fn line(&self, index: usize) -> String {
        let count = |content: &Content| content.bytes.iter().filter(|byte| **byte == b'\n').count();
        let bytes = self.wait_for(|content| content.ended || count(content) > index);
        let text = String::from_utf8_lossy(&bytes);
        text.lines().nth(index).unwrap_or_else(|| panic!("no line {index} in {text:?}")).to_owned()
    }

    /// All that has come by now.
    pub fn so_far(&self) -> Vec<u8> {
        self.0.content.lock().unwrap().bytes.clone()
    }

    /// All of it, once it has ended.
    pub fn whole(&self) -> Vec<u8> {
        self.wait_for(|content| content.ended)
    }

    fn wait_for(&self, condition: impl Fn(&Content) -> bool) -> Vec<u8> {
        let content = self.0.content.lock().unwrap();
        let waited = self.0.changed.wait_timeout_while(content, DEADLINE, |content| !condition(content));
        let (content, timeout) = waited.unwrap();
        let text = String::from_utf8_lossy(&content.bytes);
        assert!(!timeout.timed_out(), "a stream is still open, and has given {text:?}");
        content.bytes.clone()
    }
}
