//! An example of each thing that a client sends or gets, for the document. Each is read as its type, and an answer is written
//! again as it stands here.

use sandhog_protocol::control::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// By the names of their schemas.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let job = json!({ "name": "web", "module": "/srv/web.wasm", "memory": "64MiB", "listen": "127.0.0.1:8080", "instances": 2 });
    vec![
        ("ApplyRequest", sent::<ApplyRequest>(json!({ "source": "/srv/sandhog.toml", "jobs": [job] }))),
        ("JobSpec", sent::<JobSpec>(job)),
        ("VerbRequest", sent::<VerbRequest>(json!({ "select": ["web"], "wait": true }))),
        ("ScaleRequest", sent::<ScaleRequest>(json!({ "job": "web", "instances": 4, "wait": true }))),
        (
            "SendRequest",
            sent::<SendRequest>(json!({ "select": ["web/0"], "message": "{\"hello\":1}", "wait_ms": 1000 })),
        ),
        ("Daemon", told::<Daemon>(daemon())),
        ("JobSummary", told::<JobSummary>(json!({ "job": "web", "group": "shop", "instances": 2 }))),
        ("EndedAttempt", told::<EndedAttempt>(ended())),
        ("Event", told::<Event>(event())),
        ("LogLine", told::<LogLine>(line())),
        ("SendReply", told::<SendReply>(reply())),
        (
            "ErrorBody",
            told::<ErrorBody>(
                json!({ "error": "no job and no group is called \"ship\"", "hint": "did you mean shop?" }),
            ),
        ),
    ]
}

/// What is left out has its default.
fn sent<T: DeserializeOwned>(example: Value) -> Value {
    serde_json::from_value::<T>(example.clone()).unwrap();
    example
}

fn told<T: DeserializeOwned + Serialize>(example: Value) -> Value {
    let read: T = serde_json::from_value(example.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), example);
    example
}

fn daemon() -> Value {
    json!({
        "version": "0.1.0", "pid": 812, "started_ms": 1_795_282_300_000_u64, "state_dir": "/var/lib/sandhog",
        "socket": "/run/sandhog/control.sock", "jobs": 1, "instances": 2,
    })
}

fn ended() -> Value {
    json!({
        "attempt": "01M7YHN084VMMH83FBC6YH1VHN", "at_ms": 1_795_282_333_871_u64, "text": "ran longer than 30s", "code": 124,
        "verdict": { "verdict": "deadline", "limit": "30s" },
        "usage": {
            "start_us": 4700, "wall_ms": 30_000, "cpu_ms": 120, "peak_memory_bytes": 1_114_112, "peak_rss_bytes": 3_145_728,
            "stdin_bytes": 0, "output_bytes": 42, "stdout_bytes": 42, "stderr_bytes": 0, "messages_received": 0,
            "messages_sent": 0,
        },
    })
}

fn event() -> Value {
    json!({
        "number": 60, "at_ms": 1_795_282_333_871_u64, "job": "web", "instance": 0, "id": 2, "attempt": "01M7YHN084VMMH83FBC6YH1VHN", "kind": "ended",
        "text": "ran longer than 30s", "verdict": { "verdict": "deadline", "limit": "30s" }, "message": null,
    })
}

fn line() -> Value {
    json!({
        "at_ms": 1_795_282_333_871_u64, "job": "web", "instance": 0, "attempt": "01M7YHN084VMMH83FBC6YH1VHN", "stream": "out", "text": "ready",
    })
}

fn reply() -> Value {
    json!({ "id": 2, "job": "web", "instance": 0, "message": "{\"hello\":2}", "error": null })
}
