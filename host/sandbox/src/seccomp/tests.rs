//! The compiled programs against the tables, by an interpreter of ours; then against the kernel.

use super::{
    Filter, Narrowed, Peers, apply, name, narrow,
    policy::{self, Action, Condition, Rule},
    program,
    program::{
        ALLOW, AND, ARCHITECTURE, ARCHITECTURE_AT, ARGUMENTS_AT, ERRNO, IF_AT_LEAST, IF_EQUAL, KILL_PROCESS, LOAD,
        NUMBER_AT, RETURN, SKIP, compile, compile_in_a_row,
    },
};
use sandhog_sys::{
    child::{self, Ended},
    seccomp::Instruction,
};

/// A system call as a filter sees it.
#[derive(Clone, Copy, Debug)]
struct Call {
    number: u32,
    architecture: u32,
    arguments: [u64; 6],
}

impl Call {
    const fn new(number: u32, arguments: [u64; 6]) -> Self {
        Self { number, architecture: ARCHITECTURE, arguments }
    }

    /// The 32-bit word at an offset of `struct seccomp_data`.
    fn word(&self, at: u32) -> u32 {
        match at {
            NUMBER_AT => self.number,
            ARCHITECTURE_AT => self.architecture,
            _ => {
                let from = at.checked_sub(ARGUMENTS_AT).expect("no instruction pointer is asked for");
                let argument = self.arguments[usize::try_from(from / 8).unwrap()];
                (argument >> (8 * (from % 8))) as u32
            }
        }
    }
}

/// What the program answers; the kernel's rules for a program are asserted on the way.
fn interpret(program: &[Instruction], call: &Call) -> u32 {
    let (mut at, mut word) = (0, 0);
    loop {
        let Instruction { code, on_true, on_false, value } = program[at];
        at += 1;
        match code {
            LOAD => {
                assert!(value.is_multiple_of(4) && value < 64);
                word = call.word(value);
            }
            AND => word &= value,
            SKIP => at += usize::try_from(value).unwrap(),
            IF_EQUAL => at += usize::from(if word == value { on_true } else { on_false }),
            IF_AT_LEAST => at += usize::from(if word >= value { on_true } else { on_false }),
            RETURN => return value,
            _ => panic!("unknown instruction {code:#x}"),
        }
    }
}

/// What the table answers.
fn decide(rules: &[Rule], otherwise: Action, call: &Call) -> u32 {
    let holds = |c: &Condition| call.arguments[usize::from(c.argument)] & c.mask == c.equals;
    let rule = rules.iter().find(|rule| rule.number == call.number && rule.conditions.iter().all(holds));
    match rule.map_or(otherwise, |rule| rule.action) {
        Action::Kill => KILL_PROCESS,
        Action::Allow => ALLOW,
        Action::Errno(errno) => ERRNO | u32::from(errno),
    }
}

/// What the table of a filter answers.
fn answer_of(filter: Filter, call: &Call) -> u32 {
    decide(&policy::rules(filter), policy::otherwise(filter), call)
}

/// Random enough and the same on every run (Marsaglia, "Xorshift RNGs").
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Arguments around the edges of a number's conditions: each one met, met beside strange bits, and missed by one bit.
fn arguments(rules: &[Rule], number: u32, random: &mut Random) -> Vec<[u64; 6]> {
    let mut all = vec![[0; 6], [u64::MAX; 6], std::array::from_fn(|_| random.next())];
    for rule in rules.iter().filter(|rule| rule.number == number) {
        let mut met: [u64; 6] = std::array::from_fn(|_| random.next());
        for c in rule.conditions {
            let place = &mut met[usize::from(c.argument)];
            *place = (*place & !c.mask) | c.equals;
        }
        all.push(met);
        for c in rule.conditions {
            for bit in [0, 1, 2, 31, 32, 63, random.below(64)] {
                let mut missed = met;
                missed[usize::from(c.argument)] ^= 1 << bit;
                all.push(missed);
            }
        }
    }
    all
}

fn assert_same(rules: &[Rule], otherwise: Action, numbers: impl Iterator<Item = u32>, random: &mut Random) {
    let programs = [compile(rules, otherwise), compile_in_a_row(rules, otherwise)];
    for number in numbers {
        for arguments in arguments(rules, number, random) {
            let call = Call::new(number, arguments);
            for program in &programs {
                assert_eq!(interpret(program, &call), decide(rules, otherwise, &call), "{call:x?} by {rules:?}");
            }
        }
    }
}

/// Those that are lists of what is allowed.
fn lists() -> Vec<Filter> {
    Filter::all().into_iter().filter(|filter| *filter != Filter::Loaded).collect()
}

fn loads_code(filter: Filter) -> bool {
    matches!(filter, Filter::Loader { .. })
}

/// Whether it is that of a worker that uses objects.
fn has_objects(filter: Filter) -> bool {
    matches!(filter, Filter::Worker { objects: true, .. } | Filter::Component { objects: true, .. })
}

#[test]
fn every_filter_but_one_kills_what_it_does_not_name() {
    let killing = Filter::all().into_iter().filter(|filter| policy::otherwise(*filter) == Action::Kill);
    assert_eq!(killing.collect::<Vec<_>>(), lists());
}

#[test]
fn there_are_as_many_filters_as_there_are_combinations() {
    let (single, loaders, workers, components) = (5, 6, 4, 12);
    assert_eq!(Filter::all().len(), single + loaders + workers + components);
}

#[test]
fn each_program_says_what_its_table_says() {
    let mut random = Random(0x5eed);
    for filter in Filter::all() {
        let numbers = (0..1024).chain([u32::MAX, i32::MAX.cast_unsigned(), 1 << 31]);
        assert_same(&policy::rules(filter), policy::otherwise(filter), numbers, &mut random);
    }
}

#[test]
fn the_x32_entry_is_killed() {
    for filter in lists() {
        let program = program(filter);
        for number in 0x4000_0000..0x4000_0400 {
            assert_eq!(interpret(&program, &Call::new(number, [0; 6])), KILL_PROCESS);
        }
    }
}

#[test]
fn another_architecture_is_killed() {
    // AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, none, and x86_64 without one bit.
    let others = [0x4000_0003, 0xc000_00b7, 0x4000_0028, 0, 0x8000_003e, 0x4000_003e, 0xc000_003f];
    for filter in Filter::all() {
        let program = program(filter);
        for architecture in others {
            for number in 0..1024 {
                let call = Call { number, architecture, arguments: [0; 6] };
                assert_eq!(interpret(&program, &call), KILL_PROCESS);
            }
        }
    }
}

fn random_condition(random: &mut Random) -> Condition {
    let mask = match random.below(6) {
        0 => u64::MAX,
        1 => 0xffff_ffff,
        2 => 0xffff_ffff_0000_0000,
        3 => 0,
        4 => 1 << random.below(64),
        _ => random.next(),
    };
    // Now and then a value outside of the mask, which nothing can meet.
    let equals = if random.below(8) == 0 { random.next() } else { random.next() & mask };
    Condition { argument: u8::try_from(random.below(6)).unwrap(), mask, equals }
}

