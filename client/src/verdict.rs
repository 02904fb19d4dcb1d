use crate::Error;
use sandhog_protocol::exit_code;
pub use sandhog_protocol::verdict::{Usage, Verdict as Reason};
use serde::Deserialize;
use serde_json::Value;

/// Why a job ended and what it used: the object of `sandhog run --verdict`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub reason: Reason,
    pub usage: Usage,
    /// What the command ended with: the guest's own code, or what `sandhog help exit-codes` says.
    pub exit_code: u8,
    /// The attempt's id.
    pub attempt: String,
    pub job: String,
    /// `blake3:` and the module's hash in hexadecimal; none where it was not read.
    pub module: Option<String>,
    /// Names of the walls that stood; of those, the ones that were weaker than they could be; those that were missing.
    pub walls: Vec<String>,
    pub weak_walls: Vec<String>,
    pub missing_walls: Vec<String>,
}

/// What of the object is neither the verdict nor the usage.
#[derive(Deserialize)]
struct Record {
    attempt: String,
    job: String,
    module: Option<String>,
    walls: Vec<String>,
    weak_walls: Vec<String>,
    missing_walls: Vec<String>,
}

impl Verdict {
    /// It ended by itself, with code 0.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.reason, Reason::Completed { .. })
    }

    pub(crate) fn parse(json: &[u8], exit_code: u8) -> Result<Self, Error> {
        let parse = || {
            let object: Value = serde_json::from_slice(json)?;
            let Record { attempt, job, module, walls, weak_walls, missing_walls } = Record::deserialize(&object)?;
            let (reason, usage) = (Reason::deserialize(&object)?, Usage::deserialize(&object)?);
            Ok(Self { reason, usage, exit_code, attempt, job, module, walls, weak_walls, missing_walls })
        };
        parse().map_err(Error::BadVerdict)
    }

    /// Of a pool's message: the same object as MessagePack. Its exit code is the one that `sandhog run` would have had.
    pub(crate) fn unpack(object: &[u8]) -> Result<Self, Error> {
        let parse = || {
            let Record { attempt, job, module, walls, weak_walls, missing_walls } = rmp_serde::from_slice(object)?;
            let (reason, usage) = (rmp_serde::from_slice(object)?, rmp_serde::from_slice(object)?);
            let exit_code = exit_code::of(&reason);
            Ok(Self { reason, usage, exit_code, attempt, job, module, walls, weak_walls, missing_walls })
        };
        parse().map_err(Error::Unexpected)
    }

    /// For a sentence.
    pub(crate) fn reason_in_words(&self) -> String {
        format!("{:?}, exit code {}", self.reason, self.exit_code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::worker::TrapKind;

    const USAGE: &str = r#""start_us":1,"wall_ms":2,"cpu_ms":3,"peak_memory_bytes":4,"peak_rss_bytes":5,
        "output_bytes":13,"stdout_bytes":6,"stderr_bytes":7,"stdin_bytes":8,"messages_received":9,"messages_sent":10"#;
    const RECORD: &str = r#""attempt":"a1","job":"sum","module":null,"walls":["root"],"weak_walls":[],
        "missing_walls":["cgroup"]"#;

    #[test]
    fn the_commands_object_is_read() {
        let json = format!(r#"{{"verdict":"failed","code":3,{RECORD},{USAGE}}}"#);
        let verdict = Verdict::parse(json.as_bytes(), 3).unwrap();
        assert_eq!((verdict.reason.clone(), verdict.exit_code), (Reason::Failed { code: 3 }, 3));
        assert_eq!((verdict.job.as_str(), verdict.missing_walls.as_slice()), ("sum", &["cgroup".to_owned()][..]));
        assert_eq!((verdict.usage.start_us, verdict.usage.messages_sent), (1, 10));
        assert!(!verdict.is_success());
    }

    #[test]
    fn what_belongs_to_a_verdict_is_in_it() {
        let detail = r#""trap":"unreachable","message":"m","backtrace":["f"],"weak_reasons":{"root":"x"}"#;
        let json = format!(r#"{{"verdict":"trapped","code":null,{RECORD},{USAGE},{detail}}}"#);
        let trapped = Reason::Trapped { trap: TrapKind::Unreachable, message: "m".into(), backtrace: vec!["f".into()] };
        assert_eq!(Verdict::parse(json.as_bytes(), 134).unwrap().reason, trapped);
        let object: Value = serde_json::from_str(&json).unwrap();
        let unpacked = Verdict::unpack(&rmp_serde::to_vec_named(&object).unwrap()).unwrap();
        assert_eq!(unpacked, Verdict::parse(json.as_bytes(), 134).unwrap());
        assert!(matches!(Verdict::unpack(b"\x80"), Err(Error::Unexpected(_))));
        assert!(matches!(Verdict::parse(b"{", 0), Err(Error::BadVerdict(_))));
        assert!(matches!(Verdict::parse(b"{}", 0), Err(Error::BadVerdict(_))));
    }
}
