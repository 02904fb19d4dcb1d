//! What can be said on the command line, as clap types. No I/O: what is to be shown is returned.

mod called;
mod commands;
mod examples;
mod flags;
mod map;
mod parse;
mod pool;
mod run;
mod serve;
mod spawn;
mod start;
mod tools;
mod verb_examples;
mod verbs;

pub use commands::{Cli, Command, CompletionsArgs, HelpArgs, ManArgs, Shell, Topic};
pub use flags::{JobFlags, OfStart};
pub use map::{Halt, Input, MapArgs};
pub use parse::{Stop, long_help, parse};
pub use pool::{Descriptors, PoolArgs, Protocol};
pub use run::RunArgs;
pub use serve::{AccessLog, Instances, ServeArgs};
pub use start::StartArgs;
pub use tools::{BuildArgs, DoctorArgs, InspectArgs, NewArgs};
pub use verbs::{
    AskArgs, CheckArgs, DaemonArgs, DownArgs, EventsArgs, LogsArgs, MonitArgs, ObjectsArgs, PsArgs, ScaleArgs,
    SchemaArgs, SendArgs, ShowArgs, SignalArgs, StartupArgs, UpArgs, WaitArgs,
};
