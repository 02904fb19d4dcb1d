//! Why there is no such job: one sentence each, and what to do about it.

use super::listen::ListenReason;
use super::setting::{self, NAME_LONGEST, Names, Setting, Usual, Wrong};
use super::{connection, grants, net, objects};
use sandhog_protocol::limits;

/// Why there is no such job. The text names settings by their flags; see [`Error::told`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{}", .0.told(Names::Flags))]
    Grants(grants::Error),
    #[error("{}", .0.told(Names::Flags))]
    Objects(objects::Error),
    #[error("{}", .0.told(Names::Flags))]
    Net(net::Error),
    /// A value that is out of its bounds.
    #[error("{}", .0.told(Names::Flags))]
    Value(setting::Error),
    #[error("{}", .0.told(Names::Flags))]
    Wrong(Wrong<Reason>),
    #[error("{}", .0.told(Names::Flags))]
    Listen(Wrong<ListenReason>),
    #[error(transparent)]
    Connection(#[from] connection::Error),
    #[error("no module is given")]
    NoModule,
    #[error("the job's name \"{0}\" holds characters that do not show as themselves")]
    NameNotPlain(String),
    #[error("the job's name is empty or longer than {NAME_LONGEST} bytes: \"{0}\"")]
    NameLength(String),
    #[error("argument {number} is not UTF-8: \"{shown}\"")]
    ArgumentNotUtf8 { number: usize, shown: String },
    #[error("argument {number} holds a null character: \"{shown}\"")]
    ArgumentNull { number: usize, shown: String },
    #[error("arguments, variables and paths of directories take {0} bytes, more than {limit}", limit = limits::ARGUMENTS)]
    ArgumentsTooLong(usize),
    #[error("--verdict: the name of the file is empty")]
    NoVerdictFile,
    #[error("--verdict -: stdout belongs to the guest")]
    VerdictOnStdout,
    #[error("--coredump: name a file")]
    NoCoredumpFile,
}

/// Why a setting of a job can't be met, where it is neither a grant nor out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("not UTF-8, or it holds a null character")]
    Argv0,
    #[error("the name of the file is empty")]
    NoFile,
    #[error("neither auto, keep nor UID:GID")]
    UserUnknown,
    #[error("a guest is never root")]
    UserIsRoot,
    #[error("you are root, and a guest is never root")]
    UserKeepsRoot,
    #[error("only root can give a worker another identity")]
    UserNeedsRoot,
    #[error("a job that serves HTTP has no stdin")]
    ServesStdin,
    #[error("is for handlers of tasks, and this job serves HTTP")]
    ServesFresh,
}

// By hand: what is converted is the whole error and no cause of it, which would be said twice.
impl From<grants::Error> for Error {
    fn from(error: grants::Error) -> Self {
        Self::Grants(error)
    }
}

impl From<objects::Error> for Error {
    fn from(error: objects::Error) -> Self {
        Self::Objects(error)
    }
}

impl From<net::Error> for Error {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

impl From<setting::Error> for Error {
    fn from(error: setting::Error) -> Self {
        Self::Value(error)
    }
}

impl From<Wrong<Reason>> for Error {
    fn from(error: Wrong<Reason>) -> Self {
        Self::Wrong(error)
    }
}

impl From<Wrong<ListenReason>> for Error {
    fn from(error: Wrong<ListenReason>) -> Self {
        Self::Listen(error)
    }
}

impl Error {
    /// Which setting it is about; None: none that people write by that name.
    pub const fn setting(&self) -> Option<Setting> {
        match self {
            Self::Grants(error) => Some(error.setting),
            Self::Objects(error) => Some(error.setting),
            Self::Net(error) => Some(error.setting),
            Self::Value(error) => Some(error.setting),
            Self::Wrong(error) => Some(error.setting),
            Self::Listen(error) => Some(error.setting),
            Self::NoModule => Some(Setting::Module),
            Self::NameNotPlain(_) | Self::NameLength(_) => Some(Setting::Name),
            Self::ArgumentNotUtf8 { .. } | Self::ArgumentNull { .. } => Some(Setting::Args),
            Self::ArgumentsTooLong(_) => None,
            Self::Connection(_) | Self::NoVerdictFile | Self::VerdictOnStdout | Self::NoCoredumpFile => None,
        }
    }

