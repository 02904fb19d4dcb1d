use super::*;
use sandhog_protocol::objects::{Element, Right};

const MEMORY: u64 = 1 << 20;

/// Each object takes a page and what is in it; a barrier of 13 is none.
fn layout(kind: Kind) -> Option<u64> {
    match kind {
        Kind::Barrier { parties: 13 } => None,
        kind => Some(4096 + sandhog_spec::objects::data_bytes(kind)),
    }
}

fn book() -> Book {
    Book::new(layout, MEMORY)
}

fn who(attempt: &str) -> Arc<Who> {
    Arc::new(Who { attempt: attempt.into(), job: format!("job-{attempt}"), instance: 0 })
}

fn named(name: &str, kind: Kind) -> Wanted {
    Wanted::Named { name: name.into(), kind, rights: all_rights(kind) }
}

fn enter(book: &mut Book, attempt: &str, wanted: Wanted) -> Result<Entered, Refused> {
    book.enter(&who(attempt), wanted, Duration::ZERO)
}

const NONE: Quota = Quota { part: 0, most: 0 };

const DONE: Verdict = Verdict::Completed { code: 0 };

fn ended(book: &mut Book, attempt: &str) -> Gone {
    book.ended(attempt, &DONE, 0)
}

#[test]
fn the_first_one_makes_it_and_each_member_is_told_of_its_page_once() {
    let mut book = book();
    let first = enter(&mut book, "a", named("x", Kind::Lock)).unwrap();
    assert_eq!((first.new_bytes, first.is_new_member, first.is_made), (Some(4096), true, false));
    book.made(first.object);
    let second = enter(&mut book, "b", named("x", Kind::Lock)).unwrap();
    assert_eq!((second.object, second.new_bytes, second.is_made), (first.object, None, true));
    assert_ne!(first.member, second.member);
    assert!(book.give("a", first.object).unwrap().page);
    assert!(!book.give("a", first.object).unwrap().page);
    assert!(!enter(&mut book, "a", named("y", Kind::Event)).unwrap().is_new_member);
    assert!(book.give("b", first.object).unwrap().page);
}

#[test]
fn an_object_is_gone_with_its_last_user_and_never_before() {
    let mut book = book();
    let object = enter(&mut book, "a", named("x", Kind::Lock)).unwrap().object;
    enter(&mut book, "b", named("x", Kind::Lock)).unwrap();
    assert!(ended(&mut book, "a").forgotten.is_empty());
    assert_eq!(book.leave("b", object).unwrap().forgotten, [object]);
    let again = enter(&mut book, "b", named("x", Kind::Lock)).unwrap().object;
    assert_ne!(again, object, "a number is never used again");
    assert_eq!(ended(&mut book, "b").forgotten, [again]);
    assert_eq!(book.memory, 0);
}

#[test]
fn a_name_that_is_kept_keeps_its_object() {
    let mut book = book();
    assert!(book.keep([("x".to_owned(), Kind::Lock)].into()).forgotten.is_empty());
    let object = enter(&mut book, "a", named("x", Kind::Lock)).unwrap().object;
    assert!(ended(&mut book, "a").forgotten.is_empty());
    assert_eq!(enter(&mut book, "b", named("x", Kind::Lock)).unwrap().object, object);
    assert!(book.keep(BTreeMap::new()).forgotten.is_empty());
    assert_eq!(ended(&mut book, "b").forgotten, [object]);
}

/// As where an operator has changed a manifest: else nobody could have it as it is granted now, until all jobs are down.
#[test]
fn a_name_that_is_of_another_kind_now_keeps_nothing() {
    let mut book = book();
    let _ = book.keep([("x".to_owned(), Kind::Lock)].into());
    let object = enter(&mut book, "a", named("x", Kind::Lock)).unwrap().object;
    assert!(book.keep([("x".to_owned(), Kind::Event)].into()).forgotten.is_empty(), "it is used");
    assert_eq!(ended(&mut book, "a").forgotten, [object]);
    let object = enter(&mut book, "b", named("x", Kind::Event)).unwrap().object;
    assert!(ended(&mut book, "b").forgotten.is_empty());
    assert_eq!(book.keep([("x".to_owned(), Kind::Lock)].into()).forgotten, [object]);
}

