//! What is to be heard of a crew: below those who tell it and those who hear it.

use sandhog_protocol::control::LogStream;
use sandhog_runtime::output::Sink;
use sandhog_runtime::record::VerdictRecord;
use sandhog_runtime::view::LogLine;
use sandhog_supervisor::state::Notice;

/// Hears of what happens to workers. Nothing of it may wait. `instance`: the number of a worker, from 1 on; a successor takes its
/// number over.
pub trait CrewTold: Send + Sync {
    /// News of an instance, and which attempt they are about, where they are about one.
    fn notice(&self, _instance: u32, _attempt: Option<&str>, _notice: &Notice) {}

    /// An attempt has ended.
    fn ended(&self, _instance: u32, _record: &VerdictRecord) {}

    /// A line that the guest has logged.
    fn log(&self, _instance: u32, _attempt: &str, _line: &LogLine) {}

    /// Where what an attempt writes goes.
    fn sink(&self, instance: u32, attempt: &str, stream: LogStream) -> Box<dyn Sink>;
}
