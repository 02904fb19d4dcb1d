//! Flags of `serve`; see [`super::flags`] for those of a job's settings.

use super::flags::{JobFlags, Of};
use clap::{Args, ValueEnum, ValueHint};
use sandhog_protocol::control::JobSpec;
use sandhog_spec::job::{Error, Settings};
use sandhog_spec::listen::parse_listen;
use sandhog_spec::service::{self, Boosts, Rules};
use sandhog_spec::setting::{Command, Setting};
use sandhog_spec::units::parse_count;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Headings of the help.
const WORKERS: &str = "Workers";
const WATCHING: &str = "Watching it";

/// Most workers, as of every job that is kept up.
const INSTANCES_MAX: u32 = 1000;

#[derive(Clone, Copy, Debug)]
pub struct OfServe;

impl Of for OfServe {
    const COMMAND: Command = Command::Serve;

    const USUAL: &'static [(Setting, &'static str)] = &[(Setting::Listen, "the sockets that systemd passes")];
}

/// How requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessLog {
    /// The common log format, and what Sandhog knows beside
    Common,
    /// A JSON object for each request
    Json,
    /// Nothing
    None,
}

/// How many workers there are: the same for a number that does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instances {
    pub min: u32,
    pub max: u32,
}

impl Instances {
    pub const fn is_fixed(self) -> bool {
        self.min == self.max
    }
}

/// What `serve` has.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The module: a component that exports wasi:http/incoming-handler 0.2 or wasi:http/handler 0.3; .wasm or .wat
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub module: PathBuf,

    #[command(flatten)]
    pub job: JobFlags<OfServe>,

    /// Number of workers; with MIN..MAX as many as the requests need. With --isolation process so many connections at once
    #[arg(short, long, value_name = "COUNT|MIN..MAX", value_parser = parse_instances, default_value = "1",
          help_heading = WORKERS)]
    pub instances: Instances,

    /// What stdout gets of each request: a line of the common log format, a JSON object, or nothing
    #[arg(long, value_enum, default_value_t = AccessLog::Common, hide_possible_values = true,
          value_name = "common|json|none", help_heading = WATCHING)]
    pub access_log: AccessLog,

    /// Answer GET /metrics on this address, in the format of Prometheus [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address, help_heading = WATCHING)]
    pub metrics: Option<SocketAddr>,
}

impl ServeArgs {
    /// The job that they describe. `inherited`: where it listens already.
    ///
    /// # Errors
    /// A value is out of its bounds.
    pub fn settings(&self, inherited: Option<SocketAddr>) -> Result<Settings, Error> {
        let mut settings = self.job.clone().settings(self.module.clone())?;
        settings.http.listen = inherited.map(|address| address.to_string()).or(settings.http.listen);
        Ok(Settings { stdin: Some("none".into()), ..settings })
    }

    /// How its workers are kept up: whatever ends, another one takes its place.
    ///
    /// # Errors
    /// A value is out of its bounds, or two contradict each other.
    pub fn rules(&self) -> Result<Rules, service::Error> {
        let spec = JobSpec {
            restart: Some("always".into()),
            ready: Some("notify".into()),
            shared_zygote: true,
            // Passed by systemd, or written: it listens.
            listen: self.job.spec.listen.clone().or(Some(String::new())),
            ..self.job.spec.clone()
        };
        let rules = Rules::of(&spec, Boosts::default())?;
        service::check_company(&spec)?;
        Ok(rules)
    }
}

fn parse_instances(text: &str) -> Result<Instances, String> {
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    let number = |part: &str| {
        let count = parse_count(part).map_err(|error| format!("{error}; write 4, or 1..8"))?;
        match u32::try_from(count) {
            Ok(0) => Err("there has to be at least one".to_owned()),
            Ok(count) if count <= INSTANCES_MAX => Ok(count),
            Ok(_) | Err(_) => Err(format!("more than {INSTANCES_MAX}, the most of one job")),
        }
    };
    let (min, max) = (number(min)?, number(max)?);
    if min > max { Err(format!("{min} is more than {max}; write {max}..{min}")) } else { Ok(Instances { min, max }) }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    parse_listen(text).map_err(|reason| format!("{reason}; {}", reason.hint()))
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse};
    use super::*;
    use sandhog_spec::service::Ready;
    use std::ffi::OsString;
    use std::time::Duration;

    fn serve(words: &[&str]) -> ServeArgs {
        let words = ["sandhog", "serve"].iter().chain(words).map(OsString::from);
        match parse(words, "").unwrap().command {
            Command::Serve(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_module_and_an_address_are_one_worker_with_an_access_log() {
        let args = serve(&["a.wasm", "--listen=127.0.0.1:0"]);
        assert_eq!(args.instances, Instances { min: 1, max: 1 });
        assert_eq!((args.access_log, args.metrics), (AccessLog::Common, None));
        let settings = args.settings(None).unwrap();
        assert_eq!((settings.http.listen.as_deref(), settings.stdin), (Some("127.0.0.1:0"), Some("none".into())));
        let rules = args.rules().unwrap();
        assert_eq!((rules.ready, rules.shared_zygote), (Ready::Notify, true));
    }

    #[test]
    fn flags_of_the_workers_and_of_requests_arrive() {
        let args = serve(&[
            "a.wasm",
            "--listen=[::1]:80",
            "-i",
            "1..8",
            "--isolation=process",
            "--request-timeout=none",
            "--max-body=1MiB",
            "--grace=1s",
            "--backoff-first=1s",
            "--metrics=127.0.0.1:9",
            "--access-log=json",
            "--memory=64MiB",
        ]);
        assert_eq!((args.instances, args.instances.is_fixed()), (Instances { min: 1, max: 8 }, false));
        let settings = args.settings(None).unwrap();
        assert_eq!(settings.http.request_timeout.as_deref(), Some("none"));
        assert_eq!(settings.http.isolation.as_deref(), Some("process"));
        let rules = args.rules().unwrap();
        assert_eq!((rules.grace, rules.backoff.first), (Duration::from_secs(1), Duration::from_secs(1)));
    }

    #[test]
    fn an_inherited_socket_says_where_it_listens() {
        let args = serve(&["a.wasm"]);
        assert_eq!(args.settings(None).unwrap().http.listen, None);
        let inherited = args.settings(Some("127.0.0.1:7".parse().unwrap())).unwrap();
        assert_eq!(inherited.http.listen.as_deref(), Some("127.0.0.1:7"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_write() {
        for (text, answer) in [
            ("0", "at least one"),
            ("0..4", "at least one"),
            ("1001", "more than 1000"),
            ("8..1", "write 1..8"),
            ("x", "write 4, or 1..8"),
            ("1..", "write 4, or 1..8"),
        ] {
            let error = parse_instances(text).unwrap_err();
            assert!(error.contains(answer), "{text}: {error}");
        }
        assert!(parse_address("9100").unwrap_err().contains("127.0.0.1:PORT"));
    }
}
