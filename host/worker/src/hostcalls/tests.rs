//! Guests in text, made components by the same WIT that every guest is made by.

use super::*;
use crate::session::Session;
use rustix::net::SocketType;
use sandhog_channel::{Endpoint, Large, Timeout};
use sandhog_ipc::{FrameBuffer, pair, recv_frame, send_frame};
use sandhog_protocol::message::{Format, Message};
use sandhog_protocol::plan::{GuestPlan, Identity};
use sandhog_protocol::request::{Level, Refused, Reply, Request};
use sandhog_protocol::usage::{LiveUsage, WorkerUsage};
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_protocol::worker::{FromWorker, ToWorker};
use sandhog_protocol::{limits, plan::Access, request::ChildStdio};
use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::time::Duration;
use wasmtime::component::{Component, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Resolve, WorldId, WorldItem};

const WIT: &str = include_str!("../../../../wit/sandhog.wit");

const WORLD: &str = "package test:guest; world guest { include sandhog:job/command@0.1.0; export run: func() -> u32; }";

/// A store's data, as small as it can be.
struct Data {
    session: Session,
    table: ResourceTable,
}

impl View for Data {
    fn parts(&mut self) -> Parts<'_> {
        Parts { session: &mut self.session, table: &mut self.table }
    }

    fn seen(&self) -> Seen<'_> {
        Seen { session: &self.session, table: &self.table }
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse { used: 1, peak: 2, limit: 3 }
    }
}

/// All that a guest talks to.
pub(super) struct World {
    store: Store<Data>,
    linker: Linker<Data>,
    pub(super) coordinator: OwnedFd,
    parent: Endpoint,
}

pub(super) fn world(plan: &GuestPlan) -> World {
    let mut config = Config::new();
    config.concurrency_support(false);
    let engine = Engine::new(&config).unwrap();
    let (socket, coordinator) = pair(SocketType::STREAM).unwrap();
    let (connection, parent) = sandhog_channel::pair().unwrap();
    let session = Session::new(socket, FrameBuffer::default(), Some(connection), Large::Memory, plan);
    let store = Store::new(&engine, Data { session, table: ResourceTable::new() });
    let mut linker = Linker::new(&engine);
    link(&mut linker, Waiting::Blocks).unwrap();
    World { store, linker, coordinator, parent: Endpoint::new(parent, limits::MESSAGE) }
}

pub(super) fn contract() -> (Resolve, WorldId) {
    let mut resolve = Resolve::default();
    resolve.push_str("sandhog.wit", WIT).unwrap();
    let package = resolve.push_str("guest.wit", WORLD).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    (resolve, world)
}

/// A core module with these fields, and with what every guest has.
pub(super) fn module(fields: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {fields}
            (memory (export "memory") 1100)
            (global $free (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $free)
                (global.set $free (i32.add (global.get $free)
                    (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))))"#
    );
    wat::parse_str(&text).unwrap()
}

/// A component made of such a core module.
fn component(engine: &Engine, fields: &str) -> Component {
    let mut module = module(fields);
    let (resolve, world) = contract();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoded = ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
    Component::new(engine, encoded).unwrap()
}

impl World {
    /// What `body` leaves, with calls of these names at hand: `interface function`, and everything at [`IMPORTS`].
    fn run(&mut self, body: &str) -> wasmtime::Result<u32> {
        self.run_module(&format!("{IMPORTS} (func (export \"run\") (result i32) {body})"))
    }

    /// What `run` of a module with these fields leaves.
    pub(super) fn run_module(&mut self, fields: &str) -> wasmtime::Result<u32> {
        let component = component(self.store.engine(), fields);
        let instance = self.linker.instantiate(&mut self.store, &component)?;
        let run = instance.get_typed_func::<(), (u32,)>(&mut self.store, "run")?;
        run.call(&mut self.store, ()).map(|(answer,)| answer)
    }

    fn hears(&self, buffer: &mut FrameBuffer) -> Request {
        match recv_frame(&self.coordinator, buffer).unwrap().unwrap() {
            FromWorker::Asks(request) => request,
            other => panic!("{other:?}"),
        }
    }

    fn tells(&self, reply: Reply) {
        send_frame(&self.coordinator, &ToWorker::Tells(reply)).unwrap();
    }
}