#[test]
fn what_a_name_is_stays_while_somebody_uses_it() {
    let mut book = book();
    enter(&mut book, "a", named("x", Kind::Lock)).unwrap();
    let refused = enter(&mut book, "b", named("x", Kind::Event)).unwrap_err();
    assert!(
        matches!(&refused, Refused::Invalid(text) if text.contains("lock") && text.contains("event")),
        "{refused:?}"
    );
    let _ = ended(&mut book, "a");
    assert!(enter(&mut book, "b", named("x", Kind::Event)).is_ok());
}

#[test]
fn memory_is_counted_before_anything_is_made_and_comes_back() {
    let mut book = book();
    let memory = |bytes| Kind::Memory { bytes };
    enter(&mut book, "a", named("x", memory(MEMORY - 8192))).unwrap();
    let refused = enter(&mut book, "a", named("y", memory(1))).unwrap_err();
    assert_eq!(refused, Refused::Quota("the object takes 8KiB, and 4KiB of 1MiB are left (--objects-memory)".into()));
    assert!(enter(&mut book, "a", named("z", Kind::Lock)).is_ok());
    assert!(matches!(enter(&mut book, "b", named("y", memory(u64::MAX - 4096))), Err(Refused::Quota(_))));
    let _ = ended(&mut book, "a");
    assert!(enter(&mut book, "b", named("y", memory(1))).is_ok());
    assert!(matches!(enter(&mut book, "b", named("w", Kind::Barrier { parties: 13 })), Err(Refused::Invalid(_))));
}

#[test]
fn a_group_has_so_many_objects_and_an_attempt_so_many_without_a_name() {
    let mut book = Book::new(layout, u64::MAX);
    let new = |most| Wanted::New { kind: Kind::Lock, most };
    assert!(matches!(enter(&mut book, "a", new(0)), Err(Refused::Quota(_))));
    let first = enter(&mut book, "a", new(2)).unwrap().object;
    enter(&mut book, "a", new(2)).unwrap();
    assert_eq!(
        enter(&mut book, "a", new(2)),
        Err(Refused::Quota("2 objects without a name are the most (--max-objects)".into()))
    );
    assert_eq!(book.leave("a", first).unwrap().forgotten, [first]);
    assert!(enter(&mut book, "a", new(2)).is_ok());
    for number in 2..OBJECTS {
        enter(&mut book, "b", named(&format!("o{number}"), Kind::Lock)).unwrap();
    }
    assert!(matches!(enter(&mut book, "b", named("more", Kind::Lock)), Err(Refused::Quota(_))));
    assert!(enter(&mut book, "c", named("o7", Kind::Lock)).is_ok(), "one that is there");
}

#[test]
fn a_child_gets_what_its_parent_has_and_no_more() {
    let mut book = book();
    let queue = Kind::Queue { items: 1, bytes: 10 };
    let put = Wanted::Named { name: "q".into(), kind: queue, rights: [Right::Put].into() };
    let object = enter(&mut book, "p", put).unwrap().object;
    let asked = |object, rights: &[Right]| {
        let rights = rights.iter().copied().collect();
        [ChildObject { name: "tasks".into(), object, rights }]
    };
    assert!(matches!(book.hand("p", "c", &asked(object, &[Right::Put, Right::Get]), NONE), Err(Refused::Denied(_))));
    assert!(matches!(book.hand("p", "c", &asked(object, &[]), NONE), Err(Refused::Denied(_))));
    assert!(matches!(book.hand("other", "c", &asked(object, &[Right::Put]), NONE), Err(Refused::NotFound(_))));
    assert!(matches!(book.hand("p", "c", &asked(ObjectId(7), &[Right::Put]), NONE), Err(Refused::NotFound(_))));
    let twice = [asked(object, &[Right::Put]), asked(object, &[Right::Put])].concat();
    assert!(matches!(book.hand("p", "c", &twice, NONE), Err(Refused::Invalid(_))));
    let handed = book.hand("p", "c", &asked(object, &[Right::Put]), NONE).unwrap();
    assert_eq!((handed[0].object, handed[0].kind), (object, queue));
    // The child uses it from the moment at which it was handed over, whatever becomes of its parent.
    assert!(ended(&mut book, "p").forgotten.is_empty());
    assert!(matches!(enter(&mut book, "x", Wanted::Handed { object }), Err(Refused::NotFound(_))));
    enter(&mut book, "c", Wanted::Handed { object }).unwrap();
    assert_eq!(book.give("c", object).unwrap().rights, [Right::Put].into());
    assert!(book.leave("c", object).unwrap().forgotten.is_empty(), "it may attach it again");
    assert_eq!(ended(&mut book, "c").forgotten, [object]);
}

