use super::*;
use crate::setting::Names;
use sandhog_protocol::objects::Element;

const QUOTA: ObjectQuota = ObjectQuota { unnamed: 0, memory_bytes: 64 << 20 };

fn grant(text: &str) -> Result<(String, Kind, Vec<Right>), Reason> {
    ObjectGrant::parse(text).map(|grant| (grant.name, grant.kind, grant.rights.into_iter().collect()))
}

fn told(text: &str) -> String {
    let error = grants(&[text.into()], &QUOTA).unwrap_err();
    let hint = error.reason.hint(Names::Flags).map_or_else(String::new, |hint| format!("; {hint}"));
    format!("{}{hint}", error.told(Names::Flags))
}

#[test]
fn a_grant_is_a_name_a_kind_and_rights() {
    use Right::{Acquire, First, Get, Put, Read, Release, Set, Use, Wait, Write};
    for (text, name, kind, rights) in [
        ("accounts: lock", "accounts", Kind::Lock, &[Use][..]),
        ("a:rlock", "a", Kind::Rlock, &[Use]),
        ("c: condition", "c", Kind::Condition, &[Use]),
        ("b: barrier(3)", "b", Kind::Barrier { parties: 3 }, &[Use]),
        ("s: semaphore(0) acquire", "s", Kind::Semaphore { permits: 0 }, &[Acquire]),
        ("s: bounded-semaphore(2) release acquire", "s", Kind::BoundedSemaphore { permits: 2 }, &[Acquire, Release]),
        ("e: event set wait", "e", Kind::Event, &[Set, Wait]),
        ("v: value(i64) rw", "v", Kind::Value { element: Element::I64 }, &[Read, Write]),
        ("v: array(f32, 1_000) ro", "v", Kind::Array { element: Element::F32, length: 1000 }, &[Read]),
        ("frames: memory(8MiB) ro", "frames", Kind::Memory { bytes: 8 << 20 }, &[Read]),
        ("tasks: queue(100) put", "tasks", Kind::Queue { items: 100, bytes: 1 << 20 }, &[Put]),
        (" tasks :queue ( 100 , 2MiB )  get  put ", "tasks", Kind::Queue { items: 100, bytes: 2 << 20 }, &[Put, Get]),
        ("p: pipe first", "p", Kind::Pipe, &[First]),
    ] {
        assert_eq!(grant(text), Ok((name.to_owned(), kind, rights.to_vec())), "{text}");
    }
}

#[test]
fn what_is_printed_is_the_same_grant() {
    for text in [
        "a: lock",
        "a: semaphore(3) acquire release",
        "a: event wait",
        "a: value(u8) rw",
        "a: array(f64, 7) ro",
        "a: memory(1KiB) rw",
        "a: queue(100, 1MiB) put get",
        "a: barrier(2)",
        "a: pipe second",
    ] {
        assert_eq!(print_grant(&ObjectGrant::parse(text).unwrap()), text);
    }
}

#[test]
fn each_kind_is_its_own_form() {
    for form in FORMS {
        let with = ["", "(2)", "(i8)", "(i8, 2)", "(2B)"].map(|arguments| format!("a: {}{arguments}", form.word()));
        let rights = ["", " acquire", " set", " ro", " put", " first"];
        let made = with.iter().flat_map(|text| rights.iter().map(move |right| format!("{text}{right}")));
        let kind = made.filter_map(|text| ObjectGrant::parse(&text).ok()).map(|grant| grant.kind).next().unwrap();
        assert_eq!(Form::of(kind).word(), form.word());
    }
}

#[test]
fn each_slip_is_told_with_what_to_write() {
    let written = "write --object \"NAME: KIND RIGHT\", such as --object \"tasks: queue(100) put\"";
    for (text, sentence) in [
        ("tasks", &*format!("a name and a kind, with a colon between them, were expected; {written}")),
        ("tasks:", &*format!("a name and a kind, with a colon between them, were expected; {written}")),
        ("a: quue(100) put", "there is no such kind of object; did you mean queue?"),
        ("a: queue(100 put", &*format!("the parenthesis is not closed; {written}")),
        ("a: queue put", "queue(ITEMS) or queue(ITEMS, SIZE) was expected"),
        ("a: queue(1, 2MiB, 3) put", "queue(ITEMS) or queue(ITEMS, SIZE) was expected"),
        ("a: queue(0) put", "the number of items has to be more than 0"),
        ("a: barrier(0)", "the number of parties has to be more than 0"),
        ("a: memory(0) ro", "the size has to be more than 0"),
        ("a: semaphore(4294967296) acquire", "the number of permits is more than 2147483647"),
        ("a: lock(1)", "lock was expected"),
        ("a: lock rw", "there is nothing to choose of this kind, and more was written"),
        ("a: queue(100)", "no right is given, and nothing is granted that is not asked for: put, get"),
        ("a: memory(1MiB)", "no right is given, and nothing is granted that is not asked for: ro or rw"),
        ("a: queue(100) putt", "this kind has no such right; did you mean put?"),
        ("a: pipe first second", "these rights are one or the other: first, second"),
        ("a: value(i65) ro", "there is no such kind of number; did you mean i64?"),
        ("a: memory(1GiB) ro", "they take 1GiB, and the objects of a group have 64MiB; raise --objects-memory"),
        ("a: memory(65GiB) ro", "the size is more than 64GiB"),
        ("a: array(i64, 9223372036854775808) ro", "the length is more than 8589934592"),
        ("a: queue(100) put, get", "rights are separated by spaces, not by commas"),
    ] {
        let told = told(text);
        assert!(told.ends_with(sentence), "{text}: {told}");
    }
}

#[test]
fn a_name_shows_as_itself_and_is_short() {
    for name in ["", " ", "a b", "a\u{1b}", &"x".repeat(NAME + 1)] {
        assert_eq!(grant(&format!("{name}: lock")), Err(Reason::Name), "{name:?}");
    }
    assert!(grant(&format!("{}: lock", "x".repeat(NAME))).is_ok());
}

#[test]
fn a_name_is_granted_once_and_all_of_them_have_bounds() {
    let of = |texts: &[&str]| grants(&texts.iter().map(OsString::from).collect::<Vec<_>>(), &QUOTA);
    assert_eq!(of(&["a: lock", "b: lock"]).unwrap().len(), 2);
    assert_eq!(of(&["a: lock", "a: event set"]).unwrap_err().reason, Reason::Twice);
    let many: Vec<String> = (0..=GRANTED).map(|number| format!("o{number}: lock")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(of(&many).unwrap_err().reason, Reason::TooMany(GRANTED + 1));
    assert_eq!(of(&many[1..]).unwrap().len(), GRANTED);
    let large = of(&["a: memory(40MiB) ro", "b: memory(40MiB) ro"]).unwrap_err();
    assert_eq!(large.reason, Reason::TooLarge { bytes: "80MiB".into(), limit: "64MiB".into() });
}

#[test]
fn only_memory_without_a_lock_is_ever_for_reading_only() {
    let is_read_only = |text: &str| {
        let grant = ObjectGrant::parse(text).unwrap();
        is_read_only(grant.kind, &grant.rights)
    };
    assert!(is_read_only("a: memory(1MiB) ro"));
    for text in ["a: memory(1MiB) rw", "a: value(i8) ro", "a: array(i8, 1) ro", "a: lock", "a: event wait"] {
        assert!(!is_read_only(text), "{text}");
    }
}
