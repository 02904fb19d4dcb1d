//! A verdict in words for people, and as the JSON object of `--verdict` for tools.

use super::problem::Problem;
use sandhog_protocol::frame;
use sandhog_protocol::plan::Wall;
use sandhog_protocol::spawn::WeakWall;
use sandhog_protocol::verdict::{CpuLimit, Killer, LostCause, MemoryWall, StopReason, Verdict};
use sandhog_protocol::worker::TrapKind;
use sandhog_runtime::record::VerdictRecord;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most frames of a backtrace that people are shown; the JSON object has all of them.
const FRAMES: usize = 16;

/// What happened, which limit it was, what to do. `None` where the exit code says it all: the guest ended by
/// itself, or whoever read its output has gone away.
pub fn sentence(verdict: &Verdict) -> Option<Problem> {
    let problem = |what: String, hint: &str| Some(Problem::new(what).with_hint(hint));
    match verdict {
        Verdict::Completed { .. } | Verdict::Failed { .. } => None,
        Verdict::Stopped { reason, .. } => stopped(*reason),
        Verdict::Trapped { trap, message, backtrace } => Some(trapped(*trap, message, backtrace)),
        Verdict::Deadline { limit } => problem(
            format!("deadline: the guest ran longer than {limit} (--timeout)"),
            "give it more, or look for what it waits for",
        ),
        Verdict::Cpu { limit, exceeded } => Some(cpu(limit, *exceeded)),
        Verdict::Memory { limit, wall } => Some(memory(limit, *wall)),
        Verdict::Output { limit } => problem(
            format!("output: the guest wrote more than {limit} to stdout and stderr (--max-output)"),
            "give it more, or look for a loop that prints",
        ),
        Verdict::Denied { syscall } => problem(
            format!("denied: the worker made a system call that no guest needs{}", named(syscall.as_deref())),
            "do not trust this module; if it is yours, please report it as a fault of Sandhog",
        ),
        Verdict::Killed { signal, by } => Some(killed(signal, *by)),
        Verdict::Unhealthy { check } => problem(
            format!("unhealthy: {}", check.failure()),
            "the guest lives but does not answer; look for what it waits for",
        ),
        Verdict::Lost { reason, cause } => Some(lost(reason, *cause)),
        Verdict::Refused { reason } => Some(Problem::new(format!("refused: {reason}"))),
        Verdict::Unknown => problem(
            "it ended in a way that this version does not know".into(),
            "whatever ran it is of a newer version of Sandhog",
        ),
    }
}

/// What is to be said of a core dump after [`sentence`]: where it is, why there is none, or how to get one.
pub fn about_coredump(record: &VerdictRecord) -> Option<String> {
    match (&record.coredump, &record.verdict) {
        (Some(Ok(path)), _) => Some(format!("the core dump for a debugger is in {}", path.display())),
        (Some(Err(reason)), _) => Some(format!("there is no core dump: {reason}")),
        (None, Verdict::Trapped { .. }) => Some("--coredump FILE keeps its memory for a debugger".to_owned()),
        (None, _) => None,
    }
}

fn named(syscall: Option<&str>) -> String {
    syscall.map(|syscall| format!(": {syscall}")).unwrap_or_default()
}

fn cpu(limit: &str, exceeded: CpuLimit) -> Problem {
    let what = match exceeded {
        CpuLimit::Time => format!("cpu: the guest used more than {limit} of CPU time (--cpu)"),
        CpuLimit::Fuel => format!("cpu: the guest used more than {limit} units of fuel (--fuel)"),
        CpuLimit::Unknown(_) => format!("cpu: the guest computed more than {limit} allows"),
    };
    Problem::new(what).with_hint("give it more, or look for a loop that does not end")
}

/// Why it was lost is a sentence; where the fault lies says what to do.
fn lost(reason: &str, cause: LostCause) -> Problem {
    let hint = match cause {
        LostCause::Protocol => {
            "do not trust this module: no guest's worker says that; if it is yours, please report it as a fault of Sandhog"
        }
        LostCause::Output => "make room where stdout and stderr lead to, or let them lead elsewhere",
        LostCause::Worker
        | LostCause::NoReport
        | LostCause::Zygote
        | LostCause::Spawner
        | LostCause::Daemon
        | LostCause::Start
        | LostCause::Compiler
        | LostCause::StaleModule
        | LostCause::Machine
        | LostCause::Unknown(_) => {
            "a fault of Sandhog or of this machine, not of the guest; try again, and report it if it comes back"
        }
    };
    Problem::new(format!("lost: {reason}")).with_hint(hint)
}