fn random_rule(random: &mut Random, numbers: u64) -> Rule {
    let conditions: Vec<_> = (0..random.below(4)).map(|_| random_condition(random)).collect();
    let action = match random.below(3) {
        0 => Action::Errno(u16::try_from(random.below(134)).unwrap()),
        1 => Action::Kill,
        _ => Action::Allow,
    };
    let number = match random.below(40) {
        0 => u32::MAX,
        1 => 0,
        _ => u32::try_from(random.below(numbers)).unwrap(),
    };
    Rule { name: "", number, conditions: conditions.leak(), action, reason: "" }
}

#[test]
fn any_table_is_compiled_to_a_program_that_says_the_same() {
    let mut random = Random(0xcafe);
    for round in 0..400 {
        let numbers = 1 + random.below(300);
        let rules: Vec<_> = (0..random.below(1 + round)).map(|_| random_rule(&mut random, numbers)).collect();
        let end = u32::try_from(numbers).unwrap() + 2;
        let numbers = (0..end).chain([u32::MAX - 1, u32::MAX]);
        let otherwise = if round % 2 == 0 { Action::Kill } else { Action::Allow };
        assert_same(&rules, otherwise, numbers, &mut random);
    }
}

#[test]
fn an_empty_table_kills_everything() {
    let program = compile(&[], Action::Kill);
    for number in (0..1024).chain([u32::MAX]) {
        assert_eq!(interpret(&program, &Call::new(number, [0; 6])), KILL_PROCESS);
    }
}

const fn with_all(filter: Filter) -> Filter {
    filter.with_objects().with_clients()
}

const fn with_both(filter: Filter) -> Filter {
    filter.with_objects().with_sockets()
}

/// Whether it is that of a process that has sockets of TCP.
fn has_sockets(filter: Filter) -> bool {
    matches!(
        filter,
        Filter::Loader { peers: Peers::Sockets, .. }
            | Filter::Worker { sockets: true, .. }
            | Filter::Component { peers: Peers::Sockets, .. }
    )
}

#[test]
fn a_zygote_may_do_whatever_its_workers_may() {
    let mut random = Random(0xbeef);
    // A probe stands in a worker's place, without a module.
    let workers = [Filter::WORKER, Filter::COMPONENT, Filter::UNCOUNTED];
    let of = |filter: Filter| {
        let plain = [filter, filter.with_objects()];
        [plain, plain.map(Filter::with_clients), plain.map(Filter::with_sockets)].concat()
    };
    let all = workers.map(of).concat();
    let families = [
        (Filter::Zygote, vec![Filter::Compiler, Filter::WORKER]),
        (Filter::LOADER, workers.to_vec()),
        (Filter::LOADER.with_objects(), workers.map(Filter::with_objects).to_vec()),
        (Filter::LOADER.with_clients(), workers.map(Filter::with_clients).to_vec()),
        (with_all(Filter::LOADER), workers.map(with_all).to_vec()),
        (Filter::LOADER.with_sockets(), workers.map(Filter::with_sockets).to_vec()),
        (with_both(Filter::LOADER), workers.map(with_both).to_vec()),
        (Filter::Loaded, all),
        (Filter::KeeperZygote, vec![Filter::Keeper]),
    ];
    for (above, workers) in families {
        for filter in workers {
            let rules = policy::rules(filter);
            for rule in &rules {
                for arguments in arguments(&rules, rule.number, &mut random) {
                    let call = Call::new(rule.number, arguments);
                    let (action, above) = (answer_of(filter, &call), answer_of(above, &call));
                    assert!(action != ALLOW || above == ALLOW, "{call:x?}");
                    assert!(above != KILL_PROCESS || action == KILL_PROCESS, "{call:x?}");
                }
            }
        }
    }
}

/// What the kernel makes of two filters, the one on top first. Source: seccomp(2), the order of its actions.
fn strictest(above: u32, beneath: u32) -> u32 {
    let rank = |answer: u32| match answer {
        KILL_PROCESS => 0,
        ALLOW => 2,
        _ => 1,
    };
    if rank(beneath) < rank(above) { beneath } else { above }
}

/// Each filter of a worker above its zygote's.
const NARROWED: [Narrowed; 19] = [
    Narrowed { beneath: Filter::Zygote, filter: Filter::WORKER },
    Narrowed { beneath: Filter::Zygote, filter: Filter::Compiler },
    Narrowed { beneath: Filter::LOADER, filter: Filter::WORKER },
    Narrowed { beneath: Filter::LOADER, filter: Filter::COMPONENT },
    Narrowed { beneath: Filter::LOADER, filter: Filter::UNCOUNTED },
    Narrowed { beneath: Filter::LOADER.with_objects(), filter: Filter::WORKER.with_objects() },
    Narrowed { beneath: Filter::LOADER.with_objects(), filter: Filter::COMPONENT.with_objects() },
    Narrowed { beneath: Filter::LOADER.with_objects(), filter: Filter::UNCOUNTED.with_objects() },
    Narrowed { beneath: Filter::LOADER.with_clients(), filter: Filter::COMPONENT.with_clients() },
    Narrowed { beneath: Filter::LOADER.with_clients(), filter: Filter::UNCOUNTED.with_clients() },
    Narrowed { beneath: with_all(Filter::LOADER), filter: with_all(Filter::COMPONENT) },
    Narrowed { beneath: with_all(Filter::LOADER), filter: with_all(Filter::UNCOUNTED) },
    Narrowed { beneath: Filter::LOADER.with_sockets(), filter: Filter::WORKER.with_sockets() },
    Narrowed { beneath: Filter::LOADER.with_sockets(), filter: Filter::COMPONENT.with_sockets() },
    Narrowed { beneath: Filter::LOADER.with_sockets(), filter: Filter::UNCOUNTED.with_sockets() },
    Narrowed { beneath: with_both(Filter::LOADER), filter: with_both(Filter::WORKER) },
    Narrowed { beneath: with_both(Filter::LOADER), filter: with_both(Filter::COMPONENT) },
    Narrowed { beneath: with_both(Filter::LOADER), filter: with_both(Filter::UNCOUNTED) },
    Narrowed { beneath: Filter::KeeperZygote, filter: Filter::Keeper },
];

#[test]
fn what_a_worker_takes_away_and_its_zygotes_filter_are_together_the_workers() {
    let mut random = Random(0xfee1);
    for narrowed in NARROWED {
        let (above, beneath) = (narrowed.program(), program(narrowed.beneath));
        let both = [policy::rules(narrowed.filter), policy::rules(narrowed.beneath)].concat();
        for number in (0..600).chain([1023, 1 << 30, 1 << 30 | 1, u32::MAX]) {
            for arguments in arguments(&both, number, &mut random) {
                let call = Call::new(number, arguments);
                let answer = strictest(interpret(&above, &call), interpret(&beneath, &call));
                assert_eq!(answer, answer_of(narrowed.filter, &call), "{narrowed:?} {call:x?}");
            }
        }
        let elsewhere = Call { architecture: ARCHITECTURE ^ 1, ..Call::new(0, [0; 6]) };
        assert_eq!(interpret(&above, &elsewhere), KILL_PROCESS);
    }
}

