//! The kinds of objects: the word of each, what it takes in parentheses, and the rights that there are.
//!
//! Must not: know whose grant it is.

use super::reason::Reason;
use crate::nearest::advice;
use crate::setting::MEMORY_MAX;
use crate::units::{Size, parse_count, print_size};
use sandhog_protocol::objects::{Element, Kind, Right, Rights};

/// Bytes of a queue where none are said.
const QUEUE_BYTES: u64 = 1 << 20;

/// Most permits, parties and items: their words have a bit to spare.
const COUNT_MAX: u64 = i32::MAX as u64;

pub(super) struct Form {
    word: &'static str,
    kind: fn(&[&str]) -> Result<Kind, Reason>,
    choice: Choice,
}

/// Words of rights, and what each grants.
type Words = &'static [(&'static str, &'static [Right])];

enum Choice {
    /// All or nothing.
    None,
    Some(Words),
    /// Exactly one of them.
    One(Words),
}

const PERMITS: Words = &[("acquire", &[Right::Acquire]), ("release", &[Right::Release])];
const EVENT: Words = &[("set", &[Right::Set]), ("wait", &[Right::Wait])];
const ACCESS: Words = &[("ro", &[Right::Read]), ("rw", &[Right::Read, Right::Write])];
const QUEUE: Words = &[("put", &[Right::Put]), ("get", &[Right::Get])];
const ENDS: Words = &[("first", &[Right::First]), ("second", &[Right::Second])];

pub(super) const FORMS: &[Form] = &[
    Form { word: "lock", kind: |arguments| plain(arguments, "lock", Kind::Lock), choice: Choice::None },
    Form { word: "rlock", kind: |arguments| plain(arguments, "rlock", Kind::Rlock), choice: Choice::None },
    Form { word: "semaphore", kind: semaphore, choice: Choice::Some(PERMITS) },
    Form { word: "bounded-semaphore", kind: bounded_semaphore, choice: Choice::Some(PERMITS) },
    Form { word: "event", kind: |arguments| plain(arguments, "event", Kind::Event), choice: Choice::Some(EVENT) },
    Form { word: "condition", kind: |arguments| plain(arguments, "condition", Kind::Condition), choice: Choice::None },
    Form { word: "barrier", kind: barrier, choice: Choice::None },
    Form { word: "value", kind: value, choice: Choice::One(ACCESS) },
    Form { word: "array", kind: array, choice: Choice::One(ACCESS) },
    Form { word: "memory", kind: memory, choice: Choice::One(ACCESS) },
    Form { word: "queue", kind: queue, choice: Choice::Some(QUEUE) },
    Form { word: "pipe", kind: |arguments| plain(arguments, "pipe", Kind::Pipe), choice: Choice::One(ENDS) },
];

const ELEMENTS: [(&str, Element); 10] = [
    ("i8", Element::I8),
    ("u8", Element::U8),
    ("i16", Element::I16),
    ("u16", Element::U16),
    ("i32", Element::I32),
    ("u32", Element::U32),
    ("i64", Element::I64),
    ("u64", Element::U64),
    ("f32", Element::F32),
    ("f64", Element::F64),
];

impl Form {
    pub(super) fn find(word: &str) -> Option<&'static Self> {
        FORMS.iter().find(|form| form.word == word)
    }

    pub(super) const fn of(kind: Kind) -> &'static Self {
        &FORMS[match kind {
            Kind::Lock => 0,
            Kind::Rlock => 1,
            Kind::Semaphore { .. } => 2,
            Kind::BoundedSemaphore { .. } => 3,
            Kind::Event => 4,
            Kind::Condition => 5,
            Kind::Barrier { .. } => 6,
            Kind::Value { .. } => 7,
            Kind::Array { .. } => 8,
            Kind::Memory { .. } => 9,
            Kind::Queue { .. } => 10,
            Kind::Pipe => 11,
        }]
    }

    pub(super) const fn word(&self) -> &'static str {
        self.word
    }

    pub(super) fn kind(&self, arguments: &[&str]) -> Result<Kind, Reason> {
        (self.kind)(arguments)
    }

    /// The rights that these words name.
    pub(super) fn rights(&self, words: &str) -> Result<Rights, Reason> {
        let (choice, is_one) = match self.choice {
            Choice::None if words.trim().is_empty() => return Ok(Rights::from([Right::Use])),
            Choice::None => return Err(Reason::NoChoice),
            Choice::Some(choice) => (choice, false),
            Choice::One(choice) => (choice, true),
        };
        if words.contains(',') {
            return Err(Reason::Comma);
        }
        let known = || choice.iter().map(|(word, _)| *word);
        let mut chosen = Vec::new();
        for word in words.split_whitespace() {
            let found = choice.iter().find(|(known, _)| *known == word);
            let (word, rights) = found.ok_or_else(|| Reason::Right { advice: advice(word, known()) })?;
            if !chosen.contains(&(word, rights)) {
                chosen.push((word, rights));
            }
        }
        match chosen.len() {
            0 => Err(Reason::NoRight(known().collect::<Vec<_>>().join(if is_one { " or " } else { ", " }))),
            2.. if is_one => Err(Reason::Exclusive(known().collect::<Vec<_>>().join(", "))),
            _ => Ok(chosen.into_iter().flat_map(|(_, rights)| rights.iter().copied()).collect()),
        }
    }

    const fn choice(&self) -> Words {
        match self.choice {
            Choice::None => &[],
            Choice::Some(words) | Choice::One(words) => words,
        }
    }

    pub(super) fn all(&self) -> Rights {
        let all: Rights = self.choice().iter().flat_map(|(_, rights)| rights.iter().copied()).collect();
        if all.is_empty() { Rights::from([Right::Use]) } else { all }
    }

    /// These rights as people write them.
    pub(super) fn words(&self, rights: &Rights) -> Vec<&'static str> {
        let is_there = |needed: &[Right]| needed.iter().all(|right| rights.contains(right));
        let mut words = self.choice().iter().filter(|(_, needed)| is_there(needed)).map(|(word, _)| *word);
        match self.choice {
            // The last one that fits has the others in it.
            Choice::One(_) => words.next_back().into_iter().collect(),
            Choice::None | Choice::Some(_) => words.collect(),
        }
    }
}

