//! Guests in text, each run in both ways: as a component, and as the core module that it is made of.

use super::super::tests::{contract, module, world};
use super::super::view::Sharing;
use super::link_lowered;
use crate::at_once::at_once;
use crate::guest::Guest;
use crate::session::Session;
use crate::wasi;
use rustix::net::SocketType;
use sandhog_channel::Large;
use sandhog_engine::objects::{FUNCTIONS, MODULE};
use sandhog_engine::wasi1::signature;
use sandhog_ipc::{FrameBuffer, pair, recv_frame, send_some};
use sandhog_objects::keeper::Keeper;
use sandhog_objects::{Page, Segment};
use sandhog_objects_model::{self as model, Until};
use sandhog_protocol::frame;
use sandhog_protocol::objects::{Attached, Dead, Kind, Member, ObjectId, Right, ToKeeper};
use sandhog_protocol::plan::GuestPlan;
use sandhog_protocol::request::{ChildObject, Refused, Reply, Request};
use sandhog_protocol::verdict::{Killer, Verdict};
use sandhog_protocol::worker::{FromWorker, ToWorker};
use sandhog_sandbox::seccomp::{self, Filter};
use sandhog_sys::child::{self, Ended};
use sandhog_sys::shared;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use wasmtime::{Config, Engine, Linker, Module, Store};
use wit_parser::WorldItem;
use wit_parser::abi::{AbiVariant, WasmType};

const ME: Member = Member { seat: 1, generation: 1 };
const OTHER: Member = Member { seat: 2, generation: 1 };

const ALL: [Right; 9] = [
    Right::Use,
    Right::Acquire,
    Right::Release,
    Right::Set,
    Right::Wait,
    Right::Read,
    Right::Write,
    Right::Put,
    Right::Get,
];

/// A group: its objects with their keeper, and what the coordinator is to answer to a guest, in this order.
struct Group {
    keeper: Keeper,
    files: Vec<(Kind, OwnedFd)>,
    pages: Vec<OwnedFd>,
    answers: Vec<(Reply, Vec<OwnedFd>)>,
}

impl Group {
    fn new() -> Self {
        let mut keeper = Keeper::default();
        let pages = [ME, OTHER].map(|member| {
            let page = shared::create(c"page", Page::BYTES).unwrap();
            assert!(keeper.hear(ToKeeper::Member(member), vec![page.try_clone().unwrap()]).is_empty());
            page
        });
        Self { keeper, files: Vec::new(), pages: pages.into(), answers: Vec::new() }
    }

    /// The next thing that is asked for is a new object of this kind.
    fn gives(&mut self, kind: Kind, rights: &[Right]) {
        let file = shared::create(c"object", model::Object::bytes(kind).unwrap()).unwrap();
        let object = ObjectId(self.files.len() as u64);
        let made = self.keeper.hear(ToKeeper::Object { object, kind, fresh: true }, vec![file.try_clone().unwrap()]);
        assert_eq!(made.len(), 1);
        let page = self.files.is_empty();
        let mut fds = vec![file.try_clone().unwrap()];
        fds.extend(page.then(|| self.pages[0].try_clone().unwrap()));
        let rights = rights.iter().copied().collect();
        let attached = Attached { object, kind, rights, member: ME, page };
        self.answers.push((Reply::Attached(Box::new(attached)), fds));
        self.files.push((kind, file));
    }

    /// The other member's view of an object.
    fn others(&self, index: usize) -> Segment {
        let page = Arc::new(Page::map(self.pages[1].try_clone().unwrap(), OTHER).unwrap());
        let (kind, file) = &self.files[index];
        Segment::map(file.try_clone().unwrap(), ObjectId(index as u64), *kind, true, page).unwrap()
    }

    fn answer_all(&self, coordinator: &OwnedFd) {
        for (reply, fds) in &self.answers {
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            send_some(coordinator, &frame::encode(&ToWorker::Tells(reply.clone())).unwrap(), &fds).unwrap();
        }
    }
}

fn plan() -> GuestPlan {
    GuestPlan { objects: true, memory_bytes: 1 << 30, ..GuestPlan::default() }
}

/// What a guest leaves, and what it has asked for.
type Ran = (Result<u32, String>, Vec<Request>);