#[test]
fn what_a_worker_takes_away_is_less_than_half_of_what_it_may() {
    // Loading costs by length. A keeper is loaded once for its group, and what it may is little itself.
    for narrowed in NARROWED.into_iter().filter(|narrowed| narrowed.filter != Filter::Keeper) {
        let (short, whole) = (narrowed.program().len(), program(narrowed.filter).len());
        assert!(2 * short < whole, "{narrowed:?}: {short} of {whole}");
    }
}

/// What a filter says of a call.
fn ask(filter: Filter, call: libc::c_long, arguments: [u64; 6]) -> u32 {
    interpret(&program(filter), &Call::new(number(call), arguments))
}

/// `asm-generic/fcntl.h`.
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;

#[test]
fn nobody_signals_anybody() {
    for filter in lists() {
        // A keeper that can't go on is killed whichever way it ends.
        let refused = if filter == Filter::Keeper { KILL_PROCESS } else { ERRNO | u32::try_from(libc::EPERM).unwrap() };
        for group in [1, 2, 4096] {
            let arguments = [group, group, word(libc::SIGKILL), 0, 0, 0];
            assert_eq!(ask(filter, libc::SYS_tgkill, arguments), refused, "{filter:?}");
        }
        for call in [libc::SYS_kill, libc::SYS_tkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo] {
            assert_eq!(ask(filter, call, [1, 1, word(libc::SIGKILL), 0, 0, 0]), KILL_PROCESS, "{filter:?}");
        }
        for call in [libc::SYS_pidfd_send_signal, libc::SYS_pidfd_open] {
            assert_eq!(ask(filter, call, [0; 6]), KILL_PROCESS, "{filter:?}");
        }
        // Nor do open files, timers that come later, or a parent's death.
        for flags in [libc::O_ASYNC, libc::O_ASYNC | libc::O_NONBLOCK, libc::O_DIRECT] {
            assert_eq!(ask(filter, libc::SYS_fcntl, [0, word(libc::F_SETFL), word(flags), 0, 0, 0]), KILL_PROCESS);
        }
        for command in [libc::F_SETOWN, F_SETSIG, F_SETOWN_EX] {
            assert_eq!(ask(filter, libc::SYS_fcntl, [0, word(command), 1, 0, 0, 0]), KILL_PROCESS);
        }
        let death = [word(libc::PR_SET_PDEATHSIG), word(libc::SIGKILL), 0, 0, 0, 0];
        assert_eq!(ask(filter, libc::SYS_prctl, death), KILL_PROCESS);
    }
    for filter in [Filter::WORKER, Filter::COMPONENT, Filter::Compiler, Filter::Keeper] {
        assert_eq!(ask(filter, libc::SYS_timer_create, [2, 0x1000, 0x1000, 0, 0, 0]), KILL_PROCESS, "{filter:?}");
    }
}

#[test]
fn sockets_are_used_with_the_flags_of_our_own_code_only() {
    let ours = word(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT);
    let strange =
        [libc::MSG_OOB, libc::MSG_ZEROCOPY, libc::MSG_MORE, libc::MSG_FASTOPEN, libc::MSG_CONFIRM, libc::MSG_ERRQUEUE];
    for filter in lists() {
        assert_eq!(ask(filter, libc::SYS_sendto, [3, 0x1000, 1, ours, 0, 0]), ALLOW);
        let receives = if filter == Filter::Keeper { KILL_PROCESS } else { ALLOW };
        assert_eq!(ask(filter, libc::SYS_recvfrom, [3, 0x1000, 1, 0, 0, 0]), receives);
        assert_eq!(ask(filter, libc::SYS_sendto, [3, 0x1000, 1, ours, 0x1000, 16]), KILL_PROCESS);
        assert_eq!(ask(filter, libc::SYS_recvfrom, [3, 0x1000, 1, 0, 0x1000, 0x1000]), KILL_PROCESS);
        for flag in strange.map(word) {
            assert_eq!(ask(filter, libc::SYS_sendto, [3, 0x1000, 1, ours | flag, 0, 0]), KILL_PROCESS);
            assert_eq!(ask(filter, libc::SYS_recvfrom, [3, 0x1000, 1, flag, 0, 0]), KILL_PROCESS);
            assert_eq!(ask(filter, libc::SYS_sendmsg, [3, 0x1000, ours | flag, 0, 0, 0]), KILL_PROCESS);
            assert_eq!(ask(filter, libc::SYS_recvmsg, [3, 0x1000, flag, 0, 0, 0]), KILL_PROCESS);
        }
        let peek = word(libc::MSG_PEEK | libc::MSG_TRUNC);
        let zygote = loads_code(filter) || [Filter::Zygote, Filter::KeeperZygote].contains(&filter);
        let expected = if zygote { ALLOW } else { KILL_PROCESS };
        assert_eq!(ask(filter, libc::SYS_recvfrom, [3, 0x1000, 0, peek, 0, 0]), expected, "{filter:?}");
    }
    let arguments = [3, 0x1000, word(libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT), 0, 0, 0];
    assert_eq!(ask(Filter::COMPONENT, libc::SYS_recvmsg, arguments), ALLOW);
    assert_eq!(ask(Filter::COMPONENT, libc::SYS_sendmsg, [3, 0x1000, ours, 0, 0, 0]), ALLOW);
}

#[test]
fn a_futex_waits_and_wakes_and_does_nothing_else() {
    let (private, clock) = (libc::FUTEX_PRIVATE_FLAG, libc::FUTEX_CLOCK_REALTIME);
    for filter in lists() {
        // All operations of linux/futex.h, and room for some more.
        for operation in 0..32 {
            let ours = [libc::FUTEX_WAIT, libc::FUTEX_WAKE, libc::FUTEX_WAIT_BITSET, libc::FUTEX_WAKE_BITSET];
            // A keeper waits for nobody.
            let ours = if filter == Filter::Keeper { &ours[1..2] } else { &ours[..] };
            let expected = if ours.contains(&operation) { ALLOW } else { KILL_PROCESS };
            for flags in [0, private, clock, private | clock] {
                let arguments = [0x1000, word(operation | flags), 1, 0, 0, 0];
                assert_eq!(ask(filter, libc::SYS_futex, arguments), expected, "{filter:?} {operation}");
            }
            assert_eq!(ask(filter, libc::SYS_futex, [0x1000, word(operation | 512), 1, 0, 0, 0]), KILL_PROCESS);
        }
    }
}

