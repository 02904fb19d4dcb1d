use super::*;
use crate::frame;
use crate::message::{Format, Message};
use crate::verdict::{Usage, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

fn value(body: &[u8]) -> Message {
    Message { format: Format::Value, body: body.to_vec() }
}

fn bytes(body: &[u8]) -> Message {
    Message { format: Format::Bytes, body: body.to_vec() }
}

fn packed(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap()
}

fn tasks() -> Vec<ToPool> {
    let of = |number| Task::new(Id::Number(number));
    vec![
        ToPool::hello(),
        ToPool::Task(Task { message: Some(value(b"\x93\x01\xa1x\x81\xa1k\xc0")), ..of(1) }),
        ToPool::Task(Task { message: Some(bytes(b"\0\xff")), timeout_ms: Some(50), wait_ms: Some(0), ..of(-1) }),
        ToPool::Task(Task {
            arguments: Some(vec!["a".into(), String::new()]),
            stdin: Some(Octets(b"text".to_vec())),
            ..Task::new(Id::Text("t".repeat(Id::LONGEST)))
        }),
        ToPool::Task(Task { stdin: Some(Octets(b"\xff\0".to_vec())), ..of(Id::LARGEST) }),
        ToPool::Task(of(-Id::LARGEST)),
        ToPool::Cancel { id: Id::Text(String::new()) },
        ToPool::Statistics,
        ToPool::Close,
    ]
}

fn answers() -> Vec<FromPool> {
    let (id, none) = (Id::Number(7), Octets::default());
    let verdict = packed(&BTreeMap::from([("verdict", "completed")]));
    let hello =
        FromPool::Hello { version: VERSION, kind: Kind::Handler, workers: 2, window: 64, window_bytes: 1 << 26 };
    vec![
        hello,
        FromPool::said(id.clone(), value(b"\xa2ok")),
        FromPool::said(id.clone(), bytes(b"")),
        FromPool::said(id.clone(), Message { format: Format::Failure, body: b"no".to_vec() }),
        FromPool::Verdict { id: id.clone(), verdict, stdout: Octets(b"out\n".to_vec()), stderr: Octets(vec![0xff]) },
        FromPool::Answer {
            id: id.clone(),
            message: value(b"\x01"),
            stdout: none.clone(),
            stderr: Octets(b"e".to_vec()),
        },
        FromPool::Invalid { id: id.clone(), text: "no value".into() },
        FromPool::NotRun { id: id.clone(), reason: NotRun::Expired, text: "50ms".into() },
        FromPool::Refused { id, reason: Refusal::DuplicateId, text: "x".into() },
        FromPool::Statistics(Statistics { idle: 1, busy: 2, waiting: 3, ..Statistics::default() }),
        FromPool::Error { text: "line 2".into() },
        FromPool::Ended { reason: Ended::Closed },
    ]
}

#[test]
fn every_message_survives_the_way_there_and_back() {
    for message in tasks() {
        assert_eq!(ToPool::decode(&message.encode().unwrap()).unwrap(), message);
    }
    for message in answers() {
        assert_eq!(FromPool::decode(&message.encode().unwrap()).unwrap(), message);
    }
}

#[test]
fn every_shorter_or_longer_body_is_refused() {
    for body in tasks().iter().map(|message| message.encode().unwrap()) {
        for length in 0..body.len() {
            assert!(ToPool::decode(&body[..length]).is_err(), "{:x?}", &body[..length]);
        }
        assert!(ToPool::decode(&[&body[..], b"\xc0"].concat()).is_err());
    }
    for body in answers().iter().map(|message| message.encode().unwrap()) {
        for length in 0..body.len() {
            assert!(FromPool::decode(&body[..length]).is_err(), "{:x?}", &body[..length]);
        }
    }
}

#[derive(Serialize)]
struct Pairs<'a>(#[serde(serialize_with = "as_map")] &'a [(&'a str, serde_json::Value)]);

fn as_map<S: serde::Serializer>(pairs: &[(&str, serde_json::Value)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

fn decode(json: &str) -> Result<ToPool, Error> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
    ToPool::decode(&packed(&object))
}

#[test]
fn the_fields_of_a_task_stand_in_any_order_and_none_is_unknown() {
    let task = Task { message: Some(value(b"\x05")), timeout_ms: Some(9), ..Task::new(Id::Text("a".into())) };
    for json in
        [r#"{"type":"task","id":"a","value":5,"timeout_ms":9}"#, r#"{"value":5,"timeout_ms":9,"id":"a","type":"task"}"#]
    {
        assert_eq!(decode(json).unwrap(), ToPool::Task(task.clone()));
    }
    for json in [
        r#"{"type":"task","id":"a","value":5,"timeout":9}"#,
        r#"{"type":"task","id":"a","value":5,"timeout_ms":-1}"#,
        r#"{"type":"task","id":"a","value":5,"timeout_ms":1.5}"#,
        r#"{"type":"task","value":5}"#,
        r#"{"type":"task","id":null}"#,
        r#"{"type":"task","id":1.5}"#,
        r#"{"type":"task","id":9007199254740992}"#,
        r#"{"type":"task","id":-9007199254740992}"#,
        r#"{"type":"task","id":1,"arguments":"x"}"#,
        r#"{"type":"task","id":1,"stdin":7}"#,
        r#"{"type":"work","id":1}"#,
        r#"{"id":1}"#,
        r#"{"type":"cancel"}"#,
        r"{}",
    ] {
        assert!(matches!(decode(json), Err(Error::Unknown(_))), "{json}: {:?}", decode(json));
    }
    let long = format!(r#"{{"type":"cancel","id":"{}"}}"#, "x".repeat(Id::LONGEST + 1));
    assert!(matches!(decode(&long), Err(Error::Unknown(_))));
    assert!(matches!(decode(r#"{"type":"close","value":1}"#), Err(Error::Surplus)));
    assert!(matches!(decode(r#"{"type":"task","id":1,"bytes":"text"}"#), Err(Error::NotBytes)));
    // A newer version may say more in its first word; which one it is decides.
    assert_eq!(decode(r#"{"type":"hello","version":9,"more":[]}"#).unwrap(), ToPool::Hello { version: 9 });
}

#[test]
fn a_name_stands_once_and_a_task_has_one_input() {
    let pairs = |extra: &[(&str, serde_json::Value)]| {
        let own = [("type", "task".into()), ("id", 1.into()), ("value", 1.into())];
        ToPool::decode(&packed(&Pairs(&[&own[..], extra].concat())))
    };
    assert!(pairs(&[]).is_ok());
    assert!(matches!(pairs(&[("value", 2.into())]), Err(Error::Twice("value"))));
    assert!(matches!(pairs(&[("id", 2.into())]), Err(Error::Unknown(_))));
    assert!(matches!(pairs(&[("bytes", "x".into())]), Err(Error::Both)));
}

#[test]
fn what_is_no_map_or_nested_too_deep_or_of_too_many_values_is_refused() {
    for body in [&b"\xc0"[..], b"\x93\x01\x02\x03", b"", b"\xa4task"] {
        assert!(matches!(ToPool::decode(body), Err(Error::NotAMap)), "{body:x?}");
    }
    let with_value = |value: &[u8]| [&b"\x83\xa4type\xa4task\xa2id\x01\xa5value"[..], value].concat();
    let nested = |levels: usize| [vec![0x91; levels - 1], vec![0xc0]].concat();
    assert!(ToPool::decode(&with_value(&nested(NESTING - 1))).is_ok());
    let deep = ToPool::decode(&with_value(&nested(NESTING)));
    assert!(matches!(deep, Err(Error::Shape(frame::Error::TooDeep { .. }))));
    assert!(ToPool::decode(&with_value(&nested(1_000_000))).is_err());
    let arguments =
        |count| ToPool::Task(Task { arguments: Some(vec![String::new(); count]), ..Task::new(Id::Number(1)) });
    assert!(ToPool::decode(&arguments(VALUES - 1).encode().unwrap()).is_ok());
    let many = ToPool::decode(&arguments(VALUES).encode().unwrap());
    assert!(matches!(many, Err(Error::Shape(frame::Error::TooMany))));
    for lie in
        [&b"\xdf\xff\xff\xff\xff"[..], b"\x81\xa4type\xdb\xff\xff\xff\xff", b"\x81\xa5value\xdd\xff\xff\xff\xff\xc0"]
    {
        assert!(matches!(ToPool::decode(lie), Err(Error::Shape(frame::Error::Torn))), "{lie:x?}");
    }
}

#[test]
fn an_answer_that_is_no_value_can_not_be_sent() {
    for body in [&b""[..], b"\x91", b"\x01\x02", b"\xc1"] {
        let answer = FromPool::said(Id::Number(1), value(body));
        assert!(matches!(answer.encode(), Err(Error::Shape(_))), "{body:x?}");
    }
    let task =
        Task { message: Some(Message { format: Format::Failure, body: Vec::new() }), ..Task::new(Id::Number(1)) };
    assert!(matches!(ToPool::Task(task).encode(), Err(Error::Failure)));
}

#[test]
fn sizes_are_held_both_ways_and_before_anything_is_read() {
    let of = |length| ToPool::Task(Task { stdin: Some(Octets(vec![0xff; length])), ..Task::new(Id::Number(1)) });
    assert!(of(crate::limits::MESSAGE).encode().is_ok());
    assert!(matches!(of(TO_POOL).encode(), Err(Error::TooLarge { max: TO_POOL })));
    assert!(matches!(ToPool::decode(&vec![0x80; TO_POOL + 1]), Err(Error::TooLarge { max: TO_POOL })));
    assert_eq!(frame_length(*b"\x03\x01\0\0", 1000).unwrap(), 259);
    assert!(matches!(frame_length(*b"\xff\xff\xff\xff", TO_POOL), Err(Error::TooLarge { max: TO_POOL })));
    assert_eq!(frame(b"abc").unwrap(), b"\x03\0\0\0abc");
}

#[test]
fn what_a_newer_pool_says_besides_is_left_out_and_its_words_are_kept() {
    let object = serde_json::json!({"type": "not_run", "id": 1, "reason": "frozen", "text": "x", "since": [1]});
    let FromPool::NotRun { reason: NotRun::Unknown(word), .. } = FromPool::decode(&packed(&object)).unwrap() else {
        panic!()
    };
    assert_eq!(word.as_str(), "frozen");
}

#[test]
fn a_verdict_is_read_out_of_its_map() {
    let object =
        serde_json::json!({"verdict": "trapped", "code": null, "trap": "unreachable", "message": "m", "backtrace": []});
    let usage = packed(&Usage { cpu_ms: 3, ..Usage::default() });
    let read: Verdict = rmp_serde::from_slice(&packed(&object)).unwrap();
    assert!(matches!(read, Verdict::Trapped { .. }));
    assert_eq!(rmp_serde::from_slice::<Usage>(&usage).unwrap().cpu_ms, 3);
}

#[test]
fn random_bodies_never_panic() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let bodies: Vec<_> = tasks().iter().map(|message| message.encode().unwrap()).collect();
    for _ in 0..100_000 {
        let mut body = bodies[next() as usize % bodies.len()].clone();
        for _ in 0..next() % 3 + 1 {
            let at = next() as usize % body.len();
            body[at] = next() as u8;
        }
        let _ = ToPool::decode(&body);
        let _ = FromPool::decode(&body);
    }
}