/// What the texts below call, lowered by the rules of the component model.
const IMPORTS: &str = r#"
    (import "sandhog:job/process@0.1.0" "uptime" (func $uptime (result i64)))
    (import "sandhog:job/process@0.1.0" "ready" (func $ready))
    (import "sandhog:job/process@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
    (import "sandhog:job/process@0.1.0" "progress" (func $progress (param i64 i32 i64 i32 i32)))
    (import "sandhog:job/process@0.1.0" "stopping" (func $stopping (param i32 i64) (result i32)))
    (import "sandhog:job/process@0.1.0" "get-identity" (func $identity (param i32)))
    (import "sandhog:job/process@0.1.0" "initial-data" (func $data (param i32)))
    (import "sandhog:job/process@0.1.0" "memory" (func $memory (param i32)))
    (import "sandhog:job/channel@0.1.0" "parent" (func $parent (param i32)))
    (import "sandhog:job/channel@0.1.0" "[method]connection.limit" (func $limit (param i32 i64)))
    (import "sandhog:job/channel@0.1.0" "[method]connection.send" (func $send (param i32 i32 i32 i32 i32 i64 i32)))
    (import "sandhog:job/channel@0.1.0" "[method]connection.recv" (func $recv (param i32 i32 i64 i32)))
    (import "sandhog:job/channel@0.1.0" "[method]connection.send-batch" (func $send_batch (param i32 i32 i32 i32 i64 i32)))
    (import "sandhog:job/channel@0.1.0" "[method]connection.disconnect" (func $disconnect (param i32)))
    (import "sandhog:job/channel@0.1.0" "[resource-drop]connection" (func $drop_connection (param i32)))
    (import "sandhog:job/children@0.1.0" "spawn" (func $spawn (param i32 i32)))
    (import "sandhog:job/children@0.1.0" "[method]child.wait" (func $wait (param i32 i32 i64 i32)))
    (import "sandhog:job/children@0.1.0" "[method]child.kill" (func $kill (param i32)))
    (import "sandhog:job/children@0.1.0" "[method]child.usage" (func $usage (param i32 i32)))
    (import "sandhog:job/children@0.1.0" "[resource-drop]child" (func $drop_child (param i32)))
    (import "sandhog:job/children@0.1.0" "wait-any" (func $wait_any (param i32 i32 i32 i64 i32)))
"#;

/// The guest's handle to its parent.
const PARENT: &str = "(call $parent (i32.const 0)) (i32.load (i32.const 4))";

/// Places of a `result<…, error>` at 0: whether it is an error, and which; the places of texts in it.
const IS_ERROR: &str = "(i32.load8_u (i32.const 0))";
const WHICH: &str = "(i32.load8_u (i32.const 8))";

const TOO_LARGE: u32 = 3;
const INVALID: u32 = 7;

#[test]
fn everything_in_the_wit_is_linked_with_its_types() {
    let (resolve, guest) = contract();
    let name = |wasm: &WasmType| match wasm {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    };
    let mut imports = String::new();
    let mut count = 0;
    for (key, item) in &resolve.worlds[guest].imports {
        let WorldItem::Interface { id, .. } = item else { panic!("{key:?}") };
        for (function, signature) in &resolve.interfaces[*id].functions {
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, signature);
            let list = |types: &[WasmType]| types.iter().map(name).collect::<Vec<_>>().join(" ");
            let (params, results) = (list(&signature.params), list(&signature.results));
            let module = resolve.name_world_key(key);
            write!(imports, "(import {module:?} {function:?} (func (param {params}) (result {results})))").unwrap();
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
    let world = world(&GuestPlan::default());
    let fields = format!("{imports} (func (export \"run\") (result i32) (i32.const 0))");
    world.linker.instantiate_pre(&component(world.store.engine(), &fields)).unwrap();
}

#[test]
fn messages_go_both_ways() {
    let mut world = world(&GuestPlan::default());
    world.parent.send(Format::Value, b"\xa4ping", Timeout::Never).unwrap();
    // What came is sent back as it is, and its length is the answer.
    let body = format!(
        "(local $parent i32) {PARENT} (local.set $parent)
        (call $recv (local.get $parent) (i32.const 0) (i64.const 0) (i32.const 0))
        (call $send (local.get $parent) (i32.load8_u (i32.const 8)) (i32.load (i32.const 12)) (i32.load (i32.const 16))
            (i32.const 0) (i64.const 0) (i32.const 32))
        (i32.add (i32.load (i32.const 16)) (i32.load8_u (i32.const 32)))"
    );
    assert_eq!(world.run(&body).unwrap(), 5);
    let message = world.parent.recv(Timeout::Now).unwrap();
    assert_eq!(message, Message { format: Format::Value, body: b"\xa4ping".to_vec() });
    let counts = world.store.data().session.counts();
    assert_eq!((counts.received, counts.sent), (1, 1));
}

#[test]
fn a_message_over_the_limit_is_told_the_limit_and_not_sent() {
    let mut world = world(&GuestPlan::default());
    let send = |format, length| {
        format!(
            "{PARENT} (i32.const {format}) (i32.const 0) (i32.const {length}) (i32.const 1) (i64.const 0) (i32.const 0)
            call $send {IS_ERROR} drop {WHICH}"
        )
    };
    assert_eq!(world.run(&send(1, limits::MESSAGE + 1)).unwrap(), TOO_LARGE);
    assert_eq!(world.run(&send(2, 1)).unwrap(), INVALID);
    let batch = format!(
        "{PARENT} (i32.const 0) (i32.const {}) (i32.const 1) (i64.const 0) (i32.const 0) call $send_batch {WHICH}",
        limits::INLINE_PAYLOAD + 1
    );
    assert_eq!(world.run(&batch).unwrap(), TOO_LARGE);
    assert!(matches!(world.parent.recv(Timeout::Now), Err(sandhog_channel::Error::WouldBlock)));
}

#[test]
fn what_is_over_the_limit_of_an_end_is_told_and_not_received() {
    let mut world = world(&GuestPlan::default());
    world.parent.send(Format::Bytes, &[7; 100], Timeout::Now).unwrap();
    world.parent.send(Format::Bytes, &vec![7; 1 << 20], Timeout::Now).unwrap();
    // The one that is as large as may be, and then the other.
    let body = format!(
        "(local $parent i32) {PARENT} (local.set $parent)
        (call $limit (local.get $parent) (i64.const 100))
        (call $recv (local.get $parent) (i32.const 0) (i64.const 0) (i32.const 0))
        (call $recv (local.get $parent) (i32.const 0) (i64.const 0) (i32.const 32))
        (i32.add (i32.mul (i32.const 1000) (i32.load (i32.const 16)))
            (i32.add (i32.mul (i32.const 10) (i32.load8_u (i32.const 40))) (i32.load (i32.const 48))))"
    );
    assert_eq!(world.run(&body).unwrap(), 100 * 1000 + 10 * TOO_LARGE + 100);
    assert!(matches!(world.parent.send(Format::Bytes, b"x", Timeout::Now), Err(sandhog_channel::Error::Closed)));
    let counts = world.store.data().session.counts();
    assert_eq!((counts.received, counts.sent), (1, 0));
}

#[test]
fn every_handle_to_the_parent_is_the_same_end() {
    let mut world = world(&GuestPlan::default());
    // A handle that was dropped closes nothing; a disconnect holds for all.
    let body = format!(
        "(local $one i32) {PARENT} (local.set $one) {PARENT} (call $drop_connection)
        (call $send (local.get $one) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const 0) (i32.const 0))
        {PARENT} (call $disconnect)
        (call $send (local.get $one) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const 0) (i32.const 0))
        (i32.add (i32.mul (i32.const 10) {IS_ERROR}) {WHICH})"
    );
    assert_eq!(world.run(&body).unwrap(), 10);
    assert!(world.parent.recv(Timeout::Now).is_ok());
    // Another test's fork may hold a copy of the other end for a moment.
    let soon = Timeout::After(Duration::from_secs(10));
    assert!(matches!(world.parent.recv(soon), Err(sandhog_channel::Error::Closed)));
}