#[test]
fn memory_is_private_and_counted() {
    let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let data = word(libc::PROT_READ | libc::PROT_WRITE);
    let map = |filter, flags: i32| ask(filter, libc::SYS_mmap, [0, 4096, data, word(flags), u64::MAX, 0]);
    let ours =
        [anonymous, anonymous | libc::MAP_NORESERVE | libc::MAP_FIXED, anonymous | libc::MAP_STACK, libc::MAP_PRIVATE];
    let others = [
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        libc::MAP_SHARED,
        libc::MAP_SHARED_VALIDATE,
        anonymous | libc::MAP_GROWSDOWN,
        anonymous | libc::MAP_LOCKED,
        anonymous | libc::MAP_POPULATE,
        anonymous | libc::MAP_HUGETLB,
        anonymous | libc::MAP_32BIT,
        libc::MAP_ANONYMOUS,
    ];
    for filter in lists() {
        assert!(ours.iter().all(|flags| map(filter, *flags) == ALLOW), "{filter:?}");
        assert!(others.iter().all(|flags| map(filter, *flags) == KILL_PROCESS), "{filter:?}");
        let remap = |flags: i32| ask(filter, libc::SYS_mremap, [0x1000, 4096, 8192, word(flags), 0, 0]);
        assert_eq!(remap(libc::MREMAP_MAYMOVE), ALLOW);
        assert_eq!(remap(libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP), KILL_PROCESS);
        for call in [libc::SYS_mlock, libc::SYS_mlock2, libc::SYS_mlockall, libc::SYS_shmget, libc::SYS_memfd_secret] {
            assert_eq!(ask(filter, call, [0; 6]), KILL_PROCESS);
        }
        let unnamed = ask(filter, libc::SYS_memfd_create, [0x1000, word(3), 0, 0, 0, 0]);
        let makes_it = loads_code(filter) || matches!(filter, Filter::Component { counted: true, .. });
        assert_eq!(unnamed, if makes_it { ALLOW } else { KILL_PROCESS }, "{filter:?}");
    }
}

#[test]
fn only_code_of_a_file_is_mapped_and_only_until_the_module_is_loaded() {
    let (code, place) = (word(libc::PROT_READ | libc::PROT_EXEC), word(libc::MAP_PRIVATE | libc::MAP_FIXED));
    let loads = [0x1000, 4096, code, place, 5, 0];
    for filter in Filter::all() {
        let expected = if loads_code(filter) { ALLOW } else { KILL_PROCESS };
        assert_eq!(ask(filter, libc::SYS_mmap, loads), expected, "{filter:?}");
        let all = code | word(libc::PROT_WRITE);
        let never = [
            [0x1000, 4096, all, place, 5, 0],
            [0x1000, 4096, word(libc::PROT_EXEC), place, 5, 0],
            [0x1000, 4096, code, place, u64::MAX, 0],
            [0x1000, 4096, code, place | word(libc::MAP_ANONYMOUS), u64::MAX, 0],
            [0x1000, 4096, code, word(libc::MAP_SHARED | libc::MAP_FIXED), 5, 0],
        ];
        for arguments in never {
            assert_eq!(ask(filter, libc::SYS_mmap, arguments), KILL_PROCESS, "{filter:?} {arguments:x?}");
        }
    }
    for filter in lists() {
        for protection in [code, word(libc::PROT_EXEC), 7] {
            let arguments = [0x1000, 4096, protection, 0, 0, 0];
            assert_eq!(ask(filter, libc::SYS_mprotect, arguments), KILL_PROCESS, "{filter:?}");
        }
    }
    // What it does not take away.
    assert_eq!(ask(Filter::Loaded, libc::SYS_mmap, [0, 4096, 3, word(libc::MAP_PRIVATE), 5, 0]), ALLOW);
}

#[test]
fn memory_is_shared_by_those_with_objects_only_and_never_executable_or_at_a_place_of_choice() {
    let (data, shared) = (word(libc::PROT_READ | libc::PROT_WRITE), word(libc::MAP_SHARED));
    let with_objects = |filter| has_objects(filter) || matches!(filter, Filter::Loader { objects: true, .. });
    let shares = |filter| with_objects(filter) || [Filter::KeeperZygote, Filter::Keeper].contains(&filter);
    for filter in lists() {
        let expected = if shares(filter) { ALLOW } else { KILL_PROCESS };
        for protection in [data, word(libc::PROT_READ)] {
            assert_eq!(ask(filter, libc::SYS_mmap, [0, 4096, protection, shared, 5, 0]), expected, "{filter:?}");
        }
        let never = [
            [0, 4096, word(libc::PROT_READ | libc::PROT_EXEC), shared, 5, 0],
            [0, 4096, data, shared, u64::MAX, 0],
            [0, 4096, data, shared | word(libc::MAP_ANONYMOUS), u64::MAX, 0],
            [0x1000, 4096, data, shared | word(libc::MAP_FIXED), 5, 0],
            [0, 4096, data, shared | word(libc::MAP_LOCKED), 5, 0],
            [0, 4096, data, shared | word(libc::MAP_POPULATE), 5, 0],
        ];
        for arguments in never {
            assert_eq!(ask(filter, libc::SYS_mmap, arguments), KILL_PROCESS, "{filter:?} {arguments:x?}");
        }
        let waits = with_objects(filter);
        let wait = |count, flags| ask(filter, libc::SYS_futex_waitv, [0x1000, count, flags, 0, 1, 0]);
        assert_eq!(wait(2, 0), if waits { ALLOW } else { KILL_PROCESS }, "{filter:?}");
        assert_eq!([wait(128, 0), wait(2, 1)], [KILL_PROCESS; 2]);
        let allocates = [Filter::KeeperZygote, Filter::Keeper].contains(&filter);
        let allocate = |mode: i32| ask(filter, libc::SYS_fallocate, [5, word(mode), 0, 4096, 0, 0]);
        assert_eq!(allocate(0), if allocates { ALLOW } else { KILL_PROCESS }, "{filter:?}");
        assert_eq!(allocate(libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE), KILL_PROCESS);
    }
}

/// What the engine's library may open a file with, beside O_CLOEXEC (`compute_oflags`, wasmtime-wasi 48): every
/// access mode, with and without each of the others.
fn open_flags() -> impl Iterator<Item = i32> {
    let access = [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR];
    let bits = [libc::O_CREAT, libc::O_EXCL, libc::O_TRUNC, libc::O_APPEND, libc::O_NOFOLLOW, libc::O_DIRECTORY];
    let bits = [bits.as_slice(), &[libc::O_PATH, libc::O_NONBLOCK, libc::O_SYNC]].concat();
    let chosen = move |which: usize| {
        let bits = bits.iter().enumerate().filter(|(place, _)| which >> place & 1 == 1);
        bits.fold(libc::O_CLOEXEC, |flags, (_, bit)| flags | bit)
    };
    (0..1 << 9).flat_map(move |which| access.map(|access| access | chosen(which)))
}