#[test]
fn a_seat_is_free_once_it_is_recovered_and_the_dead_are_remembered() {
    let mut book = book();
    let entered = enter(&mut book, "a", named("x", Kind::Lock)).unwrap();
    enter(&mut book, "b", named("x", Kind::Lock)).unwrap();
    assert_eq!(
        book.recovered(entered.member, true),
        Err(Breach("the recovery of seat 0, whose member has not died".into()))
    );
    assert_eq!(ended(&mut book, "a").died, Some(entered.member));
    assert_eq!(book.dead(entered.member).unwrap().attempt, "a");
    let another = enter(&mut book, "c", named("x", Kind::Lock)).unwrap().member;
    assert_ne!(another.seat, entered.member.seat);
    assert_eq!(book.recovered(entered.member, true), Ok(()));
    assert!(book.recovered(entered.member, true).is_err());
    assert_eq!(book.dead(entered.member).unwrap().verdict, DONE);
    let next = enter(&mut book, "d", named("x", Kind::Lock)).unwrap().member;
    assert_eq!((next.seat, next.generation), (entered.member.seat, entered.member.generation + 1));
    assert!(ended(&mut book, "a").died.is_none());
}

#[test]
fn whoever_held_nothing_is_forgotten_and_so_is_the_oldest() {
    let mut book = book();
    enter(&mut book, "stays", named("x", Kind::Lock)).unwrap();
    let mut members = Vec::new();
    for number in 0..=DEAD {
        let attempt = number.to_string();
        members.push(enter(&mut book, &attempt, named("x", Kind::Lock)).unwrap().member);
        let _ = ended(&mut book, &attempt);
        book.recovered(members[number], true).unwrap();
    }
    assert!(book.dead(members[0]).is_none());
    assert!(book.dead(members[1]).is_some());
    let member = enter(&mut book, "last", named("x", Kind::Lock)).unwrap().member;
    let _ = ended(&mut book, "last");
    book.recovered(member, false).unwrap();
    assert!(book.dead(member).is_none());
}

#[test]
fn an_end_of_a_pipe_is_for_one_attempt_at_a_time_and_needs_no_keeper() {
    let mut book = book();
    let end = |right| Wanted::Named { name: "p".into(), kind: Kind::Pipe, rights: [right].into() };
    let entered = enter(&mut book, "a", end(Right::First)).unwrap();
    assert_eq!((entered.new_bytes, entered.is_new_member, entered.is_made), (None, false, true));
    assert!(matches!(enter(&mut book, "b", end(Right::First)), Err(Refused::Quota(_))));
    assert!(enter(&mut book, "a", end(Right::First)).is_ok());
    enter(&mut book, "b", end(Right::Second)).unwrap();
    assert_eq!(book.entry(entered.object).unwrap().ends_of("b"), [End::Second].into());
    let asked = ChildObject { name: "p".into(), object: entered.object, rights: [Right::First].into() };
    assert!(matches!(book.hand("a", "c", &[asked], NONE), Err(Refused::Invalid(_))));
    let gone = ended(&mut book, "a");
    assert_eq!((gone.died, gone.forgotten), (None, Vec::new()));
    assert!(enter(&mut book, "c", end(Right::First)).is_ok());
    assert_eq!(ended(&mut book, "b").hung_up, [], "it is for the next one");
}

fn new_pipe(book: &mut Book, attempt: &str) -> ObjectId {
    let entered = enter(book, attempt, Wanted::New { kind: Kind::Pipe, most: 9 }).unwrap();
    assert_eq!((entered.new_bytes, entered.is_new_member, entered.is_made), (None, false, true));
    entered.object
}

fn end(object: ObjectId, name: &str, rights: &[Right]) -> ChildObject {
    ChildObject { name: name.into(), object, rights: rights.iter().copied().collect() }
}