fn heard(coordinator: &OwnedFd) -> Vec<Request> {
    rustix::io::ioctl_fionbio(coordinator, true).unwrap();
    let (mut buffer, mut requests) = (FrameBuffer::default(), Vec::new());
    while let Ok(Ok(FromWorker::Asks(request))) = recv_frame(coordinator, &mut buffer) {
        requests.push(request);
    }
    requests
}

fn as_component(group: &Group, fields: &str) -> Ran {
    let mut world = world(&plan());
    group.answer_all(&world.coordinator);
    let ran = world.run_module(fields).map_err(|error| format!("{error:#}"));
    (ran, heard(&world.coordinator))
}

fn as_core(group: &Group, fields: &str) -> Ran {
    let engine = Engine::new(&Config::new()).unwrap();
    let module = Module::new(&engine, module(fields)).unwrap();
    let mut linker = Linker::new(&engine);
    link_lowered(&mut linker).unwrap();
    let (socket, coordinator) = pair(SocketType::STREAM).unwrap();
    group.answer_all(&coordinator);
    let session = Session::of_core(socket, FrameBuffer::default(), Large::Memory, &plan());
    let guest =
        Guest { sharing: Some(Sharing::new(session)), ..wasi::guest(&plan(), Vec::new(), Vec::new(), None).unwrap() };
    let mut store = Store::new(&engine, guest);
    let ran = at_once(async {
        let instance = linker.instantiate_async(&mut store, &module).await?;
        instance.get_typed_func::<(), u32>(&mut store, "run")?.call_async(&mut store, ()).await
    });
    (ran.unwrap().map_err(|error| format!("{error:#}")), heard(&coordinator))
}

/// What `body` leaves in both ways; each has a group that `group` makes.
fn both(group: impl Fn() -> Group, body: &str) -> Ran {
    let fields = format!("{} (func (export \"run\") (result i32) {LOCALS} {body})", imports());
    let (component, core) = (as_component(&group(), &fields), as_core(&group(), &fields));
    assert_eq!(component, core);
    core
}

const LOCALS: &str = "(local $a i32) (local $b i32) (local $c i32)";

/// All functions, each under its name.
fn imports() -> String {
    let types = |letters: &str| {
        let name = |letter| match letter {
            'I' => "i64",
            'D' => "f64",
            _ => "i32",
        };
        letters.chars().map(name).collect::<Vec<_>>().join(" ")
    };
    let import = |(name, row): &(&str, &str)| {
        let (parameters, results) = row.split_once(':').unwrap();
        let (parameters, results) = (types(parameters), types(results));
        let short: String = name.replace("[method]", "").replace("[resource-drop]", "drop-");
        format!("(import \"{MODULE}\" \"{name}\" (func ${short} (param {parameters}) (result {results})))\n")
    };
    FUNCTIONS.iter().map(import).collect()
}

/// The handle in the result of a call that has made one, at 0.
const MADE: &str = "(i32.load (i32.const 8))";

/// Adds a digit to what is left: whether the result at `place` is an error, and else what `value` says.
fn digit(value: &str) -> String {
    format!("(local.set $c (i32.add (i32.mul (local.get $c) (i32.const 10)) {value}))")
}

#[test]
fn the_table_is_what_the_interface_has_and_what_the_linker_provides() {
    let (resolve, guest) = contract();
    let letter = |wasm: &WasmType| match wasm {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => 'i',
        WasmType::I64 | WasmType::PointerOrI64 => 'I',
        WasmType::F64 => 'D',
        WasmType::F32 => panic!("no function has one"),
    };
    let mut expected = Vec::new();
    for (key, item) in &resolve.worlds[guest].imports {
        let WorldItem::Interface { id, .. } = item else { panic!("{key:?}") };
        if resolve.name_world_key(key) != MODULE {
            continue;
        }
        for (name, function) in &resolve.interfaces[*id].functions {
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
            let list = |types: &[WasmType]| types.iter().map(letter).collect::<String>();
            expected.push((name.clone(), format!("{}:{}", list(&signature.params), list(&signature.results))));
        }
        let resources = resolve.interfaces[*id]
            .types
            .iter()
            .filter(|(_, id)| matches!(resolve.types[**id].kind, wit_parser::TypeDefKind::Resource));
        expected.extend(resources.map(|(name, _)| (format!("[resource-drop]{name}"), "i:".to_owned())));
    }
    expected.retain(|(name, _)| !name.ends_with("-pipe"));
    expected.sort();
    let table: Vec<_> = FUNCTIONS.iter().map(|(name, row)| ((*name).to_owned(), (*row).to_owned())).collect();
    assert_eq!(table, expected);
    assert_eq!(signature("iID:i"), "(i32, i64, f64) -> (i32)");

    let engine = Engine::new(&Config::new()).unwrap();
    let mut linker = Linker::new(&engine);
    link_lowered(&mut linker).unwrap();
    let module = Module::new(&engine, module(&imports())).unwrap();
    linker.instantiate_pre(&module).unwrap();
}