#[test]
fn a_walk_by_hand_is_answered_and_opens_nothing() {
    let walked = ERRNO | u32::try_from(libc::EALREADY).unwrap();
    let listing = |flags: i32| flags & policy::LISTING_KIND == libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let program = program(Filter::WORKER);
    for flags in open_flags() {
        for from in [0, 3, 1023, word(i32::MAX), 3 | 1 << 32] {
            let call = Call::new(number(libc::SYS_openat), [from, 0x1000, word(flags), 0, 0, 0]);
            let expected = if listing(flags) { ALLOW } else { walked };
            assert_eq!(interpret(&program, &call), expected, "{flags:#o}");
        }
    }
    let call = Call::new(number(libc::SYS_faccessat2), [3, 0x1000, 1, 0x200, 0, 0]);
    assert_eq!(interpret(&program, &call), walked);
}

#[test]
fn a_file_by_a_path_of_its_own_is_killed_and_not_answered() {
    let program = program(Filter::WORKER);
    for flags in open_flags().filter(|flags| flags & policy::OPEN_KIND != libc::O_DIRECTORY) {
        for from in [word(libc::AT_FDCWD), u64::MAX, libc::AT_FDCWD as u64] {
            let call = Call::new(number(libc::SYS_openat), [from, 0x1000, word(flags), 0, 0, 0]);
            assert_eq!(interpret(&program, &call), KILL_PROCESS, "{flags:#o}");
        }
    }
}

#[test]
fn each_rule_has_a_reason_and_the_name_of_its_call() {
    for filter in Filter::all() {
        for rule in policy::rules(filter) {
            assert_eq!(name(rule.number), Some(rule.name));
            assert!(!rule.reason.is_empty(), "{}", rule.name);
        }
    }
}

/// The names that a table has a rule for, each once, sorted.
fn names(filter: Filter) -> Vec<&'static str> {
    let mut names: Vec<_> = policy::rules(filter).iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn the_worker_s_list_is_this_one() {
    let expected = "brk clock_getres clock_gettime clock_nanosleep close exit \
        exit_group faccessat2 fadvise64 fchdir fcntl fdatasync fstat fsync ftruncate futex getdents64 getpid getrandom \
        gettid ioctl linkat lseek madvise mkdirat mmap mprotect mremap munmap newfstatat openat openat2 poll ppoll pread64 preadv \
        pwrite64 pwritev pwritev2 read readlinkat readv recvfrom renameat restart_syscall rt_sigaction rt_sigprocmask rt_sigreturn \
        sched_yield sendto setitimer sigaltstack statx symlinkat tgkill timer_settime unlinkat utimensat write writev";
    assert_eq!(names(Filter::WORKER).join(" "), expected);
}

#[test]
fn a_component_has_threads_and_connections_beyond_that() {
    let more: Vec<_> =
        names(Filter::COMPONENT).into_iter().filter(|name| !names(Filter::WORKER).contains(name)).collect();
    let expected = "clone clone3 memfd_create prctl recvmsg rseq sched_getaffinity sendmsg set_robust_list shutdown";
    assert_eq!(more.join(" "), expected);
    assert!(names(Filter::WORKER).iter().all(|name| names(Filter::COMPONENT).contains(name)));
}