#[test]
fn an_end_of_a_new_pipe_is_handed_on_once_and_is_closed_with_its_holder() {
    let mut book = book();
    let pipe = new_pipe(&mut book, "p");
    assert_eq!(book.give("p", pipe).unwrap().rights, [Right::First, Right::Second].into());
    let second = end(pipe, "talk", &[Right::Second]);
    book.hand("p", "c", std::slice::from_ref(&second), NONE).unwrap();
    // It is nobody's but the child's.
    assert!(matches!(book.hand("p", "d", std::slice::from_ref(&second), NONE), Err(Refused::Denied(_))));
    assert_eq!(book.hang_up("p", pipe, Right::Second), Ok(Gone::default()));
    assert!(matches!(enter(&mut book, "d", Wanted::Handed { object: pipe }), Err(Refused::NotFound(_))));
    enter(&mut book, "c", Wanted::Handed { object: pipe }).unwrap();
    assert_eq!(book.give("c", pipe).unwrap().rights, [Right::Second].into());
    // And goes on to a child of the child.
    book.hand("c", "g", &[second], NONE).unwrap();
    assert!(matches!(enter(&mut book, "c", Wanted::Handed { object: pipe }), Err(Refused::NotFound(_))));
    assert_eq!(ended(&mut book, "c").hung_up, []);
    assert_eq!(ended(&mut book, "g").hung_up, [(pipe, End::Second)]);
    let gone = book.hang_up("p", pipe, Right::First).unwrap();
    assert_eq!((gone.hung_up, gone.forgotten), (vec![(pipe, End::First)], vec![pipe]));
}

#[test]
fn what_is_no_end_of_its_own_nobody_hands_on() {
    let mut book = book();
    let (pipe, other) = (new_pipe(&mut book, "p"), new_pipe(&mut book, "x"));
    let first = end(pipe, "a", &[Right::First]);
    let mut refused = |objects: &[ChildObject]| book.hand("p", "c", objects, NONE).unwrap_err();
    // Both ends at once, one twice, no right, one of another kind, another one's.
    assert!(matches!(refused(&[end(pipe, "a", &[Right::First, Right::Second])]), Refused::Invalid(_)));
    assert!(matches!(refused(&[first.clone(), end(pipe, "b", &[Right::Second])]), Refused::Invalid(_)));
    assert!(matches!(refused(&[first.clone(), end(pipe, "b", &[Right::First])]), Refused::Invalid(_)));
    assert!(matches!(refused(&[end(pipe, "a", &[])]), Refused::Denied(_)));
    assert!(matches!(refused(&[end(pipe, "a", &[Right::Use])]), Refused::Denied(_)));
    assert!(matches!(refused(&[end(other, "a", &[Right::First])]), Refused::NotFound(_)));
    assert!(matches!(refused(&[first.clone(), end(other, "b", &[Right::First])]), Refused::NotFound(_)));
    assert_eq!(book.entry(pipe).unwrap().ends_of("p"), [End::First, End::Second].into(), "nothing has changed");
    assert_eq!(book.hang_up("p", other, Right::First), Ok(Gone::default()));
    assert_eq!(book.hang_up("p", pipe, Right::Use), Ok(Gone::default()));
    assert!(book.hang_up("p", ObjectId(3), Right::First).is_err());
}

#[test]
fn an_end_for_a_child_that_was_not_started_is_its_parents_again() {
    let mut book = book();
    let pipe = new_pipe(&mut book, "p");
    let both = [end(pipe, "talk", &[Right::Second])];
    assert!(book.hand("p", "c", &both, Quota { part: 2, most: 9 }).is_ok());
    assert_eq!(book.not_started("p", "c"), Gone::default());
    assert_eq!(book.entry(pipe).unwrap().ends_of("p"), [End::First, End::Second].into());
    assert!(book.hand("p", "d", &both, Quota { part: 8, most: 9 }).is_ok());
    let _ = ended(&mut book, "p");
    assert_eq!(book.not_started("p", "nobody"), Gone::default());
    assert_eq!(ended(&mut book, "d").forgotten, [pipe]);
}