#[test]
fn a_lock_is_got_and_released_and_no_more_is_said_than_that_it_is_opened() {
    let group = || {
        let mut group = Group::new();
        group.gives(Kind::Lock, &[Right::Use]);
        group
    };
    let body = format!(
        r#"(call $create-lock (i32.const 0)) (local.set $a {MADE})
        (call $lock.acquire (local.get $a) (i32.const 0) (i64.const 0) (i32.const 64))
        (call $lock.acquire (local.get $a) (i32.const 1) (i64.const 0) (i32.const 192))
        (call $lock.release (local.get $a) (i32.const 320))
        (call $lock.release (local.get $a) (i32.const 448))
        (call $drop-lock (local.get $a))
        {} {} {} {} {} (local.get $c)"#,
        // Got, cleanly, with the first token.
        digit("(i32.load8_u (i32.const 64))"),
        digit("(i32.add (i32.load8_u (i32.const 72)) (i32.load (i32.const 80)))"),
        // Would block.
        digit("(i32.mul (i32.load8_u (i32.const 192)) (i32.load8_u (i32.const 200)))"),
        // Released, and not held any more: invalid.
        digit("(i32.load8_u (i32.const 320))"),
        digit("(i32.mul (i32.load8_u (i32.const 448)) (i32.load8_u (i32.const 456)))"),
    );
    let (left, asked) = both(group, &body);
    assert_eq!(left, Ok(1207));
    assert_eq!(asked, [Request::Create { kind: Kind::Lock }, Request::Detach { object: ObjectId(0) }]);
}

#[test]
fn a_lock_whose_holder_died_is_got_with_its_verdict() {
    let group = || {
        let mut group = Group::new();
        group.gives(Kind::Lock, &[Right::Use]);
        let lock = model::Lock::at(0);
        lock.acquire(&group.others(0), OTHER, Until::Now).unwrap();
        assert!(!group.keeper.hear(ToKeeper::Died(OTHER), Vec::new()).is_empty());
        let dead = Dead {
            attempt: "a-1".to_owned(),
            verdict: Verdict::Killed { signal: "KILL".to_owned(), by: Killer::Outside },
            code: 9,
        };
        group.answers.push((Reply::Dead(Some(Box::new(dead))), Vec::new()));
        group
    };
    let body = format!(
        r#"(call $create-lock (i32.const 0)) (local.set $a {MADE})
        (call $lock.acquire (local.get $a) (i32.const 0) (i64.const 0) (i32.const 64))
        {} {} {} {} {} (local.get $c)"#,
        // Poisoned, with the second token, the length of the attempt's id, the code and the length of its detail.
        digit("(i32.load8_u (i32.const 72))"),
        digit("(i32.load (i32.const 80))"),
        digit("(i32.load (i32.const 92))"),
        digit("(i32.load (i32.const 100))"),
        digit("(i32.load (i32.const 108))"),
    );
    let (left, asked) = both(group, &body);
    assert_eq!(left, Ok(12394));
    assert_eq!(asked[1..], [Request::Dead { member: OTHER }]);
}