#[test]
fn a_component_whose_memory_nobody_counts_makes_none_that_outlives_it() {
    let all = names(Filter::COMPONENT);
    let left = names(Filter::UNCOUNTED);
    let gone: Vec<_> = all.into_iter().filter(|name| !left.contains(name)).collect();
    assert_eq!(gone, ["memfd_create"]);
    let flags = u64::from(libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
    let (name, seals) = (c"m".as_ptr() as u64, [0, word(libc::F_ADD_SEALS), 0, 0, 0, 0]);
    let make = |filter| attempt(filter, number(libc::SYS_memfd_create), [name, flags, 0, 0, 0, 0]);
    assert_eq!((make(Filter::COMPONENT), make(Filter::UNCOUNTED)), (Ended::Exited(0), KILLED));
    assert_eq!(attempt(Filter::UNCOUNTED, number(libc::SYS_fcntl), seals), KILLED);
}

#[test]
fn objects_add_these_calls_and_no_others() {
    let pairs = [
        (Filter::WORKER, Filter::WORKER.with_objects(), "futex_waitv recvmsg"),
        (Filter::COMPONENT, Filter::COMPONENT.with_objects(), "futex_waitv"),
        (Filter::UNCOUNTED, Filter::UNCOUNTED.with_objects(), "futex_waitv"),
        (Filter::LOADER, Filter::LOADER.with_objects(), "futex_waitv"),
        (Filter::Zygote, Filter::KeeperZygote, "fallocate"),
    ];
    pairs.into_iter().for_each(adds);
}

/// The second has these calls more than the first, and all that the first has.
fn adds((without, with, expected): (Filter, Filter, &str)) {
    let had = names(without);
    let more: Vec<_> = names(with).into_iter().filter(|name| !had.contains(name)).collect();
    assert_eq!((more.join(" "), had.len()), (expected.to_owned(), names(with).len() - more.len()), "{with:?}");
}

#[test]
fn clients_add_an_event_loop_and_nothing_that_makes_connections_or_tells_of_them() {
    const LOOP: &str = "epoll_create1 epoll_ctl epoll_wait eventfd2";
    for without in [Filter::LOADER, Filter::COMPONENT, Filter::UNCOUNTED] {
        adds((without, without.with_clients(), LOOP));
        adds((without.with_objects(), with_all(without), LOOP));
        let serves = without.with_clients();
        for call in [libc::SYS_setsockopt, libc::SYS_getsockopt, libc::SYS_getpeername, libc::SYS_getsockname] {
            assert_eq!(ask(serves, call, [0; 6]), KILL_PROCESS, "{serves:?}");
        }
        let make = |call, arguments: [i32; 2]| ask(serves, call, [word(arguments[0]), word(arguments[1]), 0, 0, 0, 0]);
        assert_eq!(make(libc::SYS_epoll_create1, [libc::EPOLL_CLOEXEC, 0]), ALLOW);
        assert_eq!(make(libc::SYS_epoll_create1, [0, 0]), KILL_PROCESS);
        assert_eq!(make(libc::SYS_eventfd2, [0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK]), ALLOW);
        assert_eq!(make(libc::SYS_eventfd2, [0, libc::EFD_CLOEXEC | libc::EFD_SEMAPHORE]), KILL_PROCESS);
        assert_eq!(make(libc::SYS_eventfd2, [1, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK]), KILL_PROCESS);
    }
}

#[test]
fn sockets_add_these_calls_and_take_one_away() {
    const CALLS: &str = "accept4 getpeername getsockname getsockopt";
    for without in [Filter::LOADER, Filter::WORKER] {
        adds((without, without.with_sockets(), CALLS));
        adds((without.with_objects(), with_both(without), CALLS));
    }
    for without in [Filter::COMPONENT, Filter::UNCOUNTED] {
        let (had, has) = (names(without), names(without.with_sockets()));
        let more: Vec<_> = has.iter().filter(|name| !had.contains(name)).copied().collect();
        let less: Vec<_> = had.iter().filter(|name| !has.contains(name)).copied().collect();
        assert_eq!((more.join(" "), less), (CALLS.to_owned(), vec!["shutdown"]));
    }
}

#[test]
fn a_socket_accepts_is_read_and_written_and_nothing_else() {
    for filter in lists() {
        let allowed = if has_sockets(filter) { ALLOW } else { KILL_PROCESS };
        let accept = |flags: i32| ask(filter, libc::SYS_accept4, [3, 0, 0, word(flags), 0, 0]);
        assert_eq!([accept(0), accept(libc::SOCK_CLOEXEC)], [allowed; 2], "{filter:?}");
        assert_eq!(accept(libc::SOCK_NONBLOCK), KILL_PROCESS);
        let option = |level: i32, name: i32| ask(filter, libc::SYS_getsockopt, [3, word(level), word(name), 0, 0, 0]);
        for name in [libc::SO_DOMAIN, libc::SO_TYPE, libc::SO_PROTOCOL, libc::SO_ACCEPTCONN] {
            assert_eq!(option(libc::SOL_SOCKET, name), allowed, "{filter:?}");
            assert_eq!(option(libc::IPPROTO_TCP, name), KILL_PROCESS, "{filter:?}");
        }
        for name in [libc::SO_PEERCRED, libc::SO_PEERSEC, libc::SO_BINDTODEVICE, libc::SO_COOKIE] {
            assert_eq!(option(libc::SOL_SOCKET, name), KILL_PROCESS, "{filter:?}");
        }
        let receive = |flags: i32, address| ask(filter, libc::SYS_recvfrom, [3, 0x1000, 1, word(flags), address, 0]);
        for flags in [libc::MSG_DONTWAIT, libc::MSG_DONTWAIT | libc::MSG_PEEK] {
            assert_eq!(receive(flags, 0), allowed, "{filter:?}");
            assert_eq!(receive(flags, 0x1000), KILL_PROCESS);
        }
        assert_eq!(receive(libc::MSG_DONTWAIT | libc::MSG_WAITALL, 0), KILL_PROCESS);
        // Both ends of TCP fast open: a flag, and an option of the socket.
        let open = word(libc::MSG_NOSIGNAL | libc::MSG_FASTOPEN);
        assert_eq!(ask(filter, libc::SYS_sendto, [3, 0x1000, 1, open, 0, 0]), KILL_PROCESS);
        assert_eq!(ask(filter, libc::SYS_sendmsg, [3, 0x1000, open, 0, 0, 0]), KILL_PROCESS);
        for call in [libc::SYS_setsockopt, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_socket] {
            assert_eq!(ask(filter, call, [0; 6]), KILL_PROCESS, "{filter:?}");
        }
        let is_worker = matches!(filter, Filter::Worker { .. } | Filter::Component { .. });
        if is_worker && has_sockets(filter) {
            assert_eq!(ask(filter, libc::SYS_shutdown, [3, 2, 0, 0, 0, 0]), KILL_PROCESS, "{filter:?}");
        }
    }
}

#[test]
fn nobody_makes_a_socket_wait_that_others_have_too() {
    let refused = ERRNO | u32::try_from(libc::EPERM).unwrap();
    for filter in lists().into_iter().filter(|filter| *filter != Filter::Keeper) {
        let set = |flags: i32| ask(filter, libc::SYS_fcntl, [3, word(libc::F_SETFL), word(flags), 0, 0, 0]);
        let waits = if has_sockets(filter) { refused } else { ALLOW };
        assert_eq!([set(0), set(libc::O_APPEND), set(libc::O_RDWR)], [waits; 3], "{filter:?}");
        assert_eq!([set(libc::O_NONBLOCK), set(libc::O_NONBLOCK | libc::O_APPEND)], [ALLOW; 2], "{filter:?}");
        for command in [libc::FIONBIO, libc::FIOASYNC] {
            assert_eq!(ask(filter, libc::SYS_ioctl, [3, command, 0x1000, 0, 0, 0]), KILL_PROCESS, "{filter:?}");
        }
    }
    for filter in [Filter::WORKER, Filter::COMPONENT] {
        let clears = |filter| {
            let (listener, _) = std::os::unix::net::UnixStream::pair().unwrap();
            listener.set_nonblocking(true).unwrap();
            let of = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&listener)).unwrap();
            let ended = attempt(filter, number(libc::SYS_fcntl), [of, word(libc::F_SETFL), 0, 0, 0, 0]);
            (ended, rustix::fs::fcntl_getfl(&listener).unwrap().contains(rustix::fs::OFlags::NONBLOCK))
        };
        assert_eq!(clears(filter), (Ended::Exited(0), false), "without sockets");
        assert!(clears(filter.with_sockets()).1, "{filter:?}");
    }
}

#[test]
fn the_keeper_s_list_is_this_one() {
    let expected = "brk clock_gettime close exit_group fallocate fstat futex getrandom madvise mmap mremap munmap ppoll \
        recvmsg sendto";
    assert_eq!(names(Filter::Keeper).join(" "), expected);
}

#[test]
fn memory_without_a_name_is_never_made_of_huge_pages() {
    let program = program(Filter::COMPONENT);
    let make = |flags: u32| {
        interpret(&program, &Call::new(number(libc::SYS_memfd_create), [0x1000, u64::from(flags), 0, 0, 0, 0]))
    };
    assert_eq!(make(libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING), ALLOW);
    assert_eq!(make(libc::MFD_CLOEXEC | libc::MFD_HUGETLB), KILL_PROCESS);
}

#[test]
fn no_filter_has_a_rule_for_what_opens_the_other_walls() {
    let never = "execve execveat fork vfork ptrace process_vm_readv process_vm_writev mount umount2 pivot_root chroot \
        open_tree move_mount fsopen mount_setattr unshare setns socket socketpair connect bind listen accept setsockopt \
        bpf io_uring_setup io_uring_enter io_uring_register perf_event_open keyctl add_key request_key userfaultfd \
        open creat open_by_handle_at name_to_handle_at chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat \
        setxattr fsetxattr lsetxattr setxattrat mknod mknodat memfd_secret pkey_mprotect shmat \
        remap_file_pages kill tkill rt_sigqueueinfo pidfd_send_signal pidfd_open pidfd_getfd personality \
        arch_prctl modify_ldt init_module kexec_load reboot iopl ioperm process_madvise setuid setgid setreuid \
        rt_tgsigqueueinfo shmget mlock mlock2 mlockall futex_requeue";
    for filter in Filter::all() {
        for name in never.split_ascii_whitespace() {
            assert!(!names(filter).contains(&name), "{filter:?}: {name}");
        }
    }
}