fn stopped(reason: StopReason) -> Option<Problem> {
    match reason {
        StopReason::OutputClosed => None,
        StopReason::Parent => Some(Problem::new("stopped: by its parent")),
        StopReason::Operator => Some(Problem::new("stopped: on request")),
        StopReason::Replaced => Some(Problem::new("stopped: replaced by a new attempt")),
        StopReason::Interrupt => Some(Problem::new("stopped: by Ctrl-C")),
        StopReason::Terminate => Some(Problem::new("stopped: by SIGTERM or SIGHUP")),
        StopReason::Unknown(word) => Some(Problem::new(format!("stopped: {word}"))),
    }
}

fn killed(signal: &str, by: Killer) -> Problem {
    match by {
        Killer::Outside => Problem::new(format!("killed: {signal}, sent by somebody outside Sandhog"))
            .with_hint("look for an operator, or for a machine that ran out of memory (dmesg)"),
        Killer::Operator => Problem::new(format!("killed: {signal}, on request")),
        Killer::Fault => Problem::new(format!("killed: {signal}, a fault of the worker itself"))
            .with_hint("do not trust this module; please report it as a fault of Sandhog"),
        Killer::Unknown(word) => Problem::new(format!("killed: {signal}, by {word}")),
    }
}

fn memory(limit: &str, wall: MemoryWall) -> Problem {
    let what = match wall {
        MemoryWall::Engine => format!("memory: the guest needed more than {limit} (--memory)"),
        MemoryWall::Data => format!("memory: the worker needed more for itself than --memory {limit} allows"),
        MemoryWall::Cgroup => {
            format!("memory: the kernel ended the worker, which used more than --memory {limit} allows")
        }
        MemoryWall::Unknown(_) => format!("memory: it needed more than --memory {limit} allows"),
    };
    Problem::new(what).with_hint("give it more, or look for a leak")
}

fn trapped(trap: TrapKind, message: &str, backtrace: &[String]) -> Problem {
    let (what, hint) = describe(trap);
    let is_told_by_message = matches!(trap, TrapKind::UncaughtException | TrapKind::Other) && !message.is_empty();
    let detail = if is_told_by_message { format!(": {message}") } else { String::new() };
    let mut problem = Problem::new(format!("trapped: {what}{detail}"));
    for (number, frame) in backtrace.iter().take(FRAMES).enumerate() {
        problem = problem.with_detail(format!("{number:2}: {frame}"));
    }
    if backtrace.len() > FRAMES {
        problem =
            problem.with_detail(format!("    and {} more: --verdict FILE has them all", backtrace.len() - FRAMES));
    }
    problem.with_hint(hint)
}

/// A trap in words, and what to do about it.
const fn describe(trap: TrapKind) -> (&'static str, &'static str) {
    const LOOK: &str = "a fault in the guest's code; the lines above say where";
    match trap {
        TrapKind::Unreachable => {
            ("the guest gave up (unreachable)", "a panic or abort ends this way; what it wrote to stderr says why")
        }
        TrapKind::OutOfBoundsMemory => ("the guest used memory that it does not have", LOOK),
        TrapKind::OutOfBoundsTable => ("the guest used a table beyond its end", LOOK),
        TrapKind::UndefinedElement => ("the guest called a function that is not there", LOOK),
        TrapKind::IndirectCallTypeMismatch => ("the guest called a function as if it were of another type", LOOK),
        TrapKind::IntegerOverflow => ("an integer overflowed", LOOK),
        TrapKind::IntegerDivideByZero => ("an integer was divided by zero", LOOK),
        TrapKind::InvalidConversion => ("a number was converted to an integer that can't hold it", LOOK),
        TrapKind::StackOverflow => ("the guest's stack of 1MiB overflowed", "look for a recursion that does not end"),
        TrapKind::UncaughtException => ("the guest threw an exception that nobody caught", LOOK),
        TrapKind::Other => ("the engine ended the guest", LOOK),
    }
}

/// The object of `--verdict`: these keys first, in this order and always; then what belongs to the verdict.
#[derive(Serialize)]
struct Json<'a> {
    verdict: Value,
    /// The guest's exit code; null where it did not end by itself.
    code: Value,
    attempt: &'a str,
    job: &'a str,
    module: Option<&'a str>,
    walls: Vec<&'static str>,
    weak_walls: Vec<&'static str>,
    missing_walls: Vec<&'static str>,
    start_us: u64,
    wall_ms: u64,
    cpu_ms: u64,
    peak_memory_bytes: u64,
    peak_rss_bytes: u64,
    output_bytes: u64,
    stdout_bytes: Option<u64>,
    stderr_bytes: Option<u64>,
    stdin_bytes: u64,
    messages_received: u64,
    messages_sent: u64,
    /// The file's name, null where there is none, and then why; both absent where nobody asked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    coredump: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_coredump: Option<&'a str>,
    #[serde(flatten)]
    details: Map<String, Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    weak_reasons: BTreeMap<&'static str, String>,
}