#[test]
fn what_is_put_into_a_queue_comes_out_of_it_and_bytes_of_memory_as_well() {
    let group = || {
        let mut group = Group::new();
        group.gives(Kind::Queue { items: 4, bytes: 4096 }, &ALL);
        group.gives(Kind::Memory { bytes: 8 }, &ALL);
        group
    };
    let body = format!(
        r#"(call $create-queue (i32.const 4) (i64.const 4096) (i32.const 0)) (local.set $a {MADE})
        (call $create-memory (i64.const 8) (i32.const 0)) (local.set $b {MADE})
        (i32.store (i32.const 512) (i32.const 0x64636261))
        (call $queue.put (local.get $a) (i32.const 1) (i32.const 512) (i32.const 3) (i32.const 0) (i64.const 0) (i32.const 64))
        (call $queue.take (local.get $a) (i32.const 1) (i64.const 0) (i32.const 128))
        (call $queue.acknowledge (local.get $a) (i64.load (i32.const 136)) (i32.const 192))
        (call $queue.get (local.get $a) (i32.const 1) (i64.const 0) (i32.const 256))
        (call $memory.write (local.get $b) (i64.const 5) (i32.load (i32.const 148)) (i32.load (i32.const 152)) (i32.const 320))
        (call $memory.write (local.get $b) (i64.const 6) (i32.const 512) (i32.const 3) (i32.const 384))
        (call $memory.read (local.get $b) (i64.const 4) (i64.const 4) (i32.const 448))
        {} {} {} {} {} {} {} {} (local.get $c)"#,
        digit("(i32.load8_u (i32.const 64))"),
        // The format, and three bytes.
        digit("(i32.load8_u (i32.const 144))"),
        digit("(i32.load (i32.const 152))"),
        digit("(i32.load8_u (i32.const 192))"),
        // Nothing is left: would block.
        digit("(i32.load8_u (i32.const 264))"),
        digit("(i32.load8_u (i32.const 320))"),
        // Outside: invalid.
        digit("(i32.load8_u (i32.const 392))"),
        digit("(i32.eq (i32.load (i32.load (i32.const 456))) (i32.const 0x63626100))"),
    );
    assert_eq!(both(group, &body).0, Ok(1_302_071));
}

#[test]
fn numbers_and_a_batch_are_the_same_in_both_ways() {
    let group = || {
        let mut group = Group::new();
        group.gives(Kind::Value { element: sandhog_protocol::objects::Element::F64 }, &ALL);
        group.gives(Kind::Array { element: sandhog_protocol::objects::Element::I16, length: 4 }, &ALL);
        group.gives(Kind::Queue { items: 4, bytes: 4096 }, &ALL);
        group
    };
    let body = format!(
        r#"(call $create-value (i32.const 9) (i32.const 0)) (local.set $a {MADE})
        (call $value.add-float (local.get $a) (f64.const 1.5) (i32.const 64))
        (call $value.get-float (local.get $a) (i32.const 64))
        (call $value.get-integer (local.get $a) (i32.const 128))
        (call $create-array (i32.const 2) (i64.const 4) (i32.const 0)) (local.set $b {MADE})
        (call $array.set-integer (local.get $b) (i64.const 3) (i64.const -2) (i32.const 192))
        (call $array.add-integer (local.get $b) (i64.const 3) (i64.const 1) (i32.const 192))
        (call $array.add-integer (local.get $b) (i64.const 4) (i64.const 1) (i32.const 256))
        {} {} {} {} {} {}
        (call $create-queue (i32.const 4) (i64.const 4096) (i32.const 0)) (local.set $a {MADE})
        (i64.store (i32.const 512) (i64.const 0x7801c47801c492))
        (call $queue.put-batch (local.get $a) (i32.const 512) (i32.const 7) (i32.const 0) (i64.const 0) (i32.const 320))
        (call $queue.get-batch (local.get $a) (i32.const 9) (i32.const 0) (i64.const 0) (i32.const 384))
        {} {} (local.get $c)"#,
        digit("(i32.trunc_f64_u (f64.mul (f64.load (i32.const 72)) (f64.const 2)))"),
        // A float is no integer.
        digit("(i32.load8_u (i32.const 136))"),
        digit("(i32.eq (i32.load (i32.const 200)) (i32.const -2))"),
        digit("(i32.load8_u (i32.const 264))"),
        digit("(call $value.element (local.get $a))"),
        digit("(i32.wrap_i64 (call $array.length (local.get $b)))"),
        digit("(i32.load8_u (i32.const 320))"),
        // Headers of 3 and twice 5 bytes, and two bytes.
        digit("(i32.sub (i32.load (i32.const 396)) (i32.const 10))"),
    );
    assert_eq!(both(group, &body).0, Ok(37_179_405));
}