#[test]
fn compiler_and_keeper_open_nothing() {
    for filter in [Filter::Compiler, Filter::Keeper] {
        let allowed: Vec<_> = policy::rules(filter).into_iter().filter(|r| r.action == Action::Allow).collect();
        let paths = policy::PATHS.iter().map(|rule| rule.name);
        for name in paths {
            assert!(!allowed.iter().any(|rule| rule.name == name), "{filter:?}: {name}");
        }
    }
}

#[test]
fn programs_are_short() {
    // The kernel takes 4096 instructions; loading costs by length, see the module's documentation.
    for filter in Filter::all() {
        let most = if loads_code(filter) { 460 } else { 400 };
        let length = program(filter).len();
        assert!(length < most, "{filter:?}: {length}");
    }
}

// From here on: the kernel.

/// Runs `body` in a child under `filter`.
fn under(filter: Filter, body: impl FnOnce() -> i32) -> Ended {
    child::run(|| {
        rustix::thread::set_no_new_privs(true).unwrap();
        apply(filter).unwrap();
        body()
    })
}

const KILLED: Ended = Ended::Signalled(libc::SIGSYS);

/// Tries one call in a child; 0 where it came back.
fn attempt(filter: Filter, number: u32, arguments: [u64; 6]) -> Ended {
    under(filter, || {
        let _ = child::system_call(number, arguments);
        0
    })
}

const fn number(call: libc::c_long) -> u32 {
    call.cast_unsigned() as u32
}

#[test]
fn the_kernel_kills_every_number_that_is_not_on_the_list() {
    // Since Linux 6.14 the kernel lets these pass every filter, and ends with SIGILL or an error whoever does not
    // come from one of its own probes.
    let probes = ["uretprobe", "uprobe"];
    let allowed = names(Filter::WORKER);
    for number in (0..=480).chain([1023, 4095, u32::MAX >> 1]) {
        let name = name(number).unwrap_or("");
        if !allowed.contains(&name) && !probes.contains(&name) {
            assert_eq!(attempt(Filter::WORKER, number, [0; 6]), KILLED, "{number} {name}");
        }
    }
}

#[test]
fn the_kernel_kills_the_x32_entry() {
    for call in [libc::SYS_getpid, libc::SYS_read, libc::SYS_execve, 520] {
        assert_eq!(attempt(Filter::WORKER, number(call) | 0x4000_0000, [0; 6]), KILLED);
    }
}

#[test]
fn the_kernel_kills_the_32_bit_entry() {
    // 20 is getpid there, and writev here, which is on the list. A kernel without that entry says SIGSEGV.
    let ended = under(Filter::WORKER, || i32::from(child::system_call_32_bit(20) == 0));
    assert!([KILLED, Ended::Signalled(libc::SIGSEGV)].contains(&ended), "{ended:?}");
    if ended != KILLED {
        eprintln!("seccomp: this kernel has no 32-bit entry to try");
    }
}