/// The record as one line of JSON, without its end.
///
/// # Errors
/// None that plain data can cause.
pub fn json(record: &VerdictRecord) -> Result<String, serde_json::Error> {
    serde_json::to_string(&object(record)?)
}

/// The same object as MessagePack.
///
/// # Errors
/// None that plain data can cause.
pub fn packed(record: &VerdictRecord) -> Result<Vec<u8>, Unpacked> {
    Ok(frame::encode_body(&object(record)?)?)
}

/// Why a record could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum Unpacked {
    #[error("make an object of it")]
    Object(#[from] serde_json::Error),
    #[error("pack the object")]
    Pack(#[from] frame::Error),
}

fn object(record: &VerdictRecord) -> Result<Json<'_>, serde_json::Error> {
    let mut details: Map<String, Value> = serde_json::from_value(serde_json::to_value(&record.verdict)?)?;
    let mut take = |key| details.remove(key).unwrap_or(Value::Null);
    let (verdict, code) = (take("verdict"), take("code"));
    let usage = record.usage;
    let weak_reasons = reasons(&record.weak_walls);
    Ok(Json {
        verdict,
        code,
        attempt: &record.attempt,
        job: &record.job,
        module: record.module.as_deref(),
        walls: names(record.walls.iter().copied()),
        weak_walls: names(record.weak_walls.iter().map(|weak| weak.wall)),
        missing_walls: names(record.missing_walls.iter().copied()),
        start_us: usage.start_us,
        wall_ms: usage.wall_ms,
        cpu_ms: usage.cpu_ms,
        peak_memory_bytes: usage.peak_memory_bytes,
        peak_rss_bytes: usage.peak_rss_bytes,
        output_bytes: usage.output_bytes,
        stdout_bytes: usage.stdout_bytes,
        stderr_bytes: usage.stderr_bytes,
        stdin_bytes: usage.stdin_bytes,
        messages_received: usage.messages_received,
        messages_sent: usage.messages_sent,
        coredump: record.coredump.as_ref().map(|dump| match dump {
            Ok(path) => path.to_string_lossy().into(),
            Err(_) => Value::Null,
        }),
        no_coredump: record.coredump.as_ref().and_then(|dump| dump.as_ref().err()).map(String::as_str),
        details,
        weak_reasons,
    })
}

/// Names in the order of [`Wall::ALL`], each once.
fn names(walls: impl Iterator<Item = Wall>) -> Vec<&'static str> {
    let walls: std::collections::BTreeSet<Wall> = walls.collect();
    walls.into_iter().map(Wall::name).collect()
}