fn plain(arguments: &[&str], written: &'static str, kind: Kind) -> Result<Kind, Reason> {
    if arguments.is_empty() { Ok(kind) } else { Err(Reason::Arguments(written)) }
}

fn semaphore(arguments: &[&str]) -> Result<Kind, Reason> {
    let [permits] = arguments else { return Err(Reason::Arguments("semaphore(PERMITS)")) };
    Ok(Kind::Semaphore { permits: count(permits, "the number of permits")? })
}

fn bounded_semaphore(arguments: &[&str]) -> Result<Kind, Reason> {
    let [permits] = arguments else { return Err(Reason::Arguments("bounded-semaphore(PERMITS)")) };
    Ok(Kind::BoundedSemaphore { permits: some("the number of permits", count(permits, "the number of permits")?)? })
}

fn barrier(arguments: &[&str]) -> Result<Kind, Reason> {
    let [parties] = arguments else { return Err(Reason::Arguments("barrier(PARTIES)")) };
    Ok(Kind::Barrier { parties: some("the number of parties", count(parties, "the number of parties")?)? })
}

fn value(arguments: &[&str]) -> Result<Kind, Reason> {
    let [of] = arguments else { return Err(Reason::Arguments("value(NUMBER), such as value(i64),")) };
    Ok(Kind::Value { element: element(of)? })
}

fn array(arguments: &[&str]) -> Result<Kind, Reason> {
    let [of, length] = arguments else {
        return Err(Reason::Arguments("array(NUMBER, LENGTH), such as array(f64, 1000),"));
    };
    let (element, what) = (element(of)?, "the length");
    let length = some(what, parse_count(length).map_err(Reason::Number)?)?;
    let max = MEMORY_MAX / element.size();
    match length > max {
        true => Err(Reason::Most { what, max: max.to_string() }),
        false => Ok(Kind::Array { element, length }),
    }
}

fn memory(arguments: &[&str]) -> Result<Kind, Reason> {
    let [bytes] = arguments else { return Err(Reason::Arguments("memory(SIZE), such as memory(8MiB),")) };
    Ok(Kind::Memory { bytes: size(bytes)? })
}

fn queue(arguments: &[&str]) -> Result<Kind, Reason> {
    let (items, bytes) = match arguments {
        [items] => (items, QUEUE_BYTES),
        [items, bytes] => (items, size(bytes)?),
        _ => return Err(Reason::Arguments("queue(ITEMS) or queue(ITEMS, SIZE)")),
    };
    Ok(Kind::Queue { items: some("the number of items", count(items, "the number of items")?)?, bytes })
}

fn element(word: &str) -> Result<Element, Reason> {
    let found = ELEMENTS.iter().find(|(known, _)| *known == word);
    let words = ELEMENTS.iter().map(|(word, _)| *word);
    found.map(|(_, element)| *element).ok_or_else(|| Reason::Element { advice: advice(word, words) })
}

pub(super) fn print_element(element: Element) -> &'static str {
    ELEMENTS.iter().find(|(_, known)| *known == element).map_or("", |(word, _)| word)
}

fn count(text: &str, what: &'static str) -> Result<u32, Reason> {
    let count = parse_count(text).map_err(Reason::Number)?;
    match u32::try_from(count) {
        Ok(small) if count <= COUNT_MAX => Ok(small),
        Ok(_) | Err(_) => Err(Reason::Most { what, max: COUNT_MAX.to_string() }),
    }
}

fn size(text: &str) -> Result<u64, Reason> {
    let bytes = text.parse::<Size>().map_err(Reason::Number)?.to_bytes();
    match bytes > MEMORY_MAX {
        true => Err(Reason::Most { what: "the size", max: print_size(MEMORY_MAX) }),
        false => some("the size", bytes),
    }
}

fn some<T: PartialEq + Default>(what: &'static str, number: T) -> Result<T, Reason> {
    if number == T::default() { Err(Reason::Zero { what }) } else { Ok(number) }
}