    /// One sentence, with settings called as they are where it is read.
    pub fn told(&self, names: Names) -> String {
        match self {
            Self::Grants(error) => error.told(names),
            Self::Objects(error) => error.told(names),
            Self::Net(error) => error.told(names),
            Self::Value(error) => error.told(names),
            Self::Wrong(error) => error.told(names),
            Self::Listen(error) => error.told(names),
            Self::NoModule | Self::NameNotPlain(_) | Self::NameLength(_) => self.to_string(),
            Self::ArgumentNotUtf8 { .. } | Self::ArgumentNull { .. } | Self::ArgumentsTooLong(_) => self.to_string(),
            Self::Connection(_) | Self::NoVerdictFile | Self::VerdictOnStdout | Self::NoCoredumpFile => {
                self.to_string()
            }
        }
    }

    /// What to do, where the error alone does not say it.
    pub fn hint(&self, names: Names) -> Option<String> {
        match self {
            Self::Grants(error) => Some(error.reason.hint(names)),
            Self::Objects(error) => error.reason.hint(names),
            Self::Net(error) => error.reason.hint(names),
            Self::Value(error) => hint_of_value(error, names),
            Self::Wrong(error) => Some(error.reason.hint(names)),
            Self::Listen(error) => Some(error.reason.hint().into()),
            Self::Connection(error) => error.hint().map(Into::into),
            Self::NoModule => Some("write sandhog run FILE, where FILE is a .wasm or .wat".into()),
            Self::NameNotPlain(_) | Self::NameLength(_) => {
                Some("a job is named after its module: give the file a plain name, or a link to it that has one".into())
            }
            Self::ArgumentNotUtf8 { .. } | Self::ArgumentNull { .. } => Some(UTF8.into()),
            Self::ArgumentsTooLong(_) => Some("hand the rest over in a file or on stdin".into()),
            Self::NoCoredumpFile => Some("stdout belongs to the guest: --coredump FILE".into()),
            Self::NoVerdictFile | Self::VerdictOnStdout => {
                Some("name a file, or a pipe of your own: --verdict /dev/fd/3 3>verdict.json".into())
            }
        }
    }
}

const UTF8: &str = "guests get UTF-8 text; hand other bytes over in a file or on stdin";

impl Reason {
    fn hint(self, names: Names) -> String {
        let (user, stdin) = (names.of(Setting::User), names.of(Setting::Stdin));
        match (self, names) {
            (Self::Argv0, _) => UTF8.into(),
            (Self::NoFile, _) => format!("write {stdin} none for no input, {stdin} - for the command's own"),
            (Self::UserUnknown, _) => format!("write both ids, such as {user} 1000:1000"),
            (Self::UserIsRoot | Self::UserKeepsRoot, Names::Flags) => {
                format!("leave {user} out for an identity that nobody else has, or name one: {user} 1000:1000")
            }
            (Self::UserIsRoot | Self::UserKeepsRoot, Names::Keys) => {
                format!("leave {user} out for an identity that nobody else has")
            }
            (Self::ServesStdin, _) => format!("leave {stdin} out; clients send bodies of requests"),
            (Self::ServesFresh, Names::Flags) => {
                "write --isolation instance for a new instance for each request".into()
            }
            (Self::ServesFresh, Names::Keys) => {
                "write isolation = \"instance\" for a new instance for each request".into()
            }
            (Self::UserNeedsRoot, _) => format!("leave {user} out: the worker then keeps your identity"),
        }
    }
}

/// What there is without the setting.
fn hint_of_value(error: &setting::Error, names: Names) -> Option<String> {
    match error.reason {
        setting::Reason::Zero(_) | setting::Reason::Less { .. } => {}
        setting::Reason::Unreadable(_) | setting::Reason::Word { .. } | setting::Reason::More { .. } => return None,
    }
    match error.setting.facts().usual {
        Usual::Nothing => Some("leave it out for no limit".into()),
        usual @ (Usual::Size(_)
        | Usual::Time(_)
        | Usual::Count(_)
        | Usual::Word(_)
        | Usual::No
        | Usual::Depends(_)
        | Usual::Needed) => usual.to_text().map(|usual| format!("leave {} out for {usual}", names.of(error.setting))),
    }
}