#[test]
fn a_right_that_was_not_granted_is_denied_at_each_call() {
    let calls = [
        (
            Kind::Queue { items: 1, bytes: 1024 },
            "create-queue (i32.const 1) (i64.const 1024)",
            Right::Get,
            "queue.put (local.get $a) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0)",
        ),
        (
            Kind::Queue { items: 1, bytes: 1024 },
            "create-queue (i32.const 1) (i64.const 1024)",
            Right::Put,
            "queue.get (local.get $a) (i32.const 1) (i64.const 0)",
        ),
        (Kind::Event, "create-event", Right::Wait, "event.set (local.get $a)"),
        (Kind::Event, "create-event", Right::Set, "event.wait (local.get $a) (i32.const 0) (i64.const 0)"),
        (
            Kind::Semaphore { permits: 1 },
            "create-semaphore (i32.const 1) (i32.const 0)",
            Right::Acquire,
            "semaphore.release (local.get $a)",
        ),
        (
            Kind::Memory { bytes: 8 },
            "create-memory (i64.const 8)",
            Right::Read,
            "memory.write (local.get $a) (i64.const 0) (i32.const 0) (i32.const 1)",
        ),
        (
            Kind::Memory { bytes: 8 },
            "create-memory (i64.const 8)",
            Right::Write,
            "memory.read (local.get $a) (i64.const 0) (i64.const 1)",
        ),
    ];
    for (kind, create, right, call) in calls {
        let group = || {
            let mut group = Group::new();
            group.gives(kind, &[right]);
            group
        };
        let body = format!(
            "(call ${create} (i32.const 0)) (local.set $a {MADE}) (call ${call} (i32.const 64)) (i32.load8_u (i32.const 72))"
        );
        assert_eq!(both(group, &body).0, Ok(4), "{call}");
    }
}

#[test]
fn an_object_of_another_kind_is_invalid_and_given_back() {
    let group = || {
        let mut group = Group::new();
        group.gives(Kind::Event, &[Right::Wait]);
        group
    };
    let body = "(i32.store8 (i32.const 512) (i32.const 101))
        (call $open-lock (i32.const 512) (i32.const 1) (i32.const 0)) (i32.load8_u (i32.const 8))";
    let (left, asked) = both(group, body);
    assert_eq!(left, Ok(7));
    let attach = Request::Attach { object: "e".to_owned() };
    assert_eq!(asked, [attach, Request::Detach { object: ObjectId(0) }]);
    // A name that is too long is nobody's, and nobody is asked.
    let long = "(call $open-lock (i32.const 512) (i32.const 65) (i32.const 0)) (i32.load8_u (i32.const 8))";
    assert_eq!(both(Group::new, long), (Ok(5), Vec::new()));
}

#[test]
fn what_a_core_module_makes_up_ends_it_and_nobody_else() {
    let fails = |body: &str| {
        let fields = format!("{} (func (export \"run\") (result i32) {LOCALS} {body})", imports());
        let mut group = Group::new();
        group.gives(Kind::Lock, &[Right::Use]);
        as_core(&group, &fields).0.unwrap_err()
    };
    for handle in ["0", "1", "7", "-1"] {
        assert!(
            fails(&format!("(call $lock.release (i32.const {handle}) (i32.const 0)) (i32.const 0)"))
                .contains("resource")
        );
    }
    let end = "(i32.const -4)";
    assert!(fails(&format!("(call $create-lock {end}) (i32.const 0)")).contains("outside of its memory"));
    assert!(fails(&format!("(call $open-lock {end} (i32.const 9) (i32.const 0)) (i32.const 0)")).contains("outside"));
    // A handle to something else.
    let other = format!("(call $create-lock (i32.const 0)) (call $rlock.release {MADE} (i32.const 0)) (i32.const 0)");
    assert!(fails(&other).contains("resource"));
    assert!(fails("(call $create-value (i32.const 10) (i32.const 0)) (i32.const 0)").contains("element"));
}