/// Why each weak wall is weak; several reasons for one wall become one text.
fn reasons(weak: &[WeakWall]) -> BTreeMap<&'static str, String> {
    let mut reasons = BTreeMap::<_, String>::new();
    for WeakWall { wall, reason } in weak {
        let text = reasons.entry(wall.name()).or_default();
        text.push_str(if text.is_empty() { "" } else { "; " });
        text.push_str(reason);
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::shows;
    use sandhog_protocol::examples::one_of_each;
    use sandhog_protocol::verdict::Usage;

    fn record(verdict: Verdict) -> VerdictRecord {
        VerdictRecord {
            verdict,
            attempt: "a-1".into(),
            job: "hello".into(),
            module: Some("blake3:00".into()),
            walls: vec![Wall::Seccomp, Wall::Namespaces],
            weak_walls: Vec::new(),
            missing_walls: Vec::new(),
            usage: Usage {
                start_us: 1,
                wall_ms: 2,
                cpu_ms: 3,
                peak_memory_bytes: 4,
                peak_rss_bytes: 5,
                stdin_bytes: 6,
                output_bytes: 15,
                stdout_bytes: Some(7),
                stderr_bytes: Some(8),
                messages_received: 9,
                messages_sent: 10,
            },
            dumped: None,
            coredump: None,
        }
    }

    fn sentence_of(verdict: Verdict) -> String {
        sentence(&verdict).unwrap().to_text(false)
    }

    #[test]
    fn a_completed_attempt_is_this_line() {
        let line = json(&record(Verdict::Completed { code: 0 })).unwrap();
        assert_eq!(
            line,
            r#"{"verdict":"completed","code":0,"attempt":"a-1","job":"hello","module":"blake3:00","walls":["namespaces","seccomp"],"weak_walls":[],"missing_walls":[],"start_us":1,"wall_ms":2,"cpu_ms":3,"peak_memory_bytes":4,"peak_rss_bytes":5,"output_bytes":15,"stdout_bytes":7,"stderr_bytes":8,"stdin_bytes":6,"messages_received":9,"messages_sent":10}"#
        );
    }

    #[test]
    fn weak_and_missing_walls_are_named_and_explained() {
        let weak = |wall, reason: &str| WeakWall { wall, reason: reason.into() };
        let record = VerdictRecord {
            weak_walls: vec![
                weak(Wall::Landlock, "ABI 3"),
                weak(Wall::Identity, "rootless"),
                weak(Wall::Landlock, "no scopes"),
            ],
            missing_walls: vec![Wall::Cgroup],
            module: None,
            ..record(Verdict::Refused { reason: "no".into() })
        };
        let value: Value = serde_json::from_str(&json(&record).unwrap()).unwrap();
        assert_eq!(value["weak_walls"], serde_json::json!(["identity", "landlock"]));
        assert_eq!(value["missing_walls"], serde_json::json!(["cgroup"]));
        let expected = serde_json::json!({"identity": "rootless", "landlock": "ABI 3; no scopes"});
        assert_eq!(value["weak_reasons"], expected);
        assert_eq!((&value["module"], &value["code"], &value["reason"]), (&Value::Null, &Value::Null, &"no".into()));
    }

    #[test]
    fn every_verdict_has_the_same_keys_first() {
        const FIRST: [&str; 17] = [
            "verdict",
            "code",
            "attempt",
            "job",
            "module",
            "walls",
            "weak_walls",
            "missing_walls",
            "start_us",
            "wall_ms",
            "cpu_ms",
            "peak_memory_bytes",
            "peak_rss_bytes",
            "output_bytes",
            "stdout_bytes",
            "stderr_bytes",
            "stdin_bytes",
        ];
        for verdict in one_of_each() {
            let line = json(&record(verdict)).unwrap();
            let offsets: Vec<usize> = FIRST.iter().map(|key| line.find(&format!("\"{key}\":")).unwrap()).collect();
            assert!(offsets.is_sorted(), "{line}");
            assert!(!line.contains('\n'));
        }
    }

    #[test]
    fn every_verdict_keeps_what_it_says() {
        for verdict in one_of_each() {
            let line: Map<String, Value> = serde_json::from_str(&json(&record(verdict.clone())).unwrap()).unwrap();
            let own: Map<String, Value> = serde_json::from_value(serde_json::to_value(&verdict).unwrap()).unwrap();
            for (key, value) in own {
                assert_eq!(line[&key], value, "{key}");
            }
        }
    }

    #[test]
    fn an_unknown_system_call_is_null() {
        let line = json(&record(Verdict::Denied { syscall: None })).unwrap();
        assert!(line.ends_with(r#""syscall":null}"#), "{line}");
    }

    #[test]
    fn whatever_sandhog_ended_is_said_and_what_to_do() {
        for verdict in one_of_each() {
            let quiet = matches!(
                verdict,
                Verdict::Completed { .. }
                    | Verdict::Failed { .. }
                    | Verdict::Stopped { reason: StopReason::OutputClosed, .. }
            );
            let Some(problem) = sentence(&verdict) else {
                assert!(quiet, "{verdict:?}");
                continue;
            };
            let name = serde_json::to_value(&verdict).unwrap()["verdict"].as_str().unwrap().to_owned();
            let text = problem.to_text(false);
            assert!(!quiet && text.starts_with(&format!("sandhog: {name}: ")), "{text}");
        }
    }

    #[test]
    fn each_verdict_is_said_like_this() {
        let text: String = one_of_each().iter().filter_map(|verdict| Some(sentence(verdict)?.to_text(false))).collect();
        shows("verdicts", &text);
    }

    #[test]
    fn a_trap_shows_where_it_happened() {
        let backtrace = vec!["work".to_owned(), "_start\x1b[2J".to_owned()];
        let trap =
            |trap, backtrace| sentence_of(Verdict::Trapped { trap, message: "the engine's words".into(), backtrace });
        shows("verdict-trapped", &trap(TrapKind::Unreachable, backtrace));
        assert!(trap(TrapKind::Other, Vec::new()).contains("the engine ended the guest: the engine's words\n"));
        let long = trap(TrapKind::StackOverflow, vec!["f".into(); 64]);
        assert!(long.contains("and 48 more: --verdict FILE has them all"), "{long}");
        assert_eq!(long.lines().count(), 1 + FRAMES + 2);
    }
}