#[test]
fn a_handle_that_is_none_traps() {
    let mut world = world(&GuestPlan::default());
    assert!(world.run("(call $disconnect (i32.const 77)) (i32.const 0)").is_err());
    assert!(world.run(&format!("{PARENT} (call $kill) (i32.const 0)")).is_err());
}

#[test]
fn a_guest_knows_itself() {
    let identity = Identity { attempt: "a-1".into(), job: "j".into(), number: 4, depth: 5, ..Identity::default() };
    let data = Some(Message { format: Format::Bytes, body: b"data".to_vec() });
    let mut world = world(&GuestPlan { identity, data, ..GuestPlan::default() });
    // Instance at 16, try at 20, the parent at 24, depth at 36.
    assert_eq!(
        world
            .run("(call $identity (i32.const 0)) (i32.add (i32.load (i32.const 20)) (i32.load (i32.const 36)))")
            .unwrap(),
        9
    );
    assert_eq!(world.run("(call $data (i32.const 0)) (i32.load (i32.const 12))").unwrap(), 4);
    assert_eq!(world.run("(call $memory (i32.const 0)) (i32.load (i32.const 16))").unwrap(), 3);
    assert_eq!(world.run("(i64.ge_u (call $uptime) (i64.const 1))").unwrap(), 1);
}

