//! From a table of rules to a program of classic BPF. Pure: it knows no system call.
//!
//! ```text
//! another architecture? kill
//! binary search for the number, over the ranges that share an answer
//!   for each rule of that number, in the order of the table: do its conditions hold? its answer
//!   none: the answer for all other calls
//! ```
//!
//! Length is what loading costs, because the kernel checks the program, translates it to machine code and
//! runs it once for each number that there is (to remember which are always allowed); depth is what a call
//! with conditions costs. A binary search keeps both small. Numbers with the x32 bit lie above every rule
//! and are answered like any other number that no rule names.
//!
//! Opcodes: `linux/bpf_common.h`; what a filter sees (`struct seccomp_data`): seccomp(2).

use super::policy::{Action, Condition, Rule};
use sandhog_sys::seccomp::Instruction;

/// Load the 32-bit word at a fixed offset of `struct seccomp_data`.
pub(super) const LOAD: u16 = 0x20;
/// And the loaded word with a constant.
pub(super) const AND: u16 = 0x54;
/// Skip instructions.
pub(super) const SKIP: u16 = 0x05;
/// Compare the loaded word with a constant.
pub(super) const IF_EQUAL: u16 = 0x15;
/// The same, unsigned greater or equal.
pub(super) const IF_AT_LEAST: u16 = 0x35;
/// Answer, and end.
pub(super) const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`, in bytes.
pub(super) const NUMBER_AT: u32 = 0;
pub(super) const ARCHITECTURE_AT: u32 = 4;
pub(super) const ARGUMENTS_AT: u32 = 16;

/// `AUDIT_ARCH_X86_64` of `linux/audit.h`: EM_X86_64, 64-bit, little-endian.
pub(super) const ARCHITECTURE: u32 = 0xc000_003e;

/// Answers, of `linux/seccomp.h`.
pub(super) const KILL_PROCESS: u32 = 0x8000_0000;
pub(super) const ALLOW: u32 = 0x7fff_0000;
pub(super) const ERRNO: u32 = 0x0005_0000;

/// The numbers from `first` up to the next range's, with the rules that hold for them.
struct Range<'r> {
    first: u32,
    rules: &'r [&'r Rule],
}

/// The program for `rules`. The first rule of a number whose conditions hold answers; where there is none, `otherwise`.
pub(super) fn compile(rules: &[Rule], otherwise: Action) -> Vec<Instruction> {
    let mut sorted: Vec<&Rule> = rules.iter().collect();
    // Stable: the order of the table stays within a number.
    sorted.sort_by_key(|rule| rule.number);
    let otherwise = encode(otherwise);
    let mut code = Backwards { written: Vec::with_capacity(rules.len() * 4 + 8), otherwise };
    search(&ranges(&sorted, otherwise), &mut code);
    code.begin();
    code.written.reverse();
    code.written
}

/// The program for few rules, of which most kill: the numbers one after the other, and each answer once where it depends on no
/// argument. A third of what the search takes; numbers that are always allowed are answered by the kernel's own memory of that,
/// whatever the length.
pub(super) fn compile_in_a_row(rules: &[Rule], otherwise: Action) -> Vec<Instruction> {
    let mut sorted: Vec<&Rule> = rules.iter().collect();
    sorted.sort_by_key(|rule| rule.number);
    let otherwise = encode(otherwise);
    let mut code = Backwards { written: Vec::with_capacity(rules.len() * 4 + 8), otherwise };
    code.answer(KILL_PROCESS);
    let killed = code.written.len();
    code.answer(otherwise);
    let is_killed = |rules: &&[&Rule]| constant(rules, otherwise) == Some(KILL_PROCESS);
    let numbers = || sorted.chunk_by(|one, other| one.number == other.number);
    for rules in numbers().filter(is_killed) {
        code.skip_if_equal(number_of(rules), killed);
    }
    for rules in numbers().filter(|rules| !is_killed(rules)) {
        let end = code.written.len();
        body(rules, &mut code);
        code.skip_unless_equal(number_of(rules), end);
    }
    code.begin();
    code.written.reverse();
    code.written
}

fn number_of(rules: &[&Rule]) -> u32 {
    rules.first().map_or(0, |rule| rule.number)
}

/// All numbers, cut into ranges that share an answer.
fn ranges<'r>(sorted: &'r [&'r Rule], otherwise: u32) -> Vec<Range<'r>> {
    let mut ranges = Vec::with_capacity(2 * sorted.len() + 1);
    let mut next = Some(0);
    for rules in sorted.chunk_by(|one, other| one.number == other.number) {
        let number = rules.first().map_or(0, |rule| rule.number);
        if let Some(first) = next.filter(|first| *first < number) {
            push(&mut ranges, Range { first, rules: &[] }, otherwise);
        }
        push(&mut ranges, Range { first: number, rules }, otherwise);
        next = number.checked_add(1);
    }
    if let Some(first) = next {
        push(&mut ranges, Range { first, rules: &[] }, otherwise);
    }
    ranges
}

/// Adds a range behind the others, as a part of the last where both always give the same answer.
fn push<'r>(ranges: &mut Vec<Range<'r>>, range: Range<'r>, otherwise: u32) {
    let constant = constant(range.rules, otherwise);
    if constant.is_none() || ranges.last().is_none_or(|last| self::constant(last.rules, otherwise) != constant) {
        ranges.push(range);
    }
}

/// The answer of these rules, where it depends on no argument.
fn constant(rules: &[&Rule], otherwise: u32) -> Option<u32> {
    match rules.first() {
        None => Some(otherwise),
        Some(first) => first.conditions.is_empty().then(|| encode(first.action)),
    }
}

const fn encode(action: Action) -> u32 {
    match action {
        Action::Allow => ALLOW,
        Action::Errno(errno) => ERRNO | errno as u32,
        Action::Kill => KILL_PROCESS,
    }
}

/// Finds the range of the loaded number, and does what it says.
fn search(ranges: &[Range<'_>], code: &mut Backwards) {
    match ranges {
        [] => code.answer(code.otherwise),
        [one] => body(one.rules, code),
        many => {
            let (low, high) = many.split_at(many.len() / 2);
            search(high, code);
            let end = code.written.len();
            search(low, code);
            code.skip_if_at_least(high.first().map_or(u32::MAX, |range| range.first), end);
        }
    }
}

/// What happens to a number with these rules.
fn body(rules: &[&Rule], code: &mut Backwards) {
    let start = code.written.len();
    code.answer(code.otherwise);
    for rule in rules.iter().rev() {
        if rule.conditions.is_empty() {
            // What stands behind it is never reached.
            code.written.truncate(start);
        }
        alternative(rule, code);
    }
}

/// One rule: its answer, or on to what follows.
fn alternative(rule: &Rule, code: &mut Backwards) {
    let end = code.written.len();
    code.answer(encode(rule.action));
    for Condition { argument, mask, equals } in rule.conditions.iter().rev().copied() {
        let at = ARGUMENTS_AT + 8 * u32::from(argument);
        code.check(at, low_half(mask), low_half(equals), end);
        code.check(at + 4, high_half(mask), high_half(equals), end);
    }
}

/// A program that is written from its end, so that the distance of each skip is known when it is written.
struct Backwards {
    written: Vec<Instruction>,
    /// The answer where no rule has one.
    otherwise: u32,
}

impl Backwards {
    /// What stands before all else: of another architecture nothing is looked at.
    fn begin(&mut self) {
        self.load(NUMBER_AT);
        self.answer(KILL_PROCESS);
        self.written.push(Instruction { code: IF_EQUAL, on_true: 1, on_false: 0, value: ARCHITECTURE });
        self.load(ARCHITECTURE_AT);
    }

    fn load(&mut self, at: u32) {
        self.written.push(Instruction { code: LOAD, on_true: 0, on_false: 0, value: at });
    }

    fn answer(&mut self, value: u32) {
        self.written.push(Instruction { code: RETURN, on_true: 0, on_false: 0, value });
    }

    /// On to what was written before `end`, unless the 32 bits of an argument fit.
    fn check(&mut self, at: u32, mask: u32, equals: u32, end: usize) {
        if mask == 0 && equals == 0 {
            return;
        }
        match u8::try_from(self.written.len() - end) {
            Ok(near) => self.written.push(Instruction { code: IF_EQUAL, on_true: 0, on_false: near, value: equals }),
            Err(_) => {
                self.skip(end);
                self.written.push(Instruction { code: IF_EQUAL, on_true: 1, on_false: 0, value: equals });
            }
        }
        if mask != u32::MAX {
            self.written.push(Instruction { code: AND, on_true: 0, on_false: 0, value: mask });
        }
        self.load(at);
    }

    /// On to what was written before `end` where the loaded word is at least `value`.
    fn skip_if_at_least(&mut self, value: u32, end: usize) {
        match u8::try_from(self.written.len() - end) {
            Ok(near) => self.written.push(Instruction { code: IF_AT_LEAST, on_true: near, on_false: 0, value }),
            Err(_) => {
                self.skip(end);
                self.written.push(Instruction { code: IF_AT_LEAST, on_true: 0, on_false: 1, value });
            }
        }
    }

    /// On to the last of what was written before `end`, where the loaded word is `value`.
    fn skip_if_equal(&mut self, value: u32, end: usize) {
        match u8::try_from(self.written.len() - end) {
            Ok(near) => self.written.push(Instruction { code: IF_EQUAL, on_true: near, on_false: 0, value }),
            Err(_) => {
                self.skip(end);
                self.written.push(Instruction { code: IF_EQUAL, on_true: 0, on_false: 1, value });
            }
        }
    }

    /// The same, where it is another one.
    fn skip_unless_equal(&mut self, value: u32, end: usize) {
        match u8::try_from(self.written.len() - end) {
            Ok(near) => self.written.push(Instruction { code: IF_EQUAL, on_true: 0, on_false: near, value }),
            Err(_) => {
                self.skip(end);
                self.written.push(Instruction { code: IF_EQUAL, on_true: 1, on_false: 0, value });
            }
        }
    }

    /// A conditional skip reaches 255 instructions, this one any. A program too long for a u32 could never
    /// be loaded: the kernel takes 4096 instructions.
    fn skip(&mut self, end: usize) {
        let value = u32::try_from(self.written.len() - end).unwrap_or(u32::MAX);
        self.written.push(Instruction { code: SKIP, on_true: 0, on_false: 0, value });
    }
}

/// A filter loads 32 bits at a time, an argument has 64.
#[expect(clippy::cast_possible_truncation, reason = "the upper half has a load of its own")]
const fn low_half(word: u64) -> u32 {
    word as u32
}

const fn high_half(word: u64) -> u32 {
    low_half(word >> 32)
}