#[test]
fn conditions_hold_in_the_kernel() {
    let exec = word(libc::PROT_READ | libc::PROT_EXEC);
    let private = word(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let cwd = word(libc::AT_FDCWD);
    let dot = c".".as_ptr() as u64;
    let flags = |flags: i32| word(flags);
    let killed = [
        (libc::SYS_mmap, [0, 4096, exec, private, u64::MAX, 0]),
        (libc::SYS_mmap, [0, 4096, word(libc::PROT_EXEC), private, u64::MAX, 0]),
        (libc::SYS_mprotect, [0x1000, 4096, exec, 0, 0, 0]),
        (libc::SYS_mprotect, [0x1000, 4096, 7, 0, 0, 0]),
        (libc::SYS_madvise, [0x1000, 4096, word(libc::MADV_HWPOISON), 0, 0, 0]),
        (libc::SYS_fcntl, [0, word(libc::F_SETOWN), 0, 0, 0, 0]),
        (libc::SYS_ioctl, [0, libc::TIOCSTI, 0, 0, 0, 0]),
        (libc::SYS_ioctl, [0, libc::TIOCSTI | 1 << 32, 0, 0, 0, 0]),
        (libc::SYS_openat, [cwd, dot, flags(libc::O_RDONLY), 0, 0, 0]),
        (libc::SYS_openat, [cwd, dot, flags(libc::O_DIRECTORY | libc::O_RDWR), 0, 0, 0]),
        (libc::SYS_openat, [cwd, dot, flags(libc::O_DIRECTORY | libc::O_CREAT), 0, 0, 0]),
        (libc::SYS_openat, [cwd, dot, flags(libc::O_TMPFILE | libc::O_RDWR), 0, 0, 0]),
        (libc::SYS_sendto, [0, dot, 1, 0, dot, 16]),
        (libc::SYS_clone, [word(libc::SIGCHLD), 0, 0, 0, 0, 0]),
        (libc::SYS_clone, [0x003d_0f00, 0, 0, 0, 0, 0]),
        (libc::SYS_clone3, [0; 6]),
    ];
    for (call, arguments) in killed {
        let number = number(call);
        assert_eq!(attempt(Filter::WORKER, number, arguments), KILLED, "{:?} {arguments:x?}", name(number));
    }
    let allowed = [
        (libc::SYS_mmap, [0, 4096, 3, private, u64::MAX, 0]),
        (libc::SYS_openat, [cwd, dot, flags(libc::O_DIRECTORY | libc::O_CLOEXEC), 0, 0, 0]),
        (libc::SYS_openat, [cwd, dot, flags(libc::O_DIRECTORY | libc::O_PATH), 0, 0, 0]),
        (libc::SYS_ioctl, [0, libc::TCGETS, 0, 0, 0, 0]),
        (libc::SYS_fcntl, [0, word(libc::F_GETFD), 0, 0, 0, 0]),
    ];
    for (call, arguments) in allowed {
        let number = number(call);
        assert_eq!(attempt(Filter::WORKER, number, arguments), Ended::Exited(0), "{:?} {arguments:x?}", name(number));
    }
}

/// An int as a register holds it.
const fn word(int: i32) -> u64 {
    int.cast_unsigned() as u64
}

#[test]
fn under_both_filters_a_walk_by_hand_is_answered_and_a_listing_allowed() {
    let directory = std::fs::File::open("/").unwrap();
    let ended = under(Filter::Zygote, || {
        apply(Filter::WORKER).unwrap();
        let open = |flags| {
            use std::os::fd::AsRawFd;
            let from = word(directory.as_raw_fd());
            child::system_call(number(libc::SYS_openat), [from, c".".as_ptr() as u64, word(flags), 0, 0, 0])
        };
        let listing = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let steps = [listing | libc::O_PATH, libc::O_DIRECTORY | libc::O_PATH, libc::O_RDONLY, libc::O_NOFOLLOW];
        let answered = steps.iter().all(|flags| open(*flags) == Err(libc::EALREADY));
        i32::from(!answered) + 2 * i32::from(open(listing).is_err())
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn an_abort_under_the_worker_s_filter_needs_no_signal() {
    // As in a pid namespace of its own without a filter, whose first process ignores SIGABRT.
    assert_eq!(under(Filter::WORKER, || std::process::abort()), Ended::Signalled(libc::SIGSEGV));
}

#[test]
fn a_sleep_under_the_worker_s_filter_survives_stop_and_continue() {
    let (reader, writer) = std::io::pipe().unwrap();
    let pid = child::start(|| {
        rustix::thread::set_no_new_privs(true).unwrap();
        apply(Filter::WORKER).unwrap();
        rustix::io::write(&writer, b"!").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        7
    });
    rustix::io::read(&reader, &mut [0_u8; 1]).unwrap();
    let process = rustix::process::Pid::from_raw(pid).unwrap();
    // Whether it sleeps yet does not matter for long: it is stopped ten times while it does.
    for _ in 0..10 {
        rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(10));
        rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(child::wait(pid), Ended::Exited(7));
}

#[test]
fn the_compiler_has_threads_and_no_other_processes() {
    let ended = under(Filter::Compiler, || {
        let threads = (0..4).map(|n| {
            let thread = std::thread::Builder::new().name(format!("compiler-{n}"));
            thread.spawn(move || vec![1_u8; 300_000 + n].iter().map(|byte| usize::from(*byte)).sum::<usize>())
        });
        let threads: Vec<_> = threads.collect();
        let sum: usize = threads.into_iter().map(|thread| thread.unwrap().join().unwrap()).sum();
        i32::from(sum != 1_200_006)
    });
    assert_eq!(ended, Ended::Exited(0));
    for flags in [word(libc::SIGCHLD), 0x003d_0f00 & !word(libc::CLONE_THREAD), 0x003d_0f00 | word(libc::CLONE_NEWUSER)]
    {
        assert_eq!(attempt(Filter::Compiler, number(libc::SYS_clone), [flags, 0, 0, 0, 0, 0]), KILLED);
    }
}

#[test]
fn the_compiler_s_threads_give_memory_back_and_count_cpus() {
    let ended = under(Filter::Compiler, || {
        let threads = (0..4_u8).map(|n| {
            std::thread::spawn(move || {
                for _ in 0..8 {
                    // Below the size that the C library maps by itself: these grow a thread's heap, and shrink it.
                    drop(std::hint::black_box((0..200).map(|_| vec![n; 100_000]).collect::<Vec<_>>()));
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        i32::from(std::thread::available_parallelism().is_err())
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn the_compiler_reads_its_input_to_the_end_and_opens_nothing() {
    use std::io::{Read, Seek};
    let file = rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut file = std::fs::File::from(file);
    rustix::io::write(&file, &[5; 10_000]).unwrap();
    file.rewind().unwrap();
    let ended = under(Filter::Compiler, || {
        let mut input = Vec::new();
        file.read_to_end(&mut input).unwrap();
        let size = rustix::fs::fstat(&file).unwrap().st_size;
        i32::from(input.len() != 10_000 || size != 10_000)
    });
    assert_eq!(ended, Ended::Exited(0));
    let opened = under(Filter::Compiler, || {
        let error = std::fs::File::open("/").unwrap_err();
        i32::from(error.kind() != std::io::ErrorKind::NotFound)
    });
    assert_eq!(opened, Ended::Exited(0));
    for call in [libc::SYS_open, libc::SYS_openat2, libc::SYS_creat, libc::SYS_readlink, libc::SYS_unlinkat] {
        assert_eq!(attempt(Filter::Compiler, number(call), [0; 6]), KILLED);
    }
}

#[test]
fn a_zygote_gives_up_new_code_and_nothing_else() {
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let code = |place: u64| {
        use std::os::fd::AsRawFd;
        let flags = word(libc::MAP_PRIVATE | libc::MAP_FIXED);
        let arguments = [place, 4096, word(libc::PROT_READ | libc::PROT_EXEC), flags, word(file.as_raw_fd()), 0];
        child::system_call(number(libc::SYS_mmap), arguments)
    };
    let data = || {
        let arguments = [0, 4096, 1, word(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS), u64::MAX, 0];
        child::system_call(number(libc::SYS_mmap), arguments).unwrap()
    };
    let ended = under(Filter::LOADER, || {
        let mapped = code(data()).is_ok();
        apply(Filter::Loaded).unwrap();
        data();
        i32::from(!mapped)
    });
    assert_eq!(ended, Ended::Exited(0));
    let ended = under(Filter::LOADER, || {
        apply(Filter::Loaded).unwrap();
        i32::from(code(data()).is_ok())
    });
    assert_eq!(ended, KILLED);
}

#[test]
fn a_zygote_clones_workers_and_no_other_processes() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("seccomp: a pid namespace needs root here, so that a zygote's clone was not tried");
        return;
    }
    let clone = number(libc::SYS_clone);
    // The zygote of this test is a grandchild: its worker becomes a child of the child, as the spawner's would.
    let ended = child::run(|| {
        let zygote = under(Filter::Zygote, || {
            let mut pidfd = -1_i32;
            let flags = word(policy::WORKER);
            match child::system_call(clone, [flags, 0, &raw mut pidfd as u64, 0, 0, 0]) {
                Ok(0) => std::process::exit(if rustix::process::getpid().is_init() { 42 } else { 1 }),
                Ok(_) => i32::from(pidfd < 0),
                Err(errno) => errno,
            }
        });
        assert_eq!(zygote, Ended::Exited(0));
        assert_eq!(child::wait(-1), Ended::Exited(42));
        0
    });
    assert_eq!(ended, Ended::Exited(0));
    for flags in
        [libc::SIGCHLD, libc::CLONE_PARENT, policy::WORKER | libc::CLONE_NEWUSER, policy::WORKER | libc::CLONE_VM]
    {
        assert_eq!(attempt(Filter::Zygote, clone, [word(flags), 0, 0, 0, 0, 0]), KILLED);
    }
    // vfork's cousin, unshare and setns are no way around.
    for call in [libc::SYS_vfork, libc::SYS_unshare, libc::SYS_setns, libc::SYS_execve, libc::SYS_socket] {
        assert_eq!(attempt(Filter::Zygote, number(call), [0; 6]), KILLED);
    }
}

#[test]
fn a_worker_takes_away_what_its_zygote_had() {
    // A zygote is refused a file, its worker is killed for it.
    let opened = under(Filter::Zygote, || {
        assert!(std::fs::File::open("/").is_err());
        narrow(NARROWED[0]).unwrap();
        i32::from(std::fs::File::open("/").is_ok())
    });
    assert_eq!(opened, KILLED);
    let ended = under(Filter::Zygote, || {
        narrow(NARROWED[0]).unwrap();
        let _ = child::system_call(number(libc::SYS_setsid), [0; 6]);
        0
    });
    assert_eq!(ended, KILLED);
}