#[test]
fn a_line_of_the_log_is_cut_between_two_characters() {
    let mut world = world(&GuestPlan::default());
    // 16 KiB less one byte of `a`, and then characters of two bytes; each field is `name` and that.
    let text = limits::LOG_TEXT - 1;
    let body = format!(
        "(memory.fill (i32.const 0) (i32.const 97) (i32.const {text}))
        (i32.store16 (i32.const {text}) (i32.const 0xa9c3))
        (call $log (i32.const 3) (i32.const 0) (i32.const {}) (i32.const 0) (i32.const 0))
        (i32.store (i32.const 40000) (i32.const 0)) (i32.store (i32.const 40004) (i32.const 4))
        (i32.store (i32.const 40008) (i32.const 0)) (i32.store (i32.const 40012) (i32.const 20))
        (i32.store (i32.const 40016) (i32.const 0)) (i32.store (i32.const 40020) (i32.const {text}))
        (i32.store (i32.const 40024) (i32.const 0)) (i32.store (i32.const 40028) (i32.const {text}))
        (call $log (i32.const 0) (i32.const 0) (i32.const 3) (i32.const 40000) (i32.const 2))
        (call $log (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 48000) (i32.const 1000))
        (call $progress (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 1000))
        (i32.const 0)",
        text + 2
    );
    world.run(&body).unwrap();
    let mut buffer = FrameBuffer::default();
    let Request::Log { level, text: line, .. } = world.hears(&mut buffer) else { panic!() };
    assert_eq!((level, line.len()), (Level::Warn, text));
    let Request::Log { text: line, fields, .. } = world.hears(&mut buffer) else { panic!() };
    assert_eq!((line.as_str(), fields[0].0.len(), fields[0].1.len()), ("aaa", 4, 20));
    let sizes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert_eq!(line.len() + sizes, limits::LOG_TEXT);
    let Request::Log { fields, .. } = world.hears(&mut buffer) else { panic!() };
    assert_eq!(fields.len(), limits::LOG_FIELDS);
    let Request::Progress { note, .. } = world.hears(&mut buffer) else { panic!() };
    assert_eq!(note.len(), limits::PROGRESS_NOTE);
}

/// A job at 1024 that is all zeros, but for its module, `aaaa`, and what `more` changes of it; then its spawn.
fn spawn(more: &str) -> String {
    format!(
        "(memory.fill (i32.const 512) (i32.const 97) (i32.const 64))
        (i32.store (i32.const 1024) (i32.const 512)) (i32.store (i32.const 1028) (i32.const 4)) {more}
        (call $spawn (i32.const 1024) (i32.const 0))"
    )
}

