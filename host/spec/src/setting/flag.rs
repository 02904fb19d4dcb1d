//! How commands take a setting: by a flag of its own, or by a word.
//!
//! Must not: know a setting. Which has which flag is for the list to say.

/// How commands take a setting.
#[derive(Clone, Copy, Debug)]
pub enum Flag {
    /// By a flag that is called like the key.
    Of { commands: &'static [Command], value: &'static str, short: Option<char> },
    /// By words without a flag, such as `FILE`.
    Word(&'static str),
}

/// Commands that take settings of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Run,
    Map,
    Start,
    Pool,
    Serve,
    Build,
    Inspect,
}

impl Command {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Map => "map",
            Self::Start => "start",
            Self::Pool => "pool",
            Self::Serve => "serve",
            Self::Build => "build",
            Self::Inspect => "inspect",
        }
    }
}