#[test]
fn objects_are_mapped_and_waited_for_under_the_filter_of_workers_that_use_them() {
    let mut group = Group::new();
    group.gives(Kind::Event, &ALL);
    let module = module(&format!(
        "{} (func (export \"run\") (result i32) {LOCALS}
            (call $create-event (i32.const 0)) (local.set $a {MADE})
            (call $event.wait (local.get $a) (i32.const 1) (i64.const 1000) (i32.const 64))
            (call $drop-event (local.get $a))
            (i32.load8_u (i32.const 72)))",
        imports()
    ));
    let (socket, coordinator) = pair(SocketType::STREAM).unwrap();
    group.answer_all(&coordinator);
    let engine = Engine::new(&Config::new()).unwrap();
    let module = Module::new(&engine, module).unwrap();
    let ended = child::run(|| {
        let mut linker = Linker::new(&engine);
        link_lowered(&mut linker).unwrap();
        let session = Session::of_core(socket, FrameBuffer::default(), Large::Memory, &plan());
        let guest = Guest {
            sharing: Some(Sharing::new(session)),
            ..wasi::guest(&plan(), Vec::new(), Vec::new(), None).unwrap()
        };
        rustix::thread::set_no_new_privs(true).unwrap();
        seccomp::apply(Filter::WORKER.with_objects()).unwrap();
        let mut store = Store::new(&engine, guest);
        let left = at_once(async {
            let instance = linker.instantiate_async(&mut store, &module).await?;
            instance.get_typed_func::<(), u32>(&mut store, "run")?.call_async(&mut store, ()).await
        });
        i32::try_from(left.unwrap().unwrap()).unwrap()
    });
    // It waited in vain.
    assert_eq!(ended, Ended::Exited(1));
    let heard = heard(&coordinator);
    assert_eq!(
        heard,
        [Request::Create { kind: Kind::Event }, Request::Listens, Request::Detach { object: ObjectId(0) }]
    );
}

/// A component that makes an object and hands it to a child with these rights: what it is told, and what it asks for.
fn handed(kind: Kind, create: &str, case: u32, mine: &[Right], rights: u32) -> (u32, Vec<Request>) {
    let mut group = Group::new();
    group.gives(kind, mine);
    group.answers.push((Reply::NotSpawned(Refused::NotFound("child".to_owned())), Vec::new()));
    let fields = format!(
        "{}
        (import \"sandhog:job/children@0.1.0\" \"spawn\" (func $spawn (param i32 i32)))
        (func (export \"run\") (result i32)
            (memory.fill (i32.const 512) (i32.const 97) (i32.const 8))
            (call ${create} (i32.const 0))
            (i32.store (i32.const 2000) (i32.const 512)) (i32.store (i32.const 2004) (i32.const 3))
            (i32.store8 (i32.const 2008) (i32.const {case})) (i32.store (i32.const 2012) {MADE})
            (i32.store8 (i32.const 2016) (i32.const {rights}))
            (i32.store (i32.const 1024) (i32.const 512)) (i32.store (i32.const 1028) (i32.const 4))
            (i32.store (i32.const 1064) (i32.const 2000)) (i32.store (i32.const 1068) (i32.const 1))
            (call $spawn (i32.const 1024) (i32.const 0))
            (i32.load8_u (i32.const 8)))",
        imports()
    );
    let (left, asked) = as_component(&group, &fields);
    (left.unwrap(), asked)
}

#[test]
fn a_child_is_handed_an_object_with_the_rights_that_are_named_and_that_its_parent_has() {
    let queue = Kind::Queue { items: 1, bytes: 1024 };
    let create = "create-queue (i32.const 1) (i64.const 1024)";
    let objects = |asked: &[Request]| match asked {
        [_, Request::Spawn(job)] => job.objects.clone(),
        other => panic!("{other:?}"),
    };
    // The sixth to the eighth flag: write, put and get.
    let (told, asked) = handed(queue, create, 9, &[Right::Put, Right::Get], 1 << 6);
    let put = ChildObject { name: "aaa".to_owned(), object: ObjectId(0), rights: [Right::Put].into() };
    assert_eq!((told, objects(&asked)), (5, vec![put]));
    let (told, asked) = handed(Kind::Lock, "create-lock", 0, &[Right::Use], 0);
    let lock = ChildObject { name: "aaa".to_owned(), object: ObjectId(0), rights: [Right::Use].into() };
    assert_eq!((told, objects(&asked)), (5, vec![lock]));
    // Denied, invalid: nobody is asked.
    let (told, asked) = handed(queue, create, 9, &[Right::Put], 1 << 6 | 1 << 7);
    assert_eq!((told, asked.len()), (4, 1));
    let (told, asked) = handed(queue, create, 9, &[Right::Put], 0);
    assert_eq!((told, asked.len()), (7, 1));
}