#[test]
fn a_job_arrives_as_it_was_described() {
    let mut world = world(&GuestPlan::default());
    world.tells(Reply::NotSpawned(Refused::NotFound("aaaa".into())));
    // One argument, one variable, one directory, one module; a fuel of 9; data; stdout piped, stderr inherited; fresh.
    let more = "
        (i64.store (i32.const 2000) (i64.const 0x0000000300000200)) (i64.store (i32.const 2008) (i64.const 0x0000000200000200))
        (i32.store (i32.const 1032) (i32.const 2000)) (i32.store (i32.const 1036) (i32.const 1))
        (i32.store (i32.const 1040) (i32.const 2000)) (i32.store (i32.const 1044) (i32.const 1))
        (i32.store8 (i32.const 2016) (i32.const 1))
        (i32.store (i32.const 1048) (i32.const 2000)) (i32.store (i32.const 1052) (i32.const 1))
        (i32.store (i32.const 1056) (i32.const 2000)) (i32.store (i32.const 1060) (i32.const 1))
        (i32.store8 (i32.const 1128) (i32.const 1)) (i64.store (i32.const 1136) (i64.const 9))
        (i32.store8 (i32.const 1184) (i32.const 1)) (i32.store8 (i32.const 1188) (i32.const 1))
        (i32.store (i32.const 1192) (i32.const 512)) (i32.store (i32.const 1196) (i32.const 5))
        (i32.store8 (i32.const 1201) (i32.const 2)) (i32.store8 (i32.const 1202) (i32.const 1))
        (i32.store8 (i32.const 1205) (i32.const 1)) (i32.store (i32.const 1072) (i32.const 7))";
    // The name in the error is the coordinator's.
    let body = format!("{} (i32.add (i32.mul (i32.const 16) {WHICH}) (i32.load (i32.const 20)))", spawn(more));
    assert_eq!(world.run(&body).unwrap(), 5 * 16 + 4);
    let Request::Spawn(job) = world.hears(&mut FrameBuffer::default()) else { panic!() };
    assert_eq!((job.module.as_str(), job.arguments.as_slice()), ("aaaa", &["aaa".to_owned()][..]));
    assert_eq!((job.environment.as_slice(), job.modules), (&[("aaa".into(), "aa".into())][..], vec!["aaa".to_owned()]));
    let directory = &job.directories[0];
    assert_eq!((directory.path.as_str(), directory.name.as_str(), directory.access), ("aaa", "aa", Access::ReadWrite));
    assert_eq!(job.max_objects, 7);
    assert_eq!((job.limits.fuel, job.limits.cpu_ns, job.limits.max_files), (Some(9), None, None));
    assert_eq!(job.data, Some(Message { format: Format::Bytes, body: b"aaaaa".to_vec() }));
    assert_eq!(job.stdio, [ChildStdio::Null, ChildStdio::Piped, ChildStdio::Inherit]);
    assert_eq!((job.connected, job.detached, job.fresh), (false, false, true));
}

#[test]
fn a_child_is_started_and_its_verdict_comes_back() {
    let mut world = world(&GuestPlan::default());
    world.tells(Reply::Spawned { child: 6, attempt: "a-2".into() });
    let usage = Usage { cpu_ms: 12, ..Usage::default() };
    world.tells(Reply::ChildEnded { child: 6, verdict: Verdict::Deadline { limit: "30s".into() }, code: 124, usage });
    // The verdict's kind, code, length of its detail, and CPU time.
    let body = format!(
        "(local $child i32) {} (local.set $child (i32.load (i32.const 8)))
        (i32.store8 (i32.const 300) (i32.const 2)) (i32.store (i32.const 304) (local.get $child))
        (call $wait_any (i32.const 300) (i32.const 1) (i32.const 0) (i64.const 0) (i32.const 104))
        (call $wait (local.get $child) (i32.const 0) (i64.const 0) (i32.const 0))
        (call $kill (local.get $child)) (call $drop_child (local.get $child))
        (i32.add (i32.load8_u (i32.const 8)) (i32.add (i32.load (i32.const 12)) (i32.add (i32.load (i32.const 20))
            (i32.add (i32.load (i32.const 40)) (i32.mul (i32.const 1000) (i32.load (i32.const 116)))))))",
        spawn("")
    );
    // The list of the wait has one place.
    assert_eq!(world.run(&body).unwrap(), 3 + 124 + 3 + 12 + 1000);
    let mut buffer = FrameBuffer::default();
    assert!(matches!(world.hears(&mut buffer), Request::Spawn(_)));
    assert_eq!(world.hears(&mut buffer), Request::Kill { child: 6 });
}

