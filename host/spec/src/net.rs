//! What of the network a job is granted: `listen:ADDRESS:PORT`, `passed` or `none`, for the flag and for the manifest's key alike.
//!
//! Must not: listen, or look a name up.

use super::listen::{ListenReason, parse_listen};
use super::nearest::advice;
use super::setting::{Names, Setting, Wrong};
use sandhog_protocol::limits;
use std::net::SocketAddr;

/// The sockets that a job may use. The default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Net {
    /// Where it is to listen: no address twice but with port 0, at most [`limits::LISTENERS`].
    pub listen: Vec<SocketAddr>,
    /// It may take what other jobs of its group pass on.
    pub passed: bool,
}

/// A grant of the network that is refused.
pub type Error = Wrong<Reason>;

/// Why a grant of the network is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("there is no such grant; {advice}")]
    Unknown { advice: String },
    #[error("{0}")]
    Listen(ListenReason),
    #[error("given twice")]
    Twice,
    #[error("none stands alone")]
    NotAlone,
    #[error("{0} addresses are more than {limit}", limit = limits::LISTENERS)]
    TooMany(usize),
    #[error("a job that serves HTTP gets its connections from Sandhog, and no sockets of its own")]
    Serves,
}

const LISTEN: &str = "listen";
const PASSED: &str = "passed";
const NONE: &str = "none";

impl Reason {
    /// What to do, where the error alone does not say it.
    pub fn hint(&self, names: Names) -> Option<String> {
        let net = names.of(Setting::Net);
        match self {
            Self::Unknown { .. } => Some(match names {
                Names::Flags => format!("write {net} listen:ADDRESS:PORT, such as {net} listen:127.0.0.1:9000"),
                Names::Keys => format!("write {net} = [\"listen:ADDRESS:PORT\"], such as [\"listen:127.0.0.1:9000\"]"),
            }),
            Self::Listen(reason) => Some(reason.hint().into()),
            Self::Twice => Some("leave one of them out".into()),
            Self::NotAlone => Some(format!("leave {net} out for no network")),
            Self::TooMany(_) => Some("one socket serves as many clients as there are".into()),
            Self::Serves => Some(format!("leave {net} out, or {}", names.of(Setting::Listen))),
        }
    }
}

impl Net {
    /// The grants in these texts.
    ///
    /// # Errors
    /// The first one that is not to be had.
    pub fn new(texts: &[String]) -> Result<Self, Error> {
        let mut net = Self::default();
        for text in texts {
            let wrong = |reason| Wrong::text(Setting::Net, text, reason);
            match text.split_once(':') {
                Some((LISTEN, address)) => net.add(address).map_err(wrong)?,
                None if text == PASSED && !net.passed => net.passed = true,
                None if text == PASSED => return Err(wrong(Reason::Twice)),
                None if text == NONE && texts.len() == 1 => {}
                None if text == NONE => return Err(wrong(Reason::NotAlone)),
                None if text == LISTEN => return Err(wrong(Reason::Listen(ListenReason::NoPort))),
                Some((word, _)) => return Err(wrong(unknown(word))),
                None => return Err(wrong(unknown(text))),
            }
        }
        match net.listen.len() {
            count if count > limits::LISTENERS => Err(Wrong::whole(Setting::Net, Reason::TooMany(count))),
            _ => Ok(net),
        }
    }

    fn add(&mut self, text: &str) -> Result<(), Reason> {
        let address = parse_listen(text).map_err(Reason::Listen)?;
        // Any that is free is another one each time.
        if address.port() != 0 && self.listen.contains(&address) {
            return Err(Reason::Twice);
        }
        self.listen.push(address);
        Ok(())
    }

    /// Whether it may use a socket at all.
    #[must_use]
    pub const fn is_granted(&self) -> bool {
        self.passed || !self.listen.is_empty()
    }

    /// As people write it.
    #[must_use]
    pub fn print(&self) -> Vec<String> {
        let listen = self.listen.iter().map(|address| format!("{LISTEN}:{address}"));
        listen.chain(self.passed.then(|| PASSED.to_owned())).collect()
    }
}

fn unknown(word: &str) -> Reason {
    Reason::Unknown { advice: advice(word, [LISTEN, PASSED, NONE]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(texts: &[&str]) -> Result<Net, Reason> {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        Net::new(&texts).map_err(|error| error.reason)
    }

    #[test]
    fn a_grant_says_where_to_listen_or_that_sockets_may_come() {
        assert_eq!(net(&[]), Ok(Net::default()));
        assert_eq!(net(&["none"]), Ok(Net::default()));
        let granted = net(&["listen:127.0.0.1:9000", "passed", "listen:[::1]:0", "listen:[::1]:0"]).unwrap();
        assert!(granted.passed && granted.is_granted());
        assert_eq!(granted.print(), ["listen:127.0.0.1:9000", "listen:[::1]:0", "listen:[::1]:0", "passed"]);
        assert!(net(&["listen:localhost:1"]).unwrap().is_granted() && !Net::default().is_granted());
    }

    #[test]
    fn each_slip_has_its_reason() {
        for (texts, reason) in [
            (&["listen"][..], Reason::Listen(ListenReason::NoPort)),
            (&["listen:127.0.0.1"], Reason::Listen(ListenReason::NoPort)),
            (&["listen:8080"], Reason::Listen(ListenReason::NoAddress)),
            (&["listen:::1"], Reason::Listen(ListenReason::Brackets)),
            (&["listen:example.com:80"], Reason::Listen(ListenReason::Name)),
            (&["listen:127.0.0.1:1", "listen:127.0.0.1:1"], Reason::Twice),
            (&["passed", "passed"], Reason::Twice),
            (&["none", "passed"], Reason::NotAlone),
        ] {
            assert_eq!(net(texts), Err(reason), "{texts:?}");
        }
        assert!(matches!(net(&["passd"]), Err(Reason::Unknown { advice }) if advice.contains("passed")));
        assert!(matches!(net(&["tcp:127.0.0.1:80"]), Err(Reason::Unknown { .. })));
        assert!(matches!(net(&["127.0.0.1:80"]), Err(Reason::Unknown { .. })));
        let many = vec!["listen:127.0.0.1:0"; limits::LISTENERS + 1];
        assert_eq!(net(&many), Err(Reason::TooMany(limits::LISTENERS + 1)));
    }
}