#[test]
fn what_a_child_may_make_is_its_parents_less_until_it_has_ended() {
    let mut book = book();
    let new = |most| Wanted::New { kind: Kind::Lock, most };
    let part = |part, most| Quota { part, most };
    enter(&mut book, "p", new(5)).unwrap();
    assert!(matches!(book.hand("p", "c", &[], part(5, 5)), Err(Refused::Quota(_))), "it has made one itself");
    assert!(matches!(book.hand("p", "c", &[], part(u32::MAX, 5)), Err(Refused::Quota(_))));
    book.hand("p", "c", &[], part(3, 5)).unwrap();
    assert!(matches!(book.hand("p", "d", &[], part(2, 5)), Err(Refused::Quota(_))));
    enter(&mut book, "p", new(5)).unwrap();
    assert!(matches!(enter(&mut book, "p", new(5)), Err(Refused::Quota(_))));
    // A child of the child has of the child's.
    book.hand("c", "g", &[], part(1, 3)).unwrap();
    let left = enter(&mut book, "c", new(3)).unwrap().object;
    enter(&mut book, "c", new(3)).unwrap();
    assert!(matches!(enter(&mut book, "c", new(3)), Err(Refused::Quota(_))));
    enter(&mut book, "g", new(1)).unwrap();
    // What somebody else still uses counts as the parent's when its maker has ended; so does what the child of the child has.
    let asked = ChildObject { name: "l".into(), object: left, rights: [Right::Use].into() };
    book.hand("c", "other", &[asked], NONE).unwrap();
    let _ = ended(&mut book, "c");
    enter(&mut book, "p", new(5)).unwrap();
    assert!(matches!(enter(&mut book, "p", new(5)), Err(Refused::Quota(_))));
    let _ = ended(&mut book, "other");
    let _ = ended(&mut book, "g");
    enter(&mut book, "p", new(5)).unwrap();
    enter(&mut book, "p", new(5)).unwrap();
    assert!(matches!(enter(&mut book, "p", new(5)), Err(Refused::Quota(_))));
}

#[test]
fn a_number_that_was_never_given_is_a_breach_and_one_that_is_gone_is_none() {
    let mut book = book();
    let object = enter(&mut book, "a", named("x", Kind::Value { element: Element::I8 })).unwrap().object;
    assert!(book.leave("b", object).unwrap().forgotten.is_empty());
    assert_eq!(book.leave("a", object).unwrap().forgotten, [object]);
    assert_eq!(book.leave("a", object), Ok(Gone::default()));
    for number in [0, object.0 + 1, u64::MAX] {
        assert!(book.leave("a", ObjectId(number)).is_err());
    }
}

/// Attempts, objects and ends in a random order: whatever is used is there, whatever is not is gone, and all is counted.
#[test]
fn whatever_happens_in_whatever_order_what_is_used_is_there_and_nothing_else() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut chance = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 8) % below
    };
    let (mut book, mut handed) = (book(), 0);
    for _ in 0..200_000 {
        let attempt = format!("a{}", chance(12));
        // One of the last, of which some are there.
        let last = book.last.0.max(1);
        let object = ObjectId(last.saturating_sub(chance(60)).max(1));
        match chance(10) {
            0..=3 => drop(enter(&mut book, &attempt, named(&format!("n{}", chance(5)), Kind::Lock))),
            4 => {
                let kind = if chance(2) == 0 { Kind::Event } else { Kind::Pipe };
                drop(enter(&mut book, &attempt, Wanted::New { kind, most: 3 }));
            }
            5 | 6 => drop(book.leave(&attempt, object).unwrap_or_default()),
            7 => {
                let right = [Right::Use, Right::First, Right::Second][chance(3) as usize];
                let asked = ChildObject { name: "x".into(), object, rights: [right].into() };
                let child = format!("a{}", chance(12));
                if book.hand(&attempt, &child, &[asked], NONE).is_ok() && chance(3) == 0 {
                    drop(book.not_started(&attempt, &child));
                }
                drop(book.hang_up(&attempt, object, right).unwrap_or_default());
            }
            8 => drop(ended(&mut book, &attempt)),
            _ => {
                let dying = book.dying().next();
                dying.into_iter().for_each(|member| book.recovered(member, chance(2) == 0).unwrap());
            }
        }
        assert!(book.objects.values().all(|entry| !entry.uses.is_empty()));
        let pipes = book.objects.values().filter(|entry| entry.kind == Kind::Pipe);
        handed += pipes.clone().filter(|entry| entry.ends_of(&attempt).len() == 1).count();
        assert!(
            { pipes }.all(|entry| entry.uses.iter().all(|(user, of)| entry.ends_of(user).len() == of.rights.len()))
        );
        assert_eq!(book.memory, book.objects.values().map(|entry| entry.bytes).sum::<u64>());
        assert!(book.names.iter().all(|(name, object)| book.objects[object].name.as_ref() == Some(name)));
        let seats: Vec<_> = book
            .members
            .values()
            .map(|account| account.member.seat)
            .chain(book.dying().map(|member| member.seat))
            .collect();
        assert_eq!(seats.iter().collect::<BTreeSet<_>>().len(), seats.len(), "two on one seat");
        assert!(seats.iter().all(|seat| *seat < 4096) && book.objects.len() < 60);
    }
    assert!(handed > 1000, "{handed}");
}