#[test]
fn what_a_child_uses_comes_back_number_by_number() {
    let mut world = world(&GuestPlan::default());
    world.tells(Reply::Spawned { child: 6, attempt: "a-2".into() });
    let usage = LiveUsage { cpu_us: 1, rss_bytes: 20, peak_rss_bytes: 300, threads: 4000 };
    world.tells(Reply::Used(WorkerUsage::Alive(usage)));
    // Behind the tag: three numbers of 64 bits, one of 32, and two counts, which are zero.
    let body = format!(
        "(local $child i32) {} (local.set $child (i32.load (i32.const 8)))
        (call $usage (local.get $child) (i32.const 0)) (call $drop_child (local.get $child))
        (i32.add (i32.add (i32.load (i32.const 8)) (i32.load (i32.const 16)))
            (i32.add (i32.load (i32.const 24)) (i32.add (i32.load (i32.const 32))
            (i32.add (i32.load (i32.const 40)) (i32.load (i32.const 48))))))",
        spawn("")
    );
    assert_eq!(world.run(&body).unwrap(), 4321);
    let mut buffer = FrameBuffer::default();
    assert!(matches!(world.hears(&mut buffer), Request::Spawn(_)));
    assert_eq!(world.hears(&mut buffer), Request::Usage { child: 6 });
}

#[test]
fn a_job_that_makes_no_sense_is_not_asked_for() {
    let mut world = world(&GuestPlan::default());
    let mut outcome = |more: &str| world.run(&format!("{} {WHICH}", spawn(more))).unwrap();
    let name_with_nul = "(i32.store8 (i32.const 514) (i32.const 0))";
    assert_eq!(outcome(name_with_nul), INVALID);
    // The same variable's name: empty, then with `=` in it.
    let variable = "(i32.store (i32.const 1040) (i32.const 2000)) (i32.store (i32.const 1044) (i32.const 1))";
    assert_eq!(outcome(variable), INVALID);
    let equals = "(i32.store8 (i32.const 600) (i32.const 61))
        (i32.store (i32.const 2000) (i32.const 600)) (i32.store (i32.const 2004) (i32.const 1))";
    assert_eq!(outcome(&format!("{variable} {equals}")), INVALID);
    let data = |length: usize| {
        format!("(i32.store8 (i32.const 1184) (i32.const 1)) (i32.store (i32.const 1196) (i32.const {length}))")
    };
    assert_eq!(outcome(&data(900 << 10)), TOO_LARGE);
    // A million empty arguments.
    let arguments = "(i32.store (i32.const 1032) (i32.const 4096)) (i32.store (i32.const 1036) (i32.const 1000000))";
    assert_eq!(outcome(arguments), TOO_LARGE);
    world.coordinator = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
}

#[test]
fn a_wait_has_from_one_to_a_thousand_sources() {
    let mut world = world(&GuestPlan::default());
    world.tells(Reply::Stop);
    let mut wait = |count: usize| {
        // All of them `stopping`.
        let body = format!(
            "(memory.fill (i32.const 4096) (i32.const 3) (i32.const 65536))
            (call $wait_any (i32.const 4096) (i32.const {count}) (i32.const 0) (i64.const 0) (i32.const 0))
            (if (result i32) {IS_ERROR} (then {WHICH}) (else (i32.load (i32.const 12))))"
        );
        world.run(&body).unwrap()
    };
    assert_eq!((wait(0), wait(limits::SOURCES + 1)), (INVALID, INVALID));
    assert_eq!(wait(limits::SOURCES), 1024);
}

#[test]
fn a_stop_is_heard_by_a_guest_that_listens() {
    let mut world = world(&GuestPlan::default());
    let stopping = "(call $ready) (call $stopping (i32.const 1) (i64.const 0))";
    assert_eq!(world.run(stopping).unwrap(), 0);
    world.tells(Reply::Stop);
    assert_eq!(world.run("(call $stopping (i32.const 0) (i64.const 0))").unwrap(), 1);
    let mut buffer = FrameBuffer::default();
    assert_eq!([world.hears(&mut buffer), world.hears(&mut buffer)], [Request::Ready, Request::Listens]);
}
