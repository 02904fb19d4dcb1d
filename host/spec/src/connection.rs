//! Whom a job has a connection to, as flags say it.

use super::text::escape;

/// The descriptor of `--ipc` alone: the first that a shell leaves free.
const LINES: u32 = 3;

/// The other end of a job's connection to whoever started it. Numbers are the command's own descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// There is none: nobody asked for one.
    #[default]
    None,
    /// Lines of JSON (`--ipc`): read from one, written to the other, which may be the same.
    Lines { input: u32, output: u32 },
    /// A socket of packets (`--channel`), handed to the worker as it is.
    Channel(u32),
}

/// Why there is no such connection.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("--ipc={0}: neither the number of a file descriptor nor two of them")]
    NotNumbers(String),
    #[error("{flag}={number}: the file descriptors 0, 1 and 2 are the guest's")]
    Stream { flag: &'static str, number: u32 },
    #[error("--ipc and --channel: a job has one connection to whoever started it")]
    Both,
}

impl Error {
    /// What to do, where the error alone does not say it.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotNumbers(_) => {
                Some("write --ipc for descriptor 3, --ipc=4, or --ipc=4,5 to read from 4 and write to 5")
            }
            Self::Stream { .. } => Some("use a number from 3 on"),
            Self::Both => None,
        }
    }
}

impl Connection {
    /// `ipc`: what follows `--ipc=`; empty where nothing does.
    ///
    /// # Errors
    /// What was given makes no sense.
    pub(super) fn new(ipc: Option<&str>, channel: Option<u32>) -> Result<Self, Error> {
        match (ipc, channel) {
            (None, None) => Ok(Self::None),
            (Some(_), Some(_)) => Err(Error::Both),
            (None, Some(number)) => Ok(Self::Channel(beyond_streams("--channel", number)?)),
            (Some(""), None) => Ok(Self::Lines { input: LINES, output: LINES }),
            (Some(text), None) => {
                let (input, output) = text.split_once(',').unwrap_or((text, text));
                let number = |part: &str| {
                    let number = part.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
                    number.ok_or_else(|| Error::NotNumbers(escape(text).into()))
                };
                let (input, output) = (number(input)?, number(output)?);
                Ok(Self::Lines { input: beyond_streams("--ipc", input)?, output: beyond_streams("--ipc", output)? })
            }
        }
    }
}

const fn beyond_streams(flag: &'static str, number: u32) -> Result<u32, Error> {
    if number <= 2 { Err(Error::Stream { flag, number }) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_no_connection_unless_one_is_asked_for() {
        assert_eq!(Connection::new(None, None), Ok(Connection::None));
        assert_eq!(Connection::new(Some(""), None), Ok(Connection::Lines { input: 3, output: 3 }));
        assert_eq!(Connection::new(Some("7"), None), Ok(Connection::Lines { input: 7, output: 7 }));
        assert_eq!(Connection::new(Some("4,5"), None), Ok(Connection::Lines { input: 4, output: 5 }));
        assert_eq!(Connection::new(None, Some(9)), Ok(Connection::Channel(9)));
    }

    #[test]
    fn what_is_no_descriptor_of_ours_is_refused() {
        for text in ["x", "-1", "3,", ",3", "3,4,5", "3 ", "99999999999", "3\n"] {
            assert_eq!(Connection::new(Some(text), None), Err(Error::NotNumbers(escape(text).into())), "{text}");
        }
        assert_eq!(Connection::new(Some("3,1"), None), Err(Error::Stream { flag: "--ipc", number: 1 }));
        assert_eq!(Connection::new(None, Some(0)), Err(Error::Stream { flag: "--channel", number: 0 }));
        assert_eq!(Connection::new(Some("3"), Some(4)), Err(Error::Both));
    }
}
